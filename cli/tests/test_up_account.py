"""What people see of `vaxel up`, on a terminal and in a file."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from vaxel_cli import runinfo
from vaxel_cli.up import account
from vaxel_cli.up.account import LiveAccount, PlainAccount
from vaxel_cli.up.summary import shown, summary
from vaxel_shared.config.deployment import load
from vaxel_shared.crypto.keys import create_key
from vaxel_shared.settings import Settings


def _tell(said: LiveAccount | PlainAccount) -> None:
    said.begin("Kafka", "starting")
    said.begin("router", "starting [sic]")
    said.update("Kafka", "1 of 46 files")
    said.done("Kafka", "Apache Kafka, 127.0.0.1:9092")
    said.say("router died [/] with its markup")
    said.fail("router", "gave up")
    said.show("Ready.")
    said.close()


def test_a_file_gets_one_line_for_each_change_and_no_control_characters() -> None:
    file = io.StringIO()
    _tell(PlainAccount(Console(file=file, soft_wrap=True)))
    lines = file.getvalue().splitlines()
    assert lines[:2] == ["Kafka: starting", "router: starting [sic]"]
    assert lines[2].startswith("Kafka: Apache Kafka, 127.0.0.1:9092 (")
    assert lines[3].endswith(" router died [/] with its markup")
    assert lines[4:] == ["router: gave up", "Ready."]
    assert "\x1b" not in file.getvalue()


def test_progress_in_a_file_is_told_sparingly(monkeypatch: pytest.MonkeyPatch) -> None:
    now_ms = 0
    monkeypatch.setattr(account, "_now_ms", lambda: now_ms)
    file = io.StringIO()
    said = PlainAccount(Console(file=file))
    said.begin("Kafka", "0 files")
    for count in range(1, 51):
        now_ms += 100
        said.update("Kafka", f"{count} files")
    assert file.getvalue().splitlines() == [
        "Kafka: 0 files", "Kafka: 20 files", "Kafka: 40 files",
    ]  # fmt: skip


def test_a_terminal_ends_up_with_one_line_for_each_step() -> None:
    file = io.StringIO()
    _tell(LiveAccount(Console(file=file, force_terminal=True, width=60, highlight=False)))
    text = file.getvalue()
    assert "router died [/] with its markup" in text
    assert "✓" in text
    assert "✗" in text
    assert "Ready." in text


def test_a_long_reason_stays_on_its_line() -> None:
    file = io.StringIO()
    said = LiveAccount(Console(file=file, force_terminal=True, width=60))
    said.begin("register", "x" * 500)
    said.close()
    assert "…" in file.getvalue()


def test_a_reader_that_went_away_silences_the_account_and_ends_nothing() -> None:
    program = (
        "import sys\nfrom vaxel_cli.up.account import make_account\n"
        "said = make_account()\nsaid.begin('a', 'b')\n"
        "for _ in range(2000):\n    said.say('x' * 100)\n"
        "sys.stderr.write('went on')\n"
    )
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(
        [sys.executable, "-c", program],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
    )
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (0, "went on")


def test_the_commands_to_try_name_a_data_dir_that_is_not_the_usual_one(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "elsewhere", port_offset=100)
    create_key(settings.secrets)
    deployment = load(runinfo.find_config_dir())
    text = summary(settings, deployment, ["ingest-email", "register", "sink"], 6.54)
    assert "Ready after 6.5 s." in text
    assert f"send email --example fi-billing --data-dir {tmp_path / 'elsewhere'}" in text
    assert deployment.channels.accounts[0].address in text
    assert ":2625" in text
    assert "http://127.0.0.1:8180/api/v1" in text
    assert "http://127.0.0.1:8187" in text
    assert text.count("http://127.0.0.1:8180/login?k=v1.") == 2
    assert "Aino Koskela (a01)" in text


def test_the_summary_names_only_what_runs(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    text = summary(settings, load(runinfo.find_config_dir()), ["router"], 1)
    assert "smtp://" not in text
    assert "/api/v1" not in text


def test_paths_are_shown_as_one_would_write_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert shown(tmp_path / ".vaxel") == ".vaxel"
    assert shown(Path("/somewhere/else")) == "/somewhere/else"
