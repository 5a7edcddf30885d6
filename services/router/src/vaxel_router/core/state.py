"""The router's state of one partition: all that decides anything, and nothing else.

Plain structs that encode to the same bytes wherever the same decisions made them: the digest of
that encoding is what restores are checked against. What is kept by name keeps the order in which it
came, so that nothing is sorted while everybody waits. Only :mod:`apply` may change them.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection

import msgspec

from vaxel_router.core.elsewhere import Elsewhere, taken
from vaxel_router.core.limits import OFFERS_PER_WORK_MAX
from vaxel_router.core.matching import Asks, Matcher, Profile
from vaxel_router.core.memory import Memory, in_order_of, joined
from vaxel_router.core.of_queues import Pace, Shut, Switch
from vaxel_router.core.ties import Handed, Origin, Parent
from vaxel_router.core.timetable import Timetable
from vaxel_router.core.wants import Wants, extra_of


class Agent(msgspec.Struct, gc=False, omit_defaults=True):
    """Somebody who takes work. ``channels``: name → (cost of one work, how many at once).

    A field that isn't said has no text for a default: what encodes to nothing is told by identity.
    """

    id: str
    tier: int
    skills: dict[str, int]
    languages: dict[str, int]
    capacity: int
    channels: dict[str, tuple[int, int]]
    present: bool
    presence: str
    mode: str
    until_ms: int | None = None
    idle_since_ms: int = 0
    misses: int = 0
    turn: int = 0
    """Greater than that of all who were given work before; 0: never was."""
    works: list[str] = []
    """Works in hand (assigned or wrapping), oldest first."""
    offers: list[str] = []
    """Pending offers, oldest first."""
    max_offers: int | None = None
    """So many may be pending at once; None: as many as fit."""
    auto_accept: list[str] = []
    """Channels whose work is the agent's at once, without an offer."""
    closed: dict[str, int] = {}
    """Channels that the agent takes nothing of for now → until when; 0: until it is said."""
    grace_ms: int | None = None
    """The connection was lost; what the agent holds stays so until then."""
    yields: dict[str, list[str]] = {}
    """Channels whose work is put aside for that of others → which."""
    backup: str | None = None
    """Who stands in for the agent with the agent's own customers."""
    name: str | None = None
    """What the presence is called, e.g. ``lunch``: the policy says what it means."""

    shift: str | None = None
    """The calendar by which the agent takes new work; None: at any time."""
    off_shift: bool = False
    shift_ms: int | None = None
    """When that changes."""
    share: tuple[int, int] | None = None
    """So many works within so many milliseconds, and no more."""
    recent: list[int] = []
    """When the agent got the works that count."""
    rest_ms: int | None = None
    """A pause, until then."""
    occupancy: tuple[int, int] | None = None
    """Work in hand for at most so many percent of so many milliseconds."""
    spans: list[tuple[int, int]] = []
    """When there was, of what counts for that; over, in order."""
    busy_ms: int | None = None
    """There is, since then."""
    occupied: bool = False
    """The cap is reached."""
    occupied_ms: int | None = None
    """When that changes."""
    queue_order: list[str] = []
    """Queues whose work the agent takes before that of others, the first of them first."""
    elsewhere: dict[str, Elsewhere] = {}
    """What the agent has in hand that isn't ours, by whoever says so."""

    @property
    def standing(self) -> str:
        """The presence as matching sees it."""
        if self.grace_ms is not None:
            return "lost"
        return "off_shift" if self.off_shift and self.presence == "available" else self.presence

    @property
    def stop(self) -> str:
        """What rules the agent out as one who is full; "": nothing."""
        if self.rest_ms is not None:
            return "resting"
        if self.share is not None and len(self.recent) + len(self.offers) >= self.share[0]:
            return "share_full"
        if self.occupied:
            return "occupancy_full"
        full = self.max_offers is not None and len(self.offers) >= self.max_offers
        return "offers_full" if full else ""


class Case(msgspec.Struct, gc=False, omit_defaults=True):
    """What people see. ``status``: open, waiting_customer, waiting_third_party, …, resolved."""

    id: str
    number: str
    status: str
    conversations: list[str]
    channel: str
    account: str
    customer_id: str
    language: str
    queue: str
    priority: int
    skills: dict[str, int]
    languages: list[str]
    opened_ms: int
    last_contact_id: str
    last_contact_seq: int
    automatic: bool = False
    works: int = 0
    work_id: str | None = None
    last_agent: str | None = None
    resolved_ms: int | None = None
    merged_into: str | None = None
    """The case that this one went into; its status is ``merged``."""
    merged: list[str] = []
    """Cases that went into this one."""
    wake_queue: str | None = None
    """Where its work goes when it wakes by itself; None: where it was."""
    own: Wants | None = None
    """What its contact asked for besides skills and languages."""
    due_ms: int | None = None
    """When an SLA clock said that a promise is due, until somebody answers."""
    handed: Handed | None = None
    """It lives in another pool; its status is ``handed_over``."""
    origin: Origin | None = None
    parent: Parent | None = None
    """It is no customer's: see :mod:`vaxel_router.core.consulting`."""
    children: list[str] = []
    """Open cases in which others are asked about this one."""
    asked: int = 0
    """How often others were asked about it."""
    approved: int = 0
    """The largest amount that was approved."""
    contact_ms: int | None = None
    """When a person's first message of it came in."""
    answered: bool = False
    """Whether somebody replied; a reply answers all that went into a case."""
    stage: int = 0
    """Of a complaint; 0: it is none. See :mod:`vaxel_router.core.complaints`."""
    handlers: list[str] = []
    """Who had it, of a complaint."""
    involved: list[str] = []
    """Of them, who had it before this stage."""
    explanation: str | None = None
    """The effect that brings the customer this stage's explanation."""

    @property
    def had_by(self) -> list[str]:
        """Who had it; as long as it is no complaint, only who had it last is known."""
        last = [self.last_agent] if self.last_agent is not None else []
        return self.handlers if self.stage else last


class Work(msgspec.Struct, gc=False, omit_defaults=True):
    """One stretch of a case. ``state``: queued, offered, assigned, wrapping."""

    id: str
    case_id: str
    state: str
    queue: str
    channel: str
    language: str
    priority: int
    skills: dict[str, int]
    """What the contact asked for; ``needs`` is that at the present step."""
    languages: list[str]
    needs: dict[str, int]
    speaks: list[str]
    tiers: list[int]
    floor: int
    since_ms: int
    clock_ms: int
    step: int
    step_at: str
    order: int
    next_ms: int | None = None
    prefer_agent: str | None = None
    prefer_until_ms: int | None = None
    barred: dict[str, int] = {}
    attempts: int = 0
    escalations: int = 0
    offer_id: str | None = None
    others: list[str] = []
    """Further offers of it that are open beside ``offer_id``: the first to accept has it."""
    agent_id: str | None = None
    token: str | None = None
    cost: int = 0
    own: Wants | None = None
    """What the contact asked for besides; ``wants`` is that at the present step."""
    wants: Wants | None = None
    place_ms: int | None = None
    """Its place in the order, where that goes by time: see :mod:`vaxel_router.core.ordering`."""
    due_ms: int | None = None
    """When an SLA clock said that a promise is due."""
    bounces: int = 0
    """How often it was handed on, or came back without a reply."""
    lease_ms: int | None = None
    """By then whoever has it must have replied for the first time."""

    @property
    def open_offers(self) -> list[str]:
        """All offers of it that are open."""
        return [self.offer_id, *self.others] if self.offer_id is not None else []

    ahead_ms: int = 0
    """So much further than its age is it in its queue's steps: nobody was there for some."""
    rules: str | None = None
    """The policy that holds for it, where that isn't the pool's present one."""
    suspended_ms: int | None = None
    """Since when it is suspended."""
    moves: int = 0
    """How often waiting, or a switch, moved it to another queue."""


class Offer(msgspec.Struct, gc=False, omit_defaults=True):
    """Work shown to an agent; it holds ``cost`` of the agent's capacity."""

    id: str
    work_id: str
    agent_id: str
    token: str
    channel: str
    cost: int
    made_ms: int
    limit_ms: int
    expires_ms: int
    sent_ms: int | None = None


class Pool(msgspec.Struct, omit_defaults=True):
    """A closed set of queues and agents."""

    name: str
    policy: str | None = None
    roster: str | None = None
    counter: int = 0
    order: int = 0
    """Counts works that were queued: equals are served in this order."""
    agents: dict[str, Agent] = {}
    cases: dict[str, Case] = {}
    conversations: dict[str, str] = {}
    turns: int = 0
    """Counts how often somebody was given work."""
    shares: dict[str, dict[str, int]] = {}
    """Of a queue that divides its work: how much each queue was given under this policy."""
    named: list[str] = []
    """The agents whom the policy names: each is told apart from all others alike."""
    closed: dict[str, str] = {}
    """Conversation → its closed case."""
    works: dict[str, Work] = {}
    offers: dict[str, Offer] = {}
    switches: dict[str, Switch] = {}
    """``close:<queue>``, ``divert:<queue>``, ``all_hands:<queue>`` or ``all_hands:``."""
    shadow: str | None = None
    """A second policy: decides for ``share`` of a hundred cases, of others without effect."""
    share: int = 0
    shut: dict[str, Shut] = {}
    """Queues whose work waits without being offered."""
    paces: dict[str, Pace] = {}
    """By queue."""


class State(msgspec.Struct):
    """A partition's state after a record of its decisions."""

    log_id: str
    partition: int
    now_ms: int = 0
    pools: dict[str, Pool] = {}
    timers: dict[str, int] = {}
    """``kind:pool:id`` → due, milliseconds UTC."""
    open: str | None = None
    """The cause of the input that the last record left unfinished."""
    memory: dict[str, bytearray] = {}
    """Day → marks of the commands applied on it: see :mod:`vaxel_router.core.memory`."""
    sources: dict[str, int] = {}
    """Partition of ``vaxel.interactions`` → the highest offset applied."""
    engine: str = ""
    """What claimed the partition last; when that was another, all was put in order."""


_encoder = msgspec.json.Encoder()
_sorter = msgspec.json.Encoder(order="deterministic")
_decoder = msgspec.json.Decoder(State)


def encode(state: State) -> bytes:
    """The state as bytes: the same decisions give the same bytes."""
    return _encoder.encode(state)


def in_order(state: State) -> State:
    """The same state, all that is kept by name sorted: how it came about can't be seen in it."""
    memory = {day: in_order_of(marks) for day, marks in state.memory.items()}
    return _decoder.decode(_sorter.encode(msgspec.structs.replace(state, memory=memory)))


def decode(raw: bytes) -> State:
    """The inverse of :func:`encode`. Raises ``msgspec.MsgspecError``."""
    try:
        return _decoder.decode(raw)
    except msgspec.ValidationError:
        numbers = msgspec.json.decode(raw, type=_Earlier).memory
        memory = {day: joined(marks) for day, marks in numbers.items()}
        return msgspec.convert(msgspec.json.decode(raw) | {"memory": memory}, State)


class _Earlier(msgspec.Struct):
    """What engines before 0.6.0 wrote in another shape."""

    memory: dict[str, list[int]]


def digest(state: State) -> str:
    """The sha256 of :func:`encode`."""
    return hashlib.sha256(encode(state)).hexdigest()


class World(Timetable):
    """The state with the indexes that make it quick: they follow from it and are never saved."""

    def __init__(self, state: State) -> None:
        self.begin(state)

    def begin(self, state: State) -> None:
        """Go on with this state."""
        self.state = state
        self.keep(state.timers)
        self.memory = Memory(state.memory)
        self.todo: tuple[str, list[Work]] = ("", [])
        """What an unfinished input is yet to look at: its cause, and the works."""
        self.queued = {pool.name: _queued(pool) for pool in state.pools.values()}
        """How many works wait in which queue, by pool."""
        self.matchers = {pool.name: _matcher(pool, state.now_ms) for pool in state.pools.values()}

    def pool(self, name: str) -> Pool:
        """The pool of this name, made when it is first spoken of."""
        found = self.state.pools.get(name)
        return self._new_pool(name) if found is None else found

    def _new_pool(self, name: str) -> Pool:
        made = self.state.pools[name] = Pool(name)
        self.matchers[name] = Matcher()
        self.queued[name] = {}
        return made

    def forget_pool(self, name: str) -> None:
        """Take back a pool of which nothing was decided that it would have to know."""
        del self.state.pools[name]
        del self.matchers[name]
        del self.queued[name]

    def count(self, pool: Pool, queue: str, change: int) -> None:
        """So many works more wait in a queue."""
        counts = self.queued[pool.name]
        counts[queue] = counts.get(queue, 0) + change

    def waiting_in(self, pool: Pool, queue: str | None) -> int:
        """How many works wait in a queue; None: in all."""
        counts = self.queued[pool.name]
        return sum(counts.values()) if queue is None else counts.get(queue, 0)

    def is_staffed(self, pool: Pool, asks: Asks) -> bool:
        """Whether somebody is there who could take this, busy or not."""
        return self.matchers[pool.name].is_staffed(asks)

    def waiting(self, pool: Pool) -> list[Work]:
        """The queued works of a pool, in the order of service."""
        return sorted((w for w in pool.works.values() if w.state == "queued"), key=work_key)

    def remembers(self, command_id: str) -> bool:
        """Whether a command of this id was applied within the last days."""
        return command_id in self.memory


def _queued(pool: Pool) -> dict[str, int]:
    return dict(Counter(work.queue for work in pool.works.values() if work.state == "queued"))


PRIORITY_BIAS = 1 << 62
"""Above any priority: so a key is never negative."""
SINCE_BITS, ORDER_BITS = 64, 40
PLACE_BIAS = 1 << 62
"""Above the earliest place: so a key is never negative."""


def work_key(work: Work) -> int:
    """Where a work stands in the order of service; the least goes first."""
    return key_at(work, work.place_ms)


def key_at(work: Work, place_ms: int | None) -> int:
    """Highest priority first, then the longest wait, then the order of queueing.

    With a place it is that, the earliest first, as if all had the same priority.
    """
    if place_ms is not None:
        place = (place_ms + PLACE_BIAS) << ORDER_BITS
        return (PRIORITY_BIAS << (SINCE_BITS + ORDER_BITS)) + place + work.order
    since = work.since_ms << ORDER_BITS
    return ((PRIORITY_BIAS - work.priority) << (SINCE_BITS + ORDER_BITS)) + since + work.order


def asks_of(work: Work) -> Asks:
    """What a work asks for at its present step."""
    asks = asks_for(work.channel, work.tiers, work.needs, work.speaks, work.wants)
    return asks._replace(kind=work.queue)


def asks_for(
    channel: str,
    tiers: list[int],
    skills: dict[str, int],
    languages: list[str],
    wants: Wants | None,
) -> Asks:
    """The same of anything that might wait."""
    extra = None if wants is None else extra_of(wants)
    return Asks(channel, tuple(tiers), tuple(skills.items()), tuple(languages), extra=extra)


def profile_of(agent: Agent, named: Collection[str] = ()) -> Profile:
    """What an agent brings; whom a policy names is told apart."""
    return Profile(
        agent.tier,
        tuple(agent.skills.items()),
        tuple(agent.languages),
        tuple((name, cost, most) for name, (cost, most) in agent.channels.items()),
        agent.capacity,
        agent.id if agent.id in named else "",
        tuple((name, tuple(others)) for name, others in agent.yields.items()),
        tuple(agent.queue_order),
    )


def is_matched(pool: Pool, work: Work) -> bool:
    """Whether a queued work may be offered: its queue is open, and it wasn't too often."""
    return work.attempts < OFFERS_PER_WORK_MAX and work.queue not in pool.shut


def put(matcher: Matcher, pool: Pool, work: Work, now_ms: int) -> None:
    """Let a queued work wait in the matcher, if it may be offered."""
    if is_matched(pool, work):
        matcher.put(
            work.id,
            asks_of(work),
            key=work_key(work),
            now=now_ms,
            barred=work.barred,
            prefer=work.prefer_agent,
            until=work.prefer_until_ms or 0,
        )


def _matcher(pool: Pool, now_ms: int) -> Matcher:
    """The matcher of a pool as it is."""
    matcher = Matcher()
    matcher.advance(now_ms)
    for agent in pool.agents.values():
        idle = agent.idle_since_ms
        profile = profile_of(agent, pool.named)
        matcher.join(agent.id, profile, presence=agent.standing, idle=idle, turn=agent.turn)
        if agent.closed:
            matcher.set_presence(agent.id, agent.standing, closed=frozenset(agent.closed))
        matcher.stop(agent.id, agent.stop)
        for work_id in agent.works:
            work = pool.works[work_id]
            matcher.hold(agent.id, work.channel, work.cost)
        for offer_id in agent.offers:
            offer = pool.offers[offer_id]
            matcher.hold(agent.id, offer.channel, offer.cost)
        for channel, cost in taken(agent.elsewhere):
            matcher.hold(agent.id, channel, cost)
    for work in pool.works.values():
        if work.state == "queued":
            put(matcher, pool, work, now_ms)
    return matcher
