"""A topic as it stands on the broker's disk, read without any Kafka client.

So the checker needs none of the code that it judges, and sees what no client tells: which producer
wrote each record. Record batches of magic 2 as in Kafka's protocol guide ("Record Batch"), without
compression, which nothing here uses.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

BATCH = struct.Struct(">qiibIhiqqqhii")
"""base offset, length, leader epoch, magic, crc, attributes, last offset delta, first and last
timestamp, producer id and epoch, base sequence, count."""
LENGTH_FROM = 12
"""The length counts what follows these first two fields."""
COMPRESSION, APPEND_TIME, CONTROL = 0x07, 0x08, 0x20


@dataclass(frozen=True, slots=True)
class Stored:
    """One record; ``producer`` is the producer id that the broker gave its writer."""

    offset: int
    timestamp_ms: int
    producer: int
    key: bytes | None
    value: bytes


def partition(folder: Path, topic: str, number: int) -> Iterator[Stored]:
    """Every record of one partition, in order. ``folder`` is the broker's ``log.dirs``."""
    for path in sorted((folder / f"{topic}-{number}").glob("*.log")):
        yield from _segment(path.read_bytes())


def _segment(raw: bytes) -> Iterator[Stored]:
    at = 0
    while at + BATCH.size <= len(raw):
        head = BATCH.unpack_from(raw, at)
        base, length, attributes, count = head[0], head[1], head[5], head[12]
        end = at + LENGTH_FROM + length
        if length <= 0 or end > len(raw):
            return  # what was allocated and not written yet
        if attributes & COMPRESSION:
            raise ValueError(f"offset {base}: a compressed batch")
        if not attributes & CONTROL:
            yield from _records(raw, at + BATCH.size, count, head)
        at = end


def _records(raw: bytes, at: int, count: int, head: tuple[int, ...]) -> Iterator[Stored]:
    base, attributes, first_ms, last_ms, producer = head[0], head[5], head[7], head[8], head[9]
    for _ in range(count):
        length, at = varint(raw, at)
        end = at + length
        after, at = varint(raw, at + 1)  # past the record's attributes, which mean nothing
        delta, at = varint(raw, at)
        key, at = _bytes(raw, at)
        value, at = _bytes(raw, at)
        timestamp_ms = last_ms if attributes & APPEND_TIME else first_ms + after
        yield Stored(base + delta, timestamp_ms, producer, key, value or b"")
        at = end


def _bytes(raw: bytes, at: int) -> tuple[bytes | None, int]:
    length, at = varint(raw, at)
    return (None, at) if length < 0 else (raw[at : at + length], at + length)


def varint(raw: bytes, at: int) -> tuple[int, int]:
    """A zigzag variable-length integer, and where it ends."""
    value = shift = 0
    while True:
        byte = raw[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), at
        shift += 7
