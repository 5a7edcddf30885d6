"""A file of the spool: entries one after the other, each with its own hash.

An entry is what was acknowledged together: the records of one webhook or message, in order. Where
bytes were damaged, whatever still matches its hash is read, and the damage is told.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Sequence
from typing import Any

from vaxel_shared.contracts.cloudevents import Event
from vaxel_shared.kafka.producer import Outgoing

MAGIC = b"VXSPOOL1"
_HEAD = struct.Struct("!I32s")
"""Length of an entry, SHA-256 of its bytes."""

Entry = tuple[Outgoing, ...]


def encode(entries: Sequence[Entry]) -> bytes:
    """The bytes of a file."""
    parts = [MAGIC]
    for entry in entries:
        payload = json.dumps([_plain(record) for record in entry], ensure_ascii=False).encode()
        parts += [_HEAD.pack(len(payload), hashlib.sha256(payload).digest()), payload]
    return b"".join(parts)


def decode(data: bytes) -> tuple[list[Entry], bool]:
    """All entries that are whole, and whether anything else was there as well. Never raises."""
    found: list[Entry] = []
    damaged = not data.startswith(MAGIC)
    place = len(MAGIC)
    while place < len(data):
        head = data[place : place + _HEAD.size]
        if len(head) < _HEAD.size:
            return found, True
        length, digest = _HEAD.unpack(head)
        payload = data[place + _HEAD.size : place + _HEAD.size + length]
        place += _HEAD.size + length
        entry = _entry(payload) if hashlib.sha256(payload).digest() == digest else None
        if entry is None:
            damaged = True
        else:
            found.append(entry)
    return found, damaged


def size_of(entry: Entry) -> int:
    """About how many bytes it takes, without making them."""
    return sum(len(record.value) + len(record.key) + 400 for record in entry)


def _plain(record: Outgoing) -> dict[str, Any]:
    event = record.event
    return {
        "topic": record.topic,
        "key": record.key,
        "value": record.value.decode(),
        "event": {name: getattr(event, name) for name in Event.__slots__},
    }


def _entry(payload: bytes) -> Entry | None:
    """The entry; None where another version wrote what we don't understand."""
    try:
        return tuple(
            Outgoing(one["topic"], one["key"], one["value"].encode(), Event(**one["event"]))
            for one in json.loads(payload)
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
