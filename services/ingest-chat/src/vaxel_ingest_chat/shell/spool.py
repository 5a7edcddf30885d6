"""Where what was acknowledged waits while Kafka is away: files, fsynced, sent in order later.

Providers give up after three to ten seconds and some of them for good, a visitor closes the page:
neither waits for a broker. So what the log didn't acknowledge in time is written to a file (file
and folder fsynced) and then acknowledged; as long as anything waits, whatever comes goes behind it.
A file is removed only when Kafka has acknowledged all of it; what is sent twice over a kill has the
id that it had, and the router ends it. A damaged file is sent as far as it can be read and then
moved to ``corrupt/``, never removed. The folder belongs to one process, by a lock.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import shutil
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from vaxel_ingest_chat.core.spoolfile import Entry, decode, encode, size_of
from vaxel_shared.errors import Fatal, Poison, Retryable
from vaxel_shared.kafka.producer import Ack, Outgoing
from vaxel_shared.kafka.retry import Backoff, Stopping
from vaxel_shared.obs import metrics
from vaxel_shared.obs.logging import get_logger

BATCH_ENTRIES_MAX = 256
"""Entries of one file: what came while the file before it was written shares its fsync."""
BATCH_BYTES_MAX = 4 * 1024 * 1024
"""Of one file, which is read whole."""
PENDING_MAX = 1_000
"""Entries that wait for the disk: five times what webhooks may be under way at once."""
FILES_MAX = 200_000
"""That wait: half an hour at a hundred a second, if none shares a file; 60 MB of memory."""
SEND_RECORDS_MAX = 200
"""Records sent in one go when the log is back."""
AWAY_MS_MAX = 30 * 24 * 3_600_000
"""The log may stay away for as long as it is kept itself."""
DISK_MS_MAX = 20_000
"""A disk that takes longer is stuck: whoever waits for it is told to come again."""
LOOK_S = 5.0
"""How often the age of what waits is told."""

T = TypeVar("T")


class Sender(Protocol):
    """What appends records; see ``vaxel_shared.kafka.producer``."""

    async def send_many(self, records: Sequence[Outgoing]) -> list[Ack]:
        """Append in order and wait for all acknowledgements."""
        ...


@dataclass(frozen=True, slots=True)
class _File:
    """A file that waits: ``<number>-<entries>.spool``."""

    path: Path
    entries: int
    size: int
    since_s: float


@dataclass(frozen=True, slots=True)
class _Pending:
    """An entry that isn't on the disk yet, and whoever waits for it."""

    entry: Entry
    size: int
    kept: asyncio.Future[None]


class Spool:
    """One process's spool: :meth:`open` it, then :meth:`run` writes and sends."""

    def __init__(
        self, folder: Path, sender: Sender, *, bytes_max: int, free_bytes_min: int
    ) -> None:
        self._folder = folder
        self._sender = sender
        self._bytes_max = bytes_max
        self._free_bytes_min = free_bytes_min
        self._files: deque[_File] = deque()
        self._pending: deque[_Pending] = deque()
        self._bytes = 0
        self._entries = 0
        self._number = 0
        self._sent: tuple[int, str | None] | None = None
        self._wake_writer = asyncio.Event()
        self._wake_sender = asyncio.Event()
        self._lock: int | None = None
        self._writing = asyncio.Lock()
        self._closed = False
        self._problem: str | None = None

    def open(self) -> None:
        """Take the folder and what a process before left in it.

        Raises Fatal where another process has it, Retryable where it can't be used.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = os.open(self._folder / "lock", os.O_CREAT | os.O_RDWR, 0o600)
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise Fatal(
                    f"the spool {self._folder} belongs to a running process: "
                    "give each its VAXEL_INSTANCE"
                ) from error
            for path in self._folder.glob("*.partial"):  # nobody was told that it is kept
                path.unlink()
            for path in sorted(self._folder.glob("*.spool")):
                self._found(path)
        except OSError as error:
            raise self._unusable(error) from error
        self._tell()
        if self._files:
            get_logger().warning("spool_found", count=self.depth, bytes=self._bytes)

    def _found(self, path: Path) -> None:
        number, _, count = path.stem.partition("-")
        status = path.stat()
        entries = int(count) if count.isdecimal() else 1
        self._files.append(_File(path, entries, status.st_size, status.st_mtime))
        self._bytes += status.st_size
        self._entries += entries
        self._number = max(self._number, int(number) if number.isdecimal() else 0)

    @property
    def busy(self) -> bool:
        """Whether anything waits: then whatever comes must go behind it."""
        return bool(self._files or self._pending)

    @property
    def depth(self) -> int:
        """Entries that wait."""
        return self._entries + len(self._pending)

    def reasons(self) -> list[str]:
        """Why nothing more can be kept, if so."""
        return [self._problem] if self._problem else []

    async def put(self, entry: Entry) -> None:
        """Keep an entry; returns when it is on the disk. Raises Retryable where that can't be."""
        size = size_of(entry)
        if self._closed:
            raise Retryable("stopping; send it again")
        if len(self._pending) >= PENDING_MAX:
            metrics.SPOOLED.labels("refused").inc()
            raise Retryable("the spool's disk is too slow: PENDING_MAX")
        if self._bytes + size > self._bytes_max or len(self._files) >= FILES_MAX:
            metrics.SPOOLED.labels("refused").inc()
            raise Retryable("the spool is full: spool_bytes_max, FILES_MAX; is Kafka away?")
        self._bytes += size
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pending.append(_Pending(entry, size, kept))
        self._wake_writer.set()
        await asyncio.shield(kept)  # whoever hangs up doesn't take back what was begun

    async def run(self, stop: asyncio.Event) -> None:
        """Write what comes and send what waits, until asked to stop."""
        stopping = asyncio.ensure_future(stop.wait())
        writing = asyncio.ensure_future(self._write_all())
        sending = asyncio.ensure_future(self._send_all(stop))
        telling = asyncio.ensure_future(self._tell_often())
        tasks = {writing, sending, telling}
        try:
            done, _ = await asyncio.wait({stopping, *tasks}, return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopping}:
                task.result()
        finally:
            self._closed = True
            for task in (stopping, *tasks):
                task.cancel()
            await asyncio.gather(stopping, *tasks, return_exceptions=True)
            await self._write_waiting()

    async def close(self) -> None:
        """Let go of the folder."""
        self._closed = True
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def _tell_often(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            self._tell()

    async def _write_all(self) -> None:
        while True:
            await self._wake_writer.wait()
            self._wake_writer.clear()
            # What was begun is finished and told, whoever cancels us.
            await asyncio.shield(asyncio.ensure_future(self._write_waiting()))

    async def _write_waiting(self) -> None:
        """All that waits for the disk, in files of bounded size."""
        async with self._writing:
            while self._pending:
                await self._write_some()

    async def _write_some(self) -> None:
        batch: list[_Pending] = []
        size = 0
        for one in self._pending:
            if batch and (len(batch) == BATCH_ENTRIES_MAX or size + one.size > BATCH_BYTES_MAX):
                break
            batch.append(one)
            size += one.size
        self._number += 1
        path = self._folder / f"{self._number:016d}-{len(batch)}.spool"
        try:
            written = await _in_time(self._write, path, [one.entry for one in batch])
        except OSError as error:
            self._refuse(batch, size, self._unusable(error))
            return
        self._problem = None
        self._files.append(_File(path, len(batch), written, time.time()))
        self._entries += len(batch)
        self._bytes += written - size
        for one in batch:
            self._pending.popleft()
            if not one.kept.done():
                one.kept.set_result(None)
        metrics.SPOOLED.labels("kept").inc(len(batch))
        self._tell()
        self._wake_sender.set()

    def _write(self, path: Path, entries: Sequence[Entry]) -> int:
        """Write a file so that it is there after a power cut, or not at all. Raises OSError."""
        if shutil.disk_usage(self._folder).free < self._free_bytes_min:
            raise OSError(28, "the disk is nearly full: spool_free_bytes_min")
        data = encode(entries)
        partial = path.with_suffix(".partial")
        try:
            descriptor = os.open(partial, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        except OSError:
            partial.unlink(missing_ok=True)
            raise
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return len(data)

    def _refuse(self, batch: Sequence[_Pending], size: int, error: Retryable) -> None:
        self._problem = str(error)
        self._bytes -= size
        metrics.SPOOLED.labels("refused").inc(len(batch))
        get_logger().error("spool_unusable", error=str(error), count=len(batch))
        for one in batch:
            self._pending.popleft()
            if not one.kept.done():
                one.kept.set_exception(error)
                one.kept.exception()  # whoever waited may be gone

    async def _send_all(self, stop: asyncio.Event) -> None:
        backoff = Backoff(AWAY_MS_MAX)
        while not stop.is_set():
            if not self._files:
                self._wake_sender.clear()
                await self._wake_sender.wait()
            try:
                await self._send_oldest()
                backoff.reset()
            except Retryable as error:
                try:
                    await backoff.pause("spool", error, stop)
                except Stopping:
                    return

    async def _send_oldest(self) -> None:
        """Send one file's entries and be done with it. Raises Retryable where that fails."""
        file = self._files[0]
        if self._sent is None:  # else it was sent, and only its removal failed
            self._sent = await self._send_file(file)
        count, reason = self._sent
        try:
            await _in_time(self._done_with, file, reason)
        except OSError as error:
            raise self._unusable(error) from error
        self._sent = None
        self._files.popleft()
        self._entries -= file.entries
        self._bytes -= file.size
        metrics.SPOOLED.labels("sent").inc(count)
        self._tell()

    async def _send_file(self, file: _File) -> tuple[int, str | None]:
        """How many entries were sent, and a code where the file is to be put aside."""
        try:
            data = await _in_time(file.path.read_bytes)
        except OSError as error:
            raise self._unusable(error) from error
        entries, damaged = decode(data)
        records = [record for entry in entries for record in entry]
        reason = "damaged" if damaged or len(entries) < file.entries else None
        for first in range(0, len(records), SEND_RECORDS_MAX):
            reason = await self._send(records[first : first + SEND_RECORDS_MAX]) or reason
        return len(entries), reason

    async def _send(self, records: Sequence[Outgoing]) -> str | None:
        """Send them all; a code where one can never be. Raises Retryable."""
        try:
            await self._sender.send_many(records)
        except Poison as error:  # ``put`` doesn't allow it, an older version may have
            if len(records) == 1:
                return error.code
            reasons = [await self._send([record]) for record in records]
            return next((reason for reason in reasons if reason is not None), error.code)
        return None

    def _done_with(self, file: _File, reason: str | None) -> None:
        """Remove a file, or put it aside."""
        if not file.path.exists():
            return  # the disk had done it, and said that it failed
        if reason is None:
            file.path.unlink()
            return
        aside = self._folder / "corrupt"
        aside.mkdir(exist_ok=True, mode=0o700)
        file.path.replace(aside / file.path.name)
        metrics.SPOOLED.labels("corrupt").inc()
        get_logger().error(
            "spool_file_parked", path=f"corrupt/{file.path.name}", reason=reason, bytes=file.size
        )

    def _unusable(self, error: OSError) -> Retryable:
        return Retryable(f"the spool {self._folder}: {error.strerror}; free space or fix rights")

    def _tell(self) -> None:
        metrics.SPOOL_RECORDS.set(self.depth)
        metrics.SPOOL_BYTES.set(self._bytes)
        oldest = time.time() - self._files[0].since_s if self._files else 0.0
        metrics.SPOOL_OLDEST.set(max(0.0, oldest))


async def _in_time(call: Callable[..., T], *args: Any) -> T:
    """In a thread; raises OSError where the disk doesn't answer, and leaves the thread alone."""
    try:
        async with asyncio.timeout(DISK_MS_MAX / 1000):
            return await asyncio.to_thread(call, *args)
    except TimeoutError as error:
        raise OSError(errno.ETIMEDOUT, "its disk doesn't answer") from error
