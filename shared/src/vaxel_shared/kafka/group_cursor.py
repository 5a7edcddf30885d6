"""Where a group stands in each partition, held against the log.

A committed offset comes with the hash of the last record handled. The first record read after an
assignment must be the one at that offset, and the one before it must have that hash; from then on
offsets follow each other, and where the partition gets another leader the last record is looked at
again. Kafka's "start from the earliest when the offset is gone" would otherwise
pass over lost input in silence.
"""

from __future__ import annotations

from collections.abc import Sequence

from vaxel_shared.errors import Fatal
from vaxel_shared.kafka.admin import Offsets, group_offsets
from vaxel_shared.kafka.topic_reader import Record, read_record, record_sha256
from vaxel_shared.obs.logging import get_logger
from vaxel_shared.settings import Settings


class GroupCursor:
    """Of one member of ``group`` (full name) in ``topic`` (without prefix)."""

    def __init__(self, settings: Settings, topic: str, group: str) -> None:
        self._settings = settings
        self._topic = topic
        self._group = group
        self._expected: dict[int, int] = {}
        self._last: dict[int, bytes] = {}

    def forget(self) -> None:
        """After a rebalance every partition's start is verified again."""
        self._expected.clear()
        self._last.clear()

    async def verify(self, partition: int) -> int | None:
        """Look again at the last record that was accepted; the offset to go on from, if any.

        Raises Fatal where it isn't there any more, Retryable without a broker.
        """
        if partition not in self._last:
            return None
        following = self._expected[partition]
        last = await read_record(self._settings, self._topic, partition, following - 1)
        if record_sha256(last.key, last.value) != self._last[partition]:
            raise self._overwritten(last)
        return following

    async def check(self, records: Sequence[Record]) -> None:
        """Accept the next records of one partition.

        Raises Fatal where they don't continue what was handled, Retryable without a broker.
        """
        first = records[0]
        if first.partition not in self._expected:
            await self._check_start(first)
            self._expected[first.partition] = first.offset
        for record in records:
            expected = self._expected[record.partition]
            if record.offset != expected:
                raise Fatal(
                    f"{self._where(record)}: expected offset {expected}, got {record.offset}: "
                    f"records are missing; {self._remedy}"
                )
            self._expected[record.partition] = expected + 1
        self._last[first.partition] = record_sha256(records[-1].key, records[-1].value)

    async def _check_start(self, first: Record) -> None:
        rows = await group_offsets(self._settings, self._group, self._topic)
        row = rows.get(first.partition)
        if row is None or row.offset < 0:
            get_logger().warning(
                "no_cursor", topic=self._topic, partition=first.partition, from_offset=first.offset
            )
        elif row.offset != first.offset:
            raise Fatal(
                f"{self._where(first)}: the group stands at {row.offset}, the log offers "
                f"{first.offset}: acknowledged records were cut; {self._remedy}"
            )
        elif row.metadata:
            last = await self._before(first)
            if last is not None and record_sha256(last.key, last.value).hex() != row.metadata:
                raise self._overwritten(last)

    async def _before(self, first: Record) -> Record | None:
        """The record before; None where the log begins with this one."""
        offsets = Offsets(self._settings)
        try:
            begin = await offsets.begins(self._topic, [first.partition])
        finally:
            await offsets.close()
        if begin[first.partition] >= first.offset:
            return None
        return await read_record(self._settings, self._topic, first.partition, first.offset - 1)

    def _overwritten(self, last: Record) -> Fatal:
        return Fatal(
            f"{self._where(last)}: offset {last.offset} holds another record than when it was read:"
            f" acknowledged records were cut and overwritten; {self._remedy}"
        )

    def _where(self, record: Record) -> str:
        return f"{self._topic} partition {record.partition}"

    @property
    def _remedy(self) -> str:
        return (
            "restore the log from an archive, or accept the loss: delete the consumer group "
            f"{self._group}, and the log is read from its start"
        )
