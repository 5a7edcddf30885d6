"""The whole system: what starts in which order, what is watched, how everything stops.

The services start beside the broker and retry until it answers; only on a data dir on which
nothing ever was ready do they wait for the topics, which don't exist there yet. They stop first,
the mailbox and the broker last. Whatever happens, nothing is left running.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Coroutine
from typing import Any

from vaxel_cli import runinfo
from vaxel_cli.console import DONE
from vaxel_cli.up import born
from vaxel_cli.up.account import Account
from vaxel_cli.up.environment import environment
from vaxel_cli.up.hooks import make_missing_secrets
from vaxel_cli.up.kafka import ForeignBroker, OwnBroker
from vaxel_cli.up.reload import Reloader
from vaxel_cli.up.services import ServiceSpec
from vaxel_cli.up.summary import farewell, summary
from vaxel_cli.up.supervise import Supervised
from vaxel_cli.up.tokens import tokens
from vaxel_shared.config.deployment import Deployment
from vaxel_shared.settings import Settings

DRAIN_MS_MAX = 10_000
"""Services drain in 9 s or less; who is later is killed, which loses nothing acknowledged."""
INFRASTRUCTURE_MS_MAX = 3_000

Broker = OwnBroker | ForeignBroker


class System:
    """Everything that `vaxel up` runs."""

    def __init__(
        self,
        settings: Settings,
        specs: tuple[ServiceSpec, ...],
        deployment: Deployment,
        broker: Broker,
        account: Account,
    ) -> None:
        self._settings = settings
        self._broker = broker
        self._account = account
        self._stop = asyncio.Event()
        self._ready = False
        self._services = [
            Supervised(spec, settings, self._environment, account, self._write_run_file)
            for spec in specs
        ]
        self._reloader = Reloader(settings, deployment, account, self._write_run_file)
        self._started_ms = _now_ms()

    async def run(self) -> int:
        """Run until asked to stop. Raises what made it impossible, after stopping everything."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._on_signal)
        runinfo.remove(self._settings.data_dir)
        tasks: set[asyncio.Task[None]] = set()
        try:
            await self._until_stopped(tasks)
        finally:
            # A second Ctrl-C from here on ends everything at once.
            self._stop.set()
            self._account.close()
            self._account.say("stopping")
            runinfo.remove(self._settings.data_dir)
            for task in tasks:
                task.cancel()
            await self._shut_down()
            await asyncio.gather(*tasks, return_exceptions=True)
        self._account.show(farewell(self._settings))
        return DONE

    async def _until_stopped(self, tasks: set[asyncio.Task[None]]) -> None:
        """Start everything and wait for the stop; raises the first error of any task."""
        pending = {asyncio.create_task(self._bring_up(tasks))}
        tasks |= pending
        stop = asyncio.ensure_future(self._stop.wait())
        while not stop.done():
            await asyncio.wait({stop, *tasks}, timeout=1, return_when=asyncio.FIRST_COMPLETED)
            for task in [task for task in tasks if task.done()]:
                tasks.discard(task)
                if not stop.done():
                    task.result()

    async def _bring_up(self, tasks: set[asyncio.Task[None]]) -> None:
        def spawn(work: Coroutine[Any, Any, None]) -> None:
            tasks.add(asyncio.create_task(work))

        settings = self._settings
        known = born.born(settings.data_dir)
        early = [s for s in self._services if s.spec.infrastructure or s.spec.name in known]
        await self._broker.start()
        for service in early:
            spawn(service.keep())
        await self._broker.wait_ready()
        spawn(self._broker.keep(self._write_run_file))
        await self._apply_topics()
        for service in self._services:
            if service not in early:
                spawn(service.keep())
        await self._reloader.publish_first()
        await asyncio.gather(*(service.ready.wait() for service in self._services))
        born.mark_born(settings.data_dir, [service.spec.name for service in self._services])
        self._ready = True
        self._write_run_file()
        self._account.close()
        took_s = (_now_ms() - self._started_ms) / 1000
        deployment = self._reloader.deployment
        names = [service.spec.name for service in self._services]
        self._account.show(summary(settings, deployment, names, took_s))
        await self._reloader.watch()

    async def _apply_topics(self) -> None:
        from vaxel_shared.kafka import topics  # noqa: PLC0415 - slow import, beside the broker

        self._account.begin("topics", "checking")
        done = await topics.apply(self._settings, local=isinstance(self._broker, OwnBroker))
        text = f"{len(topics.TOPICS)} as declared"
        self._account.done("topics", f"{text}, {len(done)} changes" if done else text)

    async def _shut_down(self) -> None:
        async def stop(service: Supervised, timeout_ms: int) -> None:
            if not await service.stop(timeout_ms):
                self._account.say(f"{service.spec.name} didn't stop in time and was killed")

        users = [service for service in self._services if not service.spec.infrastructure]
        rest = [service for service in self._services if service.spec.infrastructure]
        await asyncio.gather(*(stop(service, DRAIN_MS_MAX) for service in users))
        await asyncio.gather(*(stop(service, INFRASTRUCTURE_MS_MAX) for service in rest))
        await self._broker.stop()

    def _on_signal(self) -> None:
        if not self._stop.is_set():
            self._stop.set()
            return
        for service in self._services:
            service.kill()
        self._broker.kill()
        runinfo.remove(self._settings.data_dir)
        os._exit(1)

    def _environment(self, spec: ServiceSpec) -> dict[str, str]:
        cold_start = born.cold_start(self._settings.data_dir, spec.name)
        sink = any(service.spec.name == "sink" for service in self._services)
        demo = sink and self._reloader.deployment.connectors.mail.relay.host == "sink"
        return environment(self._settings, cold_start, demo=demo)

    def _write_run_file(self) -> None:
        """Once all were ready: again whenever a pid, an agent or a mailbox changed."""
        if not self._ready or self._stop.is_set():
            return
        settings, deployment = self._settings, self._reloader.deployment
        make_missing_secrets(settings, deployment.channels)
        host = settings.bind
        sink_url = settings.url("sink")
        runinfo.write(
            runinfo.RunInfo(
                broker=settings.broker,
                smtp=runinfo.Listener(host=host, port=settings.port("smtp")),
                mailboxes=deployment.channels.addresses,
                chats=deployment.channels.ids("chat"),
                webhooks=deployment.channels.ids("webhook"),
                sink=runinfo.Listener(host=host, port=settings.port("sink-smtp"), url=sink_url),
                services={
                    service.spec.name: runinfo.ServiceInfo(
                        url=settings.url(service.spec.name), pid=service.pid
                    )
                    for service in self._services
                },
                tokens=tokens(settings, deployment),
                pid=os.getpid(),
                broker_pid=self._broker.pid,
                data_dir=settings.data_dir,
                config_dir=settings.config_dir,
                port_offset=settings.port_offset,
                topic_prefix=settings.topic_prefix,
            )
        )


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000
