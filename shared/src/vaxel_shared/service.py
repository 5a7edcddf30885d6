"""The life of a service: start, ready, drain, stop; the same for all of them.

SIGTERM or SIGINT asks it to drain; a second one, or :data:`DRAIN_MS_MAX`, ends it at once, which is
as safe as a kill. Any task that ends with an error ends the process non-zero: it restarts clean.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web

from vaxel_shared.errors import VaxelError
from vaxel_shared.http.app import make_app
from vaxel_shared.obs import tracing
from vaxel_shared.obs.logging import configure, get_logger
from vaxel_shared.settings import Settings

DRAIN_MS_MAX = 9_000
"""A container is killed 10 s after SIGTERM."""
BACKLOG = 1_024
"""Connections that the kernel holds until we look; what comes beyond it in a burst gets nothing."""

Task = Callable[[asyncio.Event], Awaitable[None]]
"""A supervised loop: runs until the event is set, then finishes what it has begun and returns."""


@dataclass
class Service:
    """What a bootstrap returns: named tasks, routes, and what to ask and to close.

    ``tasks`` run side by side; one that returns before it was asked to is an error.
    ``not_ready`` answers why the service isn't ready. ``closers`` are awaited last, in reverse.
    """

    name: str
    settings: Settings
    tasks: dict[str, Task] = field(default_factory=dict)
    routes: list[web.RouteDef] = field(default_factory=list)
    not_ready: Callable[[], list[str]] = list
    closers: list[Callable[[], Awaitable[None]]] = field(default_factory=list)


def run(name: str, settings: Settings, build: Callable[[], Awaitable[Service]]) -> None:
    """Run a service until it is asked to stop; exits 0 after a clean stop, else 1.

    The port answers ``/healthz`` from the first moment; ``build`` may take its time or raise.
    """
    configure(name, settings.log_level, settings.instance)
    tracing.configure(name, settings.tracing)
    try:
        code = asyncio.run(_run(name, settings, build))
    except OSError as error:
        get_logger().error("start_failed", error=str(error), port=settings.port(name))
        code = 1
    tracing.shut_down()
    sys.stdout.flush()
    os._exit(code)  # a library's forgotten thread must not keep a drained process alive


async def _run(name: str, settings: Settings, build: Callable[[], Awaitable[Service]]) -> int:
    log = get_logger()
    stop = asyncio.Event()
    _on_signals(stop)
    built: list[Service] = []

    def not_ready() -> list[str]:
        if stop.is_set():
            return ["stopping"]
        return built[0].not_ready() if built else ["starting"]

    runner = await _listen(name, settings, make_app(not_ready))
    started = time.monotonic()
    code = 0
    try:
        service = await build()
        built.append(service)
        if service.routes:
            await runner.cleanup()  # routes can't be added to a running application
            runner = await _listen(name, settings, make_app(not_ready, service.routes))
        log.info(
            "started", duration_ms=int((time.monotonic() - started) * 1000), version=_version()
        )
        code = await _supervise(service, stop)
    except (VaxelError, OSError) as error:
        log.error("failed", error=str(error), exception_type=type(error).__name__)
        code = 1
    finally:
        stop.set()
        for close in reversed(built[0].closers if built else []):
            try:
                await asyncio.wait_for(close(), timeout=2)
            except TimeoutError:
                log.warning("close_timed_out")
        await runner.cleanup()
    log.info("stopped", status=code)
    return code


async def _listen(name: str, settings: Settings, app: web.Application) -> web.AppRunner:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, settings.bind, settings.port(name), backlog=BACKLOG).start()
    return runner


def _on_signals(stop: asyncio.Event) -> None:
    def ask(signal_name: str) -> None:
        if stop.is_set():
            os._exit(1)  # the second signal: as safe as kill -9
        stop.set()  # first: whoever read our log may be gone, and writing to it then raises
        get_logger().info("stopping", signal=signal_name)

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ask, number.name)


async def _supervise(service: Service, stop: asyncio.Event) -> int:
    """Run the tasks until one fails or ``stop`` is set, then let them drain within the limit."""
    log = get_logger()
    tasks = {asyncio.ensure_future(body(stop)): name for name, body in service.tasks.items()}
    waiter = asyncio.ensure_future(stop.wait())
    done, _ = await asyncio.wait({waiter, *tasks}, return_when=asyncio.FIRST_COMPLETED)
    code = 0 if stop.is_set() else 1
    stop.set()
    waiter.cancel()
    _, late = await asyncio.wait(tasks, timeout=DRAIN_MS_MAX / 1000) if tasks else (set(), set())
    for task in late:
        log.error("drain_timed_out", name=tasks[task])
        task.cancel()
        code = 1
    for task, name in tasks.items():
        if task.done() and not task.cancelled() and (error := task.exception()) is not None:
            log.error(
                "task_failed", name=name, exception_type=type(error).__name__, error=_line(error)
            )
            code = 1
        elif task in done:
            log.error("task_ended_early", name=name) if code else None
    return code


def _line(error: BaseException) -> str:
    """Our own errors speak for themselves; a foreign one's text could quote somebody."""
    if isinstance(error, VaxelError):
        return str(error)
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    where = (
        f"{frame.tb_frame.f_code.co_filename.rpartition('/')[2]}:{frame.tb_lineno}"
        if frame
        else "?"
    )
    return f"{type(error).__name__} at {where}"


def _version() -> str:
    from vaxel_shared.version import CODE_VERSION  # noqa: PLC0415 - read once, at start

    return CODE_VERSION
