"""The router of the simulated world: the real partition, writer, restore and snapshots over ports."""

from __future__ import annotations

import asyncio
import random
from functools import lru_cache
from pathlib import Path

from simulation.world.broker import Client, Link, Partition, WorldLog
from simulation.world.disk import Blobs, Disk
from simulation.world.timeline import Process

from vaxel_router.config import RouterSettings
from vaxel_router.shell.clock import LogClock
from vaxel_router.shell.partition import Partition as Owner
from vaxel_router.shell.ports import Ports
from vaxel_shared.errors import Fatal
from vaxel_shared.kafka.snapshots import SnapshotStore
from vaxel_shared.kafka.topic_reader import Record, TopicCursor, TopicReader
from vaxel_shared.kafka.topics import DEADLETTERS, DECISIONS, SNAPSHOTS, WORK
from vaxel_shared.kafka.writer import ChainWriter

LOG_ID = "ab" * 16


@lru_cache
def settings(snapshot_records: int, poll_ms: int) -> RouterSettings:
    """Of a router; nothing of them is the machine's."""
    return RouterSettings(
        broker="simulated:1",
        data_dir=Path("simulated"),
        snapshot_records=snapshot_records,
        poll_ms=poll_ms,
    )


class WorkReader(TopicReader):
    """The real reader's judgement of cursors and offsets, over the simulated log."""

    def __init__(
        self, client: Client, partition: Partition, cursor: TopicCursor, of: RouterSettings
    ) -> None:
        super().__init__(of, WORK, {0: cursor}, partitions=[0])
        self._client = client
        self._log = partition

    async def start(self) -> None:
        log = self._log
        begin, end = await self._client.ask(lambda: (log.start, log.end))
        await self._verify(self._cursors[0], begin, end)

    async def _record_at(self, partition: int, offset: int) -> Record:
        chunk = await self._client.read(self._log, offset, 0, 1)
        if not chunk.records:
            raise Fatal(f"no record at {offset}")
        return self._records(chunk)[0]

    async def poll(self, timeout_ms: int = 200, max_records: int = 500) -> list[Record]:
        at = self._cursors[0].offset + 1
        chunk = await self._client.read(self._log, at, timeout_ms, max_records)
        records = self._records(chunk)
        for record in records:
            self._advance(record)
        return records

    async def at_end(self) -> bool:
        log = self._log
        end = await self._client.ask(lambda: log.end)
        return bool(self._cursors[0].offset + 1 >= end)

    async def close(self) -> None:
        return

    @staticmethod
    def _records(chunk: object) -> list[Record]:
        return [
            Record(WORK, 0, raw.offset, raw.timestamp_ms, raw.key, raw.value, ())
            for raw in chunk.records  # type: ignore[attr-defined]
        ]


class Router:
    """One process: what ``bootstrap`` wires, over the simulated world."""

    def __init__(
        self,
        process: Process,
        link: Link,
        dies: object,
        disk: Disk,
        *,
        run_id: str,
        of: RouterSettings,
        rng: random.Random,
        batch_inputs: int,
    ) -> None:
        client = Client(process, link, dies)  # type: ignore[arg-type]
        broker = link.broker
        decisions = WorldLog(client, broker.partition(DECISIONS))
        snapshots = WorldLog(client, broker.partition(SNAPSHOTS))
        work, parked = broker.partition(WORK), broker.partition(DEADLETTERS)
        blobs = Blobs(disk, process)

        async def park(record: Record, reason: str) -> None:
            value = b"%d|%s" % (record.offset, reason.encode())
            await client.append(parked, b"0", value)

        self.owner = Owner(
            of,
            LOG_ID,
            0,
            Ports(
                writer=ChainWriter(
                    decisions,
                    log_id=LOG_ID,
                    partition=0,
                    instance="0",
                    run_id=run_id,
                    random=rng,
                ),
                decisions=decisions,
                snapshots=SnapshotStore(snapshots, blobs, log_id=LOG_ID, partition=0),
                open_reader=lambda cursor: Small(
                    WorkReader(client, work, cursor, of), batch_inputs
                ),
                park=park,
                blobs=blobs,
                clock=LogClock(process),
            ),
        )
        self.stop = asyncio.Event()

    async def run(self) -> None:
        await self.owner.run(self.stop)


class Small:
    """A reader that never hands over more than so many records: small batches on purpose."""

    def __init__(self, reader: WorkReader, most: int) -> None:
        self._reader = reader
        self._most = most
        self.start, self.at_end, self.close = reader.start, reader.at_end, reader.close

    async def poll(self, timeout_ms: int = 200, max_records: int = 500) -> list[Record]:
        return await self._reader.poll(timeout_ms, min(self._most, max_records))
