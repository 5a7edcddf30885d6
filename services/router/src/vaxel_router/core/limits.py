"""Every limit of the core, with its reason."""

from __future__ import annotations

DECISIONS_MAX = 500
"""Decisions a batch: bounds the time a batch holds the partition and the size of its record."""

BATCH_BYTES_MAX = 400_000
"""Encoded decisions a batch: below half of the topic's max.message.bytes with room for the rest."""

BODY_BYTES_MAX = 900_000
"""What one input may bring a record to: below the chain's own limit. Beyond it, it is set aside."""

INPUT_BYTES_MAX = 64 * 1024
"""A command, but for a roster: its facts are repeated in several decisions of one record."""

INTEGER_MAX = 2**53
"""Integers that every JSON reader has exactly, and that sums of two can't carry out of 64 bits."""

STRING_MAX = 1024
"""Characters of an id, a code, a key or a reference; longer ones would be texts."""

COLLECTION_MAX = 512
"""Skills, labels and the like of one contact or agent."""

DEPTH_MAX = 12
"""Levels of nesting; the contract needs four."""

LANGUAGES_MAX = 20
"""Languages of a contact: each candidate who speaks none of them has them in the reasons."""

TAG_MAX = 35
"""Characters of a language tag (RFC 5646, section 4.4.1)."""

TIERS_MAX = 100
"""Tiers of a step: each candidate outside them has them in the reasons."""

AGENT_ID_MAX = 64
"""Characters of an agent's id: they stand in every list of reasons."""

CAPACITY_MAX = 1_000
"""An agent's capacity, cost and number of works: as in the configuration."""

REJECTIONS_MAX = 50
"""Candidates named one by one in a decision; with more, only the nearest five are."""

REJECTIONS_NEAREST = 5

HOPS_MAX = 6
"""How often a contact is passed on from pool to pool before it is taken where it is."""

CHILDREN_MAX = 5
"""Questions about one case that are open at once: more is a meeting."""

ASKED_MAX = 30
"""Questions about one case in all: a tool that asks in a circle must not fill the queues."""

ASKED_DEPTH_MAX = 3
"""Whoever is asked may ask on, so deep."""

MEMORY_DAYS = 8
"""How long command ids are remembered, in days on which anything was applied: past every
provider's retries (SendGrid 3 d, mail 5 d), and past an outage of any length."""

MEMORY_IDS_MAX = 4_000_000
"""Remembered ids in all; beyond it the oldest day goes first (11 bytes each in a snapshot)."""

OFFERS_PER_WORK_MAX = 1_000
"""Attempts before a work waits for a person: a work nobody takes must not spin."""

WINDOW_MS_MAX = 60_000
"""The longest that matchable work is collected: so much longer may a customer wait for it."""

LOOKS_MAX = 300_000
"""Steps of one search for the best matching (below a second): beyond it, one by one."""

SHARE_MS_MAX = 31 * 86_400_000
"""The longest time in which an agent's share of work is counted."""

OCCUPANCY_MS_MIN, OCCUPANCY_MS_MAX = 60_000, 86_400_000
"""The window of an agent's occupancy: less is a pause after each work, more is a share."""

QUEUE_ORDER_MAX = 50
"""So many queues may stand in an agent's own order."""

SPANS_MAX = 100
"""Spans of work that are told apart within it: they stand in every snapshot."""

BROADCAST_MAX = 50
"""Agents who are shown a work at once: each offer holds capacity and is a message to somebody."""

STAND_INS_MAX = 5
"""How far it goes from an agent to the backup, to the backup's backup and so on."""

AWAY_MS_MIN = 10_000
"""A timer that fires so much later than it was due was held up by more than a restart."""

RETRY_MS_MAX = 30 * 86_400_000
"""How far ahead a decline may say to be asked again: by then somebody else should have it."""

ESCALATIONS_MAX = 6
"""Escalations a work, then it stays where it is."""

SWITCH_MS_MAX = 31 * 86_400_000
"""The longest that a switch is on: what lasts longer is a policy."""

SUSPEND_MS_MAX = 366 * 86_400_000
"""The longest that work is suspended, or begins in the future."""

ELSEWHERE_MS_MAX = 86_400_000
"""The longest that what a tool says of an agent counts without being said again."""

ELSEWHERE_MAX = 100
"""Works that an agent may have in one tool: each stands in the matcher."""

SOURCES_MAX = 10
"""Tools that may speak of one agent at a time."""

DRIFT_MAX = 50
"""Differences that are told at once: what is left is told when the tool speaks again."""

HANDLERS_MAX = 50
"""Who had a complaint, and is kept from its next stage: more than ever have one."""

STAGES_MAX = 5
"""Stages of a complaint."""

MERGED_MAX = 20
"""Cases that went into one: they are closed together, in one record."""

MOVES_MAX = 6
"""Queues that waiting moves a work to, then it stays where it is."""

DETOURS_MAX = 10
"""Queues that work is sent on through before it waits where it is."""

CLOSED_LINKS_MAX = 200_000
"""Conversations whose closed case is still known, so that a later contact links to it."""

CONVERSATIONS_PER_CASE_MAX = 50
"""More would let one sender grow one case without bound."""

DAY_MS = 86_400_000
"""Milliseconds in a day."""
