"""Which recorded first decisions two policies would make differently, each in the state of then.

For every contact that opened a case: the state in which it was decided, and in it what each of the
two policies does with the same message: queue, first agent, or waiting. Every decision is looked at
on its own; what would have followed from a different one is not guessed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from vaxel_cli.commands.recorded import Recorded
from vaxel_cli.policy.history import Moment, batches, fold
from vaxel_cli.policy.incoming import detector, pseudonym
from vaxel_cli.policy.interactions import Interactions
from vaxel_router.core import state as states
from vaxel_router.core.engine import Batch
from vaxel_router.core.inputs import decode
from vaxel_router.core.policy import Policy
from vaxel_router.core.policy import decode as decode_policy
from vaxel_router.core.state import State, World
from vaxel_router.core.written.queues import WINDOW
from vaxel_shared.config.deployment import Deployment, policy_blob
from vaxel_shared.config.routing import policy_version
from vaxel_shared.contracts import wire
from vaxel_shared.contracts.interaction import Interaction
from vaxel_triage.core.contact import Tools, to_command
from vaxel_triage.core.view import View

CASES_MAX = 10
"""Case numbers named in a group; more are counted."""
WAITS = "waits"
WINDOW_ENDS = "timer:window:"
"""What the cause of a decision begins with that the end of a window made."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a contact: the queue, the rule, and the first agent or that it waits."""

    queue: str
    rule: str
    priority: int
    first: str

    def plain(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        return {
            "queue": self.queue, "rule": self.rule, "priority": self.priority, "first": self.first,
        }  # fmt: skip


@dataclass
class Group:
    """Decisions that differ in the same way."""

    kind: str
    old: str
    new: str
    count: int = 0
    cases: list[str] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        return {
            "kind": self.kind, "old": self.old, "new": self.new, "count": self.count,
            "cases": self.cases,
        }  # fmt: skip


@dataclass
class Difference:
    """The whole answer."""

    compared: int = 0
    differ: int = 0
    as_recorded: int = 0
    """Where the old policy gives what the log says: the others were made under another one yet."""
    retriaged: int = 0
    """Where the message was still there, so that the rules were tried again."""
    left_out: dict[str, int] = field(default_factory=dict)
    groups: dict[tuple[str, str, str], Group] = field(default_factory=dict)

    def note(self, number: str, old: Outcome, new: Outcome) -> None:
        """Count one comparison."""
        self.compared += 1
        kinds = list(_kinds(old, new))
        self.differ += bool(kinds)
        for kind, before, after in kinds:
            group = self.groups.setdefault((kind, before, after), Group(kind, before, after))
            group.count += 1
            if len(group.cases) < CASES_MAX:
                group.cases.append(number)

    def leave_out(self, why: str) -> None:
        """Count one that can't be compared."""
        self.left_out[why] = self.left_out.get(why, 0) + 1

    def ordered(self) -> list[Group]:
        """The largest first, by kind."""
        return sorted(
            self.groups.values(), key=lambda one: (one.kind, -one.count, one.old, one.new)
        )


def _kinds(old: Outcome, new: Outcome) -> Iterator[tuple[str, str, str]]:
    if old.queue != new.queue:
        yield "queue", old.queue, new.queue
    if old.rule != new.rule:
        yield "rule", old.rule, new.rule
    if old.priority != new.priority:
        yield "priority", str(old.priority), str(new.priority)
    if old.first != new.first and WAITS in (old.first, new.first):
        before, after = (one if one == WAITS else "offered" for one in (old.first, new.first))
        yield "waits", before, after
    elif old.first != new.first:
        yield "first_agent", old.first, new.first


class Side:
    """One of the two deployments, ready to decide."""

    def __init__(self, loaded: Deployment) -> None:
        self._view = View.of(loaded.channels, loaded.routing)
        self._languages = tuple(loaded.channels.languages)
        self._versions: dict[str, str] = {}
        self._library: dict[str, Policy] = {}
        for pool in loaded.routing.pools:
            blob = policy_blob(loaded, pool)
            self._versions[pool.name] = policy_version(blob)
            self._library[policy_version(blob)] = decode_policy(blob)

    def decide(
        self, moment: Moment, message: Interaction | None, recorded: wire.Command
    ) -> Outcome | None:
        """What the router would decide in the state of that moment; None for an unknown pool.

        Without the message the rules can't be tried: what they chose then stands.
        """
        decision = moment.decision
        command = recorded if message is None else self.triaged(message, recorded)
        pool = moment.world.state.pools.get(command.pool)
        if pool is None or decision is None or command.pool not in self._versions:
            return None
        version = self._versions[command.pool]
        small = msgspec.structs.replace(
            pool, cases={}, conversations={}, closed={}, policy=version,
            named=self._library[version].names(),
        )  # fmt: skip
        state = State(moment.world.state.log_id, 0, now_ms=decision.at_ms, pools={pool.name: small})
        world = World(states.decode(states.encode(state)))
        batch = Batch(world, self._library, seq=moment.seq, wall_ms=decision.at_ms)
        batch.add(decode(0, decision.at_ms, wire.encode(command)))
        match = self._library[version].match
        if match is not None and not any(one.type == "offer.made" for one in batch.decisions):
            batch.tick(decision.at_ms + match.window_ms)  # as if nothing else came meanwhile
        return outcome_of(batch.decisions, command)

    def triaged(self, message: Interaction, recorded: wire.Command) -> wire.Command:
        """What triage would make of the message."""
        partition, offset = recorded.data["src"]
        made = to_command(
            message, src=(partition, offset), view=self._view,
            tools=Tools(pseudonym, detector(self._languages)), lacking=[],
        )  # fmt: skip
        return wire.decode_command(made.to_json())


def outcome_of(decisions: list[wire.Decision], command: wire.Command) -> Outcome | None:
    """What the decisions about a contact come to; None where it opened no case."""
    opened = next((one for one in decisions if one.type == "case.opened"), None)
    if opened is None:
        return None
    made = next((one for one in decisions if one.type == "offer.made"), None)
    first = str(made.agent_id) if made is not None else WAITS
    data = command.data
    rule = str((data.get("rule") or {}).get("id", "-"))
    return Outcome(str(opened.data["queue"]), rule, int(data.get("priority", 0)), first)


def compare(
    recorded: Recorded, interactions: Interactions, old: Deployment, new: Deployment
) -> Difference:
    """Hold the two policies against each other over all partitions of a log."""
    answer = Difference()
    sides = (Side(old), Side(new))
    for partition in recorded.partitions:
        inputs = _contacts(recorded, partition)
        made = _as_recorded(recorded, partition)
        for moment in fold(recorded, partition):
            decision = moment.decision
            if decision is None or decision.type != "case.opened":
                continue
            command = inputs.get(decision.cause)
            if command is None:
                answer.leave_out("input_missing")
                continue
            place = command.data["src"]
            message = interactions.get(int(place[0]), int(place[1]), command.id)
            before, after = (side.decide(moment, message, command) for side in sides)
            if before is None or after is None:
                answer.leave_out("pool_unknown")
                continue
            answer.retriaged += message is not None
            answer.as_recorded += (before.queue, before.first) == made.get(decision.cause)
            answer.note(str(decision.data.get("number", "")), before, after)
    return answer


def _contacts(recorded: Recorded, partition: int) -> dict[str, wire.Command]:
    """The contacts among the inputs, by id."""
    found = (
        decode(one.offset, one.timestamp_ms, one.value).command for one in recorded.work(partition)
    )
    return {item.id: item for item in found if item is not None and item.type == "contact.add"}


def _as_recorded(recorded: Recorded, partition: int) -> dict[str, tuple[str, str]]:
    """Of each contact that opened a case: the queue and whom it was offered to at once.

    At once is also at the end of the window in which it came.
    """
    found: dict[str, tuple[str, str]] = {}
    collected: dict[str, dict[str | None, str]] = defaultdict(dict)  # by pool, of its cases
    for _, batch in batches(recorded, partition):
        for one in batch.decisions:
            window = collected[one.pool]
            if one.type == "case.opened":
                found[one.cause] = (str(one.data["queue"]), WAITS)
                window[one.case_id] = one.cause
            elif one.type == "offer.made":
                ends = one.cause.startswith(WINDOW_ENDS)
                cause = window.get(one.case_id, "") if ends else one.cause
                if cause in found and found[cause][1] == WAITS:
                    found[cause] = (found[cause][0], str(one.agent_id))
            elif one.data.get("switch") == WINDOW and one.data.get("on") is False:
                window.clear()
    return found
