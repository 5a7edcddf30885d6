"""The log of decisions on the broker in memory: named, written in place of the router, and read."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from everycall.fake_kafka import FakeKafka

from vaxel_shared.contracts import wire
from vaxel_shared.contracts.snapshots import LogRecord
from vaxel_shared.kafka import chain
from vaxel_shared.kafka.log import RawRecord
from vaxel_shared.kafka.records import ChainRecord, Judge
from vaxel_shared.kafka.topics import DEADLETTERS, DECISIONS, SNAPSHOTS
from vaxel_shared.version import ENGINE

LOG_ID = "0123456789abcdef0123456789abcdef"


def name_log(kafka: FakeKafka) -> None:
    """What ``vaxel topics apply`` writes."""
    kafka.append(SNAPSHOTS, 0, b"log", LogRecord(log_id=LOG_ID).to_json())


class Decider:
    """Writes valid records to one partition."""

    def __init__(self, kafka: FakeKafka, partition: int = 0) -> None:
        self._kafka = kafka
        self._at = chain.genesis(LOG_ID, partition)

    def decide(self, *decisions: wire.Decision, through: int | None = None) -> int:
        """One record; answers its seq. ``through``: the last input that it covers."""
        at = self._at
        body = wire.encode(wire.Batch(engine=ENGINE, wall_ms=0, decisions=list(decisions)))
        reached = at.through if through is None else through
        digest = at.through_sha256 if reached == at.through else hashlib.sha256(body).digest()
        head = chain.Header(LOG_ID, at.seq + 1, at.sha256, at.through + 1, reached, digest)
        raw = chain.pack(head, body)
        row = self._kafka.append(DECISIONS, at.partition, str(at.partition).encode(), raw)
        self._at = chain.accept(at, row.offset, raw).state
        return at.seq + 1


def valid(kafka: FakeKafka, partition: int = 0) -> list[ChainRecord]:
    """The valid records, as every reader sees them. Raises ``ChainHalt``."""
    judge = Judge(chain.genesis(LOG_ID, partition))
    rows = kafka.logs[(DECISIONS, partition)]
    judged = [
        judge.judge(RawRecord(row.offset, row.timestamp, row.key, row.value or b"")) for row in rows
    ]
    return [record for record in judged if record is not None]


def parked(kafka: FakeKafka) -> dict[str, dict[str, Any]]:
    """Dead letters by id: one that was parked twice is one."""
    letters = [json.loads(row.value or b"") for row in kafka.rows(DEADLETTERS)]
    return {letter["id"]: letter for letter in letters}
