"""One supervised process, for real: a small service that can be told to misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from vaxel_cli import runinfo
from vaxel_cli.console import CommandFailed
from vaxel_cli.up import ports
from vaxel_cli.up.services import ServiceSpec
from vaxel_cli.up.supervise import Supervised, describe
from vaxel_shared.settings import PORTS, Settings

FAKE = """
import asyncio, os, sys
from vaxel_shared.errors import Fatal
from vaxel_shared.service import Service, run
from vaxel_shared.settings import Settings

async def build():
    if os.environ["FAKE"] == "dies":
        raise Fatal("the cursor is lost; restore it from a backup")
    async def wait(stop):
        await stop.wait()
        if os.environ["FAKE"] == "hangs":
            await asyncio.sleep(60)
    return Service("triage", Settings(), {"wait": wait})

if __name__ == "__main__":
    run("triage", Settings(), build)
"""

SPEC = ServiceSpec("triage", "fake_service", "pretends")


Pids = asyncio.Queue[int | None]
"""The process that was ready, each time it was."""


class Recorder:
    """An account that remembers."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def begin(self, name: str, text: str) -> None:
        self.lines.append(f"begin {name} {text}")

    def update(self, name: str, text: str) -> None:
        pass

    def done(self, name: str, text: str) -> None:
        self.lines.append(f"done {name} {text}")

    def fail(self, name: str, text: str) -> None:
        self.lines.append(f"fail {name} {text}")

    def say(self, line: str) -> None:
        self.lines.append(f"say {line}")

    def show(self, lines: str) -> None:
        self.lines.append(lines)

    def close(self) -> None:
        pass


def _settings(tmp_path: Path) -> Settings:
    (tmp_path / "fake_service.py").write_text(FAKE)
    offset = ports.free_offset(["triage"], 3_000, lambda port: ports.is_free("127.0.0.1", port))
    assert offset is not None
    return Settings(data_dir=tmp_path, port_offset=offset)


def _environment(settings: Settings, behaviour: str) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(settings.data_dir),
        "PYTHONSAFEPATH": "1",
        "FAKE": behaviour,
        "VAXEL_DATA_DIR": str(settings.data_dir),
        "VAXEL_PORT_OFFSET": str(settings.port_offset),
    }


@contextlib.asynccontextmanager
async def _supervised(
    tmp_path: Path, behaviour: str
) -> AsyncIterator[tuple[Supervised, Recorder, Pids, asyncio.Task[None]]]:
    settings, account = _settings(tmp_path), Recorder()
    pids: Pids = asyncio.Queue()
    service = Supervised(
        SPEC,
        settings,
        lambda _spec: _environment(settings, behaviour),
        account,
        lambda: pids.put_nowait(service.pid),
    )
    task = asyncio.create_task(service.keep())
    try:
        yield service, account, pids, task
    finally:
        service.kill()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_service_gets_ready_and_stops_when_asked(tmp_path: Path) -> None:
    async with _supervised(tmp_path, "well") as (service, account, pids, task):
        assert await asyncio.wait_for(pids.get(), 20) == service.pid
        assert service.ready.is_set()
        assert await service.stop(8_000)
        await task
    assert account.lines[0] == "begin triage pretends: starting"
    assert account.lines[1].startswith("done triage pretends, http://127.0.0.1:")
    assert len(account.lines) == 2


async def test_a_killed_service_is_started_again_and_that_is_said(tmp_path: Path) -> None:
    async with _supervised(tmp_path, "well") as (_, account, pids, _):
        first = await asyncio.wait_for(pids.get(), 20)
        assert first is not None
        os.kill(first, signal.SIGKILL)
        assert await asyncio.wait_for(pids.get(), 20) not in {None, first}
    said = [line for line in account.lines if line.startswith("say")]
    assert said[0] == "say triage was ended by SIGKILL; again in 0.2 s"
    assert said[1].startswith("say triage is ready again after ")


async def test_a_service_that_never_starts_is_given_up_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vaxel_cli.up.supervise.STARTS_MAX", 2)
    async with _supervised(tmp_path, "dies") as (_, account, _, task):
        with pytest.raises(CommandFailed, match=r"the cursor is lost.*triage\.log") as failed:
            await asyncio.wait_for(task, 30)
    assert failed.value.exit_code == 3
    assert any("again in 0.2 s" in line for line in account.lines)


async def test_a_service_that_does_not_drain_is_killed(tmp_path: Path) -> None:
    async with _supervised(tmp_path, "hangs") as (service, _, _, task):
        await asyncio.wait_for(service.ready.wait(), 20)
        assert not await service.stop(300)
        await task


def test_no_service_outlives_a_supervisor_that_was_killed(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    holder = (
        "import asyncio, subprocess, sys, time, os\n"
        "child = subprocess.Popen([sys.executable, '-m', 'vaxel_cli.up.child', str(os.getpid()),"
        " 'fake_service'])\nprint(child.pid, flush=True)\ntime.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder],
        stdout=subprocess.PIPE,
        env=_environment(settings, "well"),
        text=True,
    ) as parent:
        assert parent.stdout is not None
        service = int(parent.stdout.readline())
        port = PORTS["triage"] + settings.port_offset
        deadline = time.monotonic() + 20
        while ports.is_free("127.0.0.1", port) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not ports.is_free("127.0.0.1", port)
        parent.kill()
    deadline = time.monotonic() + 10
    while _running(service) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _running(service)


def _running(pid: int) -> bool:
    """Alive and no zombie that nobody has collected yet."""
    if not runinfo.alive(pid):
        return False
    stat = Path(f"/proc/{pid}/stat")
    try:
        return not stat.exists() or stat.read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


def test_a_service_whose_parent_is_gone_already_does_not_start(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    ended = subprocess.run(
        [sys.executable, "-m", "vaxel_cli.up.child", "1", "fake_service"],
        env=_environment(settings, "well"),
        check=False,
        timeout=20,
    )
    assert ended.returncode == 1


@pytest.mark.parametrize(
    ("status", "words"),
    [(0, "ended with status 0"), (3, "ended with status 3"), (-9, "was ended by SIGKILL"),
     (-200, "was ended by 200")],
)  # fmt: skip
def test_an_end_is_described_for_people(status: int, words: str) -> None:
    assert describe(status) == words
