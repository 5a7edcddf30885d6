"""A partition on a real Apache Kafka: what was decided survives whoever decided it."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from router_harness import ROSTER, ROUTING

from vaxel_router.bootstrap import _ports
from vaxel_router.config import RouterSettings
from vaxel_router.core import cases, engine
from vaxel_router.core import state as states
from vaxel_router.core.replay import DecisionRecord, WorkRecord, replay_partition
from vaxel_router.shell.partition import Partition
from vaxel_shared.blobs import FolderBlobs
from vaxel_shared.config import source
from vaxel_shared.config.roster import Roster
from vaxel_shared.config.routing import Routing, policy_version, pool_policy
from vaxel_shared.config.source import validate
from vaxel_shared.contracts import wire
from vaxel_shared.contracts.cloudevents import Event
from vaxel_shared.kafka import chain
from vaxel_shared.kafka.producer import Producer
from vaxel_shared.kafka.reader import DecisionsReader
from vaxel_shared.kafka.topic_reader import TopicReader
from vaxel_shared.kafka.topics import DEADLETTERS, WORK, apply, partition_for, read_log_id
from vaxel_shared.settings import Settings

pytestmark = pytest.mark.broker
POOL = "support"
PARTITION = partition_for(POOL.encode(), 4)


class System:
    """A router's partition with its topics; ``send`` writes commands, ``until`` awaits decisions."""

    def __init__(self, settings: RouterSettings) -> None:
        self.settings = settings
        self.count = 0
        self.decisions: list[wire.Decision] = []
        self.records: list[DecisionRecord] = []
        self.stop = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        await apply(self.settings, local=True)
        self.log_id = await read_log_id(self.settings)
        self.producer = await Producer.start(self.settings, "vaxel/test")
        self.reader = DecisionsReader(self.settings, {})
        await self.reader.start()
        self.blobs = FolderBlobs(self.settings.blobs)

    async def start(self) -> Partition:
        self.stop = asyncio.Event()
        ports = _ports(self.settings, self.log_id, PARTITION, uuid.uuid4().hex, self.producer)
        self.partition = Partition(self.settings, self.log_id, PARTITION, ports)
        self.task = asyncio.create_task(self.partition.run(self.stop))
        return self.partition

    async def end(self, *, kill: bool = False) -> None:
        assert self.task is not None
        if kill:
            self.task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.task
        else:
            self.stop.set()
            await self.task

    async def close(self) -> None:
        await self.producer.close()
        await self.reader.close()

    async def publish(self) -> None:
        routing = validate(Routing, source.parse("routing.yaml", ROUTING.encode()))
        blob = pool_policy(routing.pools[0])
        ref = await self.blobs.put("policy", blob)
        await self.send(
            "policy.publish", data={"kind": "routing", "version": policy_version(blob), "ref": ref}
        )
        agents = validate(Roster, source.parse("roster.yaml", ROSTER.encode())).agents
        profiles = [yaml.safe_load(a.profile().to_json()) for a in agents]
        directory = {"directory_ref": "roster/" + "0" * 64, "directory_sha256": "0" * 64}
        await self.send(
            "roster.set", data={"source": "file", "version": "1", **directory, "agents": profiles}
        )

    async def send(
        self,
        type_: str,
        command_id: str | None = None,
        data: dict[str, Any] | None = None,
        **more: Any,
    ) -> None:
        self.count += 1
        command = wire.Command(
            id=command_id or f"c{self.count}", type=type_, pool=POOL,
            actor=wire.Actor(more.pop("kind", "system"), "x"), via="test", data=data or {}, **more,
        )  # fmt: skip
        await self.put(wire.encode(command))

    async def put(self, value: bytes) -> None:
        event = Event(id=str(self.count), type="vaxel.command.test.v1", source="test", time_ms=1)
        await self.producer.send(WORK, POOL, value, event)

    async def contact(self, name: str) -> None:
        await self.send(
            "contact.add",
            command_id=name,
            data={
                "contact_id": name, "conversation_key": f"{POOL}|email|support|{name}", "customer_id": "c",
                "channel": "email", "account": "support", "language": "fi", "queue": "general",
                "requires": {"languages": ["fi"]}, "received_at_ms": 1, "src": [0, self.count],
            },
        )  # fmt: skip

    async def until(self, found: Callable[[], bool], seconds: float = 20) -> None:
        async with asyncio.timeout(seconds):
            while not found():
                for record in await self.reader.poll(timeout_ms=50):
                    self.decisions += record.batch.decisions
                    header, body = chain.unpack(record.raw) or pytest.fail("header")
                    self.records.append(
                        DecisionRecord(
                            record.offset, header.seq, header.from_, header.through, body
                        )
                    )

    def seen(self, type_: str) -> int:
        return sum(d.type == type_ for d in self.decisions)

    async def replay(self) -> None:
        reader = TopicReader(self.settings, WORK, {}, cold_start="genesis")
        await reader.start()
        work: list[WorkRecord] = []
        while not await reader.at_end():
            work += [
                WorkRecord(r.offset, r.timestamp_ms, r.value)
                for r in await reader.poll()
                if r.partition == PARTITION
            ]
        await reader.close()
        version = next(d.data["version"] for d in self.decisions if d.type == "policy.adopted")
        blobs = {version: await self.blobs.get(f"policy/{version}")}
        result = replay_partition(self.log_id, PARTITION, work, self.records, blobs)
        assert result.mismatch is None, result.mismatch
        assert result.records == len(self.records)


@pytest.fixture
def router_settings(make_settings: Callable[..., Settings]) -> RouterSettings:
    base = make_settings().model_dump()
    return RouterSettings(**(base | {"snapshot_records": 3, "poll_ms": 20}))


@pytest.fixture
async def system(router_settings: RouterSettings):
    one = System(router_settings)
    await one.open()
    yield one
    await one.close()


async def test_commands_become_decisions_and_survive_stop_and_kill(system: System) -> None:
    await system.start()
    await system.publish()
    for number in range(6):
        await system.contact(f"m{number}")
    await system.until(lambda: system.seen("case.opened") == 6)
    await system.end(kill=True)
    await system.contact("m6")
    await system.contact("m0")
    first = await system.start()
    await system.until(
        lambda: system.seen("case.opened") == 7 and system.seen("command.repeated") == 1
    )
    await system.end()
    digest = states.digest(first.world.state)
    second = await system.start()
    await system.contact("m7")
    await system.until(lambda: system.seen("case.opened") == 8)
    await system.end()
    assert states.digest(second.world.state) != digest
    numbers = [d.data["number"] for d in system.decisions if d.type == "case.opened"]
    assert len(set(numbers)) == 8
    await system.replay()


async def test_timers_fire_by_the_brokers_clock(system: System) -> None:
    await system.start()
    routing = ROUTING.replace("offer: {limit: 10m", "offer: {limit: 1s")
    blob = pool_policy(validate(Routing, source.parse("routing.yaml", routing.encode())).pools[0])
    ref = await system.blobs.put("policy", blob)
    await system.publish()
    await system.send(
        "policy.publish", data={"kind": "routing", "version": policy_version(blob), "ref": ref}
    )
    await system.contact("m0")
    await system.until(lambda: system.seen("offer.made") >= 2, 15)
    ended = [d.data["outcome"] for d in system.decisions if d.type == "offer.ended"]
    assert ended[0] == "unseen"
    await system.end()


async def test_two_owners_decide_everything_once(system: System) -> None:
    await system.start()
    zombie, zombie_stop = system.task, system.stop
    await system.publish()
    await system.until(lambda: system.seen("roster.adopted") == 1)
    await system.start()
    for number in range(20):
        await system.contact(f"m{number}")
    await system.until(lambda: system.seen("case.opened") == 20)
    await system.end()
    zombie_stop.set()
    assert zombie is not None
    with contextlib.suppress(Exception):
        await zombie
    assert system.seen("command.repeated") == 0
    await system.replay()


async def test_input_that_raises_is_set_aside_alone(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(_step: object, _command: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setitem(engine.HANDLERS, "case.note", explode)
    await system.start()
    await system.publish()
    await system.contact("m0")
    note = {"note_ref": "n", "note_sha256": "n", "note_size": 1}
    await system.send("case.note", case_id="x", data=note)
    await system.put(b"no command")
    await system.contact("m1")
    await system.until(lambda: system.seen("case.opened") == 2)
    errors = [d.data["error"] for d in system.decisions if d.type == "input.rejected"]
    assert errors == ["raised:ZeroDivisionError", "undecodable"]
    await system.end()
    monkeypatch.setitem(engine.HANDLERS, "case.note", cases.note)
    await system.replay()
    reader = TopicReader(system.settings, DEADLETTERS, {}, cold_start="genesis")
    await reader.start()
    letters = []
    while not await reader.at_end():
        letters += await reader.poll()
    await reader.close()
    assert len(letters) >= 2
