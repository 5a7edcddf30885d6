"""A router in one process: commands in, decisions out, the log kept for replay."""

from __future__ import annotations

from typing import Any

import yaml

from vaxel_router.core import state as states
from vaxel_router.core.apply import apply_batch
from vaxel_router.core.engine import Batch, Input
from vaxel_router.core.inputs import decode
from vaxel_router.core.invariants import broken
from vaxel_router.core.policy import Policy
from vaxel_router.core.policy import decode as decode_policy
from vaxel_router.core.replay import DecisionRecord, WorkRecord, replay_partition
from vaxel_router.core.state import State, World
from vaxel_shared.config import source
from vaxel_shared.config.roster import Roster
from vaxel_shared.config.routing import Routing, policy_version, pool_policy
from vaxel_shared.config.source import validate
from vaxel_shared.contracts import wire

LOG_ID = "0123456789abcdef0123456789abcdef"
START_MS = 1_700_000_000_000

ROUTING = """
pools:
  - name: support
    letter: S
    wrap_up: 30s
    sticky_wait: 1h
    offer: {limit: 10m, bar_after_decline: 1h, bar_after_miss: 10m}
    queues:
      - name: billing
        skills: {billing: 1}
        steps:
          - {after: 0s, tiers: [1]}
          - {after: 5m, tiers: [1, 2]}
          - {after: 20m, tiers: [1, 2, 3]}
        language_fallback: {after: 10m, to: [en]}
      - name: general
        steps: [{after: 0s, tiers: [1, 2, 3]}]
      - name: automatic
        automatic: true
        steps: [{after: 0s, tiers: [1, 2, 3]}]
"""

ROSTER = """
agents:
  - {id: a01, name: A One, email: a01@agents.example, pool: support, tier: 1, skills: {billing: 5}, languages: {fi: 10, en: 8}, capacity: 2, channels: {email: {cost: 1, max: 2}}, present: true}
  - {id: a02, name: A Two, email: a02@agents.example, pool: support, tier: 1, skills: {technical: 5}, languages: {fi: 10, en: 8}, capacity: 2, channels: {email: {cost: 1, max: 2}}, present: true}
  - {id: a03, name: A Three, email: a03@agents.example, pool: support, tier: 2, skills: {billing: 7}, languages: {sv: 10, en: 8}, capacity: 2, channels: {email: {cost: 1, max: 2}}, present: true}
  - {id: a04, name: A Four, email: a04@agents.example, pool: support, tier: 3, skills: {billing: 9}, languages: {fi: 8, en: 8}, capacity: 1, channels: {email: {cost: 1, max: 1}}, present: false}
"""


class Router:
    """Each ``send`` is one batch of one input; ``wait`` lets the clock pass.

    With ``restarts`` each record is followed by another process, restored from a snapshot.
    """

    def __init__(
        self,
        routing: str = ROUTING,
        roster: str = ROSTER,
        *,
        publish: bool = True,
        restarts: bool = False,
        name: str = "support",
        partition: int = 0,
    ) -> None:
        self.name, self.partition = name, partition
        self.world = World(State(LOG_ID, partition))
        self.library: dict[str, Policy] = {}
        self.blobs: dict[str, bytes] = {}
        self.now_ms = START_MS
        self.seq = -1
        self.work: list[WorkRecord] = []
        self.records: list[DecisionRecord] = []
        self.decisions: list[wire.Decision] = []
        self.serial = 0
        self.overridden: set[str] = set()
        self.restarts = restarts
        if publish:
            self.publish(routing)
            self.roster(roster)

    def publish(self, text: str, openings: dict[str, Any] | None = None) -> list[wire.Decision]:
        routing = validate(Routing, source.parse("routing.yaml", text.encode()))
        blob = pool_policy(routing.pools[0], openings)
        version = policy_version(blob)
        self.library[version] = decode_policy(blob)
        self.blobs[version] = blob
        return self.send(
            "policy.publish",
            data={"kind": "routing", "version": version, "ref": f"policy/{version}"},
        )

    def roster(self, text: str) -> list[wire.Decision]:
        agents = validate(Roster, source.parse("roster.yaml", text.encode())).agents
        return self.send(
            "roster.set",
            data={
                "source": "file",
                "version": f"v{self.serial}",
                "directory_ref": f"roster/{self.serial:064x}",
                "directory_sha256": f"{self.serial:064x}",
                "agents": [yaml.safe_load(a.profile().to_json()) for a in agents],
            },
        )

    def contact(
        self, name: str, *, conversation: str | None = None, **data: Any
    ) -> list[wire.Decision]:
        base = {
            "contact_id": name,
            "conversation_key": f"{self.name}|email|support|{conversation or name}",
            "customer_id": "customer",
            "channel": "email",
            "account": "support",
            "language": "fi",
            "queue": "billing",
            "requires": {"skills": {}, "languages": ["fi"]},
            "received_at_ms": self.now_ms,
            "src": [0, len(self.work)],
            "rule": {"id": "billing-words", "at": "routing.yaml:20"},
        }
        return self.send("contact.add", command_id=name, kind="customer", data=base | data)

    def send(
        self,
        type_: str,
        *,
        command_id: str | None = None,
        kind: str = "system",
        agent: str | None = None,
        case: str | None = None,
        token: str | None = None,
        data: dict[str, Any] | None = None,
    ) -> list[wire.Decision]:
        self.serial += 1
        command = wire.Command(
            id=command_id or f"command-{self.serial}",
            type=type_,
            pool=self.name,
            actor=wire.Actor(kind=kind, id=agent or "somebody"),
            via="test",
            case_id=case,
            agent_id=agent,
            token=token,
            data=data or {},
        )
        return self.feed(wire.encode(command))

    def feed(self, value: bytes) -> list[wire.Decision]:
        self.work.append(WorkRecord(len(self.work), self.now_ms, value))
        item = decode(len(self.work) - 1, self.now_ms, value)
        return self._batch(item, None)

    def wait(self, ms: int) -> list[wire.Decision]:
        self.now_ms += ms
        out: list[wire.Decision] = []
        while True:
            out += self._batch(None, self.now_ms)
            if not self._is_due():
                return out

    def _is_due(self) -> bool:
        timer = self.world.next_timer()
        return timer is not None and timer[0] <= self.world.state.now_ms

    def _batch(self, item: Input | None, tick_ms: int | None) -> list[wire.Decision]:
        made: list[wire.Decision] = []
        while True:
            self.seq += 1
            before = states.digest(self.world.state)
            through = self.records[-1].through if self.records else -1
            batch = Batch(self.world, self.library, seq=self.seq, wall_ms=self.now_ms)
            done = True
            if item is not None:
                done = batch.add(item)
                reached = through + 1 if done else through
            else:
                assert tick_ms is not None
                batch.tick(tick_ms)
                reached = through
            body = batch.close(engine="test", state_digest=before)
            self.records.append(
                DecisionRecord(self.seq, self.seq, through + 1, reached, wire.encode(body))
            )
            if self.restarts:
                self._restart(reached)
            made += body.decisions
            self.decisions += body.decisions
            if done:
                if not self._is_due():
                    break
                item, tick_ms = None, self.now_ms  # a full record left something to go on with
        problems = broken(self.world, frozenset(self.overridden))
        assert not problems, problems
        return made

    def _restart(self, through: int) -> None:
        """Another process goes on from a snapshot, and says so."""
        self.world = World(states.decode(states.encode(self.world.state)))
        self.seq += 1
        batch = Batch(self.world, self.library, seq=self.seq, wall_ms=self.now_ms)
        body = batch.close(engine="test", claim={"instance": "0", "run_id": str(self.seq)})
        self.records.append(
            DecisionRecord(self.seq, self.seq, through + 1, through, wire.encode(body))
        )

    def replay(self) -> None:
        """The recorded log folds to the same bytes, and restoring it to the same state."""
        result = replay_partition(LOG_ID, self.partition, self.work, self.records, self.blobs)
        assert result.mismatch is None, result.mismatch
        restored = World(State(LOG_ID, self.partition))
        half = len(self.records) // 2
        for record in self.records[:half]:
            apply_batch(restored, wire.decode_batch(record.body), record.seq)
        restored = World(states.decode(states.encode(restored.state)))
        for record in self.records[half:]:
            apply_batch(restored, wire.decode_batch(record.body), record.seq)
        assert states.digest(restored.state) == states.digest(self.world.state)

    # What tests ask

    def pool(self) -> states.Pool:
        return self.world.state.pools[self.name]

    def last(self, type_: str) -> wire.Decision:
        return next(d for d in reversed(self.decisions) if d.type == type_)

    def offer(self) -> states.Offer:
        return list(self.pool().offers.values())[-1]

    def accept(self, offer: states.Offer | None = None, **over: Any) -> list[wire.Decision]:
        offer = offer or self.offer()
        return self.send(
            "offer.accept",
            kind="agent",
            agent=over.get("agent", offer.agent_id),
            token=over.get("token", offer.token),
            data={"offer_id": offer.id},
        )

    def decline(self, offer: states.Offer | None = None) -> list[wire.Decision]:
        offer = offer or self.offer()
        return self.send(
            "offer.decline",
            kind="agent",
            agent=offer.agent_id,
            token=offer.token,
            data={"offer_id": offer.id},
        )

    def act(self, type_: str, case: states.Case, **data: Any) -> list[wire.Decision]:
        """As the agent who holds the case's work."""
        work = self.pool().works.get(case.work_id or "")
        agent = work.agent_id if work else case.last_agent
        return self.send(
            type_,
            kind="agent",
            agent=agent,
            case=case.id,
            token=work.token if work else None,
            data=data,
        )

    def reply(self, case: states.Case, **data: Any) -> list[wire.Decision]:
        body = {"body_ref": "body/" + "0" * 64, "body_sha256": "0" * 64, "body_size": 3}
        return self.act("case.reply", case, **(body | data))

    def sent(self, offer: states.Offer) -> list[wire.Decision]:
        return self.send(
            "delivery.result",
            data={
                "effect_id": f"e{offer.id}",
                "effect": "offer",
                "state": "sent",
                "offer_id": offer.id,
            },
        )

    def case(self) -> states.Case:
        return list(self.pool().cases.values())[-1]


def types(decisions: list[wire.Decision]) -> list[str]:
    return [decision.type for decision in decisions]
