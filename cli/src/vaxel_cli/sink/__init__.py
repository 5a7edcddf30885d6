"""A local mailbox: takes the mail that the example deployment sends, and shows it.

``python -m vaxel_cli.sink``. SMTP on the port ``sink-smtp``, a page and a JSON API on ``sink``.
It is for trying the system on one machine: it accepts every address and asks nobody who they are.
"""
