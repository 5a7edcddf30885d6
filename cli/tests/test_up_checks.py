"""The small checks around `vaxel up`: ports, lock, backoff, logs, what was ready once, run.json."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaxel_cli import console, runinfo
from vaxel_cli.main import COMMANDS, exit_code, run
from vaxel_cli.up import backoff, born, logs, ports, services
from vaxel_cli.up.lock import DataDirLock
from vaxel_shared.config.source import ConfigError, Problem
from vaxel_shared.errors import Fatal, Retryable
from vaxel_shared.settings import PORTS


def test_taken_ports_are_named_with_a_free_offset() -> None:
    occupied = {PORTS["register"], PORTS["broker"], PORTS["register"] + 100}
    complaint = ports.complaint(
        ["router", "register", "broker"], 0, lambda port: port not in occupied
    )
    assert complaint is not None
    assert "8080 (register), 9092 (broker) are taken" in complaint
    assert "--port-offset 200" in complaint


def test_free_ports_are_no_complaint() -> None:
    assert ports.complaint(["router"], 0, lambda _port: True) is None


@pytest.mark.parametrize(("offset", "expected"), [(0, 100), (50, 100), (100, 200), (250, 300)])
def test_the_proposed_offset_is_the_next_round_one(offset: int, expected: int) -> None:
    assert ports.free_offset(["router"], offset, lambda _port: True) == expected


def test_no_offset_is_proposed_where_none_is_free() -> None:
    assert ports.free_offset(["router"], 0, lambda _port: False) is None
    complaint = ports.complaint(["router"], 0, lambda _port: False)
    assert complaint is not None
    assert "--port-offset" not in complaint


def test_a_listening_port_is_not_free() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        assert not ports.is_free("127.0.0.1", port)
    assert ports.is_free("127.0.0.1", port)


def test_up_refuses_taken_ports_before_anything_starts(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    offset = 20_400  # below the ports that the kernel hands out
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", PORTS["sink"] + offset))
        listener.listen()
        arguments = ["up", "--data-dir", str(tmp_path / "d"), "--port-offset", str(offset)]
        status = run([*arguments, "--only", "sink", "--broker", "127.0.0.1:1"])
    assert status == console.UNREACHABLE
    told = capfd.readouterr().err
    assert f"{PORTS['sink'] + offset} (sink) is taken" in told
    assert told.count("\n") == 1
    assert not (tmp_path / "d" / "logs").exists()


def test_up_names_file_and_line_of_a_wrong_configuration(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source = runinfo.find_config_dir()
    for path in source.glob("*.yaml"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    text = (tmp_path / "roster.yaml").read_text()
    line = text[: text.index("pool: support")].count("\n") + 1
    (tmp_path / "roster.yaml").write_text(text.replace("pool: support", "pool: suport", 1))
    status = run(["up", "--config", str(tmp_path), "--data-dir", str(tmp_path / "d")])
    assert status == console.WRONG_USE
    assert f"roster.yaml:{line}: no pool 'suport'" in capfd.readouterr().err


def test_up_names_file_and_line_of_a_rule_that_does_not_compile(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for path in runinfo.find_config_dir().glob("*.yaml"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    routing = tmp_path / "routing.yaml"
    text = routing.read_text()
    line = text[: text.index("    when: >-")].count("\n") + 1
    routing.write_text(text.replace("    when: >-\n", "    when: >-\n      nothing.like(that\n", 1))
    status = run(["up", "--config", str(tmp_path), "--data-dir", str(tmp_path / "d")])
    assert status == console.WRONG_USE
    assert f"routing.yaml:{line}" in capfd.readouterr().err


def test_a_second_up_on_a_data_dir_is_refused_in_one_line(tmp_path: Path) -> None:
    first = DataDirLock(tmp_path)
    first.take()
    with pytest.raises(console.CommandFailed, match=f"already runs .*process {os.getpid()}"):
        DataDirLock(tmp_path).take()
    first.release()
    DataDirLock(tmp_path).take()


def test_the_lock_ends_with_its_process_however_it_ends(tmp_path: Path) -> None:
    holder = (
        "import os, sys, pathlib\nfrom vaxel_cli.up.lock import DataDirLock\n"
        "lock = DataDirLock(pathlib.Path(sys.argv[1]))\nlock.take()\nos.kill(os.getpid(), 9)\n"
    )
    ended = subprocess.run([sys.executable, "-c", holder, str(tmp_path)], check=False)
    assert ended.returncode == -9
    DataDirLock(tmp_path).take()


def test_pauses_double_up_to_the_limit_and_start_over_after_a_steady_life() -> None:
    counter = backoff.Backoff()
    assert [counter.after_death(100) for _ in range(8)] == [
        200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000,
    ]  # fmt: skip
    assert counter.after_death(backoff.STEADY_MS) == backoff.FIRST_MS


def test_who_was_ready_and_was_killed_is_back_at_once_however_often() -> None:
    counter = backoff.Backoff()
    pauses = [counter.after_death(1_000, from_outside=True) for _ in range(20)]
    assert pauses == [backoff.FIRST_MS] * 20
    assert counter.after_death(1_000) == 2 * backoff.FIRST_MS


@given(st.lists(st.integers(0, 10**9), max_size=60))
def test_a_pause_is_never_nothing_and_never_above_the_limit(lives: list[int]) -> None:
    counter = backoff.Backoff()
    for life in lives:
        assert backoff.FIRST_MS <= counter.after_death(life) <= backoff.MAX_MS


def test_the_last_error_of_a_log_is_found(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text(
        '{"event":"failed","level":"error","error":"old trouble"}\n'
        '{"event":"started","level":"info"}\n'
    )
    start = logs.size_of(log)
    assert logs.last_error(log) == "old trouble"
    assert logs.last_error(log, start) is None
    with log.open("a") as file:
        file.write("Traceback (most recent call last):\nImportError: no module\nbye\n")
    assert logs.last_error(log, start) == "ImportError: no module"
    with log.open("a") as file:
        file.write('{"event":"failed","level":"error","error":"the broker is away"}\n[1]\n')
    assert logs.last_error(log, start) == "the broker is away"
    assert logs.last_error(tmp_path / "none") is None


def test_a_large_log_is_set_aside_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "LOG_BYTES_MAX", 10)
    path = tmp_path / "logs" / "x.log"
    for number in range(6):
        descriptor = logs.open_for_append(path)
        os.write(descriptor, b"%d" % number * 20)
        os.close(descriptor)
    kept = sorted(item.name for item in path.parent.iterdir())
    assert kept == ["x.log", "x.log.1", "x.log.2", "x.log.3"]
    assert path.read_bytes() == b"5" * 20
    assert (path.parent / "x.log.3").read_bytes() == b"2" * 20


def test_only_a_service_that_never_was_ready_may_start_from_the_beginning(tmp_path: Path) -> None:
    assert born.cold_start(tmp_path, "router") == "genesis"
    born.mark_born(tmp_path, ["router", "triage"])
    assert born.cold_start(tmp_path, "router") == "halt"
    assert born.cold_start(tmp_path, "register") == "genesis"
    born.mark_born(tmp_path, ["register"])
    assert born.born(tmp_path) == {"router", "triage", "register"}


def test_a_damaged_record_of_births_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / born.BORN_FILE).write_text("{")
    with pytest.raises(Fatal, match="damaged"):
        born.cold_start(tmp_path, "router")


def test_only_selects_services_and_names_wrong_ones() -> None:
    assert [spec.name for spec in services.select("triage, router")] == ["router", "triage"]
    assert services.select(None) == services.SERVICES
    for wrong in ("rooter", "", " , "):
        with pytest.raises(console.CommandFailed) as failed:
            services.select(wrong)
        assert failed.value.exit_code == console.WRONG_USE


def test_every_port_of_a_service_is_declared() -> None:
    for spec in services.SERVICES:
        assert all(name in PORTS for name in spec.ports)


def _info(folder: Path, pid: int) -> runinfo.RunInfo:
    return runinfo.RunInfo(
        broker="127.0.0.1:9092",
        smtp=runinfo.Listener(host="127.0.0.1", port=2525),
        mailboxes=["support@example.com"],
        sink=runinfo.Listener(host="127.0.0.1", port=2526, url="http://127.0.0.1:8087"),
        services={"register": runinfo.ServiceInfo(url="http://127.0.0.1:8080", pid=1)},
        tokens=runinfo.Tokens(admin="a", supervisor="s", agents={"a01": "t"}),
        pid=pid,
        data_dir=folder,
        config_dir=folder,
        port_offset=7,
    )


def test_run_json_is_private_and_read_back(tmp_path: Path) -> None:
    path = runinfo.write(_info(tmp_path, os.getpid()))
    assert path.stat().st_mode & 0o777 == 0o600
    document = json.loads(path.read_text())
    assert document["sink"] == {"host": "127.0.0.1", "port": 2526, "url": "http://127.0.0.1:8087"}
    assert document["smtp"] == {"host": "127.0.0.1", "port": 2525}
    assert document["tokens"] == {"admin": "a", "supervisor": "s", "agents": {"a01": "t"}}
    info = runinfo.load(tmp_path)
    assert info.settings().port("register") == PORTS["register"] + 7
    assert info.url("register") == "http://127.0.0.1:8080"
    assert info.agent_token("a01") == "t"
    with pytest.raises(console.CommandFailed, match="known are a01"):
        info.agent_token("a99")
    runinfo.remove(tmp_path)
    with pytest.raises(console.CommandFailed, match="`vaxel up` first") as failed:
        runinfo.load(tmp_path)
    assert failed.value.exit_code == console.UNREACHABLE


def test_run_json_of_a_killed_run_is_recognised(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    runinfo.write(_info(tmp_path, gone.pid))
    with pytest.raises(console.CommandFailed, match="was killed"):
        runinfo.load(tmp_path)


def test_settings_can_name_a_broker_without_a_running_system(tmp_path: Path) -> None:
    assert runinfo.settings_for(tmp_path, "kafka:9092").broker == "kafka:9092"
    with pytest.raises(console.CommandFailed, match="no running system"):
        runinfo.settings_for(tmp_path)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ConfigError([Problem("a.yaml", 1, "x")]), 2),
        (Retryable("x"), 3),
        (Fatal("x"), 3),
        (console.answer_is_no("x"), 1),
        (console.wrong_use("x"), 2),
    ],
)
def test_exit_codes_say_what_kind_of_no_it_is(error: Exception, expected: int) -> None:
    assert exit_code(error) == expected


def test_a_command_that_cannot_be_loaded_breaks_no_other(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    entry = COMMANDS["status"]._replace(where="vaxel_cli.nowhere:status")
    monkeypatch.setitem(COMMANDS, "status", entry)
    assert run(["status"]) == console.UNREACHABLE
    assert capfd.readouterr().err.startswith("vaxel: `vaxel status` can't be loaded")
    assert run(["--help"]) == console.DONE


def test_a_fault_is_one_line_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    @click.command()
    def broken() -> None:
        raise RuntimeError("first\nsecond")

    monkeypatch.setattr("vaxel_cli.console.broken", broken, raising=False)
    monkeypatch.setitem(
        COMMANDS, "status", COMMANDS["status"]._replace(where="vaxel_cli.console:broken")
    )
    assert run(["status"]) == console.UNREACHABLE
    told = capfd.readouterr().err
    assert told.count("\n") == 1
    assert "RuntimeError at test_up_checks.py" in told


def test_help_imports_no_command() -> None:
    program = (
        "import sys\nfrom vaxel_cli.main import run\nrun(['--help'])\n"
        "sys.exit(any(name in sys.modules for name in ('aiokafka', 'aiohttp', 'vaxel_cli.up')))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
