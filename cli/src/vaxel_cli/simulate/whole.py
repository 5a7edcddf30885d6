"""The whole engine as it runs in production: commands in, decisions out, nothing left out.

Every customer is a ``contact.add``, every end of service a ``case.resolve`` with its token, every
offer is accepted at once. A tick is the engine's millisecond.
"""

from __future__ import annotations

import hashlib
from typing import Any

from vaxel_cli.simulate.scenario import Scenario
from vaxel_router.core.engine import Batch, Input
from vaxel_router.core.policy import Policy, decode
from vaxel_router.core.state import State, World
from vaxel_shared.config.routing import Pool, policy_version, pool_policy
from vaxel_shared.contracts import wire
from vaxel_shared.version import ENGINE

LOG_ID = hashlib.md5(b"vaxel simulate", usedforsecurity=False).hexdigest()
POOL, QUEUE, CHANNEL = "main", "main", "voice"
SYSTEM = wire.Actor(kind="system", id="simulate")


class NotInEngine(Exception):
    """A scenario wants what a policy can't say yet."""


class WholeEngine:
    """A :class:`~vaxel_cli.simulate.matching.Matching` that sends commands to the engine."""

    def __init__(self, scenario: Scenario) -> None:
        if scenario.order == "aging" or scenario.selection != "longest_idle":
            raise NotInEngine(f"{scenario.order}, {scenario.selection}")
        self.world = World(State(LOG_ID, 0))
        self.decisions = 0
        """Decided so far."""
        self._seq = self._offset = -1
        self._library: dict[str, Policy] = {}
        self._requires = [{"skills": item.requires, "languages": []} for item in scenario.classes]
        ordered = scenario.order == "priority"
        self._priorities = [item.priority if ordered else 0 for item in scenario.classes]
        self._tokens: dict[str, str] = {}
        self._agents: list[str] = []
        self._publish(scenario)

    def arrive(self, customer: int, klass: int, now: int) -> int | None:
        """See :class:`Matching`."""
        made = self._send(
            now,
            "contact.add",
            SYSTEM,
            data={
                "contact_id": str(customer),
                "conversation_key": f"{POOL}|{CHANNEL}|line|{customer}",
                "customer_id": str(customer),
                "channel": CHANNEL,
                "account": "line",
                "language": "und",
                "queue": QUEUE,
                "priority": self._priorities[klass],
                "requires": self._requires[klass],
                "received_at_ms": now,
                "automatic": True,
                "src": [0, customer],
            },
        )
        return self._accept(made, now)[0]

    def free(self, agent: int, customer: int, now: int) -> int | None:
        """See :class:`Matching`."""
        agent_id = self._agents[agent]
        case_id = self._cases.pop(customer)
        made = self._send(
            now,
            "case.resolve",
            wire.Actor(kind="agent", id=agent_id),
            case_id=case_id,
            agent_id=agent_id,
            token=self._tokens.pop(case_id),
        )
        return self._accept(made, now)[1]

    def leave(self, customer: int, now: int) -> None:
        """See :class:`Matching`."""
        self._send(now, "case.resolve", SYSTEM, case_id=self._cases.pop(customer))

    def _publish(self, scenario: Scenario) -> None:
        pool = Pool.model_validate(
            {
                "name": POOL,
                "letter": "S",
                "reopen_within": 0,
                "sticky_wait": 0,
                "queues": [{"name": QUEUE, "steps": [{"after": 0, "tiers": [1]}]}],
            }
        )
        blob = pool_policy(pool)
        version = policy_version(blob)
        self._library[version] = decode(blob)
        self._cases: dict[int, str] = {}
        self._customers: dict[str, int] = {}
        data = {"kind": "routing", "version": version, "ref": version}
        self._send(0, "policy.publish", SYSTEM, data=data)
        profiles: list[dict[str, Any]] = []
        for group in scenario.agents:
            for _ in range(group.count):
                agent_id = f"a{len(profiles):06d}"
                self._agents.append(agent_id)
                profiles.append(
                    {
                        "id": agent_id,
                        "skills": group.skills,
                        "languages": {},
                        "capacity": group.slots,
                        "channels": {CHANNEL: {"cost": 1, "max": group.slots}},
                        "present": True,
                    }
                )
        data = {"source": "file", "version": "1", "directory_ref": "1", "directory_sha256": ""}
        self._send(0, "roster.set", SYSTEM, data={**data, "agents": profiles})
        self._numbers = {agent_id: number for number, agent_id in enumerate(self._agents)}

    def _send(self, now: int, type_: str, actor: wire.Actor, **given: Any) -> list[wire.Decision]:
        self._offset += 1
        command = wire.Command(
            id=f"c{self._offset}", type=type_, pool=POOL, actor=actor, via="simulate", **given
        )
        item = Input(self._offset, now, command)
        made: list[wire.Decision] = []
        finished = False
        while not finished:
            self._seq += 1
            batch = Batch(self.world, self._library, seq=self._seq, wall_ms=now)
            finished = batch.add(item)
            closed = batch.close(engine=ENGINE).decisions
            for index, decision in enumerate(closed):
                self._learn(decision, index)
            made += closed
        self.decisions += len(made)
        return made

    def _learn(self, decision: wire.Decision, index: int) -> None:
        if decision.type == "work.assigned" and decision.case_id is not None:
            self._tokens[decision.case_id] = f"{self._seq}.{index}"
        elif decision.type == "case.opened" and decision.case_id is not None:
            customer = int(decision.data["contact_id"])
            self._cases[customer] = decision.case_id
            self._customers[decision.case_id] = customer
        elif decision.type == "case.closed" and decision.case_id is not None:
            del self._customers[decision.case_id]
        elif decision.type in ("command.refused", "input.rejected"):
            raise AssertionError(decision)

    def _accept(self, made: list[wire.Decision], now: int) -> tuple[int | None, int | None]:
        """Accept what is offered: the agent and the customer, or nobody."""
        for decision in made:
            if decision.type != "offer.made" or not decision.case_id or not decision.agent_id:
                continue
            offer = self.world.pool(POOL).offers[decision.offer_id or ""]
            actor = wire.Actor(kind="agent", id=decision.agent_id)
            self._send(
                now,
                "offer.accept",
                actor,
                case_id=decision.case_id,
                agent_id=decision.agent_id,
                token=offer.token,
                data={"offer_id": offer.id},
            )
            return self._numbers[decision.agent_id], self._customers[decision.case_id]
        return None, None
