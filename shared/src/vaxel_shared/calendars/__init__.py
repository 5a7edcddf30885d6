"""Business time: when a calendar is open, and how long open time takes. Pure, exact, no clock.

``hours`` reads opening hours, ``zones`` time zones, ``holidays`` days off; ``calendar`` puts them
together and ``arithmetic`` counts. ADR 0006 states the conventions on which systems disagree.
"""
