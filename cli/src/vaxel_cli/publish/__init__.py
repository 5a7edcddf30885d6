"""Policy and roster reach the router through the log: this publishes ``config/`` when it changed.

``publications`` says what a deployment should have published (pure), ``ledger`` remembers what
was, ``publisher`` sends the difference, ``watch`` notices that a file was saved.
"""
