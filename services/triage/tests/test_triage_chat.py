"""Chats and webhooks: which account, which language, who it is, what rules see."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vaxel_shared.contracts.interaction import Interaction
from vaxel_triage.core.contact import Tools, to_command
from vaxel_triage.core.view import View
from vaxel_triage.shell.deployment import load_view

CHAT = {
    "channel": "chat",
    "account": "web",
    "conversation_key": "care|chat|web|5f2b0f6e0a1c4d3e9b8a7c6d5e4f3a2b",
    "sender": {"external_id": "v1", "aliases": [{"scheme": "visitor", "value": "v1"}]},
    "subject": None,
    "text": "ok",
}
HOOK = CHAT | {"channel": "webhook", "account": "partner", "sender": {"external_id": "v1"}}


@pytest.fixture
def chatting(
    folder: Path, tools: Tools, message: Callable[..., Interaction]
) -> Callable[..., dict[str, Any]]:
    accounts = (folder / "channels.yaml").read_text() + (
        "  - {id: web, channel: chat, origins: [], pool: care, queue: billing}\n"
        "  - {id: partner, channel: webhook, secret_file: s, pool: care, queue: general}\n"
        "  - {id: other, channel: webhook, secret_file: s, pool: care, queue: general}\n"
    )
    (folder / "channels.yaml").write_text(accounts)
    rules = (folder / "routing.yaml").read_text() + (
        "  - {id: chats, when: channel == 'chat', set: {labels: [live]}}\n"
        "  - {id: big, when: sender_domain == 'big.example', set: {labels: [big]}}\n"
    )
    (folder / "routing.yaml").write_text(rules)
    view: View = load_view(folder)

    def make(**changed: Any) -> dict[str, Any]:
        command = to_command(message(**changed), src=(0, 1), view=view, tools=tools, lacking=[])
        return command.to_dict()["data"]

    return make


def test_a_chat_goes_to_its_accounts_queue_and_rules_see_its_channel(
    chatting: Callable[..., dict[str, Any]],
) -> None:
    found = chatting(**CHAT)
    assert (found["account"], found["queue"], found["channel"]) == ("web", "billing", "chat")
    assert found["labels"] == ["live"]
    assert "missing" not in found or found["missing"] == []


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, "und"),
        ({"contact": {"locale": "fi-FI"}}, "fi"),  # the browser's language is a hint
        ({"contact": {"locale": "fi"}, "text": "When will my parcel arrive, please?"}, "en"),
        ({"language": "fi", "text": "When will my parcel arrive, please?"}, "fi"),  # a choice holds
        ({"contact": {"locale": 7}}, "und"),
        ({"contact": {"locale": "ja"}}, "und"),
    ],
)
def test_the_language_of_a_chat(
    chatting: Callable[..., dict[str, Any]], changed: dict[str, Any], expected: str
) -> None:
    assert chatting(**CHAT | changed)["language"] == expected


def test_a_visitor_stays_who_they_are_whatever_address_they_give(
    chatting: Callable[..., dict[str, Any]],
) -> None:
    mail = {"scheme": "mailto", "value": "boss@big.example"}
    given = {"external_id": "v1", "aliases": [mail]}
    plain, named = chatting(**CHAT), chatting(**CHAT | {"sender": given})
    assert plain["customer_id"] == named["customer_id"]  # anybody can give any address
    proven = {"external_id": "v1", "aliases": [mail | {"verified": True}]}
    assert chatting(**CHAT | {"sender": proven})["customer_id"] != plain["customer_id"]
    assert named["labels"] == ["live", "big"]


def test_the_same_id_at_two_partners_is_two_customers(
    chatting: Callable[..., dict[str, Any]],
) -> None:
    here = chatting(**HOOK)
    there = chatting(**HOOK | {"account": "other"})
    assert here["customer_id"] != there["customer_id"]
