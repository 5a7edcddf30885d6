"""The blob store of the simulated world: slow, full, torn or forgetful when it is told to be."""

from __future__ import annotations

import hashlib
import random

from simulation.world.timeline import Process, Timeline

from vaxel_shared.blobs import ref_of, sha256_of
from vaxel_shared.errors import Retryable


class Disk:
    """What is stored, by reference. Whoever was answered can rely on it, until it is damaged."""

    def __init__(self, timeline: Timeline, rng: random.Random) -> None:
        self.timeline = timeline
        self.blobs: dict[str, bytes] = {}
        self.full = False
        self.slow = 1
        self._rng = rng

    def tear(self, ref: str) -> None:
        """Half of it is gone: what a power cut leaves of a file that wasn't fsynced."""
        self.blobs[ref] = self.blobs[ref][: len(self.blobs[ref]) // 2]

    def lose(self, ref: str) -> None:
        """It isn't there any more."""
        del self.blobs[ref]

    def delay(self) -> int:
        """Microseconds for one operation."""
        return (100 + int(self._rng.random() * 3_000)) * self.slow


class Blobs:
    """A process's :class:`vaxel_shared.blobs.BlobStore`."""

    def __init__(self, disk: Disk, process: Process) -> None:
        self._disk = disk
        self._process = process

    async def put(self, kind: str, data: bytes) -> str:
        await self._wait()
        if self._disk.full:
            raise Retryable("simulated blob store: No space left on device; free space")
        ref = ref_of(kind, data)
        self._disk.blobs[ref] = data
        await self._wait()
        return ref

    async def get(self, ref: str) -> bytes:
        await self._wait()
        data = self._disk.blobs.get(ref)
        if data is None:
            raise Retryable(f"blob {ref}: No such file or directory")
        if hashlib.sha256(data).hexdigest() != sha256_of(ref):
            raise Retryable(f"blob {ref}: its bytes don't match its hash")
        return data

    async def _wait(self) -> None:
        future = self._process.loop.create_future()
        self._disk.timeline.after(self._disk.delay(), _wake, future)
        await future


def _wake(future: object) -> None:
    if not future.done():  # type: ignore[attr-defined]
        future.set_result(None)  # type: ignore[attr-defined]
