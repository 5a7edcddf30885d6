"""The story happening again: the router's own engine in virtual time, and everybody as recorded.

What was recorded of the very same offer or stretch of work is done again, so long after as it was.
Where it comes otherwise, agents answer as they usually did, and a matter takes the time that it
took. One command is one batch; the router is as late as it was, or not at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush

import msgspec

from vaxel_cli.whatif.habits import Answers, Endings
from vaxel_cli.whatif.told import (
    OUTCOMES,
    UNCHANGED,
    Act,
    After,
    Stint,
    Story,
    lateness,
    living,
    situation,
    timer_cause,
)
from vaxel_router.core.engine import Batch, Input
from vaxel_router.core.policy import Library
from vaxel_router.core.state import Pool, State, World
from vaxel_shared.contracts import wire
from vaxel_shared.version import ENGINE

LAST = 1 << 60
"""Behind all recorded acts of an instant."""
ENDINGS_MAX = 5
"""So many more ways to end a work are tried where the router refuses the first."""
_SHIFTED = ("wake_ms", "until_ms", "retry_at_ms", "since_ms", "begin_ms", "received_at_ms")
"""Instants in a command's data that move with it."""


@dataclass(slots=True)
class Playing:
    """What somebody is doing with a work: stint ``place`` of its matter, -1: a drawn one."""

    matter: str
    case_id: str
    agent_id: str
    pool: str
    place: int
    after: int
    """The place that the matter is at once this is done."""
    exact: bool
    done: bool = False


@dataclass(slots=True)
class Cast:
    """Who is there instead: whom a new agent is a copy of, and who isn't there."""

    like: dict[str, str] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)


class Replay:
    """``decisions`` is all that was decided; ``left_out`` counts acts that meant nothing any more.

    ``place``: the log's id and partition. ``retold`` says what a contact would be handed on as.
    """

    def __init__(
        self,
        story: Story,
        outside: list[Act],
        library: Library,
        place: tuple[str, int],
        *,
        cast: Cast | None = None,
        retold: Callable[[wire.Command, int], wire.Command] | None = None,
    ) -> None:
        self.decisions: list[wire.Decision] = []
        self.left_out: Counter[str] = Counter()
        self.world = World(State(*place))
        self._story, self._library, self._cast = story, library, cast or Cast()
        self._retold = retold
        self._heap: list[tuple[int, int, int, Callable[[int], None]]] = []
        self._serial = self._seq = self._offset = -1
        self._used: Counter[str] = Counter()
        self._matter: dict[str, str] = {}
        """Case → matter."""
        self._progress: Counter[str] = Counter()
        self._replies: Counter[str] = Counter()
        self._handed: Counter[str] = Counter()
        self._playing: dict[str, Playing] = {}
        self._answers = Answers(story)
        self._endings = Endings(story)
        self._last = {one.cause for one in story.decisions if one.at_ms == story.end_ms}
        for act in outside:
            self._at(act.at_ms, act.offset, self._outside(act))

    def run(self, until_ms: int | None = None) -> Replay:
        """To the log's end, or sooner."""
        end_ms = self._story.end_ms
        if until_ms is not None:
            end_ms = min(end_ms, until_ms)
        while True:
            timer = self.world.next_timer()
            first_ms = self._heap[0][0] if self._heap else end_ms + 1
            if timer is not None and timer[0] <= min(first_ms, end_ms) and not self._past(*timer):
                self._tick(*timer)
            elif first_ms <= end_ms:
                at_ms, _, _, act = heappop(self._heap)
                act(at_ms)
            else:
                break
        return self

    def _past(self, at_ms: int, key: str) -> bool:
        """Whether the log ended before its router came to a timer of its very last instant."""
        return at_ms == self._story.end_ms and timer_cause(key) not in self._last

    # The router

    def _send(self, now_ms: int, command: wire.Command) -> bool:
        """Let a command arrive; says whether it changed anything."""
        self._offset += 1
        self._used[command.id] += 1
        if (again := self._used[command.id] - 1) > 0:
            command = msgspec.structs.replace(command, id=f"{command.id}~{again}")
        item = Input(self._offset, now_ms, command)
        made: list[wire.Decision] = []
        finished = False
        while not finished:
            batch = self._batch(now_ms, command.id)
            finished = batch.add(item)
            made += self._close(batch)
        for one in made:
            if one.type in UNCHANGED and one.cause == command.id:
                code = str(one.data.get("code", "repeated"))
                self.left_out[f"refused:{command.type}:{code}"] += 1
                return False
        return True

    def _tick(self, now_ms: int, key: str) -> None:
        cause = timer_cause(key)
        done = False
        while not done:
            batch = self._batch(now_ms, cause)
            done = batch.tick(now_ms)
            self._close(batch)

    def _batch(self, now_ms: int, cause: str) -> Batch:
        """A record of its own; the router is as late as it was then for the same."""
        self._seq += 1
        wall_ms = now_ms + self._story.late_ms.get(lateness(cause, now_ms), 0)
        return Batch(self.world, self._library, seq=self._seq, wall_ms=wall_ms)

    def _close(self, batch: Batch) -> list[wire.Decision]:
        made = batch.close(engine=ENGINE).decisions
        for one in made:
            if one.type not in UNCHANGED:
                self.decisions.append(one)
                self._see(one)
        return made

    def _see(self, made: wire.Decision) -> None:
        match made.type:
            case "offer.made":
                self._answer(made)
            case "work.assigned":
                self._begin(made)
            case "work.wrapping" | "work.closed" | "work.cancelled" | "work.abandoned":
                self._end(made)
            case "case.opened" | "case.joined" | "case.reopened" | "contact.forwarded":
                self._contacted(made)
            case "case.replied":
                self._counted(made, self._replies, self._story.after_reply)
            case "case.handed_over" if "contact" in made.data:
                self._counted(made, self._handed, self._story.after_handed)

    def _at(self, at_ms: int, rank: int, act: Callable[[int], None]) -> None:
        self._serial += 1
        heappush(self._heap, (at_ms, rank, self._serial, act))

    def _pool(self, name: str) -> Pool:
        return self.world.state.pools.get(name) or Pool(name)

    # Customers, supervisors, files

    def _outside(self, act: Act) -> Callable[[int], None]:
        def happen(now_ms: int) -> None:
            command = act.command
            if self._retold is not None and command.type == "contact.add":
                command = self._retold(command, now_ms)
            if not self._still_means(act):
                self.left_out[f"otherwise:{command.type}"] += 1
                return
            if command.type in ("case.handed", "delivery.result"):
                command = self._placed_here(command)
            self._send(now_ms, command)

        return happen

    def _still_means(self, act: Act) -> bool:
        """Whether an act upon a case means what it did: an alert, until somebody answers."""
        command = act.command
        if act.answers is not None:
            case_id = command.case_id or ""
            return self._replies[self._matter.get(case_id, case_id)] <= act.answers
        if not act.situation:
            return True
        return situation(self._pool(command.pool), command.case_id) == act.situation

    def _placed_here(self, command: wire.Command) -> wire.Command:
        """Speaks of a hand-over or an explanation by its place in the log: here that is another."""
        pool = self._pool(command.pool)
        case = pool.cases.get(command.case_id or "")
        if command.data.get("effect") == "reply":
            named = (case := living(pool, command.case_id)) and case.explanation
            return msgspec.structs.replace(command, data=command.data | {"effect_id": named or ""})
        if case is None or case.handed is None:
            return command
        named = "hand_over" if command.type == "case.handed" else "effect_id"
        data = {**command.data, named: case.handed.id}
        return msgspec.structs.replace(command, data=data)

    def _contacted(self, made: wire.Decision) -> None:
        matter = self._story.matters.get(made.cause)
        if matter is None:
            return
        if made.case_id is not None:
            self._matter.setdefault(made.case_id, matter)
        self._follow(self._story.after_contact.get(made.cause, []), made.at_ms)

    def _counted(
        self, made: wire.Decision, counts: Counter[str], then: dict[tuple[str, int], list[After]]
    ) -> None:
        """Something that a matter has had so often: what came after that comes after it again."""
        matter = self._matter.get(str(made.case_id), str(made.case_id))
        counts[matter] += 1
        self._follow(then.get((matter, counts[matter]), []), made.at_ms)

    def _follow(self, following: list[After], now_ms: int) -> None:
        for after_ms, act in following:
            at_ms = now_ms + after_ms
            command = shifted(act.command, at_ms - act.at_ms)
            self._at(at_ms, act.offset, self._outside(act._replace(command=command)))

    # Offers

    def _answer(self, made: wire.Decision) -> None:
        """What comes of an offer: what came of it then, or what usually does."""
        offer_id, agent_id = str(made.offer_id), str(made.agent_id)
        told, least_ms, sent = self._story.offers.get(offer_id), 0, False
        if told is not None:
            for act in told.acts:
                at_ms = made.at_ms + act.at_ms - told.made_ms
                self._at(at_ms, act.offset, self._about_offer(made, act))
                sent |= act.command.type == "delivery.result"
            if told.outcome in OUTCOMES:
                return
            # It was taken back, or the log ended, before anybody could answer it.
            ended_ms = self._story.end_ms if told.ended_ms is None else told.ended_ms
            least_ms = ended_ms - told.made_ms + 1
        like = self._cast.like.get(agent_id, agent_id)
        answer = self._answers.draw(made.pool, like, offer_id)
        if answer.sent_ms is not None and not sent:
            self._at(made.at_ms + max(answer.sent_ms, least_ms), LAST, self._sent(made))
        if answer.act is not None:
            at_ms = made.at_ms + max(answer.after_ms, least_ms)
            self._at(at_ms, LAST, self._about_offer(made, answer.act))

    def _about_offer(self, made: wire.Decision, act: Act) -> Callable[[int], None]:
        def happen(now_ms: int) -> None:
            offer = self._pool(made.pool).offers.get(str(made.offer_id))
            if offer is None:
                return
            command = shifted(act.command, now_ms - act.at_ms)
            own = command.type != "delivery.result"
            self._send(now_ms, msgspec.structs.replace(
                command,
                data={**command.data, "offer_id": offer.id},
                token=offer.token if own else command.token,
                agent_id=offer.agent_id if command.agent_id is not None else None,
                actor=wire.Actor(kind="agent", id=offer.agent_id)
                if command.actor.kind == "agent" else command.actor,
            ))  # fmt: skip

        return happen

    def _sent(self, made: wire.Decision) -> Callable[[int], None]:
        def happen(now_ms: int) -> None:
            if str(made.offer_id) in self._pool(made.pool).offers:
                self._send(now_ms, wire.Command(
                    id=f"sent {made.offer_id}", type="delivery.result", pool=made.pool,
                    actor=wire.Actor(kind="system", id="whatif"), via="whatif",
                    data={"effect_id": made.offer_id, "effect": "offer", "state": "sent",
                          "offer_id": made.offer_id},
                ))  # fmt: skip

        return happen

    # Work

    def _begin(self, made: wire.Decision) -> None:
        """Somebody has a work: what is done with it, and when."""
        case_id, agent_id = str(made.case_id), str(made.agent_id)
        matter = self._matter.get(case_id, case_id)
        stints, place = self._story.stints.get(matter, []), self._progress[matter]
        like = self._cast.like.get(agent_id, agent_id)
        same = place < len(stints) and stints[place].agent_id == like
        if same and stints[place].ends is not None:
            self._play(made, matter, place, exact=True)
        elif same:
            self._play(made, matter, place, exact=True)
            ended_ms = stints[place].ended_ms
            so_far_ms = (self._story.end_ms if ended_ms is None else ended_ms) - (
                stints[place].begin_ms
            )
            if ended_ms is None:
                self._draw(made, matter, so_far_ms + 1, known=True)
            else:  # it was taken away then: where it isn't, it takes what it took in the end
                self._finish(made, matter, place + 1, so_far_ms + 1, known=True)
        else:
            self._finish(made, matter, place, 0)

    def _finish(
        self, made: wire.Decision, matter: str, place: int, late_ms: int, *, known: bool = False,
        tried: int = 0,
    ) -> None:  # fmt: skip
        """As whoever ended it, from this stint on; where nobody did, as such work usually is."""
        stints = self._story.stints.get(matter, [])
        for number in range(place, len(stints)):
            if stints[number].ends is not None:
                self._play(made, matter, number, exact=False, late_ms=late_ms)
                return
        self._draw(made, matter, late_ms, known=known, tried=tried)

    def _play(
        self, made: wire.Decision, matter: str, place: int, *, exact: bool, late_ms: int = 0
    ) -> None:
        stint = self._story.stints[matter][place]
        playing = Playing(
            matter, str(made.case_id), str(made.agent_id), made.pool, place, place + 1, exact
        )
        if not late_ms:
            self._playing[str(made.work_id)] = playing
        for number, act in enumerate(stint.acts):
            rank = act.offset if exact else LAST
            ends = number == stint.ends
            late = stint.ends is not None and number > stint.ends
            at_ms = made.at_ms + late_ms + act.at_ms - stint.begin_ms
            self._at(at_ms, rank, self._does(made, playing, stint, act, ends=ends, late=late))

    def _draw(
        self, made: wire.Decision, matter: str, least_ms: int, *, known: bool = False,
        tried: int = 0,
    ) -> None:  # fmt: skip
        """As such work usually is, but not before ``least_ms``; ``known``: it didn't end then.

        ``tried``: so many ways were refused.
        """
        if tried > ENDINGS_MAX:
            self.left_out["no_end_possible"] += 1
            return
        queue = self._pool(made.pool).works[str(made.work_id)].queue
        key = f"{made.work_id}~{tried}" if tried else str(made.work_id)
        stint = self._endings.draw(made.pool, queue, key, least_ms)
        if stint is None or stint.ends is None:
            self.left_out["no_end_known"] += not known
            return
        done = len(self._story.stints.get(matter, []))
        playing = Playing(
            matter, str(made.case_id), str(made.agent_id), made.pool, -1, done, exact=False
        )
        self._playing.setdefault(str(made.work_id), playing)
        at_ms = made.at_ms + max(stint.took_ms or 0, least_ms)
        act = stint.acts[stint.ends]
        does = self._does(made, playing, stint, act, ends=True, late=False, tried=tried)
        self._at(at_ms, LAST, does)

    def _does(
        self, made: wire.Decision, playing: Playing, stint: Stint, act: Act, *, ends: bool,
        late: bool, tried: int = 0,
    ) -> Callable[[int], None]:  # fmt: skip
        def happen(now_ms: int) -> None:
            pool = self._pool(playing.pool)
            work = pool.works.get(str(made.work_id))
            held = work is not None and work.agent_id == playing.agent_id
            case = living(pool, playing.case_id)
            over = ends and not playing.exact and work is not None and work.state == "wrapping"
            if over or case is None or (not playing.done if late else not held):
                return
            command = shifted(act.command, now_ms - act.at_ms)
            own = command.actor.kind == "agent" and command.agent_id == stint.agent_id
            # A number of the log that the router compares with another: here it has others.
            data = {key: value for key, value in command.data.items() if key != "expected_seq"}
            before = self._progress[playing.matter]
            if ends:  # whoever has it next, by this very act, is a stint further
                self._done(str(made.work_id), playing)
            done = self._send(now_ms, msgspec.structs.replace(
                command,
                case_id=playing.case_id,
                data=data,
                token=work.token if work is not None and held and command.token else None,
                agent_id=playing.agent_id if own else command.agent_id,
                actor=wire.Actor(kind="agent", id=playing.agent_id) if own else command.actor,
            ))  # fmt: skip
            if ends and not done:  # it can't be ended like that here
                self._progress[playing.matter] = before
                at = msgspec.structs.replace(made, at_ms=now_ms)
                self._finish(at, playing.matter, playing.after, 0, tried=tried + 1)

        return happen

    def _done(self, work_id: str, playing: Playing) -> None:
        playing.done = True
        progress = self._progress
        progress[playing.matter] = max(progress[playing.matter], playing.after)
        self._playing.pop(work_id, None)

    def _end(self, made: wire.Decision) -> None:
        """Work ends; where that was done to it then as well, the matter is a stint further."""
        if made.type == "work.wrapping":
            return
        playing = self._playing.pop(str(made.work_id), None)
        if playing is None or playing.done or not playing.exact:
            return
        if self._story.stints[playing.matter][playing.place].ends is None:
            self._progress[playing.matter] = max(self._progress[playing.matter], playing.after)


def shifted(command: wire.Command, by_ms: int) -> wire.Command:
    """A command so much later, with the instants that it names."""
    data = command.data
    moved = {key: data[key] + by_ms for key in _SHIFTED if isinstance(data.get(key), int)}
    return msgspec.structs.replace(command, data={**data, **moved}) if moved and by_ms else command
