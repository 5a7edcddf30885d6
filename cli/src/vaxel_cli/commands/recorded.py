"""A recorded log, partition by partition: from an export's folder or from a broker.

What both have in common: inputs and decisions of one partition, in order and complete from the
first offset on, and the policies that were in force, by version.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Protocol

from vaxel_cli.commands import export
from vaxel_cli.console import unreachable
from vaxel_shared.blobs import FolderBlobs
from vaxel_shared.errors import VaxelError
from vaxel_shared.kafka.scan import bounds, scan
from vaxel_shared.kafka.topic_reader import Record
from vaxel_shared.kafka.topics import DECISIONS, WORK, read_log_id
from vaxel_shared.settings import Settings


class Recorded(Protocol):
    """Where a replay gets what it folds."""

    log_id: str
    partitions: list[int]
    policies: Mapping[str, bytes]

    def decisions(self, partition: int) -> Iterator[Record]:
        """The records of ``vaxel.decisions``, void ones too, from offset 0 on."""
        ...

    def kept(self, partition: int) -> Iterator[Record]:
        """The same from wherever the log begins today."""
        ...

    def work(self, partition: int) -> Iterator[Record]:
        """At least the inputs that those decisions fold, from offset 0 on."""
        ...


class Policies(Mapping[str, bytes]):
    """Policy blobs of a folder by version; raises ``KeyError`` where one is missing."""

    def __init__(self, folder: Path) -> None:
        self._blobs = FolderBlobs(folder)
        self._folder = folder

    def __getitem__(self, version: str) -> bytes:
        try:
            return self._blobs.get_now(f"policy/{version}")
        except VaxelError as error:
            raise KeyError(version) from error

    def __iter__(self) -> Iterator[str]:
        return (path.name for path in (self._folder / "policy").glob("*/*"))

    def __len__(self) -> int:
        return sum(1 for _ in self)


class FromExport:
    """An export's folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._manifest = export.read_manifest(folder)
        self.log_id = str(self._manifest["log_id"])
        parts = self._manifest["topics"].get(DECISIONS, {}).get("partitions", [])
        self.partitions = [int(part["partition"]) for part in parts]
        self.policies: Mapping[str, bytes] = Policies(folder / "blobs")

    def decisions(self, partition: int) -> Iterator[Record]:
        """See :class:`Recorded`."""
        return self._whole(DECISIONS, partition)

    def kept(self, partition: int) -> Iterator[Record]:
        """See :class:`Recorded`."""
        return export.read_partition(self._folder, self._manifest, DECISIONS, partition)

    def work(self, partition: int) -> Iterator[Record]:
        """See :class:`Recorded`."""
        return self._whole(WORK, partition)

    def _whole(self, topic: str, partition: int) -> Iterator[Record]:
        records = export.read_partition(self._folder, self._manifest, topic, partition)
        return _from_the_first(records, topic, partition)


class FromBroker:
    """What a broker holds now, read once into memory."""

    def __init__(self, settings: Settings) -> None:
        self.log_id, found = asyncio.run(_read(settings))
        self._records = found
        self.partitions = sorted(found[DECISIONS])
        self.policies: Mapping[str, bytes] = Policies(settings.blobs)

    def decisions(self, partition: int) -> Iterator[Record]:
        """See :class:`Recorded`."""
        return _from_the_first(self._records[DECISIONS][partition], DECISIONS, partition)

    def kept(self, partition: int) -> Iterator[Record]:
        """See :class:`Recorded`."""
        return iter(self._records[DECISIONS][partition])

    def work(self, partition: int) -> Iterator[Record]:
        """See :class:`Recorded`."""
        return _from_the_first(self._records[WORK].get(partition, []), WORK, partition)


async def _read(settings: Settings) -> tuple[str, dict[str, dict[int, list[Record]]]]:
    """Decisions first: the inputs that they fold are then surely among the later reading."""
    log_id = await read_log_id(settings)
    found: dict[str, dict[int, list[Record]]] = {}
    for topic in (DECISIONS, WORK):
        within = await bounds(settings, topic)
        rows: dict[int, list[Record]] = defaultdict(list, {number: [] for number in within})
        async with aclosing(scan(settings, topic, within)) as records:
            async for record in records:
                rows[record.partition].append(record)
        found[topic] = rows
    return log_id, found


def _from_the_first(records: Iterable[Record], topic: str, partition: int) -> Iterator[Record]:
    """The records, if the first has offset 0. Raises (exit 3) where the beginning is trimmed."""
    for index, record in enumerate(records):
        if index == 0 and record.offset != 0:
            raise unreachable(
                f"{topic} partition {partition} begins at offset {record.offset}: a replay needs"
                " the log from its beginning; use an export made before it was trimmed"
            )
        yield record
