"""The policy of a pool as the router reads it: the canonical JSON that was published.

The shape is :class:`vaxel_shared.config.routing.Pool`; a test holds both together.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from functools import cached_property
from typing import TypeVar

import msgspec

from vaxel_router.core.limits import BROADCAST_MAX, STAGES_MAX, TIERS_MAX, WINDOW_MS_MAX
from vaxel_router.core.opening import Opening, calendar_of, check_opening, due_ms
from vaxel_router.core.wants import CHOICES, NOTHING, Wants, greatest, least
from vaxel_shared.calendars.calendar import BusinessCalendar
from vaxel_shared.needs import parse, together


class Step(msgspec.Struct, frozen=True):
    """From ``after_ms`` on, these tiers (and, if given, these skills instead of the first ones)."""

    at: str
    after_ms: int
    tiers: list[int]
    skills: dict[str, int] | None = None
    at_most: dict[str, int] | None = None
    needs: str | None = None
    only: list[str] | None = None
    prefer: dict[str, int] | None = None
    skip_if_unstaffed: bool = False


class There(msgspec.Struct, frozen=True):
    """What must hold of the other queue before work goes there."""

    waiting_below: int | None = None
    expected_wait_below_ms: int | None = None
    staffed: bool = False


class Overflow(msgspec.Struct, frozen=True):
    """From ``after_ms`` on, work that nobody took goes to another queue."""

    at: str
    to: str
    after_ms: int = 0
    every_ms: int | None = None
    expected_wait_ms: int | None = None
    if_there: There | None = None


class QueueLimit(msgspec.Struct, frozen=True):
    """So much may wait; what comes then goes elsewhere, or is answered that it can't be taken."""

    at: str
    waiting: int
    to: str | None = None
    refuse: bool = False


class QueueHours(msgspec.Struct, frozen=True):
    """When a queue is open; outside of that its work waits, or goes ``to`` another queue."""

    calendar: str
    at: str
    to: str | None = None
    open: Opening | None = None


class LanguageFallback(msgspec.Struct, frozen=True):
    """From ``after_ms`` on, these languages will do as well."""

    after_ms: int
    to: list[str]


class Queue(msgspec.Struct, frozen=True, dict=True):
    """A queue; ``steps[0].after_ms`` is 0."""

    at: str
    name: str
    steps: list[Step]
    skills: dict[str, int] = msgspec.field(default_factory=dict)
    priority: int = 0
    language_fallback: LanguageFallback | None = None
    automatic: bool = False
    at_most: dict[str, int] = msgspec.field(default_factory=dict)
    lapse_ms: dict[str, int] = msgspec.field(default_factory=dict)
    wishes: dict[str, int] = msgspec.field(default_factory=dict)
    needs: str = ""
    only: list[str] = msgspec.field(default_factory=list)
    without: list[str] = msgspec.field(default_factory=list)
    prefer: dict[str, int] = msgspec.field(default_factory=dict)
    choice: str = "longest_idle"
    keep_rare_free: bool = False
    overflow: list[Overflow] = msgspec.field(default_factory=list)
    limit: QueueLimit | None = None
    promise: Promise | None = None
    hours: QueueHours | None = None
    shares: dict[str, int] = msgspec.field(default_factory=dict)

    @cached_property
    def is_plain(self) -> bool:
        """Whether it asks for skills, languages and tiers only."""
        plain = Queue(
            self.at, self.name, self.steps, self.skills, self.priority, self.language_fallback,
            self.automatic,
        )  # fmt: skip
        return self == plain and all(
            step == Step(step.at, step.after_ms, step.tiers, step.skills) for step in self.steps
        )

    def names(self) -> set[str]:
        """The agents whom it names."""
        found = {*self.only, *self.without, *self.prefer}
        return found.union(*({*(step.only or ()), *(step.prefer or ())} for step in self.steps))

    def ages_ms(self) -> set[int]:
        """The ages at which what the queue asks for may change."""
        ages = {step.after_ms for step in self.steps} | {*self.lapse_ms.values()}
        if self.language_fallback is not None:
            ages.add(self.language_fallback.after_ms)
        return ages

    auto_accept: bool = False
    broadcast: int = 1
    cool_down_ms: int = 0


class Promise(msgspec.Struct, frozen=True):
    """Within which time a queue's work is to be answered, and what it costs if it isn't."""

    within_ms: int
    cost: int = 1


class Order(msgspec.Struct, frozen=True):
    """The order of service: see :mod:`vaxel_router.core.ordering`."""

    by: str = "priority"
    point_ms: int = 60_000
    at_most_ms: int = 14_400_000
    within_ms: int = 86_400_000


class Match(msgspec.Struct, frozen=True):
    """How long work and freed agents are collected before they are matched together."""

    window_ms: int


class OfferPolicy(msgspec.Struct, frozen=True):
    """How offers behave."""

    limit_ms: int = 600_000
    bar_after_decline_ms: int = 3_600_000
    bar_after_miss_ms: int = 600_000
    misses_before_away: int = 0
    bar_after_lapse_ms: int = 3_600_000


PRESENCES = ("available", "away", "offline")
MODES = ("keep", "keep_no_new", "return_work")


class PresenceName(msgspec.Struct, frozen=True):
    """What a presence of the policy's own name means."""

    presence: str
    mode: str = "keep"


class PresencePolicy(msgspec.Struct, frozen=True):
    """How coming and going is understood."""

    grace_ms: int = 60_000
    after_grace: str = "return_work"
    names: dict[str, PresenceName] = msgspec.field(default_factory=dict)


class PoolLimits(msgspec.Struct, frozen=True):
    """So much a pool may hold; what comes then is refused with an answer."""

    cases: int | None = None
    waiting: int | None = None


class Quality(msgspec.Struct, frozen=True):
    """Of a hundred resolved cases so many are looked at, in which queue."""

    percent: int
    queue: str


class Complaints(msgspec.Struct, frozen=True):
    """Their stages: queues, in order."""

    stages: list[str]


class Policy(msgspec.Struct, frozen=True, dict=True):
    """All of a pool's policy."""

    at: str
    name: str
    letter: str
    queues: list[Queue]
    reopen_within_ms: int = 14 * 86_400_000
    sticky_wait_ms: int = 3_600_000
    wrap_up_ms: int = 0
    offer: OfferPolicy = msgspec.field(default_factory=OfferPolicy)
    lease_ms: dict[str, int] = msgspec.field(default_factory=dict)
    lease_hours: dict[str, str] = msgspec.field(default_factory=dict)
    bounce_limit: int = 0
    presence: PresencePolicy = msgspec.field(default_factory=PresencePolicy)
    calendars: dict[str, Opening] = msgspec.field(default_factory=dict)
    after_reply: dict[str, str] = msgspec.field(default_factory=lambda: {"email": "waiting"})
    give_up_after_leaving: list[str] = msgspec.field(default_factory=list)
    limits: PoolLimits | None = None
    match: Match | None = None
    quality: Quality | None = None
    complaints: Complaints | None = None
    in_flight: str = "new"

    order: Order = msgspec.field(default_factory=Order)

    def queue(self, name: str) -> Queue | None:
        """The queue of this name."""
        return self._by_name.get(name)

    @cached_property
    def _by_name(self) -> dict[str, Queue]:
        return {queue.name: queue for queue in reversed(self.queues)}

    def lease_end_ms(self, channel: str, from_ms: int) -> int | None:
        """When a lease of a channel that begins now is over; None: it has none."""
        lease_ms, name = self.lease_ms.get(channel), self.lease_hours.get(channel)
        if not lease_ms:
            return None
        if name is None:
            return from_ms + lease_ms
        return due_ms(self._lease_calendars[name], from_ms, lease_ms)

    @cached_property
    def _lease_calendars(self) -> dict[str, BusinessCalendar]:
        return {name: calendar_of(self.calendars[name]) for name in self.lease_hours.values()}

    @property
    def stages(self) -> list[str]:
        """The queues that are the stages of a complaint, in order."""
        return self.complaints.stages if self.complaints is not None else []

    def names(self) -> list[str]:
        """The agents whom it names, in order."""
        return sorted(set().union(*(queue.names() for queue in self.queues)))


def skipped_to_ms(queue: Queue | None, step: int) -> int | None:
    """The age of the step after one that is skipped where nobody is there; None: it is kept."""
    if queue is None or not queue.steps[step].skip_if_unstaffed or step + 1 == len(queue.steps):
        return None
    return queue.steps[step + 1].after_ms


def _looks_ms(queue: Queue, age_ms: int) -> list[int]:
    """The next age at which each rule of overflow is looked at, where there is one."""
    ages = []
    for rule in queue.overflow:
        if rule.after_ms > age_ms:
            ages.append(rule.after_ms)
        elif rule.every_ms:
            times = (age_ms - rule.after_ms) // rule.every_ms + 1
            ages.append(rule.after_ms + times * rule.every_ms)
    return ages


def waived(policy: Policy, switches: Container[str], queue: str) -> list[int] | None:
    """The tiers that may take a queue's work whatever their skills; None: no hands are called."""
    if "all_hands:" not in switches and f"all_hands:{queue}" not in switches:
        return None
    return sorted({tier for one in policy.queues for step in one.steps for tier in step.tiers})


Library = Mapping[str, Policy]
"""Policies by version (the sha256 of their blob). The shell fills it before it steps."""


class Plan(msgspec.Struct, frozen=True):
    """What a waiting work asks for at some age, and when that changes next."""

    step: int
    step_at: str
    tiers: list[int]
    skills: dict[str, int]
    languages: list[str]
    next_ms: int | None
    wants: Wants | None = None
    ahead_ms: int = 0
    """So much further than its age is it, by steps that nobody was there for."""


def decode(blob: bytes) -> Policy:
    """The policy in a blob. Raises ``msgspec.MsgspecError`` where it is none.

    What the configuration's own checks would never let pass is none: the engine relies on it.
    """
    policy = msgspec.json.decode(blob, type=Policy)
    letter = policy.letter
    if not (len(letter) == 1 and letter.isascii() and letter.isupper()):
        raise msgspec.ValidationError("a policy's letter is one of A to Z")
    _check_order(policy.order)
    if len(policy.stages) > STAGES_MAX or any(not policy.queue(name) for name in policy.stages):
        raise msgspec.ValidationError(f"a complaint has up to {STAGES_MAX} stages, each a queue")
    if policy.match is not None and not 0 < policy.match.window_ms <= WINDOW_MS_MAX:
        raise msgspec.ValidationError("a window is longer than 0, and no longer than its limit")
    _check_agents(policy)
    if not policy.calendars.keys() >= {*policy.lease_hours.values()}:
        raise msgspec.ValidationError("a lease goes by a calendar of the policy")
    for queue in policy.queues:
        _check_queue(queue)
    return policy


def _check_order(order: Order) -> None:
    times = (order.point_ms, order.at_most_ms, order.within_ms)
    if order.by not in ("priority", "waiting", "promise") or min(times) < 0:
        raise msgspec.ValidationError("work is ordered by priority, waiting or promise")


def _check_queue(queue: Queue) -> None:
    if not queue.steps or queue.steps[0].after_ms != 0:
        raise msgspec.ValidationError("a queue begins with a step at 0")
    if not all(0 < len(step.tiers) <= TIERS_MAX for step in queue.steps):
        raise msgspec.ValidationError("a step names some tiers")
    if not 1 <= queue.broadcast <= BROADCAST_MAX:
        raise msgspec.ValidationError(f"work is shown to 1 to {BROADCAST_MAX} at once")
    if queue.choice not in ("longest_idle", *CHOICES):
        raise msgspec.ValidationError(f"no such choice: {queue.choice}")
    if queue.promise is not None and (queue.promise.cost < 1 or queue.promise.within_ms < 0):
        raise msgspec.ValidationError("a promise has a time, and a cost from 1")
    if any(share < 1 for share in queue.shares.values()):
        raise msgspec.ValidationError("a share is at least 1")
    for text in filter(None, (queue.needs, *(step.needs for step in queue.steps))):
        _check_needs(text)


def _check_agents(policy: Policy) -> None:
    """What the policy says of agents' presence and shifts."""
    for name, opening in policy.calendars.items():
        check_opening(name, opening)
    for name, meant in policy.presence.names.items():
        if meant.presence not in PRESENCES or meant.mode not in MODES:
            raise msgspec.ValidationError(f"the presence {name} means no presence")
    if policy.presence.after_grace not in MODES:
        raise msgspec.ValidationError("after a grace work is kept or returned")


def _check_needs(text: str) -> None:
    """Raises ``msgspec.ValidationError`` where it is no expression."""
    try:
        parse(text)
    except ValueError as error:
        raise msgspec.ValidationError(f"needs: {error}") from error


def plan(
    queue: Queue | None,
    *,
    skills: dict[str, int],
    languages: list[str],
    floor: int,
    clock_ms: int,
    now_ms: int,
    own: Wants | None = None,
    waived: list[int] | None = None,
) -> Plan:
    """What a work asks for that has waited since ``clock_ms``.

    ``skills``, ``languages`` and ``own`` are the contact's; ``floor`` is the least tier that it was
    escalated to; ``waived`` are the tiers that may take it whatever their skills, where all hands
    are called. Without a queue nobody may take it: it waits for a policy that has one.
    """
    if queue is None:
        return Plan(0, "", [], skills, languages, None, own)
    age_ms = now_ms - clock_ms
    index = max(i for i, step in enumerate(queue.steps) if i == 0 or step.after_ms <= age_ms)
    step = queue.steps[index]
    wanted = dict(queue.skills)
    for name, level in skills.items():
        wanted[name] = max(level, wanted.get(name, 0))
    if step.skills is not None:
        wanted = dict(step.skills)
    edges = [clock_ms + item.after_ms for item in queue.steps[index + 1 :]]
    edges += [clock_ms + look_ms for look_ms in _looks_ms(queue, age_ms)]
    spoken = list(languages)
    if queue.language_fallback is not None and languages:
        if queue.language_fallback.after_ms <= age_ms:
            spoken += [tag for tag in queue.language_fallback.to if tag not in spoken]
        else:
            edges.append(clock_ms + queue.language_fallback.after_ms)
    among = set(step.tiers) if waived is None else set(waived)
    tiers = sorted(tier for tier in among if tier >= floor) or [floor]
    wants = None
    if waived is not None:
        wanted = {}
        wants = Wants(without=sorted(queue.without)) if queue.without else None
    elif own is not None or not queue.is_plain:
        wants, lapses = _more(queue, step, own, wanted, age_ms)
        edges += [clock_ms + lapse_ms for lapse_ms in lapses]
    final = dict(sorted(wanted.items()))
    return Plan(index, step.at, tiers, final, spoken, min(edges, default=None), wants)


Value = TypeVar("Value")


def _at(queues: Value, steps: Value | None) -> Value:
    """A step's own value instead of its queue's."""
    return queues if steps is None else steps


def _more(
    queue: Queue, step: Step, own: Wants | None, wanted: dict[str, int], age_ms: int
) -> tuple[Wants | None, list[int]]:
    """What else is wanted at this age, and the ages at which something of it will lapse.

    A skill that has lapsed leaves ``wanted``, and no limit of its level holds either.
    """
    mine = own if own is not None else NOTHING
    at_most = least((_at(queue.at_most, step.at_most), mine.at_most))
    lapses = []
    for name, lapse_ms in {**queue.lapse_ms, **mine.lapse_ms}.items():
        if lapse_ms <= age_ms:
            wanted.pop(name, None)
            at_most.pop(name, None)
        elif name in wanted or name in at_most:
            lapses.append(lapse_ms)
    wishes = greatest((queue.wishes, mine.wishes))
    wants = Wants(
        at_most=at_most,
        wishes=wishes,
        needs=together(_at(queue.needs, step.needs), mine.needs),
        only=sorted(_at(queue.only, step.only)),
        without=sorted(queue.without),
        prefer=dict(sorted(_at(queue.prefer, step.prefer).items())),
        choice="" if queue.choice == "longest_idle" else queue.choice,
        spare=queue.keep_rare_free,
    )
    return (wants if wants != NOTHING else None), lapses
