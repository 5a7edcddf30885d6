"""Webhooks on the command line: normalised, answered, verified; with nothing running."""

from __future__ import annotations

import json

import pytest

from vaxel_cli import runinfo
from vaxel_cli.main import run
from vaxel_shared.channels import standard

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_bm90IHRoZSBzYW1lIGFzIHRoZSBmaXJzdA=="
BODY = b'{"type": "message.received", "data": {"sender": {"id": "u1"}, "text": "Hei!"}}'
SECONDS = 1_795_365_477
NOW = ["--now", "2026-11-22T16:37:57+00:00"]
STANDARD = ["--platform", "standard"]


@pytest.fixture(autouse=True)
def nothing_around(tmp_path, monkeypatch):
    """No configuration and no data dir but those that a test makes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VAXEL_DATA_DIR", raising=False)
    monkeypatch.setattr(runinfo, "project_root", lambda: None)


@pytest.fixture
def body(tmp_path):
    path = tmp_path / "body.json"
    path.write_bytes(BODY)
    return str(path)


@pytest.fixture
def headers(tmp_path):
    path = tmp_path / "headers.json"
    signature = standard.sign(SECRET, "m1", SECONDS, BODY)
    given = {"Webhook-Id": "m1", "Webhook-Timestamp": SECONDS, "webhook-signature": [signature]}
    path.write_text(json.dumps(given))
    return ["--headers", str(path)]


def lines(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_body_becomes_interactions_and_the_answer_a_provider_would_get(body, headers, capsys):
    command = ["normalize", "webhook", *STANDARD, *headers, *NOW, "--jsonl", body]
    assert run([*command, "--secret", SECRET]) == 0
    (found,) = lines(capsys)
    assert list(found) == ["file", "interactions", "response", "verification"]
    assert found["file"] == body
    assert found["interactions"][0]["text"] == "Hei!"
    assert found["interactions"][0]["received_at"] == "2026-11-22T16:37:57.000Z"
    assert found["response"] == {"status": 204, "headers": {}, "body": ""}
    assert found["verification"] == {"scheme": "standard-webhooks", "key_id": "1", "ok": True}
    assert run([*command, "--secret", OTHER, "--secret", SECRET]) == 0
    assert lines(capsys)[0]["verification"]["key_id"] == "2"


def test_a_wrong_secret_is_the_refusal_that_a_provider_would_get(body, headers, capsys):
    command = ["normalize", "webhook", *STANDARD, *headers, *NOW, "--secret", OTHER, "--jsonl"]
    assert run([*command, body]) == 0
    (found,) = lines(capsys)
    assert (found["interactions"], found["response"]["status"]) == ([], 401)
    assert found["verification"]["reason"] == "signature_mismatch"


def test_without_a_secret_it_is_normalised_and_says_that_nothing_was_proven(body, capsys):
    assert run(["normalize", "webhook", *STANDARD, "--jsonl", body]) == 0
    (found,) = lines(capsys)
    assert found["interactions"][0]["kind"] == "message"
    assert found["verification"]["ok"] is False
    assert found["interactions"][0]["verification"]["ok"] is False


def test_one_line_a_file_in_order_with_errors_in_their_place(body, tmp_path, capsys):
    form = tmp_path / "odd.form"
    form.write_bytes(b"a=b")
    names = [str(form), str(tmp_path / "none.json"), body]
    assert run(["normalize", "webhook", *STANDARD, "--jsonl", *names]) == 1
    found = lines(capsys)
    assert [item["file"] for item in found] == names
    assert found[0]["response"]["status"] == 415  # by its ending
    assert "No such file" in found[1]["error"]
    assert found[2]["interactions"][0]["text"] == "Hei!"


def test_the_account_comes_from_the_configuration(body, tmp_path, capsys):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "channels.yaml").write_text(
        "deployment: d\nlanguages: [en]\ndefault_language: en\naccounts:\n"
        "  - {id: one, channel: webhook, secret_file: s, pool: web, queue: q}\n"
        "  - {id: two, channel: webhook, secret_file: s, pool: shop, queue: q}\n"
    )
    command = ["normalize", "webhook", *STANDARD, "--config", str(folder), "--jsonl", body]
    assert run(command) == 0
    assert run([*command, "--account", "two"]) == 0
    first, second = lines(capsys)
    assert first["interactions"][0]["conversation_key"].startswith("web|webhook|one|")
    assert second["interactions"][0]["conversation_key"].startswith("shop|webhook|two|")
    assert run([*command, "--account", "three"]) == 2


def test_a_method_and_a_content_type_can_be_said(body, capsys):
    run(["normalize", "webhook", *STANDARD, "--jsonl", "--method", "GET", body])
    run(["normalize", "webhook", *STANDARD, "--jsonl", "--content-type", "text/xml", body])
    assert [found["response"]["status"] for found in lines(capsys)] == [405, 415]


def test_a_signature_holds_or_not_with_the_reason(body, headers, capsys):
    command = ["verify", "webhook", *STANDARD, *headers, "--url", "https://x.example/hooks/a", body]
    assert run([*command, *NOW, "--secret", SECRET]) == 0
    assert "the signature holds" in capsys.readouterr().out
    assert run([*command, *NOW, "--secret", OTHER]) == 1
    assert "signature_mismatch" in capsys.readouterr().err
    assert run([*command, "--now", "2026-11-22T16:43:00Z", "--secret", SECRET]) == 1
    assert "timestamp_old" in capsys.readouterr().err
    assert run([*command, *NOW]) == 1
    assert "no_secret" in capsys.readouterr().err
    assert run([*command, *NOW, "--secret", SECRET, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--platform", "fax"], "no platform 'fax'; known are"),
        ([*STANDARD, "--now", "yesterday"], "'yesterday' is no instant"),
        ([*STANDARD, "--headers", "none.json"], "No such file"),
        ([*STANDARD, "--headers", "list.json"], "write an object"),
        ([*STANDARD, "--headers", "text.json"], "is no JSON"),
    ],
)
def test_wrong_use_is_exit_2(body, tmp_path, capsys, arguments, said):
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "text.json").write_text("x: y")
    for command in ("normalize", "verify"):
        assert run([command, "webhook", *arguments, body]) == 2
        assert said in capsys.readouterr().err
