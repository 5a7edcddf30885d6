"""The rig's processes: services forked by a nursery, readers, the proxy; frozen, killed, watched."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from chaos.rig_place import PortOffsets, Round

HERE = Path(__file__).resolve().parent
KILLED_AT_AN_AWAIT = 137
START_S_MAX = 60


class Process:
    """One process of a service. ``exited`` is its exit code once it has one."""

    def __init__(self, number: int, log: Path, port_offset: int) -> None:
        loop = asyncio.get_running_loop()
        self.number = number
        self.log = log
        self.port_offset = port_offset
        self.born: asyncio.Future[int] = loop.create_future()
        self.exited: asyncio.Future[int] = loop.create_future()
        self.asked_to_end = False
        self._read = 0
        self._rest = b""
        self._lines: list[dict[str, Any]] = []

    @property
    def alive(self) -> bool:
        """Whether it hasn't ended."""
        return not self.exited.done()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it is there to get it."""
        if number in (signal.SIGKILL, signal.SIGTERM):
            self.asked_to_end = True
        if self.alive and self.born.done():
            with suppress(ProcessLookupError):
                os.kill(self.born.result(), number)

    async def ended(self, seconds: float) -> int | None:
        """Its exit code; None where it still lives after so long."""
        done, _ = await asyncio.wait({self.exited}, timeout=seconds)
        return self.exited.result() if done else None

    def said(self, event: str) -> list[dict[str, Any]]:
        """The lines of its log with this event so far."""
        if self.log.exists():
            with self.log.open("rb") as file:
                file.seek(self._read)
                data = file.read()
            self._read += len(data)
            *lines, self._rest = (self._rest + data).split(b"\n")
            for line in lines:
                with suppress(ValueError):
                    self._lines.append(json.loads(line))
        return [line for line in self._lines if line.get("event") == event]

    def last_words(self) -> str:
        """The end of its log, for whoever has to find out why it ended."""
        return self.log.read_text()[-2_000:] if self.log.exists() else "(no log)"


class Nursery:
    """Forks processes of one module; see :mod:`chaos.rig_nursery`."""

    def __init__(self, module: str, offsets: PortOffsets) -> None:
        self.module = module
        self.processes: list[Process] = []
        self._offsets = offsets
        self._by_pid: dict[int, Process] = {}
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._nurse: asyncio.subprocess.Process | None = None
        self._listening: asyncio.Task[None] | None = None

    async def start(self, environment: Mapping[str, str] | None = None) -> None:
        """Import the module, which takes a second or two."""
        self._nurse = await asyncio.create_subprocess_exec(
            sys.executable,
            str(HERE / "rig_nursery.py"),
            self.module,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", **(environment or {})},
            start_new_session=True,
        )
        self._listening = asyncio.create_task(self._listen())
        await asyncio.wait_for(self._ready, START_S_MAX)

    async def fork(self, one: Round, environment: Mapping[str, str]) -> Process:
        """A process of the module with this environment on top of the round's."""
        assert self._nurse is not None
        assert self._nurse.stdin is not None
        number = len(self.processes)
        port_offset = self._offsets.take()
        process = Process(number, one.folder / f"{self.module}-{number}.log", port_offset)
        self.processes.append(process)
        env = {**environment, "VAXEL_PORT_OFFSET": str(port_offset)}
        order = {"id": number, "env": env, "log": str(process.log)}
        self._nurse.stdin.write(json.dumps(order).encode() + b"\n")
        await self._nurse.stdin.drain()
        await process.born
        return process

    async def _listen(self) -> None:
        assert self._nurse is not None
        assert self._nurse.stdout is not None
        while line := await self._nurse.stdout.readline():
            said = json.loads(line)
            if "ready" in said:
                self._ready.set_result(None)
            elif "id" in said:
                process = self.processes[said["id"]]
                self._by_pid[said["pid"]] = process
                process.born.set_result(said["pid"])
            elif (process := self._by_pid.pop(said["pid"], None)) is not None:
                process.exited.set_result(said["code"])

    async def end_all(self, seconds: float = 12) -> None:
        """SIGTERM to all that live, SIGKILL to what doesn't listen."""
        alive = [one for one in self.processes if one.alive]
        for one in alive:
            one.signal(signal.SIGCONT)
            one.signal(signal.SIGTERM)
        deadline = time.monotonic() + seconds
        for one in alive:
            if await one.ended(max(0.0, deadline - time.monotonic())) is None:
                one.signal(signal.SIGKILL)
                await one.ended(10)

    async def close(self) -> None:
        """The nurse goes, and takes with it what is left."""
        if self._nurse is not None and self._nurse.stdin is not None:
            self._nurse.stdin.close()
            await self._nurse.wait()
        if self._listening is not None:
            await self._listening


class Reader:
    """A reader of the decisions in its own process; see :mod:`chaos.rig_reader`."""

    def __init__(self, one: Round, name: str, *, proxied: bool = False, broken: str = "") -> None:
        self.trace = one.folder / f"trace-{name}.jsonl"
        self._log = one.folder / f"reader-{name}.log"
        self._environment = {**os.environ, **one.environment(proxied=proxied)}
        self._more = ["--broken", broken] if broken else []
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """From the log's first record on."""
        with self._log.open("w") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                str(HERE / "rig_reader.py"),
                "--trace",
                str(self.trace),
                *self._more,
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=self._environment,
                start_new_session=True,
            )

    async def finish(self, seconds: float = 60) -> str:
        """Read on to the end; why it halted, empty where it didn't."""
        assert self._process is not None
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        try:
            code = await asyncio.wait_for(self._process.wait(), seconds)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
            code = -1
        said = self._log.read_text()[-500:]
        return "" if code == 0 else f"{self.trace.stem} ended with {code}: {said}"

    def kill(self) -> None:
        """At once."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
