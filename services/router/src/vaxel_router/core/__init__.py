"""The pure router: state, inputs and a time in, decisions out. No clock, no I/O, no chance.

Read :mod:`engine` first (one batch), then :mod:`apply` (the only mutation), then a handler.
"""
