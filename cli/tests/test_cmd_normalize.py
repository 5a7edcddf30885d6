"""`vaxel normalize email` without a running system: files in order, errors in their place."""

import io
import json
from pathlib import Path

import jsonschema
import pytest

from vaxel_cli import runinfo
from vaxel_cli.main import run
from vaxel_shared.contracts.schema import schemas
from vaxel_shared.crypto.keys import create_key

EXAMPLES = sorted((Path(__file__).parents[1] / "src/vaxel_cli/examples").glob("*.eml"))
MAIL = b"""\
From: Aino <aino@customer.example>
To: help@shop.example
Subject: Hello
Date: Sun, 22 Nov 2026 16:37:57 +0200
Message-ID: <m1@customer.example>

Hei!
"""
AT = ["--received-at", "2026-11-22T14:37:58Z"]


@pytest.fixture(autouse=True)
def nothing_around(tmp_path, monkeypatch):
    """No configuration and no data dir but those that a test makes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VAXEL_DATA_DIR", raising=False)
    monkeypatch.setattr(runinfo, "project_root", lambda: None)


@pytest.fixture
def mail(tmp_path):
    path = tmp_path / "mail.eml"
    path.write_bytes(MAIL)
    return path


def lines(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_file_becomes_an_interaction(mail, capsys):
    assert run(["normalize", "email", str(mail), *AT]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["sender"]["external_id"] == "aino@customer.example"
    assert found["account"] == "help@shop.example"
    assert found["text"].strip() == "Hei!"
    assert found["provider"]["message_id"] == "m1@customer.example"
    assert found["received_at"] == "2026-11-22T14:37:58.000Z"
    assert found["occurred_at"] == "2026-11-22T14:37:57.000Z"


def test_jsonl_is_one_line_a_file_in_order_with_errors_in_their_place(mail, tmp_path, capsys):
    second = tmp_path / "second.eml"
    second.write_bytes(MAIL.replace(b"Hello", b"Second"))
    names = [str(second), str(tmp_path / "none.eml"), str(tmp_path), str(mail)]
    assert run(["normalize", "email", *names, "--jsonl"]) == 1
    found = lines(capsys)
    assert [item.get("subject") for item in found] == ["Second", None, None, "Hello"]
    assert "No such file" in found[1]["error"]
    assert found[1]["file"] == names[1]
    assert "error" in found[2]


def test_standard_input_is_a_dash(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(MAIL)))
    assert run(["normalize", "email", "-", "--jsonl"]) == 0
    assert lines(capsys)[0]["subject"] == "Hello"


def test_the_same_bytes_give_the_same_line(mail, capsys):
    for _ in range(2):
        assert run(["normalize", "email", str(mail), "--jsonl", *AT]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == second


def test_several_files_are_one_document_with_json(mail, capsys):
    assert run(["normalize", "email", str(mail), str(mail), "--json"]) == 0
    assert [item["subject"] for item in json.loads(capsys.readouterr().out)] == ["Hello", "Hello"]


def test_the_account_comes_from_the_configuration_where_there_is_one(mail, tmp_path, capsys):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "channels.yaml").write_text(
        "deployment: d\nlanguages: [en]\ndefault_language: en\n"
        "accounts: [{id: shop, address: HELP@shop.example, pool: web, queue: q}]\n"
    )
    assert run(["normalize", "email", str(mail), "--config", str(folder), "--jsonl"]) == 0
    found = lines(capsys)[0]
    assert found["account"] == "HELP@shop.example"
    assert found["conversation_key"].startswith("web|email|shop|")


def test_a_broken_configuration_around_is_said_and_left_out(mail, tmp_path, capsys):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "routing.yaml").write_text("")
    (tmp_path / "config" / "channels.yaml").write_text("accounts: [\n")
    assert run(["normalize", "email", str(mail), "--jsonl"]) == 0
    captured = capsys.readouterr()
    assert "going on without accounts: channels.yaml:" in captured.err
    assert json.loads(captured.out)["account"] == "help@shop.example"
    assert run(["normalize", "email", str(mail), "--config", str(tmp_path / "config")]) == 2


def test_threads_are_hidden_under_the_key_of_the_data_dir(mail, tmp_path, capsys):
    run(["normalize", "email", str(mail), "--jsonl"])
    create_key(tmp_path / "data" / "secrets")
    run(["normalize", "email", str(mail), "--jsonl", "--data-dir", str(tmp_path / "data")])
    plain, keyed = lines(capsys)
    assert plain["conversation_key"] != keyed["conversation_key"]
    assert plain["id"] == keyed["id"]
    assert "m1@customer.example" not in plain["conversation_key"]


def test_blobs_are_stored_on_request(mail, tmp_path, capsys):
    run(["normalize", "email", str(mail), "--jsonl", "--blobs", str(tmp_path / "blobs")])
    digest = lines(capsys)[0]["raw_sha256"]
    assert (tmp_path / "blobs" / "raw" / digest[:2] / digest).read_bytes() == MAIL


@pytest.mark.parametrize(
    "raw",
    [b"", b"\x00\xff" * 500, b"Subject: =?utf-8?B?////?=\n\n\xed\xa0\x80", b"\n\n\n", MAIL * 2,
     b"From: a@b.example\nContent-Type: multipart/mixed; boundary=x\n\n--x\n--x\n--x--"],
    ids=["empty", "bytes", "surrogates", "blank", "twice", "parts"],
)  # fmt: skip
def test_whatever_comes_in_a_line_comes_out(tmp_path, capsys, raw):
    path = tmp_path / "odd.eml"
    path.write_bytes(raw)
    assert run(["normalize", "email", str(path), "--jsonl"]) == 0
    jsonschema.Draft202012Validator(schemas()["interaction.v1.json"]).validate(lines(capsys)[0])


def test_every_example_is_normalised_to_the_published_shape(capsys):
    assert run(["normalize", "email", *map(str, EXAMPLES), "--jsonl"]) == 0
    found = lines(capsys)
    assert len(found) == len(EXAMPLES)
    validator = jsonschema.Draft202012Validator(schemas()["interaction.v1.json"])
    for path, item in zip(EXAMPLES, found, strict=True):
        validator.validate(item)
        assert item["kind"] == "message"
        assert item["flags"]["auto_reply"]["value"] == (path.stem == "auto-reply")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--received-at", "yesterday"], "'yesterday' is no instant"),
        (["--received-at", "2026-11-22T14:37:58"], "has no offset"),
        (["--json", "--jsonl"], "choose --json or --jsonl"),
        (["--config", "nowhere"], "holds no channels.yaml"),
    ],
)
def test_wrong_use_is_exit_2(mail, capsys, arguments, said):
    assert run(["normalize", "email", str(mail), *arguments]) == 2
    assert said in capsys.readouterr().err
