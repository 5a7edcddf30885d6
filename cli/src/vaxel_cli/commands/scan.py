"""Reading a topic from its first record to where it ended when asked, once, with progress."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from vaxel_cli.console import err
from vaxel_shared.kafka.admin import Offsets
from vaxel_shared.kafka.topic_reader import Record, TopicCursor, TopicReader
from vaxel_shared.kafka.topics import partition_count
from vaxel_shared.settings import Settings

POLL_MS = 500


@dataclass(frozen=True, slots=True)
class Bounds:
    """The first offset still there, and the one that the next record gets."""

    begin: int
    end: int


async def bounds(settings: Settings, topic: str) -> dict[int, Bounds]:
    """Where each partition begins and ends now. Raises Retryable without a broker."""
    partitions = range(await partition_count(settings, topic))
    offsets = Offsets(settings)
    try:
        begins = await offsets.begins(topic, partitions)
        ends = await offsets.ends(topic, partitions)
    finally:
        await offsets.close()
    return {number: Bounds(begins[number], ends[number]) for number in partitions}


async def scan(
    settings: Settings,
    topic: str,
    within: Mapping[int, Bounds],
    start: Mapping[int, int] | None = None,
) -> AsyncGenerator[Record, None]:
    """Every record of ``within``, in order within each partition.

    ``start`` moves the beginning of some partitions up. Raises Fatal where records are missing.
    """
    begins = {
        number: max(one.begin, (start or {}).get(number, 0)) for number, one in within.items()
    }
    left = {number for number, one in within.items() if begins[number] < one.end}
    if not left:
        return
    cursors = {number: TopicCursor(topic, number, begins[number] - 1) for number in within}
    reader = TopicReader(settings, topic, cursors)
    try:
        await reader.start()
        while left:
            records = await reader.poll(timeout_ms=POLL_MS)
            for record in records:
                if record.offset < within[record.partition].end:
                    yield record
            done = {
                number for number in left if reader.cursor(number).offset + 1 >= within[number].end
            }
            left -= done
            if not records and left:
                lag = await reader.lag()  # compaction may have taken the last records
                left = {number for number in left if lag[number] > 0}
    finally:
        await reader.close()


async def collect(settings: Settings, topic: str, within: Mapping[int, Bounds]) -> list[Record]:
    """The same, in memory: for topics that are small by nature."""
    found = []
    async with aclosing(scan(settings, topic, within)) as records:
        async for record in records:
            found.append(record)  # noqa: PERF401 - aclosing needs the loop
    return found


def progress() -> Progress:
    """A bar on stderr, for whatever takes longer than a moment; gone when it is done."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=err,
        transient=True,
    )
