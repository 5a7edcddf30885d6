"""The router's shell: inputs in, one of them unreadable, an offer accepted, snapshots on the way."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator

import recorded_log
from everycall.chained import LOG_ID, name_log, parked, valid
from everycall.sweep import Scenario, World

from vaxel_router import bootstrap
from vaxel_router.config import RouterSettings
from vaxel_router.core.replay import DecisionRecord, WorkRecord, replay_partition
from vaxel_router.shell.partition import Partition
from vaxel_shared.blobs import FolderBlobs
from vaxel_shared.contracts import wire
from vaxel_shared.kafka import chain
from vaxel_shared.kafka.producer import Producer
from vaxel_shared.kafka.topics import WORK
from vaxel_shared.service import Service


class RouterScenario(Scenario):
    """One partition, wired as the service wires it."""

    name = "router"

    def __init__(self, world: World) -> None:
        self.world = world
        self.settings = RouterSettings(data_dir=world.folder, snapshot_records=3)
        self.commands: list[bytes] = []
        self.accepted = False

    async def prepare(self) -> None:
        name_log(self.world.kafka)
        self.commands = recorded_log.commands(self.settings.blobs)
        for value in self.commands:
            self._send(value)

    def _send(self, value: bytes) -> None:
        self.world.kafka.append(WORK, 0, recorded_log.POOL, value)

    async def build(self) -> Service:
        producer = await Producer.start(self.settings, "vaxel/router")
        ports = bootstrap._ports(self.settings, LOG_ID, 0, uuid.uuid4().hex, producer)
        partition = Partition(self.settings, LOG_ID, 0, ports)
        return Service(
            "router", self.settings, {"partition": partition.run}, closers=[producer.close]
        )

    async def drive(self, _service: Service) -> None:
        await self.world.until(lambda: self._said("offer.made"))
        if not self.accepted:
            self.accepted = True
            self._accept(self._said("offer.made")[0])
        await self.world.until(lambda: self._said("work.assigned"))
        await self.world.until(lambda: valid(self.world.kafka)[-1].header.through == self._last)

    @property
    def _last(self) -> int:
        return len(self.world.topic(WORK)) - 1

    def _said(self, type_: str) -> list[wire.Decision]:
        return [d for r in valid(self.world.kafka) for d in r.batch.decisions if d.type == type_]

    def _accept(self, offer: wire.Decision) -> None:
        (token,) = [
            f"{record.header.seq}.{index}"
            for record in valid(self.world.kafka)
            for index, decision in enumerate(record.batch.decisions)
            if decision.type == "offer.made" and decision.offer_id == offer.offer_id
        ]
        command = wire.Command(
            id="accept", type="offer.accept", pool="support", via="test", token=token,
            actor=wire.Actor("agent", str(offer.agent_id)), case_id=offer.case_id,
            agent_id=offer.agent_id, data={"offer_id": offer.offer_id},
        )  # fmt: skip
        self._send(wire.encode(command))

    def check(self) -> Iterator[str]:
        records = valid(self.world.kafka)
        covered = [
            offset
            for record in records
            for offset in range(record.header.from_, record.header.through + 1)
        ]
        if covered != list(range(self._last + 1)):
            yield f"inputs folded: {covered}"
        said = Counter((d.type, d.cause) for r in records for d in r.batch.decisions)
        for type_, cause in (
            ("case.opened", "first"), ("case.opened", "second"), ("command.repeated", "first"),
            ("work.assigned", "accept"), ("roster.adopted", "r"), ("policy.adopted", "p"),
        ):  # fmt: skip
            if said[(type_, cause)] != 1:
                yield f"{type_} of {cause}: {said[(type_, cause)]} times"
        letters = list(parked(self.world.kafka).values())
        if [(one["topic"], one["offset"]) for one in letters] != [(WORK, 5)]:
            yield f"parked: {letters}"
        yield from self._replayed()

    def _replayed(self) -> Iterator[str]:
        work = [WorkRecord(r.offset, r.timestamp, r.value or b"") for r in self.world.topic(WORK)]
        decided = []
        for record in valid(self.world.kafka):
            head, body = chain.unpack(record.raw) or (record.header, b"")
            decided.append(DecisionRecord(record.offset, head.seq, head.from_, head.through, body))
        store = FolderBlobs(self.settings.blobs)
        names = [path.name for path in (self.settings.blobs / "policy").glob("*/*")]
        blobs = {name: store.get_now(f"policy/{name}") for name in names}
        result = replay_partition(LOG_ID, 0, work, decided, blobs)
        if result.mismatch is not None:
            yield f"replay differs: {result.mismatch}"
