"""One service as a process: started, watched until ready, started again when it dies, stopped.

A service is in a session of its own, so that Ctrl-C reaches only `vaxel up`, which then decides
the order; it can't outlive `vaxel up` (see ``child``).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping

import aiohttp

from vaxel_cli.console import unreachable
from vaxel_cli.up import logs
from vaxel_cli.up.account import Account
from vaxel_cli.up.backoff import Backoff
from vaxel_cli.up.services import ServiceSpec
from vaxel_shared.settings import Settings

READY_POLL_MS = 100
READY_TIMEOUT_MS = 2_000
STARTS_MAX = 6
"""A service that dies so often in a row before it was ever ready is given up: about 6 s."""

Environment = Callable[[ServiceSpec], Mapping[str, str]]


class Supervised:
    """Keeps one service alive. ``changed`` is called whenever it became ready with a new pid."""

    def __init__(
        self,
        spec: ServiceSpec,
        settings: Settings,
        environment: Environment,
        account: Account,
        changed: Callable[[], None],
    ) -> None:
        self.spec = spec
        self.pid: int | None = None
        self.ready = asyncio.Event()
        self._settings = settings
        self._environment = environment
        self._account = account
        self._changed = changed
        self._log = logs.path_of(settings.data_dir, spec.name)
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()
        self._backoff = Backoff()
        self._was_ready = False

    async def keep(self) -> None:
        """Run until :meth:`stop`. Raises (exit 3) if the service never gets ready."""
        self._account.begin(self.spec.name, f"{self.spec.does}: starting")
        while not self._stopping.is_set():
            log_start = logs.size_of(self._log)
            started_ms = _now_ms()
            process = await self._start()
            watcher = asyncio.create_task(self._watch(process))
            status = await process.wait()
            watcher.cancel()
            from_outside = self.ready.is_set() and status <= 0  # a signal, or a drain
            self.ready.clear()
            self.pid = None
            if self._stopping.is_set():
                return
            pause_ms = self._backoff.after_death(_now_ms() - started_ms, from_outside=from_outside)
            await self._after_death(status, pause_ms, log_start)

    async def stop(self, timeout_ms: int) -> bool:
        """Ask it to drain; kill it after ``timeout_ms``. Says whether it stopped by itself."""
        self._stopping.set()
        process = self._process
        if process is None or process.returncode is not None:
            return True
        self._signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), timeout_ms / 1000)
        except TimeoutError:
            self._signal(signal.SIGKILL)
            await process.wait()
            return False
        return True

    def kill(self) -> None:
        """End it at once."""
        self._stopping.set()
        self._signal(signal.SIGKILL)

    async def _start(self) -> asyncio.subprocess.Process:
        output = logs.open_for_append(self._log)
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "vaxel_cli.up.child",
                str(os.getpid()),
                self.spec.module,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(self._environment(self.spec)),
                start_new_session=True,
            )
        finally:
            os.close(output)
        self.pid = self._process.pid
        return self._process

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        """Wait until this process says that it is ready, and say so."""
        url = self._settings.url(self.spec.name)
        started_ms = _now_ms()
        async with aiohttp.ClientSession() as session:
            while (reason := await _not_ready(session, f"{url}/readyz")) is not None:
                if not self._was_ready:
                    self._account.update(self.spec.name, f"{self.spec.does}: {reason}")
                await asyncio.sleep(READY_POLL_MS / 1000)
        if process.returncode is not None:
            return
        if self._was_ready:
            took = (_now_ms() - started_ms) / 1000
            self._account.say(f"{self.spec.name} is ready again after {took:.1f} s")
        else:
            self._account.done(self.spec.name, f"{self.spec.does}, {url}")
        self._was_ready = True
        self.ready.set()
        self._changed()

    async def _after_death(self, status: int, pause_ms: int, log_start: int) -> None:
        why = logs.last_error(self._log, log_start)
        reason = f"{describe(status)}{f': {why}' if why else ''}"
        if not self._was_ready and self._backoff.deaths >= STARTS_MAX:
            self._account.fail(self.spec.name, reason)
            raise unreachable(f"{self.spec.name} doesn't start, {reason}; its log: {self._log}")
        again = f"{self.spec.name} {reason}; again in {pause_ms / 1000:.1f} s"
        self._account.say(again)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), pause_ms / 1000)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)


async def _not_ready(session: aiohttp.ClientSession, url: str) -> str | None:
    """Why a service isn't ready; None when it is."""
    try:
        timeout = aiohttp.ClientTimeout(total=READY_TIMEOUT_MS / 1000)
        async with session.get(url, timeout=timeout) as answer:
            if answer.status == 200:
                return None
            document = await answer.json()
            reasons = document.get("reasons") if isinstance(document, dict) else None
            return _in_short([str(reason) for reason in reasons or []])
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return "starting"


def _in_short(reasons: list[str]) -> str:
    more = f" and {len(reasons) - 1} more" if len(reasons) > 1 else ""
    return f"{reasons[0]}{more}" if reasons else "not ready"


def describe(status: int) -> str:
    """How a process ended, for people."""
    if status >= 0:
        return f"ended with status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = str(-status)
    return f"was ended by {name}"


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000
