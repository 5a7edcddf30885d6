"""One local broker: format once, start, wait until it answers, stop.

The process is plain ``subprocess``, not asyncio's, so that a broker outlives the event loop that
started it (a test session has many). The kernel ends it when this process dies, however it dies.
"""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vaxel_cli.broker import pidfile
from vaxel_cli.broker.files import log4j2_properties, server_properties
from vaxel_cli.broker.installation import Installation
from vaxel_cli.broker.java import options
from vaxel_shared.errors import Fatal, Retryable
from vaxel_shared.kafka.client import answers
from vaxel_shared.settings import Settings

READY_TIMEOUT_MS = 60_000
"""A start takes 4 s on two idle cores; recovery after a kill, or a busy machine, more."""
STOP_TIMEOUT_MS = 20_000
"""A controlled shutdown takes about 1 s; then it is killed, which loses nothing acknowledged."""
_POLL_S = 0.05
_LAUNCHER = Path(__file__).with_name("launcher.py")


def cluster_id(seed: uuid.UUID) -> str:
    """A cluster's id as Kafka writes one; never with a dash first, which reads as an option."""
    return base64.urlsafe_b64encode(seed.bytes).decode().rstrip("=").replace("-", "_")


@dataclass(frozen=True, slots=True)
class Node:
    """What makes a node one of several; as it is, one that is a cluster by itself.

    ``settings`` replace those of :func:`server_properties`; ``cluster`` is the id that all nodes of
    a cluster are formatted with.
    """

    settings: Mapping[str, object] = field(default_factory=dict)
    cluster: str | None = None
    memory: tuple[str, ...] = ("-Xms256m", "-Xmx512m")


class LocalBroker:
    """A broker that keeps its log in ``folder`` and listens on two ports of loopback.

    ``start`` and ``stop`` may follow each other any number of times. Restarting one that died is
    the supervisor's: look at ``returncode``.
    """

    def __init__(
        self,
        installation: Installation,
        folder: Path,
        *,
        port: int,
        controller_port: int,
        node: Node | None = None,
    ) -> None:
        self._installation = installation
        self._folder = folder.absolute()
        self._port = port
        self._controller_port = controller_port
        self._node = node or Node()
        self._properties = self._folder / "server.properties"
        self._pidfile = self._folder / "broker.pid"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """What clients are told."""
        return f"127.0.0.1:{self._port}"

    @property
    def pid(self) -> int | None:
        """Of the process, None before the first start."""
        return None if self._process is None else self._process.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs (or before it was started), else how it ended."""
        return None if self._process is None else self._process.poll()

    @property
    def log_file(self) -> Path:
        """Where Kafka tells what it does."""
        return self._folder / "kafka.log"

    async def start(self) -> None:
        """Start the process; formats a new folder first.

        Raises Fatal where the folder is in use or can't be formatted.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread(pidfile.end_orphan, self._pidfile, self._properties)
        text = server_properties(self._folder, self._port, self._controller_port)
        text += "".join(f"{name}={value}\n" for name, value in self._node.settings.items())
        self._properties.write_text(text, encoding="utf-8")
        (self._folder / "log4j2.properties").write_text(
            log4j2_properties(self._folder), encoding="utf-8"
        )
        if not (self._folder / "log" / "meta.properties").exists():
            await asyncio.to_thread(self._format)
        self._process = self._spawn()
        pidfile.write(self._pidfile, pidfile.Owner(self._process.pid, os.getpid()))

    async def wait_ready(self, timeout_ms: int = READY_TIMEOUT_MS) -> None:
        """Wait until it takes requests.

        Raises Fatal when it has ended, Retryable when it hasn't answered in time.
        """
        deadline = time.monotonic() + timeout_ms / 1000
        probe = Settings(broker=self.address, security_protocol="PLAINTEXT")
        while not await answers(probe):
            if self.returncode is not None:
                raise Fatal(f"Kafka ended with code {self.returncode}: {self._last_words()}")
            if time.monotonic() > deadline:
                raise Retryable(
                    f"Kafka doesn't answer on {self.address} after {timeout_ms // 1000} s: "
                    f"see {self.log_file}"
                )
            await asyncio.sleep(_POLL_S)

    async def wait(self) -> int:
        """Wait until it has ended; answers its exit code."""
        while (code := self.returncode) is None:  # noqa: ASYNC110 - polled: see the module's text
            await asyncio.sleep(_POLL_S)
        return code

    async def stop(self, timeout_ms: int = STOP_TIMEOUT_MS) -> None:
        """Ask it to end and wait; kill it where it doesn't. Nothing happens if it isn't running."""
        if self._process is None:
            return
        if self.returncode is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(self.wait(), timeout_ms / 1000)
            except TimeoutError:
                self.kill()
        self._process.wait()
        self._pidfile.unlink(missing_ok=True)

    def kill(self) -> None:
        """End it at once, as a power switch would: for tests, and when asking didn't help."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def _format(self) -> None:
        cluster = self._node.cluster or cluster_id(uuid.uuid4())
        command = self._java("-Xmx64m", "-XX:TieredStopAtLevel=1")
        command += ["kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(self._properties)]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        if answer.returncode != 0:
            said = (answer.stderr or answer.stdout).strip().splitlines()[-1:]
            raise Fatal(f"can't format {self._folder}: {''.join(said)}; is the folder writable?")

    def _spawn(self) -> subprocess.Popen[bytes]:
        command = self._java(*self._node.memory, "-XX:+UseSerialGC", "-Djava.awt.headless=true")
        command += ["kafka.Kafka", str(self._properties)]
        with (self._folder / "kafka.out").open("wb") as output:
            return subprocess.Popen(
                [sys.executable, "-I", "-S", str(_LAUNCHER), str(os.getpid()), *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the supervisor, which stops it last
            )

    def _java(self, *flags: str) -> list[str]:
        java = self._installation.java
        return [
            str(java.path),
            *flags,
            *options(java),
            f"-Dlog4j2.configurationFile={self._folder / 'log4j2.properties'}",
            "-cp",
            self._installation.classpath,
        ]

    def _last_words(self) -> str:
        """The last error that Kafka wrote, in one line."""
        for path in (self.log_file, self._folder / "kafka.out"):
            if path.exists():
                lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
                told = [line for line in lines if "ERROR" in line or "Exception" in line]
                if told:
                    return f"{told[-1][:300]} (see {path})"
        return f"see {self._folder}"
