"""The toy decider as a real process on a real Kafka, to be killed, frozen and doubled.

``python toy_router.py BROKER PREFIX DATA_DIR RUN_ID``. Exit codes: 3 displaced, 1 anything fatal.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from simulation.toy import ENGINE, WALL_MS, Toy, batch, digest_of

from vaxel_shared.blobs import FolderBlobs
from vaxel_shared.errors import Fatal, Retryable
from vaxel_shared.kafka.chain import ChainHalt
from vaxel_shared.kafka.log import KafkaPartitionLog
from vaxel_shared.kafka.records import ChainRecord
from vaxel_shared.kafka.snapshots import SnapshotStore
from vaxel_shared.kafka.topic_reader import record_sha256
from vaxel_shared.kafka.topics import DECISIONS, SNAPSHOTS, WORK, read_log_id
from vaxel_shared.kafka.writer import ChainWriter, Displaced
from vaxel_shared.settings import Settings

APPEND_TIMEOUT_MS = 1_500
SNAPSHOT_EVERY = 10
BATCH_MAX = 5


class Process:
    """Restores, claims, decides; whatever goes wrong, from the start again."""

    def __init__(self, settings: Settings, log_id: str, run_id: str) -> None:
        self.work = KafkaPartitionLog(settings, WORK, 0)
        self.decisions = KafkaPartitionLog(
            settings, DECISIONS, 0, append_timeout_ms=APPEND_TIMEOUT_MS
        )
        snapshots = KafkaPartitionLog(settings, SNAPSHOTS, 0)
        blobs = FolderBlobs(settings.blobs)
        self.store = SnapshotStore(snapshots, blobs, log_id=log_id, partition=0)
        self.writer = ChainWriter(
            self.decisions, log_id=log_id, partition=0, instance="0", run_id=run_id
        )
        self.state = Toy()
        self.records = 0

    async def run(self) -> None:
        while True:
            try:
                base = await self.store.choose(self.decisions, digest_of)
                self.state = Toy.load(base.state)
                await self.writer.restore(self.fold, base.position)
                await self.writer.claim(ENGINE, WALL_MS, self.state.state_digest)
                while True:
                    await self.commit_one()
            except Retryable:
                await asyncio.sleep(0.1)

    def fold(self, record: ChainRecord) -> None:
        promised = record.batch.state_digest
        if promised is not None and promised != self.state.state_digest:
            raise ChainHalt(f"seq {record.header.seq}: the state before it has another digest")
        for decision in record.batch.decisions:
            self.state = self.state.apply(decision)

    async def commit_one(self) -> None:
        first = self.writer.position.through + 1
        inputs = (await self.work.read(first, timeout_ms=50)).records[:BATCH_MAX]
        if not inputs:
            return
        assert inputs[0].offset == first, "no input is skipped"
        working, made = self.state, []
        for raw in inputs:
            working, decision = working.step(raw.value, raw.offset)
            made.append(decision)
        await self.writer.append(
            batch(*made),
            from_=first,
            through=inputs[-1].offset,
            through_sha256=record_sha256(inputs[-1].key, inputs[-1].value),
        )
        self.state = working
        self.records += 1
        if self.records % SNAPSHOT_EVERY == 0:
            dump = self.state.dump()
            await self.store.write(
                self.writer.position, dump, digest=digest_of(dump), engine=ENGINE, wall_ms=WALL_MS
            )


async def main(broker: str, prefix: str, data_dir: str, run_id: str) -> int:
    settings = Settings(
        broker=broker,
        security_protocol="PLAINTEXT",
        topic_prefix=prefix,
        data_dir=Path(data_dir),
    )
    try:
        await Process(settings, await read_log_id(settings), run_id).run()
    except Displaced:
        return 3
    except Fatal as error:
        print(error, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:])))
