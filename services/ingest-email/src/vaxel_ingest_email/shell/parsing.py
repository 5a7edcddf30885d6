"""Parsing outside the loop: a few worker processes, and a deadline for each mail.

A worker that is late or dies is killed and replaced. A mail on which one was late, or two died, is
told as ``unsupported`` with the reason: still accepted, its raw bytes kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys

import msgspec

from vaxel_ingest_email.core.fields import Envelope
from vaxel_ingest_email.core.limits import Limits
from vaxel_ingest_email.core.normalize import Blob, Parsed, unsupported
from vaxel_ingest_email.shell.worker import FRAME_BYTES_MAX, LENGTH, READY, Job, Result
from vaxel_shared.contracts.interaction import Interaction
from vaxel_shared.errors import Fatal, Retryable
from vaxel_shared.obs.logging import get_logger

START_TIMEOUT_S = 30
"""Imports on a machine that starts seven services and a broker at once."""

_TRIES = 2
"""A worker can be killed by somebody; a mail that kills two kills any."""

_BYTES_PER_S = 4 * 1024 * 1024
"""What a worker gets through at the least: large mails have so much longer."""

_MODULE = "vaxel_ingest_email.shell.worker"
_LATE = Limits(header_bytes=64 * 1024, header_one_bytes=8 * 1024, header_count=500, addresses=100)
"""What is still read here, in the loop, of a mail that a worker was stuck on."""


class _Worker:
    """One process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, module: str, memory_bytes_max: int) -> _Worker:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            module,
            str(memory_bytes_max),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is the service's: it drains first
        )
        worker = cls(process)
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                ready = await worker._read()
        except (TimeoutError, asyncio.IncompleteReadError) as error:
            await worker.kill()
            raise Fatal("a mail parser process didn't start; is memory short?") from error
        if ready != READY:
            raise Fatal("a mail parser process of another version answered; reinstall")
        return worker

    async def ask(self, payload: bytes) -> bytes:
        """One frame there, one back. Raises ``OSError`` or ``EOFError`` where it died."""
        stdin = self._process.stdin
        if stdin is None:
            raise EOFError
        stdin.write(LENGTH.pack(len(payload)))
        stdin.write(payload)
        await stdin.drain()
        return await self._read()

    async def _read(self) -> bytes:
        stdout = self._process.stdout
        if stdout is None:
            raise EOFError
        length = LENGTH.unpack(await stdout.readexactly(LENGTH.size))[0]
        if length > FRAME_BYTES_MAX:
            raise EOFError
        return await stdout.readexactly(length)

    async def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):  # it is gone already: what was wanted
            self._process.kill()
        await self._process.wait()


class ParsePool:
    """Hands each mail to a free worker."""

    def __init__(
        self, workers: int, timeout_ms: int, memory_bytes_max: int, module: str = _MODULE
    ) -> None:
        self._count = workers
        self._timeout_s = timeout_ms / 1000
        self._memory_bytes_max = memory_bytes_max
        self._module = module
        self._free: asyncio.Queue[_Worker | None] = asyncio.Queue()
        self._all: set[_Worker] = set()
        self._closed = False

    async def start(self) -> None:
        """Start the workers; raises Fatal where they don't."""
        for worker in await asyncio.gather(*(self._new() for _ in range(self._count))):
            self._free.put_nowait(worker)

    async def parse(self, raw: bytes, envelope: Envelope, received_at_ms: int) -> Parsed:
        """A mail understood; ``unsupported`` where its worker is late, or dies of it twice.

        Raises Retryable where no worker can be started, or when stopping.
        """
        job = Job(raw, envelope.mail_from, list(envelope.rcpt_to), received_at_ms)
        payload = msgspec.msgpack.encode(job)
        reason = ""
        for _ in range(_TRIES):
            answer, reason = await self._ask(payload)
            if answer is not None:
                try:
                    return _parsed(answer, raw)
                except (msgspec.MsgspecError, ValueError):
                    reason = "parser:unreadable"
            if reason == "parser:late":
                break
        return unsupported(raw, envelope, received_at_ms, reason, _LATE)

    async def _ask(self, payload: bytes) -> tuple[bytes | None, str]:
        """A worker's answer, or why there is none; then that worker is replaced."""
        worker = await self._free.get()
        try:
            if worker is None:
                worker = await self._new()
            async with asyncio.timeout(self._timeout_s + len(payload) / _BYTES_PER_S):
                answer = await worker.ask(payload)
        except Fatal as error:
            self._free.put_nowait(None)
            raise Retryable(str(error)) from error
        except (TimeoutError, EOFError, OSError) as error:
            await self._discard(worker)
            self._free.put_nowait(None)
            if self._closed:
                raise Retryable("stopping; the sender tries again") from error
            reason = "parser:late" if isinstance(error, TimeoutError) else "parser:died"
            get_logger().warning("parser_replaced", reason=reason, bytes=len(payload))
            return None, reason
        except asyncio.CancelledError:
            await asyncio.shield(self._discard(worker))  # its answer would be the next mail's
            self._free.put_nowait(None)
            raise
        self._free.put_nowait(worker)
        return answer, ""

    async def close(self) -> None:
        """End every worker."""
        self._closed = True
        for worker in list(self._all):
            await self._discard(worker)

    async def _new(self) -> _Worker:
        if self._closed:
            raise Fatal("stopping")
        worker = await _Worker.start(self._module, self._memory_bytes_max)
        self._all.add(worker)
        return worker

    async def _discard(self, worker: _Worker | None) -> None:
        if worker is not None:
            self._all.discard(worker)
            await worker.kill()


def _parsed(answer: bytes, raw: bytes) -> Parsed:
    """A worker's answer, checked against the contract; the raw mail is added again."""
    result = msgspec.msgpack.decode(answer, type=Result)
    interaction = Interaction.model_validate_json(result.interaction)
    blobs = [Blob(kind, data, ref) for kind, data, ref in result.blobs]
    blobs.insert(0, Blob("raw", raw, str(interaction.raw_ref)))
    return Parsed(interaction, result.message_id, result.content_sha256, blobs, result.limit)
