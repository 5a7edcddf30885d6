"""A process that parses mails and does nothing else: it has no key, no broker, no files.

Frames on its standard input and output, four bytes of length (network order) and a msgpack value.
It ends when its input does, so it never outlives the service. Whoever kills it loses one mail's
parse, which is then told as ``unsupported``.
"""

from __future__ import annotations

import os
import resource
import struct
import sys
from typing import BinaryIO

import msgspec

from vaxel_ingest_email.core.fields import Envelope
from vaxel_ingest_email.core.normalize import Parsed, parse

FRAME_BYTES_MAX = 512 * 1024 * 1024
LENGTH = struct.Struct("!I")


class Job(msgspec.Struct, frozen=True):
    """A mail to parse."""

    raw: bytes
    mail_from: str | None
    rcpt_to: list[str]
    received_at_ms: int


class Result(msgspec.Struct, frozen=True):
    """A parsed mail; the raw mail itself doesn't come back."""

    interaction: bytes
    message_id: str
    content_sha256: str
    blobs: list[tuple[str, bytes, str]]
    limit: str | None


READY = b"ready"
"""The first frame, sent when everything is imported."""


def to_result(parsed: Parsed) -> Result:
    """What goes back."""
    blobs = [(blob.kind, blob.data, blob.ref) for blob in parsed.blobs if blob.kind != "raw"]
    return Result(
        parsed.interaction.to_json(), parsed.message_id, parsed.content_sha256, blobs, parsed.limit
    )


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Parse until the input ends."""
    decoder = msgspec.msgpack.Decoder(Job)
    _write(sink, READY)
    while len(head := source.read(LENGTH.size)) == LENGTH.size:
        job = decoder.decode(source.read(LENGTH.unpack(head)[0]))
        parsed = parse(job.raw, Envelope(job.mail_from, tuple(job.rcpt_to)), job.received_at_ms)
        _write(sink, msgspec.msgpack.encode(to_result(parsed)))


def _write(sink: BinaryIO, payload: bytes) -> None:
    sink.write(LENGTH.pack(len(payload)))
    sink.write(payload)
    sink.flush()


def main() -> None:
    """Started by :mod:`.parsing` with the memory limit in bytes as its argument."""
    limit = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a library that prints must not break the frames
    serve(sys.stdin.buffer, sink)


if __name__ == "__main__":
    main()
