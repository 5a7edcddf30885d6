"""Policy as code: what is wrong with one, what it would do, and what another would have done."""
