"""A register without Kafka: decisions go in by hand, commands come out on a list."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp.test_utils import TestClient, TestServer

from vaxel_register.bootstrap import MIGRATIONS, NAME, Parts, wire
from vaxel_register.config import RegisterSettings
from vaxel_register.core.projection import project, project_interaction
from vaxel_register.core.rows import Change
from vaxel_register.shell.queries import Queries
from vaxel_register.shell.store import Store
from vaxel_shared.blobs import FolderBlobs
from vaxel_shared.clock import ManualClock
from vaxel_shared.contracts.cloudevents import Event, iso_ms
from vaxel_shared.contracts.commands import DATA, Command
from vaxel_shared.contracts.interaction import Interaction
from vaxel_shared.contracts.wire import Decision
from vaxel_shared.crypto.keys import Keyring, create_key
from vaxel_shared.crypto.tokens import api_token
from vaxel_shared.errors import Retryable
from vaxel_shared.http.app import make_app
from vaxel_shared.kafka.producer import Ack
from vaxel_shared.sql import migrate

START_MS = 1_760_000_000_000
POOL = "support"
CASE, NUMBER, CONTACT = "case-1", "S7K-00001-A", "contact-1"
WORK, OFFER = "case-1.1", "offer-1"
KEY = "support|email|support|root-1"


def decision(type_: str, at_ms: int = START_MS, cause: str = "-", **fields: Any) -> Decision:
    """A decision; fields that aren't columns are its data."""
    columns = {
        name: fields.pop(name)
        for name in ("case_id", "work_id", "offer_id", "agent_id", "pool", "policy")
        if name in fields
    }
    return Decision(**({"pool": POOL} | columns), type=type_, at_ms=at_ms, cause=cause, data=fields)


def agent(agent_id: str, **fields: Any) -> Decision:
    """An agent of the roster who is there."""
    profile = {"id": agent_id, "tier": 1, "skills": {"billing": 5}, "languages": {"fi": 9}}
    profile |= {"capacity": 4, "channels": {"email": {"cost": 1, "max": 4}}}
    return decision(
        "agent.changed", agent_id=agent_id, profile=profile, presence="available", **fields
    )


def opened(
    case_id: str = CASE, number: str = NUMBER, contact: str = CONTACT, **fields: Any
) -> Decision:
    """A case begins."""
    data = {
        "number": number, "contact_id": contact, "conversation_key": KEY, "customer_id": "cust-1",
        "channel": "email", "account": "support", "language": "fi", "queue": "billing",
        "priority": 0, "requires": {"skills": {"billing": 3}, "languages": ["fi"]},
        "labels": ["invoice"], "received_at_ms": START_MS - 50, "src": [0, 0],
        "rule": {"id": "billing-words", "at": "routing.yaml:40"},
    }  # fmt: skip
    return decision("case.opened", case_id=case_id, **(data | fields))


def queued(case_id: str = CASE, number: int = 1, **fields: Any) -> Decision:
    """Work waits."""
    data = {
        "number": number, "queue": "billing", "language": "fi", "priority": 10, "tiers": [1, 2],
        "requires": {"skills": {"billing": 3}, "languages": ["fi"]}, "since_ms": START_MS,
        "step": 0, "step_at": "routing.yaml:12", "reason": "new",
    }  # fmt: skip
    return decision(
        "work.queued", case_id=case_id, work_id=f"{case_id}.{number}", **(data | fields)
    )


def offered(agent_id: str = "anna", **fields: Any) -> Decision:
    """Work is shown to an agent."""
    explain = {
        "candidates": 2, "eligible": 1, "by_code": {"presence_away": 1},
        "rejected": [{"agent_id": "ben", "code": "presence_away"}],
        "terms": [{"code": "sticky", "value": 0}],
    }  # fmt: skip
    ids = {"case_id": CASE, "work_id": WORK, "offer_id": OFFER, "agent_id": agent_id}
    data = {
        "number": NUMBER, "queue": "billing", "attempt": 1, "limit_ms": 600_000,
        "expires_ms": START_MS + 600_000, "explain": explain,
    }  # fmt: skip
    return decision("offer.made", **(ids | data | fields))


def accepted(agent_id: str = "anna", cause: str = "-") -> list[Decision]:
    """The offer ends and the work is the agent's."""
    ids: dict[str, Any] = {"case_id": CASE, "work_id": WORK, "agent_id": agent_id}
    return [
        decision("offer.ended", cause=cause, offer_id=OFFER, outcome="accepted", **ids),
        decision("work.assigned", cause=cause, via="accept", channel="email", cost=1, **ids),
    ]


def refused(cause: str, code: str, **params: Any) -> Decision:
    """The router says no."""
    return decision("command.refused", cause=cause, code=code, params=params)


def interaction(id_: str = CONTACT, at_ms: int = START_MS - 50, **fields: Any) -> Interaction:
    """A mail."""
    plain: dict[str, Any] = {
        "id": id_, "conversation_key": KEY, "channel": "email", "account": "support@nordic.example",
        "direction": "inbound", "kind": "message",
        "sender": {"external_id": "mikko@kunde.example", "name": "Mikko Väisänen"},
        "subject": "Lasku 4711 väärin", "text": "Hei, laskuni on väärin.", "reply_text": "Hei",
        "received_at": iso_ms(at_ms),
    }  # fmt: skip
    return Interaction.model_validate(plain | fields)


class FakeLog:
    """Takes commands; ``answer`` may decide at once; ``fails`` times it refuses first."""

    def __init__(self) -> None:
        self.sent: list[Command] = []
        self.events: list[Event] = []
        self.keys: list[str] = []
        self.fails = 0
        self.answer: Callable[[Command], list[Decision]] | None = None
        self.decide: Callable[..., Any] | None = None

    async def send(self, topic: str, key: str, value: bytes, event: Event) -> Ack:
        assert topic == "vaxel.work"
        if self.fails:
            self.fails -= 1
            raise Retryable("no acknowledgement for vaxel.work; is Kafka up?")
        command = Command.model_validate_json(value)
        DATA[command.type].model_validate(command.data)
        self.sent.append(command)
        self.events.append(event)
        self.keys.append(key)
        if self.answer is not None and self.decide is not None:
            await self.decide(*self.answer(command))
        return Ack(0, len(self.sent) - 1, START_MS)


@dataclass
class Register:
    """The parts, and short ways to use them."""

    settings: RegisterSettings
    keyring: Keyring
    parts: Parts
    log: FakeLog
    client: TestClient[Any, Any]
    clock: ManualClock
    stop: asyncio.Event
    feeding: asyncio.Task[None]
    seq: int = 0
    offset: int = 0
    closed: bool = False
    browsers: list[TestClient[Any, Any]] = field(default_factory=list)

    @property
    def store(self) -> Store:
        """The one way to write."""
        return self.parts.store

    @property
    def queries(self) -> Queries:
        """Reading."""
        return self.parts.queries

    @property
    def blobs(self) -> FolderBlobs:
        """Where texts are."""
        return FolderBlobs(self.settings.blobs)

    async def decide(self, *decisions: Decision, partition: int = 0) -> int:
        """Store a batch as the readers do; answers its seq."""
        seq = self.seq = self.seq + 1
        changes: list[Change] = []
        for index, item in enumerate(decisions):
            changes += project(item, partition=partition, offset=seq, seq=seq, index=index)
        await self.store.apply(changes, [])
        self.parts.arrivals.arrived(item.cause for item in decisions)
        self.parts.feed.grown()
        return seq

    async def receive(self, *interactions: Interaction) -> None:
        """Store interactions as the readers do."""
        for item in interactions:
            self.offset += 1
            await self.store.apply(
                project_interaction(item, partition=0, offset=self.offset, timestamp_ms=START_MS),
                [],
            )
        self.parts.feed.grown()

    def token(self, role: str, subject: str) -> dict[str, str]:
        """The header that proves who asks."""
        return {"Authorization": f"Bearer {api_token(self.keyring, role, subject)}"}

    async def get(self, path: str, role: str = "supervisor", sub: str = "sup", **query: Any) -> Any:
        """GET under /api/v1 as (status, JSON)."""
        response = await self.client.get(
            f"/api/v1{path}", headers=self.token(role, sub), params=query
        )
        return response.status, await response.json(content_type=None)

    async def post(
        self, path: str, body: Any = None, role: str = "agent", sub: str = "anna",
        key: str | None = None, **headers: str,
    ) -> Any:  # fmt: skip
        """POST under /api/v1 as (status, JSON, headers)."""
        sent = self.token(role, sub) | headers
        if key is not None:
            sent["Idempotency-Key"] = key
        kwargs = {"data": body} if isinstance(body, bytes) else {"json": body}
        response = await self.client.post(f"/api/v1{path}", headers=sent, **kwargs)
        return response.status, await response.json(content_type=None), response.headers

    async def with_offer(self) -> None:
        """A mail came in, opened a case, and is offered to anna."""
        await self.receive(interaction())
        await self.decide(agent("anna"), agent("ben"))
        await self.decide(opened(), queued(), offered())

    async def with_case(self) -> None:
        """The same, and anna has taken it."""
        await self.with_offer()
        await self.decide(*accepted())

    async def close(self) -> None:
        """Let go of everything."""
        if not self.closed:
            self.closed = True
            self.stop.set()
            await self.feeding
            for one in self.browsers:
                await one.session.close()
            await self.client.close()
            for close in self.parts.close:
                await close()


_migrated: list[bytes] = []
"""An empty database with all its tables: made once, copied for every test."""


async def _prepare_database(settings: RegisterSettings) -> None:
    if settings.database_url is not None:
        return  # its maker has copied it from one that has all tables
    file = settings.data_dir / "register.db"
    if file.exists():
        return
    if _migrated:
        file.write_bytes(_migrated[0])
        return
    await migrate(settings, NAME, MIGRATIONS)
    _migrated.append(file.read_bytes())


async def open_register(data_dir: Path, *, wait_ms: int = 150, **settings_: Any) -> Register:
    """Migrate and wire everything but Kafka."""
    settings = RegisterSettings(data_dir=data_dir, **settings_)
    create_key(settings.secrets)
    keyring = Keyring.load(settings.secrets)
    await _prepare_database(settings)
    log, clock = FakeLog(), ManualClock()
    parts = wire(settings, keyring, log, clock, wait_ms=wait_ms)
    client: TestClient[Any, Any] = TestClient(TestServer(make_app(list, parts.routes)))
    await client.start_server()
    stop = asyncio.Event()
    feeding = asyncio.create_task(parts.feed.run(stop))
    kit = Register(settings, keyring, parts, log, client, clock, stop, feeding)
    log.decide = kit.decide
    return kit
