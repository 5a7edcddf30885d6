"""`vaxel up` as a person runs it: a process with a Kafka of its own and the mailbox beside it.

The services' own behaviour is for the end-to-end tests; this is about starting, saying, stopping.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vaxel_cli import runinfo
from vaxel_cli.up import ports
from vaxel_cli.up.services import BROKER_PORTS, SERVICES

pytestmark = [pytest.mark.broker, pytest.mark.e2e]
NAMES = [*BROKER_PORTS, *(name for spec in SERVICES for name in spec.ports)]
START_S = 120
"""Generous: the machine may be busy, and the first run fetches Apache Kafka."""


class Up:
    """A running `vaxel up`."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.data_dir = folder / "data"
        self.config = folder / "config"
        self.output = folder / "output.txt"
        if not self.config.exists():
            self.config.mkdir()
            for path in runinfo.find_config_dir().glob("*.yaml"):
                (self.config / path.name).write_bytes(path.read_bytes())
        offset = ports.free_offset(NAMES, 3_000, lambda port: ports.is_free("127.0.0.1", port))
        self.command = [
            sys.executable, "-m", "vaxel_cli", "up", "--only", "sink",
            "--data-dir", str(self.data_dir), "--config", str(self.config),
            "--port-offset", str(offset), *options,
        ]  # fmt: skip
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(self.command, stdout=output, stderr=output)

    def wait(self, what: str, found: Callable[[], bool], timeout_s: float = START_S) -> None:
        deadline = time.monotonic() + timeout_s
        while not found():
            assert time.monotonic() < deadline, f"no {what}:\n{self.said()}"
            assert self.process.poll() is None, f"ended before {what}:\n{self.said()}"
            time.sleep(0.05)

    def ready(self) -> runinfo.RunInfo:
        self.wait("readiness", lambda: "Ready after" in self.said())
        return runinfo.load(self.data_dir)

    def said(self) -> str:
        return self.output.read_text()

    def hears(self, words: str) -> None:
        self.wait(repr(words), lambda: words in self.said(), 60)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Up]]:
    started: list[Up] = []

    def begin(*options: str) -> Up:
        started.append(Up(tmp_path, *options))
        return started[-1]

    yield begin
    for one in started:
        with contextlib.suppress(ProcessLookupError):
            one.process.kill()
        one.process.wait()


def _gone(pids: list[int]) -> bool:
    return not any(runinfo.alive(pid) for pid in pids)


def test_it_starts_says_so_follows_its_files_and_stops(start: Callable[..., Up]) -> None:
    up = start()
    info = up.ready()
    assert info.broker_pid is not None
    pids = [info.broker_pid, *(item.pid for item in info.services.values() if item.pid)]
    assert "Ready after " in up.said()
    assert info.tokens.agents.keys() >= {"a01", "a12"}
    assert info.sink.url is not None
    with urllib.request.urlopen(f"{info.sink.url}/api/mails", timeout=10) as answer:
        assert json.load(answer) == {"mails": []}
    assert json.loads((up.data_dir / "born.json").read_bytes()) == {"services": ["sink"]}

    second = subprocess.run(up.command, capture_output=True, text=True, check=False, timeout=60)
    assert second.returncode == 1
    assert f"(process {up.process.pid})" in second.stderr
    assert second.stderr.count("\n") == 1

    roster = up.config / "roster.yaml"
    text = roster.read_text()
    roster.write_text(text.replace("pool: support", "pool: suport", 1))
    up.hears("not published: roster.yaml:")
    up.hears("stays as it was")
    roster.write_text(text.replace("id: a12", "id: a99", 1))
    up.hears("agents added: a99")
    up.hears("published roster")
    up.wait("the new agent's token", lambda: "a99" in runinfo.load(up.data_dir).tokens.agents)

    assert up.stop(signal.SIGINT) == 0
    assert not (up.data_dir / runinfo.RUN_FILE).exists()
    assert _gone(pids)


def test_what_dies_comes_back_and_the_next_start_goes_on(start: Callable[..., Up]) -> None:
    up = start()
    info = up.ready()
    sink = info.services["sink"].pid
    assert sink is not None
    assert info.broker_pid is not None
    os.kill(sink, signal.SIGKILL)
    os.kill(info.broker_pid, signal.SIGKILL)
    up.hears("sink was ended by SIGKILL; again in 0.2 s")
    up.hears("sink is ready again")
    up.hears("Kafka died; again in 0.2 s")
    up.hears("Kafka takes requests again")
    up.wait("its new process", lambda: runinfo.load(up.data_dir).services["sink"].pid != sink)
    up.wait("Kafka's", lambda: runinfo.load(up.data_dir).broker_pid != info.broker_pid)
    assert up.stop() == 0
    again = start()
    again.ready()
    assert "as published before" in again.said()
    assert again.stop() == 0


def test_nothing_outlives_it_when_it_is_killed(start: Callable[..., Up]) -> None:
    up = start()
    info = up.ready()
    assert info.broker_pid is not None
    pids = [info.broker_pid, *(item.pid for item in info.services.values() if item.pid)]
    up.process.kill()
    up.process.wait()
    deadline = time.monotonic() + 30
    while not _gone(pids) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert _gone(pids)
    again = start()
    again.ready()
    assert again.stop() == 0


def test_a_second_signal_ends_it_at_once(start: Callable[..., Up]) -> None:
    up = start()
    up.hears("Kafka: Apache Kafka")
    up.process.send_signal(signal.SIGINT)
    up.hears("stopping")
    with contextlib.suppress(ProcessLookupError):
        up.process.send_signal(signal.SIGINT)
    assert up.process.wait(30) in {0, 1}


def test_a_broker_that_does_not_answer_is_one_line(start: Callable[..., Up]) -> None:
    up = start("--broker", "127.0.0.1:1")
    assert up.process.wait(60) == 3
    assert [line for line in up.said().splitlines() if line.startswith("vaxel: ")] == [
        up.said().splitlines()[-1]
    ]
    assert "127.0.0.1:1" in up.said().splitlines()[-1]
