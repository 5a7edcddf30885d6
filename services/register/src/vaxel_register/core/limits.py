"""Every limit of the register, with its reason."""

from __future__ import annotations

COMMAND_WAIT_MS = 2_000
"""How long a write waits for its decision: a person can wait so long before a spinner annoys."""

LIVE_TIMEOUT_MS = 1_000
"""How long the router may take over a live read: it answers from memory."""

PAGE_DEFAULT = 50
PAGE_MAX = 200
"""Cases a page: what a screen can show, and what one query should cost."""

QUERY_CHARS_MAX = 200
"""A search longer than this is a paste by mistake."""

QUERY_WORDS_MAX = 8
"""Each word is one more condition on every row."""

SEARCH_CHARS_MAX = 16_384
"""So much of a message is searched: what people remember stands at its beginning."""

REPLY_CHARS_MAX = 200_000
"""An answer of about a hundred pages; longer ones belong into an attachment."""

NOTE_CHARS_MAX = 20_000
"""A note is read by the next person in passing."""

IDEMPOTENCY_CHARS_MAX = 200
"""A key is a UUID or a short name."""

TIMELINE_ENTRIES_MAX = 2_000
"""Entries of one timeline in one answer, the newest ones: bounds the size of the answer.

Works and offers of a case are bounded by the same number.
"""

INBOX_MAX = 200
"""Offers, and works, in one inbox: far beyond what one person can hold."""

TEXT_FETCHES_MAX = 16
"""Blobs read side by side for one answer: bounds open files."""

DEADLETTERS_MAX = 500
"""Dead letters in one answer; more than these want `vaxel dlq`."""

RATE_PER_S = 100
"""Requests a second and subject that are sustained: a console polls with about two."""

RATE_BURST = 300
"""Requests at once: a console that opens loads some dozens."""

REFUSED_RATE_PER_S = 10
"""Requests a second and peer without a valid token: nobody guesses 128 bits, but each costs us."""

BUCKETS_MAX = 10_000
"""Subjects remembered by the rate limit; the one unseen for longest is forgotten first."""

DIRECTORIES_MAX = 64
"""Rosters and policies kept decoded: one of each a pool, with room for the version before."""

READ_RETRIES_MAX = 60
"""Failures in a row before a reader gives up and the process restarts clean."""

READ_PAUSE_MS_MAX = 5_000
"""The longest pause between two of them."""

CHECK_MS = 5_000
"""How often an idle reader asks whether it really is at the log's end."""

STALL_MS_MAX = 60_000
"""Unread records for so long without one arriving: the client is stuck, and a restart mends it."""

LOGIN_KEY_MS = 15 * 60_000
"""A printed link is opened now or not at all; `vaxel login` prints another."""

SESSION_MS = 12 * 3_600_000
"""A browser is let in for a working day."""

SESSIONS_MAX = 1_000
"""Browsers let in at once; the ones that expire first make room."""

STREAMS_MAX = 200
"""Consoles that are told of changes at once, over all people."""

STREAMS_PER_SUBJECT_MAX = 12
"""The same for one person: a dozen open tabs."""

STREAM_QUEUE_MAX = 512
"""Events that wait for one console; who is slower is cut off, and catches up when it comes back."""

STREAM_WRITE_MS_MAX = 10_000
"""How long one write to a console may take before it counts as gone."""

STREAM_BEAT_MS = 15_000
"""How often a quiet stream says that it lives; each time, whoever reads it is let in again."""

FEED_KEPT_MAX = 20_000
"""Changes kept for consoles that come back; older ones are told to load everything again."""

FEED_PAGE = 500
"""Changes read from the database at once."""

FEED_LOOK_MS = 1_000
"""How often the database is asked for changes that another instance stored."""

SLA_ITEMS_MAX = 200
"""Clocks in one answer: more cases at risk than these want more people, not a longer list."""

DEMO_TIMEOUT_MS = 10_000
"""How long sending an example may take."""
