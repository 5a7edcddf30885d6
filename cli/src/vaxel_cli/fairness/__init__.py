"""How evenly work, hard work and idle time are shared out, from the decisions alone."""
