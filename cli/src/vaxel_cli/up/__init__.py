"""``vaxel up``: the whole system on one machine, each service its own process.

``system`` says what happens in which order; ``supervise`` keeps one process alive; ``account`` is
what a person sees; ``ports``, ``lock``, ``born`` and ``logs`` are the small checks around it.
"""
