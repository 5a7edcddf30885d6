"""What handlers work with while one input is folded: the world, the time, and ``emit``.

A handler never changes the state itself: it emits a decision, which is applied at once, and reads
on. Refusing is raising :class:`Refused` before anything was emitted.
"""

from __future__ import annotations

from typing import Any

import msgspec

from vaxel_router.core.apply import apply
from vaxel_router.core.limits import BATCH_BYTES_MAX, DECISIONS_MAX, DETOURS_MAX
from vaxel_router.core.matching import Matcher
from vaxel_router.core.ordering import place_ms
from vaxel_router.core.policy import Library, Plan, Policy, Queue, plan, skipped_to_ms, waived
from vaxel_router.core.state import Agent, Case, Pool, Work, World, asks_for
from vaxel_shared.contracts import wire


class Refused(Exception):
    """The command changes nothing; ``code`` says why, ``params`` with what."""

    def __init__(self, code: str, params: dict[str, Any] | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.params = params or {}


class Step:
    """One input, or one timer, of one batch."""

    def __init__(self, world: World, library: Library, *, seq: int, wall_ms: int) -> None:
        self.world = world
        self.library = library
        self.seq = seq
        self.wall_ms = wall_ms
        self.decisions: list[wire.Decision] = []
        self.encoded: list[bytes] = []
        self.pool: Pool = Pool("-")
        self.now_ms = world.state.now_ms
        self.cause = ""
        self.command: wire.Command | None = None
        self.unfinished = False
        self._bytes = 0

    def begin(self, cause: str, now_ms: int, command: wire.Command | None) -> None:
        """From here on decisions have this cause and time."""
        self.cause, self.now_ms, self.command = cause, now_ms, command
        self.unfinished = False

    @property
    def has_room(self) -> bool:
        """Whether the record can take more; handlers of many changes ask before each."""
        return len(self.decisions) < DECISIONS_MAX and self._bytes < BATCH_BYTES_MAX

    @property
    def bytes(self) -> int:
        """What the decisions weigh so far, encoded."""
        return self._bytes

    @property
    def continues(self) -> bool:
        """Whether this input was begun in the record before."""
        return self.world.state.open == self.cause

    @property
    def person_ms(self) -> int:
        """The instant from which a person's time counts: never before the step really ran."""
        return max(self.now_ms, self.wall_ms)

    @property
    def matcher(self) -> Matcher:
        """The pool's matcher."""
        return self.world.matchers[self.pool.name]

    @property
    def policy(self) -> Policy | None:
        """The pool's policy."""
        version = self.pool.policy
        return self.library[version] if version is not None else None

    def emit(
        self,
        type_: str,
        *,
        case_id: str | None = None,
        work_id: str | None = None,
        offer_id: str | None = None,
        agent_id: str | None = None,
        **data: Any,
    ) -> None:
        """Decide: the decision is applied to the world before this returns."""
        pool = self.pool
        policy = pool.policy
        if work_id is not None:
            work = pool.works.get(work_id)
            if work is not None and work.rules is not None:
                policy = work.rules  # by which this work is decided about
        if None in data.values():
            data = {name: value for name, value in data.items() if value is not None}
        decision = wire.Decision(
            type=type_,
            at_ms=self.now_ms,
            pool=pool.name,
            cause=self.cause,
            policy=policy,
            case_id=case_id,
            work_id=work_id,
            offer_id=offer_id,
            agent_id=agent_id,
            data=data,
        )
        decisions, encoded = self.decisions, wire.encode_decision(decision)
        place = (self.seq, len(decisions))
        decisions.append(decision)
        self.encoded.append(encoded)
        self._bytes += len(encoded)
        apply(self.world, decision, place)

    def queue(self, name: str) -> Queue | None:
        """A queue of the pool's policy."""
        version = self.pool.policy
        return self.library[version].queue(name) if version is not None else None

    def rules_of(self, asked: Work | Case) -> Policy | None:
        """The policy by which a work waits: that under which it came, or the present one."""
        rules = asked.rules if isinstance(asked, Work) else None
        return self.policy if rules is None else self.library[rules]

    def plan(self, work: Work, floor: int | None = None, *, by: Policy | None = None) -> Plan:
        """What a work asks for at its present age; ``floor`` as if it were escalated so far.

        ``by``: under another policy than its own.
        """
        floor = work.floor if floor is None else floor
        return self.plan_in(work.queue, work, floor, work.clock_ms, work.ahead_ms, by=by)

    def plan_in(
        self,
        queue: str,
        asked: Work | Case,
        floor: int,
        clock_ms: int,
        ahead_ms: int = 0,
        *,
        by: Policy | None = None,
    ) -> Plan:
        """What work asks for in a queue where it has waited since ``clock_ms``.

        ``ahead_ms``: so much further is it than its age, by steps that nobody was there for.
        """
        now_ms, shut = self.now_ms, self.pool.shut.get(queue)
        if shut is not None:  # its steps rest
            now_ms = max(clock_ms, min(now_ms, shut.since_ms))
        policy, switches = by if by is not None else self.rules_of(asked), self.pool.switches
        found = policy.queue(queue) if policy is not None else None
        hands = waived(policy, switches, queue) if switches and policy is not None else None
        while True:
            now = plan(
                found,
                skills=asked.skills,
                languages=asked.languages,
                own=asked.own,
                floor=floor,
                clock_ms=clock_ms - ahead_ms,
                now_ms=now_ms,
                waived=hands,
            )
            after_ms = skipped_to_ms(found, now.step)
            if after_ms is None or self._is_staffed(asked, now):
                return msgspec.structs.replace(now, ahead_ms=ahead_ms) if ahead_ms else now
            ahead_ms = after_ms - (now_ms - clock_ms)

    def _is_staffed(self, asked: Work | Case, now: Plan) -> bool:
        asks = asks_for(asked.channel, now.tiers, now.skills, now.languages, now.wants)
        return self.world.is_staffed(self.pool, asks)

    def place(self, work: Work, queue: str | None = None) -> int | None:
        """A work's place in the order by what holds now; ``queue``: as if it waited there."""
        name = work.queue if queue is None else queue
        return self.place_in(name, work.priority, work.since_ms, work.due_ms)

    def place_in(
        self, queue: str, priority: int, since_ms: int, due_ms: int | None = None
    ) -> int | None:
        """The place of such work in a queue; None where priority is the order."""
        found = self.queue(queue)
        return place_ms(self.policy, found, priority=priority, since_ms=since_ms, due_ms=due_ms)

    def diverted(self, queue: str) -> str:
        """Where work for a queue goes as long as it is diverted: usually there."""
        found = queue
        for _ in range(DETOURS_MAX if self.pool.switches else 0):
            switch = self.pool.switches.get(f"divert:{found}")
            if switch is None or switch.value is None:
                break
            found = switch.value
        return found

    def lease_until(self, work: Work) -> int | None:
        """Until when whoever gets this work now must have replied; None: there is no such time."""
        policy = self.policy
        if policy is None or (policy.bounce_limit and work.bounces > policy.bounce_limit):
            return None
        return policy.lease_end_ms(work.channel, self.person_ms)

    def case(self, command: wire.Command) -> Case:
        """The case that a command speaks of. Raises Refused."""
        case = self.living(self.pool.cases.get(command.case_id or ""))
        if case is None:
            raise Refused("unknown_case")
        if case.handed is not None:
            there = {"to_pool": case.handed.pool, "number": case.handed.number}
            raise Refused("handed_over", {name: it for name, it in there.items() if it})
        return case

    def living(self, case: Case | None) -> Case | None:
        """The case itself, or the one that it went into."""
        while case is not None and case.merged_into is not None:
            case = self.pool.cases.get(case.merged_into)
        return case

    def agent(self, agent_id: str | None) -> Agent:
        """An agent of the pool. Raises Refused."""
        agent = self.pool.agents.get(agent_id or "")
        if agent is None:
            raise Refused("unknown_agent", {"agent_id": agent_id})
        return agent

    def owned_work(self, command: wire.Command, case: Case) -> Work | None:
        """The case's work in hand, if the actor may end it. Raises Refused.

        An agent must hold it and name its token; a supervisor may act on any; None where nobody
        has it and the actor is a supervisor or the system.
        """
        work = self.pool.works.get(case.work_id or "")
        held = work is not None and work.state in ("assigned", "wrapping")
        if command.actor.kind in ("supervisor", "system"):
            return work
        if work is None or not held or work.agent_id != command.agent_id:
            raise Refused("not_owner", {"status": case.status})
        if command.token != work.token:
            raise Refused("stale_token", {"token": work.token})
        return work
