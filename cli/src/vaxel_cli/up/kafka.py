"""The broker under the system: one of our own that is kept alive, or somebody's by address."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

from vaxel_cli.broker import LocalBroker, Progress, prepare
from vaxel_cli.up.account import Account
from vaxel_cli.up.backoff import Backoff
from vaxel_shared.errors import VaxelError
from vaxel_shared.settings import Settings

NAME = "Kafka"
WATCH_MS = 100
EXTERNAL_TIMEOUT_MS = 15_000


class OwnBroker:
    """A local Apache Kafka: started, restarted when it dies, stopped last."""

    def __init__(self, settings: Settings, account: Account) -> None:
        self._settings = settings
        self._account = account
        self._broker: LocalBroker | None = None
        self._label = "Apache Kafka"
        self._stopping = asyncio.Event()

    @property
    def pid(self) -> int | None:
        """Of the broker's process, where one runs."""
        return self._broker.pid if self._broker is not None else None

    async def start(self) -> None:
        """Fetch what is missing and start the process; :meth:`wait_ready` comes next."""
        self._account.begin(NAME, "looking for Apache Kafka and a Java")
        installation = await prepare(self._progress)
        self._label = installation.label
        self._account.update(NAME, f"{self._label}: starting")
        settings = self._settings
        self._broker = LocalBroker(
            installation,
            settings.data_dir / "kafka",
            port=settings.port("broker"),
            controller_port=settings.port("controller"),
        )
        await self._broker.start()

    async def wait_ready(self) -> None:
        """Wait until it takes requests."""
        await self._running().wait_ready()
        self._account.done(NAME, f"{self._label}, {self._settings.broker}")

    async def keep(self, changed: Callable[[], None]) -> None:
        """Start it again whenever it dies, until :meth:`stop`; calls ``changed`` each time."""
        backoff = Backoff()
        broker = self._running()
        started = time.monotonic()
        while not self._stopping.is_set():
            if broker.returncode is None:
                await asyncio.sleep(WATCH_MS / 1000)
                continue
            pause_ms = backoff.after_death(int((time.monotonic() - started) * 1000))
            self._account.say(f"{NAME} died; again in {pause_ms / 1000:.1f} s")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause_ms / 1000)
            if self._stopping.is_set():
                return
            started = time.monotonic()
            try:
                await broker.start()
                await broker.wait_ready()
            except VaxelError as error:
                self._account.say(f"{NAME}: {error}")
            else:
                took = time.monotonic() - started
                self._account.say(f"{NAME} takes requests again after {took:.1f} s")
                changed()

    async def stop(self) -> None:
        """Let it close its log and end."""
        self._stopping.set()
        if self._broker is not None:
            await self._broker.stop()

    def kill(self) -> None:
        """End it at once."""
        self._stopping.set()
        if self._broker is not None:
            self._broker.kill()

    def _running(self) -> LocalBroker:
        assert self._broker is not None, "start() comes first"  # noqa: S101 - our own order
        return self._broker

    def _progress(self, step: Progress) -> None:
        megabytes = step.bytes_done / 1e6
        self._account.update(
            NAME,
            f"fetching Apache Kafka, once: {step.files_done} of {step.files_total} files, "
            f"{megabytes:.0f} MB",
        )


class ForeignBroker:
    """A broker that runs elsewhere: it is only waited for."""

    pid: int | None = None

    def __init__(self, settings: Settings, account: Account) -> None:
        self._settings = settings
        self._account = account

    async def start(self) -> None:
        """Nothing to start."""
        self._account.begin(NAME, f"waiting for {self._settings.broker}")

    async def wait_ready(self) -> None:
        """Wait until it answers; raises Retryable when it doesn't."""
        from vaxel_shared.kafka.client import wait_for_broker  # noqa: PLC0415 - slow import

        await wait_for_broker(self._settings, EXTERNAL_TIMEOUT_MS)
        self._account.done(NAME, self._settings.broker)

    async def keep(self, _changed: Callable[[], None]) -> None:
        """Somebody else's."""
        await asyncio.Event().wait()

    async def stop(self) -> None:
        """Somebody else's."""

    def kill(self) -> None:
        """Somebody else's."""
