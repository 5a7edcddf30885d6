"""The life of an effect: what may follow what, and when it is tried again.

    pending ─► sending ─► sent | failed        (final: reported, then done)
       ▲          │
       └── later ─┤                            the relay said so, or could not be reached
                  └─► unknown ─► sending …     nobody knows whether it arrived: again, same id
    pending, unknown ─► dropped                what it announces has ended

``sending`` is written before acting and names the run; a run that finds another's ``sending``
knows only that it may have happened. A repeat has the same Message-ID or webhook-id, so the far
side can tell, and its result says ``possible_duplicate``; on our own log the first record of an id
wins, and a repeat is nothing to speak of.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["offer", "reply", "notice", "assigned", "ended", "relay"]
State = Literal["pending", "sending", "sent", "failed", "unknown", "dropped"]

PAUSE_MS_MIN = 1_000
PAUSE_MS_MAX = 300_000
GIVE_UP_MS: dict[Kind, int] = {
    "offer": 86_400_000,  # its own expiry comes first; the policy allows no longer offer
    "reply": 172_800_000,  # two days: long enough for a relay's weekend, short enough to notice
    "notice": 14_400_000,  # a later "we have your message" only confuses
    "assigned": 86_400_000,  # news of a day ago is no news
    "ended": 86_400_000,
    "relay": 2_592_000_000,  # as long as logs are kept: a case that is on its way is nowhere else
}
"""How long after the first attempt an effect is tried again."""

MISSING_PAUSE_MS_MIN = 100
MISSING_PAUSE_MS_MAX = 30_000

POSSIBLE_DUPLICATE = "possible_duplicate"

MAIL = "mail"
LOG = "log"
HOOK = "hook:"
"""What carries an effect out: the mail relay, our own log, or ``hook:<name>``, a webhook."""

CRASHES_MAX = 3
"""So many runs may end without warning over an effect; then it is taken for a defect of ours."""

CRASHES_ALONE = CRASHES_MAX - 1
"""From so many on it is tried by itself, so that no other is blamed for it."""

DEFECT = "defect"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """A row of the outbox. Effects of one ``lane`` are done one at a time, in log order."""

    effect_id: str
    kind: Kind
    pool: str
    case_id: str
    lane: str
    carrier: str = MAIL
    state: State = "pending"
    attempt: int = 0
    repeats: int = 0
    """How often its outcome was lost: above 0 it may have been sent already."""
    crashes: int = 0
    """How many runs ended without warning while they were at it."""
    made_ms: int = 0
    first_ms: int | None = None
    missing_since_ms: int | None = None
    finished_ms: int | None = None
    final: bool = False
    code: str | None = None
    offer_id: str | None = None
    agent_id: str | None = None
    outbound: str | None = None
    """JSON of the interaction to append once it is sent."""
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an attempt came to: ``done``, ``refused`` for good, ``later``, or ``lost``."""

    verdict: Literal["done", "refused", "later", "lost"]
    code: str | None = None
    trouble: bool = False
    """Whether everything else to the same target would have met the same."""
    wait_ms: int | None = None
    """How long the target asked to be left alone."""


@dataclass(frozen=True, slots=True)
class Next:
    """What is written after an attempt; ``at_ms`` is when to try again, unless ``final``."""

    state: State
    final: bool
    code: str | None
    at_ms: int
    repeats: int


def pause_ms(attempt: int) -> int:
    """The pause after the ``attempt``-th attempt: doubling, bounded."""
    assert attempt >= 1, "a pause follows an attempt"
    return min(PAUSE_MS_MAX, PAUSE_MS_MIN << min(attempt - 1, 20))


def after(effect: Effect, outcome: Outcome, now_ms: int) -> Next:
    """What becomes of an effect that is ``sending`` once its attempt came to ``outcome``."""
    assert effect.state == "sending", "only an attempt has an outcome"
    again_ms = now_ms + pause_ms(max(1, effect.attempt))
    first_ms = effect.first_ms if effect.first_ms is not None else now_ms
    spent = now_ms - first_ms >= GIVE_UP_MS[effect.kind]
    # Once lost, "not this time" no longer means "never": only unknown is true.
    negative: State = "unknown" if effect.repeats else "failed"
    if outcome.verdict == "done":
        twice = effect.repeats > 0 and effect.carrier != LOG
        code = POSSIBLE_DUPLICATE if twice else outcome.code
        return Next("sent", True, code, now_ms, effect.repeats)
    if outcome.verdict == "refused":
        return Next(negative, True, outcome.code, now_ms, effect.repeats)
    if outcome.verdict == "later":
        waiting: State = "unknown" if effect.repeats else "pending"
        state = negative if spent else waiting
        return Next(state, spent, outcome.code, again_ms, effect.repeats)
    return Next("unknown", spent, outcome.code, again_ms, effect.repeats + 1)


def withheld(effect: Effect, code: str, now_ms: int) -> Next:
    """What becomes of an effect that must not be attempted (again)."""
    assert effect.state in {"pending", "unknown"}, "an attempt is judged by its outcome"
    return Next("unknown" if effect.repeats else "failed", True, code, now_ms, effect.repeats)


def missing_pause_ms(since_ms: int, now_ms: int) -> int:
    """When to look again for what isn't there yet: after as long as it was missing, bounded."""
    return min(MISSING_PAUSE_MS_MAX, max(MISSING_PAUSE_MS_MIN, now_ms - since_ms))


def lane_of(kind: Kind, conversation: str, target: str) -> str:
    """Effects with the same lane never overlap: ``target`` is an agent, or ``customer``."""
    return f"{'offer' if kind == 'offer' else 'mail'}|{conversation}|{target}"


def hook_lane(name: str, case_id: str) -> str:
    """A webhook hears of a case in the order of the log."""
    return f"{HOOK}{name}|{case_id}"
