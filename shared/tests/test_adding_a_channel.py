"""Follows docs/adding-a-channel.md: its file, found by scanning, with its own example."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType

import jsonschema
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vaxel_cli.main import run
from vaxel_shared import channels
from vaxel_shared.channels.catalog import platforms
from vaxel_shared.channels.platform import Platform, Request
from vaxel_shared.channels.receive import Place, receive
from vaxel_shared.config.channels import Account
from vaxel_shared.contracts.schema import schemas
from vaxel_shared.crypto.keys import Keyring

PAGE = (Path(__file__).parents[2] / "docs/adding-a-channel.md").read_text()
SHAPE = jsonschema.Draft202012Validator(schemas()["interaction.v1.json"])
PLACE = Place("acme", "support", Keyring(b"k" * 32).pseudonym)


def block(name: str) -> str:
    found = re.search(rf"^```\w+ file={re.escape(name)}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None, f"the page shows no {name}"
    return found[1]


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    """The platform of the page, put where the scanner looks."""
    (tmp_path / "acme.py").write_text(block("acme.py"))
    monkeypatch.setattr(channels, "__path__", [*channels.__path__, str(tmp_path)])
    platforms.cache_clear()
    found: MappingProxyType[str, Platform] = platforms()
    yield found["acme"]
    platforms.cache_clear()
    sys.modules.pop("vaxel_shared.channels.acme", None)


def signed(body: bytes, secret: str = "s") -> dict[str, str]:
    return {
        "x-acme-signature": f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"
    }


def test_the_page_makes_a_channel_that_is_found_and_works(
    acme: Platform, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert acme.manifest.slug == "acme"
    message, headers = tmp_path / "message.json", tmp_path / "headers.json"
    message.write_text(block("message.json"))
    headers.write_text(json.dumps(signed(message.read_bytes())))
    assert run(["normalize", "webhook", "--platform", "acme", "--jsonl", str(message)]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [one["kind"] for one in shown["interactions"]] == ["message", "unsupported"]
    command = ["verify", "webhook", "--platform", "acme", "--headers", str(headers), str(message)]
    assert run([*command, "--secret", "s"]) == 0
    assert run([*command, "--secret", "other"]) == 1


def test_nothing_unsigned_is_believed_and_a_redelivery_is_the_same(acme: Platform) -> None:
    body = block("message.json").encode()
    for headers in ({}, signed(body, "other"), signed(body + b" ")):
        got = receive(acme, Request(headers=headers, body=body), ["s"], PLACE, 1_000)
        assert (got.answer.status, got.interactions) == (401, [])
    took = [
        receive(acme, Request(headers=signed(body), body=body), ["s"], PLACE, now_ms)
        for now_ms in (1_000, 2_000)
    ]
    ids = [[one.id for one in got.interactions] for got in took]
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 2


JSON = st.recursive(
    st.none() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(["kind", "id", "thread", "from", "text", "at"])


@given(events=st.lists(st.dictionaries(FIELDS, st.just("message") | JSON), max_size=3) | JSON)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_is_signed_has_the_published_shape(acme: Platform, events: object) -> None:
    body = json.dumps({"events": events}).encode()
    got = receive(acme, Request(headers=signed(body), body=body), ["s"], PLACE, 1_000)
    assert got.answer.status == 204
    for one in got.interactions:
        SHAPE.validate(json.loads(one.to_json()))


def test_the_pages_configuration_is_valid() -> None:
    found = re.search(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    (account,) = yaml.safe_load(found[1])["accounts"]
    assert Account.model_validate(account).platform == "acme"
