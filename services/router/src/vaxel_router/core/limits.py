"""Every limit of the core, with its reason."""

from __future__ import annotations

DECISIONS_MAX = 500
"""Decisions a batch: bounds the time a batch holds the partition and the size of its record."""

BATCH_BYTES_MAX = 400_000
"""Encoded decisions a batch: below half of the topic's max.message.bytes with room for the rest."""

REJECTIONS_MAX = 50
"""Candidates named one by one in a decision; with more, only the nearest five are."""

REJECTIONS_NEAREST = 5

MEMORY_DAYS = 8
"""How long command ids are remembered: past every provider's retries (SendGrid 3 d, mail 5 d)."""

MEMORY_IDS_MAX = 4_000_000
"""Remembered ids in all; beyond it the oldest day goes first (8 bytes each in a snapshot)."""

OFFERS_PER_WORK_MAX = 1_000
"""Attempts before a work waits for a person: a work nobody takes must not spin."""

ESCALATIONS_MAX = 6
"""Escalations a work, then it stays where it is."""

CLOSED_LINKS_MAX = 200_000
"""Conversations whose closed case is still known, so that a later contact links to it."""

CONVERSATIONS_PER_CASE_MAX = 50
"""More would let one sender grow one case without bound."""

DAY_MS = 86_400_000
"""Milliseconds in a day."""
