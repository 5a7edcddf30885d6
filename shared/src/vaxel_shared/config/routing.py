"""``routing.yaml``: queues, their steps, offers, and the rules that choose a queue.

``Routing`` is what a user writes. ``pool_policy`` gives the canonical JSON of one pool's part:
that blob is the policy, its sha256 the policy's version, and the router reads nothing else.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from vaxel_shared import needs
from vaxel_shared.config.base import ConfigModel, Duration, LanguageTag, Located

Level = int
AgentId = str
Choice = Literal["longest_idle", "round_robin", "least_loaded", "most_loaded"]


def _expression(text: str) -> str:
    return needs.written(text) if text else text


Needs = Annotated[str, AfterValidator(_expression)]
"""An expression over skills; empty: none."""
Weight = Annotated[int, Field(ge=-1000, le=1000)]
AfterReply = Literal["open", "waiting", "resolved"]
AwayMode = Literal["keep", "keep_no_new", "return_work"]
LeaseTime = Annotated[Duration, Field(ge=1_000, le=90 * 86_400_000)]


class Step(Located):
    """From ``after`` on (counted from when the work first waited), these tiers may take it."""

    after_ms: Duration = Field(alias="after")
    tiers: list[int] = Field(min_length=1)
    skills: dict[str, Level] | None = None
    """The skills required at this step; left out, the queue's and the contact's."""
    at_most: dict[str, Level] | None = None
    """The highest levels at this step; left out, the queue's."""
    needs: Needs | None = None
    """The expression that must hold at this step; left out, the queue's; empty: none."""
    only: list[AgentId] | None = None
    """The agents who may take it at this step; left out, the queue's; empty: all."""
    prefer: dict[AgentId, Weight] | None = None
    """Who is preferred at this step; left out, as the queue says; empty: nobody."""
    skip_if_unstaffed: bool = False
    """Go on to the next step at once where nobody is there who could take the work at this one."""


class There(ConfigModel):
    """What must hold of the other queue before work goes there."""

    waiting_below: int | None = Field(default=None, ge=1)
    """Fewer than so many wait there."""
    expected_wait_below_ms: Duration | None = Field(default=None, alias="expected_wait_below")
    staffed: bool = False
    """Somebody is there who could take this work in that queue."""


class Overflow(Located):
    """From ``after`` on, work that nobody took goes to another queue, with its age."""

    to: str
    after_ms: Duration = Field(default=0, alias="after", ge=0)
    """Counted from when it first waited here; at 0 it doesn't even begin to."""
    every_ms: Duration | None = Field(default=None, alias="every", ge=1_000)
    """Where a condition doesn't hold then: how often it is looked at again."""
    expected_wait_ms: Duration | None = Field(default=None, alias="expected_wait", ge=1)
    """Only while new work here is expected to wait at least so long."""
    if_there: There | None = None
    """Only while the other queue is like this."""


class QueueHours(Located):
    """When a queue is open. Outside, its work waits and its steps rest, or it goes elsewhere."""

    calendar: str
    """One of ``sla.yaml``, by its name."""
    to: str | None = None
    """The queue that takes what comes, and what waits, while this one is closed."""


class QueueLimit(Located):
    """So much may wait. What comes then goes ``to`` another queue, or is refused with an answer."""

    waiting: int = Field(ge=1, le=1_000_000)
    to: str | None = None
    refuse: bool = False

    @model_validator(mode="after")
    def _one_way(self) -> QueueLimit:
        if (self.to is None) == (not self.refuse):
            raise ValueError("say where to (`to: QUEUE`), or `refuse: true`")
        return self


class LanguageFallback(ConfigModel):
    """When nobody took it in its own language for ``after``, these will do as well."""

    after_ms: Duration = Field(alias="after")
    to: list[LanguageTag] = Field(min_length=1)


Share = Annotated[int, Field(ge=1, le=100)]


class Promise(ConfigModel):
    """Within which time work is to be answered, and what it costs if it isn't."""

    within_ms: Duration = Field(alias="within", ge=0)
    cost: int = Field(default=1, ge=1, le=1000)
    """Work is served as if it were due in the time divided by this."""


class Order(ConfigModel):
    """Which of two waiting works goes first."""

    by: Literal["priority", "waiting", "promise"] = "priority"
    """The higher priority, then the longer wait; the longer wait, with what a priority is worth; or
    the earlier due, with that."""
    point_ms: Duration = Field(default=60_000, alias="point", ge=0)
    """What one point of priority is worth: as if it had waited so much longer."""
    at_most_ms: Duration = Field(default=14_400_000, alias="at_most", ge=0)
    """The most that a priority may be worth, so that nobody is passed for ever."""
    within_ms: Duration = Field(default=86_400_000, alias="within", ge=0)
    """What a queue promises that says nothing of its own."""


class Queue(Located):
    """Where work waits. Steps are cumulative; the first must start at 0s."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,63}$")
    skills: dict[str, Level] = Field(default_factory=dict)
    priority: int = Field(default=0, ge=-1000, le=1000)
    steps: list[Step] = Field(min_length=1, max_length=20)
    language_fallback: LanguageFallback | None = None
    automatic: bool = False
    """For automatic mail: no clocks and no automatic answers."""
    at_most: dict[str, Level] = Field(default_factory=dict)
    """The highest level of a skill that an agent may have: so experts stay free."""
    lapse_ms: dict[str, Duration] = Field(default_factory=dict, alias="lapse")
    """A skill that isn't asked for any more once the work has waited so long."""
    wishes: dict[str, Weight] = Field(default_factory=dict)
    """What each level of a skill counts for whoever has it, among those who may take the work."""
    auto_accept: bool = False
    """Whoever it would be offered to has it at once: nobody is asked."""
    broadcast: int = Field(default=1, ge=1, le=50)
    """So many are offered a work at once: the first to accept has it."""
    cool_down_ms: Duration = Field(default=0, alias="cool_down", ge=0, le=86_400_000)
    """A pause for whoever has finished work of this queue, before anything new is offered."""
    needs: Needs = ""
    """Skills that must be there, as an expression: `billing >= 3 and (law or tax) and not new`."""
    only: list[AgentId] = Field(default_factory=list, max_length=100)
    """The agents who may take it; none: all."""
    without: list[AgentId] = Field(default_factory=list, max_length=100)
    """Agents who never get it."""
    prefer: dict[AgentId, Weight] = Field(default_factory=dict, max_length=100)
    """Agents who get it before others, those of the greatest number first."""
    choice: Choice = "longest_idle"
    """Whom of several who are equally good: whoever is idle or had no turn for longest, has the
    least or the most in hand (to fill some up and keep others free)."""
    promise: Promise | None = None
    """Within which time its work is to be answered, where the pool's order goes by promises."""
    shares: dict[str, Share] = Field(default_factory=dict)
    """Its new work goes to these queues instead, by percentage."""
    keep_rare_free: bool = False
    """Whether whoever could do less besides goes before whoever has rare skills or languages."""

    overflow: list[Overflow] = Field(default_factory=list, max_length=10)
    """Other queues that take what waits too long here; the first rule that holds."""
    limit: QueueLimit | None = None
    hours: QueueHours | None = None
    """Left out: open at any hour of any day."""

    @model_validator(mode="after")
    def _ordered(self) -> Queue:
        clocks = [step.after_ms for step in self.steps]
        if clocks[0] != 0:
            raise ValueError("the first step must have 'after: 0s'")
        if clocks != sorted(set(clocks)):
            raise ValueError("each step must start later than the one before it")
        if self.shares and sum(self.shares.values()) != 100:
            raise ValueError("the shares of a queue must add up to 100")
        return self


def detours(queue: Queue) -> list[tuple[tuple[str | int, ...], str]]:
    """Every queue that work of this one may be sent on to, with where that stands in it."""
    found: list[tuple[tuple[str | int, ...], str]] = [
        (("overflow", number, "to"), rule.to) for number, rule in enumerate(queue.overflow)
    ]
    if queue.limit is not None and queue.limit.to is not None:
        found.append((("limit", "to"), queue.limit.to))
    if queue.hours is not None and queue.hours.to is not None:
        found.append((("hours", "to"), queue.hours.to))
    return found + [(("shares", name), name) for name in queue.shares]


class OfferPolicy(ConfigModel):
    """How long an offer lasts, and what a decline or a miss leads to."""

    limit_ms: Duration = Field(default=600_000, alias="limit", ge=1_000, le=86_400_000)
    bar_after_decline_ms: Duration = Field(default=3_600_000, alias="bar_after_decline")
    bar_after_miss_ms: Duration = Field(default=600_000, alias="bar_after_miss")
    misses_before_away: int = Field(default=0, ge=0)
    """So many misses in a row set an agent away; 0: never."""
    bar_after_lapse_ms: Duration = Field(default=3_600_000, alias="bar_after_lapse")
    """How long whoever let a lease lapse isn't offered that work again."""


class PresenceName(ConfigModel):
    """What a presence of one's own name means to the router."""

    presence: Literal["available", "away", "offline"]
    mode: AwayMode = "keep"


class PresencePolicy(ConfigModel):
    """What becomes of agents whose connection breaks, and presences with names of one's own."""

    grace_ms: Duration = Field(default=60_000, alias="grace", ge=0, le=3_600_000)
    """So long nothing is taken from whoever lost the connection; 0s: no grace."""
    after_grace: AwayMode = "return_work"
    """What then becomes of the work in hand."""
    names: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")], PresenceName] = Field(
        default_factory=dict, max_length=50
    )
    """Like `lunch: {presence: away, mode: keep_no_new}`."""


class PoolLimits(ConfigModel):
    """So much a pool may hold. What comes beyond it is refused with an answer."""

    cases: int | None = Field(default=None, ge=1)
    """Cases that aren't closed yet, the resolved ones that may still be reopened included."""
    waiting: int | None = Field(default=None, ge=1)
    """Works that wait, in all queues together."""


class Match(ConfigModel):
    """Work and freed agents are collected, and matched together as well as they can be."""

    window_ms: Duration = Field(alias="window", ge=100, le=60_000)
    """For so long at most; as long as there is nothing to choose, not at all."""


class Quality(ConfigModel):
    """Of the cases that somebody resolved some are drawn, and somebody else looks at each."""

    percent: int = Field(ge=1, le=100)
    queue: str
    """Where they wait."""


class Complaints(ConfigModel):
    """Their stages, in order: each is a queue, and ends with an explanation to the customer."""

    stages: list[str] = Field(min_length=1, max_length=5)


class Pool(Located):
    """A closed set of queues and agents; no agent serves two."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,63}$")
    letter: str = Field(pattern=r"^[A-Z]$")
    """The first character of its case numbers."""
    reopen_within_ms: Duration = Field(default=14 * 86_400_000, alias="reopen_within")
    sticky_wait_ms: Duration = Field(default=3_600_000, alias="sticky_wait")
    """How long a reopened case waits for whoever answered last before others may have it."""
    wrap_up_ms: Duration = Field(default=0, alias="wrap_up")
    offer: OfferPolicy = Field(default_factory=OfferPolicy)
    lease_ms: dict[str, LeaseTime] = Field(default_factory=dict, alias="lease", max_length=50)
    """By channel: work that was assigned comes back unless its first reply is sent within this."""
    lease_hours: dict[str, str] = Field(default_factory=dict, max_length=50)
    """By channel: the calendar of sla.yaml whose open time its lease counts; left out, all time."""
    bounce_limit: int = Field(default=0, ge=0, le=100)
    """So often agents may hand a case's work on, or let it lapse; 0: as often as they like."""
    presence: PresencePolicy = Field(default_factory=PresencePolicy)
    after_reply: dict[str, AfterReply] = {"email": "waiting"}
    """What follows an answer by channel, where the agent doesn't say."""
    give_up_after_leaving: list[str] = Field(default_factory=list, max_length=50)
    """Channels on which what waits is over when its customer left, as in a live chat."""
    order: Order = Field(default_factory=Order)
    """Which of two waiting works goes first."""
    limits: PoolLimits | None = None
    match: Match | None = None
    """Left out, work is offered at once, one by one."""
    quality: Quality | None = None
    """Like `{percent: 5, queue: quality}`: the verdict comes back to the case as a note."""
    complaints: Complaints | None = None
    """Like `{stages: [complaints, reviews]}`: each stage is looked at by somebody new."""
    in_flight: Literal["new", "old", "next_step"] = "new"
    """Which rules hold for work that is there when this version is adopted: these at once, those it
    came under to its end, or those until it has waited to its next step."""
    queues: list[Queue] = Field(min_length=1)

    @model_validator(mode="after")
    def _unique(self) -> Pool:
        names = [queue.name for queue in self.queues]
        if len(names) != len(set(names)):
            raise ValueError("two queues have the same name; rename one")
        if self.quality is not None and self.quality.queue not in names:
            known = ", ".join(names)
            raise ValueError(f"quality names no queue: {self.quality.queue!r}; known are {known}")
        self._complaints(names)
        for channel in self.lease_hours.keys() - self.lease_ms.keys():
            raise ValueError(f"lease_hours names {channel!r}, which has no lease; give it one")
        divided = {queue.name for queue in self.queues if queue.shares}
        for queue in self.queues:
            if twice := sorted(divided & queue.shares.keys()):
                raise ValueError(f"a share of {queue.name!r} is {twice[0]!r}, which is divided too")
        return self

    def _complaints(self, names: list[str]) -> None:
        stages = self.complaints.stages if self.complaints is not None else []
        for stage in stages:
            if stage not in names:
                known = ", ".join(names)
                raise ValueError(f"complaints names no queue: {stage!r}; known are {known}")
        if len(stages) != len(set(stages)):
            raise ValueError("complaints names a stage twice; each has a queue of its own")


class RuleSet(ConfigModel):
    """What a matching rule sets."""

    queue: str | None = None
    priority: int | None = Field(default=None, ge=-1000, le=1000)
    skills: dict[str, Level] = Field(default_factory=dict)
    at_most: dict[str, Level] = Field(default_factory=dict)
    lapse_ms: dict[str, Duration] = Field(default_factory=dict, alias="lapse")
    wishes: dict[str, Weight] = Field(default_factory=dict)
    needs: Needs = ""
    labels: list[str] = Field(default_factory=list)


class Rule(Located):
    """A CEL expression over the interaction, and what it sets when it holds.

    Rules are tried in order and all that hold count: the first to set the queue or the priority
    wins; skills, limits, wishes and labels add up (the stricter wins). ``final`` ends the search.
    """

    id: str = Field(pattern=r"^[a-z][a-z0-9-]{0,63}$")
    when: str
    set: RuleSet
    final: bool = False


class Routing(ConfigModel):
    """The whole file."""

    pools: list[Pool] = Field(min_length=1)
    rules: list[Rule] = Field(default_factory=list, max_length=1000)

    @model_validator(mode="after")
    def _unique(self) -> Routing:
        for what, names in (
            ("pools", [pool.name for pool in self.pools]),
            ("pools' letters", [pool.letter for pool in self.pools]),
            ("rules", [rule.id for rule in self.rules]),
        ):
            if len(names) != len(set(names)):
                raise ValueError(f"two {what} are the same; rename one")
        return self

    def pool(self, name: str) -> Pool | None:
        """The pool of this name."""
        return next((pool for pool in self.pools if pool.name == name), None)


def pool_policy(
    pool: Pool, openings: Mapping[str, Any] | None = None, shifts: Collection[str] = ()
) -> bytes:
    """The canonical JSON of one pool: what is published, and what its version is the hash of.

    ``openings``: calendars by name as :func:`vaxel_shared.config.sla.opening` tells them; where one
    is left out, its queues are always open. ``shifts`` names those that shifts of agents go by.
    """
    plain = _lean(pool, pool.model_dump(mode="json", by_alias=False))
    for queue in plain["queues"]:
        if (hours := queue.get("hours")) is not None:
            hours["open"] = (openings or {}).get(hours["calendar"])
    named = {*shifts, *pool.lease_hours.values()}
    if found := {name: (openings or {})[name] for name in sorted(named) if openings}:
        plain["calendars"] = found
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


_ALWAYS = {
    "after_ms", "after_reply", "at", "automatic", "bar_after_decline_ms", "bar_after_miss_ms",
    "language_fallback", "letter", "limit_ms", "misses_before_away", "name", "offer", "priority",
    "queues", "reopen_within_ms", "skills", "steps", "sticky_wait_ms", "tiers", "to", "wrap_up_ms",
}  # fmt: skip
"""What stands in a policy even where nobody wrote it: as it always did."""


def _lean(model: ConfigModel, plain: dict[str, Any]) -> dict[str, Any]:
    """A policy without what nobody wrote: a new key changes no version where it isn't used."""
    lean = {}
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        if name not in _ALWAYS and value == field.get_default(call_default_factory=True):
            continue
        lean[name] = plain[name]
        if isinstance(value, ConfigModel):
            lean[name] = _lean(value, plain[name])
        elif isinstance(value, list) and value and isinstance(value[0], ConfigModel):
            lean[name] = [_lean(*pair) for pair in zip(value, plain[name], strict=True)]
    return lean


def policy_version(blob: bytes) -> str:
    """The version of a policy: the sha256 of its blob."""
    return hashlib.sha256(blob).hexdigest()
