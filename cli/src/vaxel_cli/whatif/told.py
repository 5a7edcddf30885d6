"""What a recorded log tells of the world outside the router: who did what, and after how long.

Every command that changed something becomes an :class:`Act`. What nobody can have done before
something else happened hangs on that: an answer on its offer, what an agent did on being given the
work (a :class:`Stint`), a customer's further message on the message or answer before it. What is
left came from outside at its own instant. Told again in the same order under the same policy, acts
come at the same instants and the same follows from them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from vaxel_cli.policy.history import Moment
from vaxel_router.core.complaints import undelivered
from vaxel_router.core.engine import Input
from vaxel_router.core.state import Case, Pool, Work, World
from vaxel_shared.contracts import wire

UNCHANGED = frozenset({"command.refused", "command.repeated", "input.rejected"})
"""What a command led to that changed nothing."""
IN_HAND = frozenset({"assigned", "wrapping"})
OUTCOMES = frozenset({"accepted", "declined", "expired"})
"""How an offer ended by what its agent did, or didn't."""
ENDINGS = frozenset({"case.reply", "case.resolve", "case.wait"})
"""Acts that end a stretch of work whatever case it is of."""


class Act(NamedTuple):
    """A command that changed something: its offset in ``vaxel.work`` and when it did."""

    offset: int
    at_ms: int
    command: wire.Command
    situation: str = ""
    """Of an act upon a case that nobody had in hand: how the case stood."""
    answers: int | None = None
    """Of an alert: how many answers the case had had."""


class After(NamedTuple):
    """What came after something else in the same matter: so much later."""

    after_ms: int
    act: Act


@dataclass(slots=True)
class Shown:
    """An offer: to whom, when, what came of it, and the acts about it."""

    agent_id: str
    made_ms: int
    acts: list[Act] = field(default_factory=list)
    outcome: str = ""
    ended_ms: int | None = None


@dataclass(slots=True)
class Stint:
    """One stretch of work in one pair of hands, and what was done while it lasted.

    ``ends`` is the act that ended it; None where something else did, or the log.
    """

    work_id: str
    agent_id: str
    queue: str
    begin_ms: int
    acts: list[Act] = field(default_factory=list)
    ends: int | None = None
    ended_ms: int | None = None

    @property
    def took_ms(self) -> int | None:
        """How long it was handled; None where that isn't known."""
        return None if self.ends is None else self.acts[self.ends].at_ms - self.begin_ms


@dataclass(slots=True)
class Story:
    """Of one partition. A *matter* is a case as it was recorded: it may come otherwise."""

    begin_ms: int = 0
    end_ms: int = 0
    decisions: list[wire.Decision] = field(default_factory=list)
    """As recorded, without what changed nothing."""
    outside: list[Act] = field(default_factory=list)
    offers: dict[str, Shown] = field(default_factory=dict)
    stints: dict[str, list[Stint]] = field(default_factory=lambda: defaultdict(list))
    """By matter, in order."""
    matters: dict[str, str] = field(default_factory=dict)
    """Command that brought a contact → matter."""
    after_contact: dict[str, list[After]] = field(default_factory=lambda: defaultdict(list))
    after_reply: dict[tuple[str, int], list[After]] = field(
        default_factory=lambda: defaultdict(list)
    )
    """Matter and how many answers it had had → the contact that followed."""
    after_handed: dict[tuple[str, int], list[After]] = field(
        default_factory=lambda: defaultdict(list)
    )
    """Matter and how often it had gone to another pool → what was heard from there."""
    late_ms: dict[str, int] = field(default_factory=dict)
    """How far the router was behind when it decided: by command, or by timer and its instant."""
    refused: int = 0
    """Commands that changed nothing then, and are left out."""
    missing: int = 0
    """Decisions whose command isn't in the log."""


def lateness(cause: str, at_ms: int) -> str:
    """What a delay of the router is known by: a command comes once, a timer again and again."""
    return f"{cause} {at_ms}" if cause.startswith("timer:") else cause


def timer_cause(key: str) -> str:
    """What decisions that a timer made are told to come from."""
    kind, _, name = key.partition(":")
    return f"timer:{kind}:{name.partition(':')[2]}"


def living(pool: Pool, case_id: str | None) -> Case | None:
    """A case, or the one that it went into."""
    case = pool.cases.get(case_id or "")
    while case is not None and case.merged_into is not None:
        case = pool.cases.get(case.merged_into)
    return case


def work_of(pool: Pool, case: Case | None) -> Work | None:
    """The open work of a case."""
    return pool.works.get(case.work_id or "") if case is not None else None


def situation(pool: Pool, case_id: str | None) -> str:
    """How a case stands, for telling whether an act upon it would mean the same."""
    case = living(pool, case_id)
    if case is None:
        return "gone"
    work = work_of(pool, case)
    return f"{case.status}, {work.state if work is not None else 'no work'}"


def read(moments: Iterable[Moment], inputs: Iterable[Input]) -> Story:
    """The story of a partition: its folded log, and the inputs of ``vaxel.work``."""
    reader = _Reader(inputs)
    for moment in moments:
        if moment.decision is None:
            reader.end(moment.world)
        else:
            reader.see(moment.world, moment.decision, moment.wall_ms)
    return reader.story


class _Reader:
    def __init__(self, inputs: Iterable[Input]) -> None:
        self.story = Story()
        self._inputs: dict[str, Input] = {}
        for item in inputs:
            if item.command is not None:
                self._inputs.setdefault(item.command.id, item)
        self._seen: set[str] = set()
        self._open: dict[str, Stint] = {}
        self._contact: dict[str, tuple[str, int]] = {}
        """Matter → its last contact, and when."""
        self._reply: dict[str, tuple[int, int]] = {}
        """Matter → how many answers, and when the last."""
        self._handed: dict[str, tuple[int, int]] = {}
        """The same of its going to another pool."""

    def end(self, world: World) -> None:
        """The log's end."""
        self.story.end_ms = world.state.now_ms

    def see(self, world: World, made: wire.Decision, wall_ms: int) -> None:
        """A decision, and the world just before it."""
        story = self.story
        if not story.begin_ms:
            story.begin_ms = made.at_ms
        if made.type in UNCHANGED:
            story.refused += 1
            return
        if wall_ms > made.at_ms:
            story.late_ms.setdefault(lateness(made.cause, made.at_ms), wall_ms - made.at_ms)
        pool = world.state.pools.get(made.pool) or Pool(made.pool)
        if made.cause not in self._seen and not made.cause.startswith("timer:"):
            self._seen.add(made.cause)
            self._act(pool, made)
        story.decisions.append(made)
        self._note(pool, made)

    def _act(self, pool: Pool, made: wire.Decision) -> None:
        item = self._inputs.get(made.cause)
        if item is None or item.command is None:
            self.story.missing += 1
            return
        command = item.command
        act = Act(item.offset, made.at_ms, command)
        if command.type == "contact.add":
            self._contacted(act, made)
        elif command.type in ("offer.accept", "offer.decline", "delivery.result"):
            self._answered(pool, act)
        elif command.type == "case.handed":
            self._heard(pool, act)
        elif command.type == "sla.alert":
            count, _ = self._reply.get(command.case_id or "", (0, 0))
            self.story.outside.append(act._replace(answers=count))
        elif command.case_id is not None:
            work = work_of(pool, living(pool, command.case_id))
            if work is not None and work.state in IN_HAND:
                self._open[work.id].acts.append(act)
            else:
                told = act._replace(situation=situation(pool, command.case_id))
                self.story.outside.append(told)
        else:
            self.story.outside.append(act)

    def _answered(self, pool: Pool, act: Act) -> None:
        """What became of an offer, of a hand-over, or of an explanation that never arrived."""
        command = act.command
        shown = self.story.offers.get(command.data.get("offer_id") or "")
        if shown is not None and shown.ended_ms is None:
            shown.acts.append(act)
        elif command.data.get("effect") == "relay":
            self._heard(pool, act)
        elif undelivered(living(pool, command.case_id), command.data):
            told = act._replace(situation=situation(pool, command.case_id))
            self.story.outside.append(told)

    def _heard(self, pool: Pool, act: Act) -> None:
        """What another pool, or the way there, says of a case comes so long after it went."""
        command = act.command
        case_id = command.case_id or ""
        case, gone = pool.cases.get(case_id), self._handed.get(case_id)
        if case is None or case.handed is None or gone is None:
            return
        if command.data.get("effect_id", case.handed.id) != case.handed.id:
            return
        told = act._replace(situation=situation(pool, case_id))
        self.story.after_handed[case_id, gone[0]].append(After(act.at_ms - gone[1], told))

    def _contacted(self, act: Act, made: wire.Decision) -> None:
        """A further message comes so long after what it may be an answer to.

        What another pool passes on comes when it came.
        """
        contact = act.command.id
        matter = made.case_id or contact
        self.story.matters[contact] = matter
        before, replied = self._contact.get(matter), self._reply.get(matter)
        passed_on = not act.command.data.keys().isdisjoint(("handed", "forwarded"))
        if made.type == "case.opened" or before is None or passed_on:
            self.story.outside.append(act)
        elif replied is not None and replied[1] >= before[1]:
            late = After(act.at_ms - replied[1], act)
            self.story.after_reply[matter, replied[0]].append(late)
        else:
            self.story.after_contact[before[0]].append(After(act.at_ms - before[1], act))
        self._contact[matter] = (contact, act.at_ms)

    def _note(self, pool: Pool, made: wire.Decision) -> None:
        case_id, work_id = str(made.case_id), str(made.work_id)
        match made.type:
            case "offer.made":
                self.story.offers[str(made.offer_id)] = Shown(str(made.agent_id), made.at_ms)
            case "offer.ended":
                shown = self.story.offers[str(made.offer_id)]
                shown.outcome, shown.ended_ms = made.data["outcome"], made.at_ms
            case "work.assigned":
                queue = pool.works[work_id].queue
                stint = Stint(work_id, str(made.agent_id), queue, made.at_ms)
                self._open[work_id] = stint
                self.story.stints[case_id].append(stint)
            case "work.wrapping":
                self._ended(self._open.get(work_id), made)
            case "work.closed" | "work.cancelled" | "work.abandoned":
                self._ended(self._open.pop(work_id, None), made)
            case "case.handed_over" if "contact" in made.data:
                count, _ = self._handed.get(case_id, (0, 0))
                self._handed[case_id] = (count + 1, made.at_ms)
            case "case.replied":
                count, _ = self._reply.get(case_id, (0, 0))
                self._reply[case_id] = (count + 1, made.at_ms)
                self._settle(self._open.get(work_id), made)

    @staticmethod
    def _ended(stint: Stint | None, made: wire.Decision) -> None:
        if stint is None or stint.ended_ms is not None:
            return
        stint.ended_ms = made.at_ms
        if stint.acts and stint.acts[-1].command.id == made.cause:
            stint.ends = len(stint.acts) - 1

    @staticmethod
    def _settle(stint: Stint | None, made: wire.Decision) -> None:
        """What an answer led to was the policy's to say; told again it leads to the same."""
        if stint is None or not stint.acts or stint.acts[-1].command.id != made.cause:
            return
        act = stint.acts[-1]
        data = {**act.command.data, "then": made.data["then"]}
        stint.acts[-1] = act._replace(command=msgspec.structs.replace(act.command, data=data))
