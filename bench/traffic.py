"""Traffic for the router's core: the example deployment under a queue that never runs dry.

A *desk* feeds commands to :class:`vaxel_router.core.engine.Batch` and keeps what a log would keep.
Each cycle is a new contact, an agent who accepts and one who replies, so the number of waiting
contacts stays where :meth:`Desk.fill` put it. All is drawn from one seed.
"""

from __future__ import annotations

import hashlib
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from kit import ROOT

from vaxel_router.core import state as states
from vaxel_router.core.engine import Batch
from vaxel_router.core.inputs import decode
from vaxel_router.core.policy import Policy, plan
from vaxel_router.core.policy import decode as decode_policy
from vaxel_router.core.state import Pool, State, World
from vaxel_shared.config.deployment import load
from vaxel_shared.config.routing import policy_version, pool_policy
from vaxel_shared.contracts import wire

LOG_ID = "5a" * 16
POOL = "support"
START_MS = 1_700_000_000_000
INPUTS_A_BATCH = 30
CONFIG = ROOT / "config"


@dataclass
class Spent:
    """Seconds of the processor, by what they went into, and what came of them."""

    decode_s: float = 0.0
    engine_s: float = 0.0
    encode_s: float = 0.0
    inputs: int = 0
    decisions: int = 0
    records: int = 0

    @property
    def total_s(self) -> float:
        return self.decode_s + self.engine_s + self.encode_s


@dataclass(frozen=True)
class Demand:
    """What a contact asks for."""

    queue: str
    language: str
    priority: int


@dataclass
class Desk:
    """A router in one process, with ``agents`` agents made from those of the example."""

    agents: int
    config: Path = CONFIG
    world: World = field(default_factory=lambda: World(State(LOG_ID, 0)))
    library: dict[str, Policy] = field(default_factory=dict)
    now_ms: int = START_MS
    seq: int = -1
    offset: int = -1
    contacts: int = 0
    bodies: list[bytes] = field(default_factory=list)
    events: list[tuple[wire.Command, int]] = field(default_factory=list)
    """Every command since the last :meth:`fill`, with its time, in order."""
    made: list[tuple[str, str]] = field(default_factory=list)
    """(work, agent) of every offer since then."""

    def __post_init__(self) -> None:
        self.random = Random(1)
        self.held: deque[tuple[str, str, str]] = deque()
        deployment = load(self.config)
        blob = pool_policy(next(p for p in deployment.routing.pools if p.name == POOL))
        version = policy_version(blob)
        self.library[version] = decode_policy(blob)
        profiles = [
            msgspec.json.decode(agent.profile().to_json()) for agent in deployment.roster.agents
        ]
        self.profiles = [
            profiles[i % len(profiles)] | {"id": f"a{i:04}", "present": True}
            for i in range(self.agents)
        ]
        self.demands = _demands(self.library[version], self.profiles)
        data = {"kind": "routing", "version": version, "ref": f"policy/{version}"}
        self.feed([self.command("policy.publish", data)])
        self.feed([self.command("roster.set", self.roster())])

    @property
    def pool(self) -> Pool:
        return self.world.state.pools[POOL]

    @property
    def waiting(self) -> int:
        return len(self.world.matchers[POOL])

    def fill(self, waiting: int) -> None:
        """Contacts until so many wait; half of what was offered on the way is accepted."""
        while self.waiting < waiting:
            missing = min(INPUTS_A_BATCH, waiting - self.waiting)
            self.feed([self.contact() for _ in range(missing)])
        offers = list(self.pool.offers.values())
        answers = [self._accept(offer) for offer in offers[: len(offers) // 2]]
        for first in range(0, len(answers), INPUTS_A_BATCH):
            self.feed(answers[first : first + INPUTS_A_BATCH])
        self.events, self.made = [], []

    def cycles(self, seconds: float) -> Spent:
        """Contact, accept, reply, in turn, for so long."""
        spent = Spent()
        while spent.total_s < seconds:
            offers = list(self.pool.offers.values())[: INPUTS_A_BATCH // 3]
            commands: list[wire.Command] = []
            for offer in offers:
                commands += [self.contact(), self._accept(offer), self._reply()]
            if not offers:  # whoever could take what waits has full hands: somebody is done
                commands = [self.contact(), self._reply()]
            self.feed(commands, spent)
        return spent

    def feed(self, commands: list[wire.Command], spent: Spent | None = None) -> None:
        """Decode, fold and encode ``commands``; the time goes on ``spent``."""
        spent = spent if spent is not None else Spent()
        values = [wire.encode(command) for command in commands]
        self.now_ms += 1
        self.events += [(command, self.now_ms) for command in commands]
        clock = time.thread_time
        begin = clock()
        inputs = [decode(self.offset + 1 + i, self.now_ms, v) for i, v in enumerate(values)]
        spent.decode_s += clock() - begin
        self.offset += len(values)
        place = 0
        while place < len(inputs):
            self.seq += 1
            begin = clock()
            batch = Batch(self.world, self.library, seq=self.seq, wall_ms=self.now_ms)
            while place < len(inputs) and batch.has_room and batch.add(inputs[place]):
                place += 1
            body = batch.close(engine="bench")
            decided = clock()
            raw = wire.encode(body)
            spent.engine_s += decided - begin
            spent.encode_s += clock() - decided
            self._note(body, raw, spent)
        spent.inputs += len(values)

    def _note(self, body: wire.Batch, raw: bytes, spent: Spent) -> None:
        spent.decisions += len(body.decisions)
        spent.records += 1
        self.bodies.append(raw)
        for one in body.decisions:
            if one.type == "work.assigned":
                work = self.pool.works[one.work_id or ""]
                self.held.append((work.case_id, one.agent_id or "", work.token or ""))
            elif one.type == "offer.made":
                self.made.append((one.work_id or "", one.agent_id or ""))
            elif one.type in ("command.refused", "input.rejected", "command.repeated"):
                raise AssertionError(f"{one.type} {one.data}: the traffic is wrong")

    def contact(self) -> wire.Command:
        self.contacts += 1
        demand = self.random.choice(self.demands)
        name = f"contact-{self.contacts}"
        data = {
            "contact_id": name,
            "conversation_key": f"{POOL}|email|support|{name}",
            "customer_id": f"customer-{self.contacts}",
            "channel": "email",
            "account": "support",
            "language": demand.language,
            "queue": demand.queue,
            "priority": demand.priority,
            "requires": {"skills": {}, "languages": [demand.language]},
            "received_at_ms": self.now_ms,
            "src": [0, self.contacts],
            "rule": {"id": "bench", "at": "routing.yaml:1"},
        }
        return self.command("contact.add", data, id_=name, kind="customer")

    def _accept(self, offer: states.Offer) -> wire.Command:
        data = {"offer_id": offer.id}
        return self.command("offer.accept", data, agent=offer.agent_id, token=offer.token)

    def _reply(self) -> wire.Command:
        case, agent, token = self.held.popleft()
        digest = hashlib.sha256(token.encode()).hexdigest()
        data = {"body_ref": f"body/{digest}", "body_sha256": digest, "body_size": 800}
        return self.command("case.reply", data, agent=agent, token=token, case=case)

    def command(
        self,
        type_: str,
        data: dict[str, Any],
        *,
        id_: str | None = None,
        kind: str = "system",
        agent: str | None = None,
        token: str | None = None,
        case: str | None = None,
    ) -> wire.Command:
        actor = wire.Actor(kind="agent" if agent else kind, id=agent or "bench")
        return wire.Command(
            id=id_ or f"{type_}-{token or len(self.bodies)}",
            type=type_,
            pool=POOL,
            actor=actor,
            via="bench",
            case_id=case,
            agent_id=agent,
            token=token,
            data=data,
        )

    def roster(self) -> dict[str, Any]:
        return {
            "source": "file",
            "version": "bench",
            "directory_ref": "roster/" + "0" * 64,
            "directory_sha256": "0" * 64,
            "agents": self.profiles,
        }


def _demands(policy: Policy, profiles: list[dict[str, Any]]) -> list[Demand]:
    """What somebody can take from the first second on, as often as there are ways to."""
    found: set[tuple[str, str, int]] = set()
    for queue in policy.queues:
        first = plan(queue, skills={}, languages=[], floor=1, clock_ms=0, now_ms=0)
        for profile in profiles:
            skills, languages = profile["skills"], profile["languages"]
            able = all(skills.get(name, 0) >= level for name, level in first.skills.items())
            if profile["tier"] in first.tiers and able and not queue.automatic:
                found |= {(queue.name, language, queue.priority) for language in languages}
    return [Demand(*one) for one in sorted(found)]
