"""Customers and agents of a rig: valid commands on ``vaxel.work``, at a bounded rate, with a journal.

Customers write, agents answer the offers that they see in the decisions: most accept, some decline,
some let it pass; they reply, note, resolve, and go away and come back. Some commands are sent twice,
as at-least-once senders do. With ``by_triage`` the customers' messages are interactions instead, and
triage makes the commands. The journal has one JSON line for each acknowledged record:
``{"topic", "partition", "offset", "id"}``.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import json
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from chaos.rig_place import Round, agents, pools

from vaxel_shared import ids
from vaxel_shared.blobs import FolderBlobs, sha256_of
from vaxel_shared.config import deployment
from vaxel_shared.config.routing import pool_policy
from vaxel_shared.contracts import cloudevents, commands
from vaxel_shared.contracts.commands import Actor, Command
from vaxel_shared.contracts.interaction import INTERACTION_TYPE, Interaction, Party
from vaxel_shared.errors import Retryable
from vaxel_shared.kafka.producer import Outgoing, Producer
from vaxel_shared.kafka.reader import ChainRecord
from vaxel_shared.kafka.topics import INTERACTIONS, WORK

TURN_S = 0.02
OPEN_MAX = 30
"""Contacts of a pool that nobody has answered yet; more would only lengthen its queue."""
SOURCE = "vaxel/rig"
TWICE = 0.02
ACCEPT, DECLINE = 0.82, 0.92  # the rest let it pass
RESOLVE, WAIT = 0.7, 0.9  # the rest stays open, and is resolved a little later
WRITES_AGAIN = 0.4
NO_TEXT = {"body_ref": "body/" + "0" * 64, "body_sha256": "0" * 64, "body_size": 80}
NOTE = {"note_ref": "note/" + "0" * 64, "note_sha256": "0" * 64, "note_size": 8}

Json = dict[str, Any]


@dataclass
class Feeder:
    """Sends in :meth:`run` until ``stop`` is set; :meth:`see` is told each valid record."""

    one: Round
    seed: int
    rate: float
    by_triage: bool = False
    sent: Counter[str] = field(default_factory=Counter)
    ends: dict[int, int] = field(default_factory=dict)
    """Partition of ``vaxel.work`` → the last offset acknowledged to us."""
    awaited: set[str] = field(default_factory=set)
    """Interactions that no decision speaks of yet."""

    def __post_init__(self) -> None:
        self.quiet = asyncio.Event()
        """No customer writes any more; what is open is still answered."""
        self.stop = asyncio.Event()
        self._random = random.Random(self.seed)
        self._due: list[tuple[float, int, Outgoing]] = []
        self._count = itertools.count()
        self._open = Counter(dict.fromkeys(pools(), 0))
        self._handed_over: set[str] = set()
        self._asked: dict[str, str] = {}
        """Conversation of each open case, by case."""
        self._policies = deployment.load(self.one.folder / "config").routing.pools
        self._journal = (self.one.folder / "journal.jsonl").open("a")

    async def run(self) -> None:
        """Send what is due, in turns; after trouble the same again, which may double it."""
        producer = await Producer.start(self.one.settings, SOURCE)
        allowed = 0.0
        try:
            while not self.stop.is_set():
                allowed = min(allowed + self.rate * TURN_S, self.rate)
                batch = self._batch(int(allowed))
                allowed -= len(batch)
                if batch:
                    await self._send(producer, batch)
                await asyncio.sleep(TURN_S)
        finally:
            self._journal.close()
            await producer.close()

    def _batch(self, room: int) -> list[Outgoing]:
        now, found = time.monotonic(), []
        while self._due and self._due[0][0] <= now and len(found) < room:
            found.append(heapq.heappop(self._due)[2])
        if not self.quiet.is_set():
            for pool in self._random.sample(list(self._open), len(self._open)):
                if len(found) < room and self._open[pool] < OPEN_MAX:
                    found.append(self._contact(pool))
            if self._random.random() < 0.02:
                self._presence()
            if self._random.random() < 0.01:
                self._policy()
        return found

    async def _send(self, producer: Producer, batch: list[Outgoing]) -> None:
        while True:
            try:
                acks = await producer.send_many(batch)
                break
            except Retryable:
                await asyncio.sleep(0.2)
        for outgoing, ack in zip(batch, acks, strict=True):
            if ack.offset < 0:
                continue  # stored, and nobody says where
            line = {"topic": outgoing.topic, "partition": ack.partition, "offset": ack.offset}
            self._journal.write(json.dumps({**line, "id": outgoing.event.id}) + "\n")
            self.sent[outgoing.event.type] += 1
            if outgoing.topic == WORK:
                self.ends[ack.partition] = max(ack.offset, self.ends.get(ack.partition, -1))
            elif outgoing.event.id not in self._handed_over:
                self.awaited.add(outgoing.event.id)
            if self._random.random() < TWICE:
                self._later(0.05, outgoing)
        self._journal.flush()

    def see(self, record: ChainRecord) -> None:
        """Somebody may have to answer what was decided."""
        for index, decision in enumerate(record.batch.decisions):
            token = ids.token(record.header.seq, index)
            kind, data = decision.type, decision.data
            case = decision.case_id or ""
            if self.by_triage and "contact_id" in data:
                self._handed_over.add(data["contact_id"])
                self.awaited.discard(data["contact_id"])
            if kind == "case.opened":
                self._asked[case] = data["conversation_key"]
            elif kind == "offer.made":
                effect = ids.effect_id(
                    record.header.log_id, record.partition, record.header.seq, index
                )
                self._offered(decision, token, effect)
            elif kind == "work.assigned":
                self._assigned(decision, token)
            elif kind == "case.resolved":
                self._resolved(decision.pool, case)

    def _offered(self, decision: Any, token: str, effect: str) -> None:
        pool, agent, offer = decision.pool, decision.agent_id, decision.offer_id
        if self._random.random() < 0.3:
            data = {"effect_id": effect, "effect": "offer", "state": "sent", "offer_id": offer}
            self._later(0.0, _command(pool, "delivery.result", (effect, "sent"), data))
        drawn = self._random.random()
        if drawn < DECLINE:
            verb = "offer.accept" if drawn < ACCEPT else "offer.decline"
            said = _command(
                pool, verb, (token, offer, agent), {"offer_id": offer}, agent=agent, token=token
            )
            self._later(self._random.uniform(0, 0.3), said)

    def _assigned(self, decision: Any, token: str) -> None:
        pool, agent, case = decision.pool, decision.agent_id, decision.case_id
        drawn, after_s = self._random.random(), self._random.uniform(0, 0.4)
        then = "resolved" if drawn < RESOLVE else "waiting" if drawn < WAIT else "open"
        whose: Json = {"agent": agent, "token": token, "case": case}
        if self._random.random() < 0.1:
            self._later(after_s / 2, _command(pool, "case.note", (case, token), NOTE, **whose))
        reply = _command(pool, "case.reply", (case, token), {**NO_TEXT, "then": then}, **whose)
        self._later(after_s, reply)
        if then == "open":
            done = _command(pool, "case.resolve", (case, token), {}, **whose)
            self._later(after_s + 0.3, done)
        elif then == "waiting":
            again = self._contact(pool, self._asked.get(case))
            self._later(after_s + self._random.uniform(0.2, 1), again)

    def _resolved(self, pool: str, case: str) -> None:
        self._open[pool] -= 1
        key = self._asked.pop(case, None)
        if key is not None and self._random.random() < WRITES_AGAIN and not self.quiet.is_set():
            self._open[pool] += 1
            self._later(self._random.uniform(0.1, 8), self._contact(pool, key))

    def _presence(self) -> None:
        """An agent goes away for a while, with or without the work in hand."""
        pool = self._random.choice(pools())
        agent = self._random.choice(agents(pool))
        for presence, after_s in (("away", 0.0), ("available", 1.5)):
            data = {"presence": presence, "mode": self._random.choice(["keep", "return_work"])}
            what = (agent, presence, str(next(self._count)))
            self._later(after_s, _command(pool, "agent.presence", what, data, agent=agent))

    def _policy(self) -> None:
        """A pool's policy is published, a little different each time; its blob comes first."""
        number = next(self._count)
        pool = self._random.choice(self._policies)
        offer = pool.offer.model_copy(update={"bar_after_decline_ms": 1_000 + number})
        blob = pool_policy(pool.model_copy(update={"offer": offer}))
        ref = FolderBlobs(self.one.settings.blobs).put_now("policy", blob)
        data = {"kind": "routing", "version": sha256_of(ref), "ref": ref}
        self._later(0.0, _command(pool.name, "policy.publish", (ref,), data))

    def _contact(self, pool: str, conversation: str | None = None) -> Outgoing:
        number = next(self._count)
        name = f"{self.one.prefix}contact-{number}"
        if conversation is None:
            self._open[pool] += 1
        key = conversation or f"{pool}|email|{pool}|{name}"
        if self.by_triage:
            return _interaction(pool, name, key)
        data = {
            "contact_id": name,
            "conversation_key": key,
            "customer_id": f"customer-{number}",
            "channel": "email",
            "account": pool,
            "language": "en",
            "queue": "desk",
            "requires": {"skills": {}, "languages": ["en"]},
            "received_at_ms": time.time_ns() // 1_000_000,
            "src": [0, number],
        }
        return _command(pool, "contact.add", (), data, name=name, kind="customer")

    def _later(self, seconds: float, outgoing: Outgoing) -> None:
        heapq.heappush(self._due, (time.monotonic() + seconds, next(self._count), outgoing))


def _command(
    pool: str,
    type_: str,
    what: tuple[str, ...],
    data: Json,
    *,
    name: str | None = None,
    kind: str | None = None,
    agent: str | None = None,
    token: str | None = None,
    case: str | None = None,
) -> Outgoing:
    actor = Actor(kind="agent" if agent else kind or "system", id=agent or "rig")  # type: ignore[arg-type]
    command = Command(
        id=name or ids.event_id(type_, *what),
        type=type_,
        pool=pool,
        actor=actor,
        via="rig",
        case_id=case,
        agent_id=agent,
        token=token,
        data=data,
    )
    event = cloudevents.Event(
        command.id, commands.event_type(type_), SOURCE, time.time_ns() // 1_000_000, pool
    )
    return Outgoing(WORK, pool, command.to_json(), event)


def _interaction(pool: str, name: str, key: str) -> Outgoing:
    now_ms = time.time_ns() // 1_000_000
    interaction = Interaction(
        id=name,
        conversation_key=key,
        channel="email",
        account=f"{pool}@rig.example",
        direction="inbound",
        kind="message",
        sender=Party(external_id=f"{name}@customers.example"),
        text="The parcel has not arrived yet, where is it now?",
        received_at=cloudevents.iso_ms(now_ms),
    )
    event = cloudevents.Event(name, INTERACTION_TYPE, SOURCE, now_ms, pool)
    return Outgoing(INTERACTIONS, key, interaction.to_json(), event)
