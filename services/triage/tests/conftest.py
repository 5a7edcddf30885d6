"""A small deployment and interactions for triage's tests; the language model is loaded once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vaxel_shared.contracts.interaction import Interaction
from vaxel_shared.crypto.keys import Keyring
from vaxel_triage.core.contact import Tools, to_command
from vaxel_triage.core.view import View
from vaxel_triage.shell.deployment import load_view
from vaxel_triage.shell.detector import Detector, load_model

FILES = {
    "channels": """\
deployment: test
languages: [en, fi]
default_language: en
accounts:
  - {id: help, address: help@shop.example, pool: care, queue: general}
  - {id: money, address: Money@Shop.example, pool: care, queue: billing}
  - {id: partners, address: partners@shop.example, pool: trade, queue: trade}
""",
    "routing": """\
pools:
  - name: care
    letter: C
    queues:
      - {name: general, steps: [{after: 0s, tiers: [1]}]}
      - {name: billing, priority: 5, skills: {billing: 3}, steps: [{after: 0s, tiers: [1]}]}
      - {name: automatic, automatic: true, priority: -100, steps: [{after: 0s, tiers: [1]}]}
      - {name: junk, automatic: true, priority: -200, steps: [{after: 0s, tiers: [1]}]}
  - name: trade
    letter: T
    queues:
      - {name: trade, priority: 2, steps: [{after: 0s, tiers: [1]}]}
rules:
  - {id: spam, when: flags.spam, set: {queue: junk, labels: [junk]}}
  - id: legal
    when: content.mentions(["lawyer*", "asianajaja*"])
    set: {priority: 30, skills: {legal: 3, billing: 2}, labels: [legal]}
  - id: invoices
    when: content.mentions(["invoice*", "lasku*"])
    set: {queue: billing, labels: [money]}
  - id: refunds
    when: content.mentions(["refund*"])
    set: {queue: general, priority: 7, skills: {billing: 6}, labels: [money, refund]}
  - id: pictures
    when: has_attachment && attachments[1].startsWith("image/")
    set: {labels: [picture]}
  - id: newsletters
    when: sender_domain == "news.example"
    set: {queue: junk}
""",
    "roster": """\
agents:
  - {id: a1, name: Tuuli Aalto, email: a1@shop.example, pool: care, languages: {fi: 9, en: 5}}
""",
    "connectors": "mail: {relay: {host: sink, tls: none}}\n",
}

MESSAGE: dict[str, Any] = {
    "id": "0f8fad5b-d9cb-469f-a165-70867728950e",
    "conversation_key": "care|email|help|5f2b0f6e0a1c4d3e9b8a7c6d5e4f3a2b",
    "channel": "email",
    "account": "help@shop.example",
    "direction": "inbound",
    "kind": "message",
    "sender": {"external_id": "Matti.Mainio@Posti.example", "name": "Matti Mainio"},
    "subject": "Kysymys",
    "text": "Hei, milloin kauppanne on auki?",
    "received_at": "2026-11-22T14:37:57.123Z",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The small deployment's folder."""
    target = tmp_path / "config"
    target.mkdir()
    for name, text in FILES.items():
        (target / f"{name}.yaml").write_text(text, encoding="utf-8")
    return target


@pytest.fixture(scope="session")
def model() -> Any:
    return load_model()


@pytest.fixture(scope="session")
def view(tmp_path_factory: pytest.TempPathFactory) -> View:
    """The small deployment, checked."""
    target = tmp_path_factory.mktemp("config")
    for name, text in FILES.items():
        (target / f"{name}.yaml").write_text(text, encoding="utf-8")
    return load_view(target)


@pytest.fixture(scope="session")
def tools(model: Any, view: View) -> Tools:
    return Tools(Keyring(b"k" * 32).pseudonym, Detector(model, view.channels.languages))


@pytest.fixture(scope="session")
def message() -> Callable[..., Interaction]:
    """A message to help@shop.example, with other fields where they are named."""

    def make(**changed: Any) -> Interaction:
        return Interaction.model_validate(MESSAGE | changed)

    return make


@pytest.fixture(scope="session")
def triaged(
    message: Callable[..., Interaction], view: View, tools: Tools
) -> Callable[..., dict[str, Any]]:
    """The command of such a message as plain JSON."""

    def make(**changed: Any) -> dict[str, Any]:
        command = to_command(message(**changed), src=(3, 41), view=view, tools=tools, lacking=[])
        return command.to_dict()

    return make
