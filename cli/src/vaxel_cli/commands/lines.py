"""A record as a line of an export, and back to the bytes it was.

``{"offset", "timestamp_ms", "key", "headers", "value"}``: readable, and still exact. A value is
shown as JSON; where printing that JSON again wouldn't give the same bytes, ``value_b64`` stands
beside it (``key_b64`` and ``headers_b64`` likewise for what isn't UTF-8). A batch of decisions is
always both: header and body to read, the bytes to verify. Pure.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from vaxel_shared.kafka import chain
from vaxel_shared.kafka.topic_reader import Record
from vaxel_shared.kafka.topics import DECISIONS

Line = dict[str, Any]


class NotALine(ValueError):
    """A line of a file that no export wrote."""


def line_of(record: Record, *, void: bool | None = None) -> Line:
    """The record as plain JSON; ``void`` says whether a batch of decisions counts, if known."""
    line: Line = {"offset": record.offset, "timestamp_ms": record.timestamp_ms}
    line |= _text("key", record.key)
    headers, raw_headers = {}, {}
    for name, value in record.headers:
        try:
            headers[name] = value.decode()
        except UnicodeDecodeError:
            raw_headers[name] = _b64(value)
    line["headers"] = headers
    if raw_headers:
        line["headers_b64"] = raw_headers
    parts = chain.unpack(record.value) if record.topic == DECISIONS else None
    if parts is None:
        return line | _value(record.value)
    header, body = parts
    line["value"] = {"header": _header(header), "body": _json(body)}
    line["value_b64"] = _b64(record.value)
    return line if void is None else line | {"void": void}


def record_of(line: Line, topic: str, partition: int) -> Record:
    """The record that a line was written from, byte for byte. Raises :class:`NotALine`."""
    try:
        headers = [(name, value.encode()) for name, value in line["headers"].items()]
        raw = line.get("headers_b64", {}).items()
        headers += [(name, base64.b64decode(value, validate=True)) for name, value in raw]
        return Record(
            topic=topic,
            partition=partition,
            offset=int(line["offset"]),
            timestamp_ms=int(line["timestamp_ms"]),
            key=_bytes(line, "key"),
            value=_value_bytes(line),
            headers=tuple(headers),
        )
    except (KeyError, TypeError, AttributeError, ValueError, binascii.Error) as error:
        raise NotALine(f"not a line of an export ({type(error).__name__})") from error


def compact(value: Any) -> bytes:
    """JSON as our services write it: no spaces, UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _header(header: chain.Header) -> Line:
    return {
        "version": header.version,
        "log_id": header.log_id,
        "seq": header.seq,
        "prev_sha256": header.prev_sha256.hex(),
        "from": header.from_,
        "through": header.through,
        "through_sha256": header.through_sha256.hex(),
    }


def _value(raw: bytes) -> Line:
    if not raw:
        return {"value": None}  # a tombstone
    value = _json(raw)
    try:
        exact = value is not None and compact(value) == raw
    except UnicodeEncodeError:  # a lone surrogate in an escape
        exact = False
    return {"value": value} if exact else {"value": value, "value_b64": _b64(raw)}


def _value_bytes(line: Line) -> bytes:
    if "value_b64" in line:
        return base64.b64decode(line["value_b64"], validate=True)
    return b"" if line["value"] is None else compact(line["value"])


def _json(raw: bytes) -> Any:
    """Decoded JSON; None for what is none."""
    try:
        return json.loads(raw, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None


def _refuse(constant: str) -> None:
    """NaN and the infinities are Python's, not JSON's: an export must be readable by others."""
    raise ValueError(constant)


def _text(name: str, raw: bytes | None) -> Line:
    if raw is None:
        return {name: None}
    try:
        return {name: raw.decode()}
    except UnicodeDecodeError:
        return {name: None, f"{name}_b64": _b64(raw)}


def _bytes(line: Line, name: str) -> bytes | None:
    if f"{name}_b64" in line:
        return base64.b64decode(line[f"{name}_b64"], validate=True)
    value = line[name]
    return None if value is None else str(value).encode()


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
