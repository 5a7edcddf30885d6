"""The system under test: ``vaxel up`` in a folder of its own, and what can be done to its processes.

:class:`System` lets ``vaxel up`` run its own broker. :class:`NetworkedSystem` runs the broker itself
and tells every client to come through the proxy of :mod:`chaos.proxy`, so that the network can be
made bad as well.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

from vaxel_cli.broker import LocalBroker, prepare, process
from vaxel_shared.kafka import topics
from vaxel_shared.settings import PORTS, Settings

ROOT = Path(__file__).resolve().parents[2]
SERVICES = (
    "router", "triage", "ingest-email", "ingest-chat", "delivery", "register", "sla-monitor",
)  # fmt: skip
"""All of ours; ``sink`` stands for the world outside."""
START_TIMEOUT_S = 180
START_S_MAX = 20
PROXY_OFFSET = 50
"""The proxy listens this far above the broker."""
SECOND_OFFSET = 500
"""The own port of a second one of a service is this far above the first one's."""


SINK_MAILS_MAX = 1_000_000
"""The judge reads every mail that left, however long the run was."""


class System:
    """``vaxel up`` in a folder of its own; ``environment`` is added to what it is told."""

    def __init__(
        self,
        folder: Path,
        port_offset: int,
        config: Path = ROOT / "config",
        environment: dict[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.data_dir = folder / "data"
        self.config = config
        self.port_offset = port_offset
        told = {
            "VAXEL_TEST_SINK_PORT": str(PORTS["sink-smtp"] + port_offset),
            "VAXEL_SINK_MAILS_MAX": str(SINK_MAILS_MAX),
        }
        self.environment = {**os.environ, **told, **(environment or {})}
        self._log = (folder / "up.log").open("a")
        self._process: subprocess.Popen[bytes] | None = None
        self._seconds: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Come up; raises RuntimeError with the end of its account where it doesn't."""
        command = [sys.executable, "-m", "vaxel_cli", "up", "--data-dir", str(self.data_dir)]
        command += ["--port-offset", str(self.port_offset), "--config", str(self.config)]
        self._process = subprocess.Popen(
            [*command, *self.broker_options()],
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
            env=self.environment,
        )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not (self.data_dir / "run.json").exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(Path(self._log.name).read_text()[-2000:])
            time.sleep(0.2)

    def broker_options(self) -> list[str]:
        """What ``vaxel up`` is told of the broker."""
        return []

    @property
    def run(self) -> dict[str, Any]:
        """The present run.json; pids change with every restart."""
        return dict(json.loads((self.data_dir / "run.json").read_text()))

    def pid(self, name: str) -> int | None:
        """The process of a service or of the broker, as of now."""
        run = self.run
        pid = run["broker_pid"] if name == "broker" else run["services"][name].get("pid")
        return int(pid) if pid else None

    def signal(self, name: str, number: signal.Signals) -> int | None:
        """Send a signal; answers the pid that got it, None where there was nobody."""
        pid = self.pid(name)
        if pid is None:
            return None
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return None
        return pid

    def kill(self, name: str) -> bool:
        """kill -9; says whether there was something to kill."""
        return self.signal(name, signal.SIGKILL) is not None

    def is_back(self, name: str, not_pid: int | None = None) -> bool:
        """Whether it runs, and isn't the process ``not_pid`` any more."""
        pid = self.pid(name)
        if pid is None or pid == not_pid:
            return False
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        return True

    def is_ready(self, name: str) -> bool:
        """Whether a service says that it is ready."""
        url = f"{self.run['services'][name]['url']}/readyz"
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)

    def start_second(self, name: str) -> subprocess.Popen[bytes]:
        """Another of a service: the same environment and folders, another port.

        A router's answers once it has restored the log, or ended, or needed too long for either.
        """
        pid = self.pid(name)
        raw = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
        environment = dict(item.split("=", 1) for item in raw if "=" in item)
        environment["VAXEL_PORT_OFFSET"] = str(self.port_offset + SECOND_OFFSET)
        log = self.folder / f"second-{name}-{len(self._seconds)}.log"
        with log.open("w") as output:
            second = subprocess.Popen(
                [sys.executable, "-m", f"vaxel_{name.replace('-', '_')}"],
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=environment,
            )
        self._seconds.append(second)
        if name == "router":
            wait_for(
                lambda: second.poll() is not None or "restored" in log.read_text(), START_S_MAX
            )
        return second

    def vaxel(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command of ours against it."""
        command = [sys.executable, "-m", "vaxel_cli", *words, "--data-dir", str(self.data_dir)]
        return subprocess.run(command, capture_output=True, text=True, timeout=1_200, check=False)

    def stop(self) -> int:
        """Drain and stop; its exit code."""
        assert self._process is not None
        self._end_seconds()
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(timeout=60)

    def end(self) -> None:
        """Whatever is left of it ends now."""
        self._end_seconds()
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def _end_seconds(self) -> None:
        for second in self._seconds:
            if second.poll() is None:
                second.kill()
            second.wait()


class NetworkedSystem(System):
    """The same on a broker of ours, which every client reaches through a proxy only."""

    def __init__(
        self,
        folder: Path,
        port_offset: int,
        config: Path = ROOT / "config",
        environment: dict[str, str] | None = None,
        seed: int = 1,
    ) -> None:
        super().__init__(folder, port_offset, config, environment)
        self._port = PORTS["broker"] + port_offset
        self._proxy_port = self._port + PROXY_OFFSET
        self._broker: LocalBroker | None = None
        self._proxy: subprocess.Popen[str] | None = None
        self._seed = seed

    def start(self) -> None:
        """Broker, proxy, topics as on one machine, then all the rest."""
        script = Path(__file__).with_name("proxy.py")
        command = [sys.executable, str(script), "--listen", str(self._proxy_port)]
        command += ["--upstream", str(self._port), "--seed", str(self._seed)]
        self._proxy = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        asyncio.run(self._start_broker())
        settings = Settings(broker=self._address, security_protocol="PLAINTEXT")
        asyncio.run(topics.apply(settings, local=True))
        super().start()

    @property
    def _address(self) -> str:
        return f"127.0.0.1:{self._proxy_port}"

    def broker_options(self) -> list[str]:
        """Ours, by way of the proxy."""
        return ["--broker", self._address]

    def pid(self, name: str) -> int | None:
        """The broker is our own child."""
        if name == "broker":
            return self._broker.pid if self._broker is not None else None
        return super().pid(name)

    async def _start_broker(self) -> None:
        declared = process.server_properties
        own = f"advertised.listeners=PLAINTEXT://{self._address}\n"

        def advertised(*words: Any) -> str:
            lines = declared(*words).splitlines(keepends=True)
            return "".join([x for x in lines if not x.startswith("advertised.")]) + own

        with mock.patch.object(process, "server_properties", advertised):
            if self._broker is None:
                self._broker = LocalBroker(
                    await prepare(),
                    self.folder / "kafka",
                    port=self._port,
                    controller_port=PORTS["controller"] + self.port_offset,
                )
            await self._broker.start()
        await self._broker.wait_ready()

    def kill(self, name: str) -> bool:
        """kill -9; a killed broker is started again at once."""
        if name != "broker":
            return super().kill(name)
        assert self._broker is not None
        self._broker.kill()
        asyncio.run(self._start_broker())
        return True

    def restart_broker(self) -> None:
        """An orderly stop and a start, as an upgrade does."""
        assert self._broker is not None
        asyncio.run(self._broker.stop())
        asyncio.run(self._start_broker())

    def network(self, probability: float) -> dict[str, int]:
        """How bad the network is from here on; answers what it has done so far, by name."""
        assert self._proxy is not None
        assert self._proxy.stdin is not None
        assert self._proxy.stdout is not None
        self._proxy.stdin.write(f"{probability}\n")
        self._proxy.stdin.flush()
        return dict(json.loads(self._proxy.stdout.readline()))

    def end(self) -> None:
        """Services first, then the broker, then the way to it."""
        super().end()
        if self._broker is not None:
            asyncio.run(self._broker.stop())
        if self._proxy is not None:
            self._proxy.kill()
            self._proxy.wait()
            for pipe in (self._proxy.stdin, self._proxy.stdout):
                if pipe is not None:
                    pipe.close()


def wait_for(condition: Callable[[], object], seconds: float) -> bool:
    """Wait until it holds; False if it didn't in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if condition():
                return True
        except (OSError, ValueError, KeyError):
            pass  # run.json is being replaced, or a service is coming back
        time.sleep(0.2)
    return False
