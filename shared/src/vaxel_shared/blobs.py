"""Bytes too large or too personal for a topic, stored before whatever names them.

A reference is ``<kind>/<sha256>``: content-addressed, so storing twice is storing once, and what
is read can be checked. The folder store fsyncs the file and its folder before it answers.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from vaxel_shared.errors import Poison, Retryable

BLOB_BYTES_MAX = 64 * 1024 * 1024
"""Above the largest mail (35 MiB) and the largest snapshot of the example sizes."""

ANSWER_MS_MAX = 20_000
"""A disk that takes longer is stuck, or a network's folder is away; whoever waits must know."""

_REF = re.compile(r"^[a-z]{1,16}/[0-9a-f]{64}$")


class BlobStore(Protocol):
    """Where blobs are: a folder when local, S3-compatible in production."""

    async def put(self, kind: str, data: bytes) -> str:
        """Store durably; answers the reference. Raises Retryable where it can't be stored."""
        ...

    async def get(self, ref: str) -> bytes:
        """The bytes, checked against the hash in ``ref``.

        Raises Poison for a reference that is none, Retryable where the blob is missing or damaged.
        """
        ...


def ref_of(kind: str, data: bytes) -> str:
    """The reference that ``data`` would get."""
    return f"{kind}/{hashlib.sha256(data).hexdigest()}"


def sha256_of(ref: str) -> str:
    """The hash that a reference carries."""
    return ref.partition("/")[2]


class FolderBlobs:
    """Blobs as files: ``<root>/<kind>/<first two digits>/<sha256>``."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def put(self, kind: str, data: bytes) -> str:
        """See :class:`BlobStore`."""
        if len(data) > BLOB_BYTES_MAX:
            raise Poison("blob_too_large", f"a blob of {len(data)} bytes; at most {BLOB_BYTES_MAX}")
        async with self._in_time():
            return await asyncio.to_thread(self.put_now, kind, data)

    async def get(self, ref: str) -> bytes:
        """See :class:`BlobStore`."""
        async with self._in_time():
            return await asyncio.to_thread(self.get_now, ref)

    @asynccontextmanager
    async def _in_time(self) -> AsyncIterator[None]:
        """Raises Retryable where the folder doesn't answer; the thread that hangs is left alone."""
        try:
            async with asyncio.timeout(ANSWER_MS_MAX / 1000):
                yield
        except TimeoutError as error:
            raise Retryable(
                f"blob store {self._root} hasn't answered for {ANSWER_MS_MAX // 1000} s; is its "
                "disk there?"
            ) from error

    def put_now(self, kind: str, data: bytes) -> str:
        """The same, blocking."""
        ref = ref_of(kind, data)
        path = self._path(ref)
        if path.exists():
            return ref
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            partial = path.with_name(f".{path.name}.{os.getpid()}.{id(data):x}")
            with partial.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
            for folder in (path.parent, path.parent.parent, self._root):
                _fsync_folder(folder)
        except OSError as error:
            raise Retryable(
                f"blob store {self._root}: {error.strerror}; free space or fix rights"
            ) from error
        return ref

    def get_now(self, ref: str) -> bytes:
        """The same, blocking."""
        path = self._path(ref)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise Retryable(f"blob {ref}: {error.strerror}; is this the right data dir?") from error
        if hashlib.sha256(data).hexdigest() != sha256_of(ref):
            raise Retryable(f"blob {ref}: its bytes don't match its hash; restore it from a backup")
        return data

    def _path(self, ref: str) -> Path:
        if not _REF.match(ref):
            raise Poison("blob_ref_invalid", "a blob reference is kind/sha256")
        kind, _, digest = ref.partition("/")
        return self._root / kind / digest[:2] / digest


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
