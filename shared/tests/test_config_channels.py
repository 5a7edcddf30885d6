"""Accounts of every channel: what each must have, and what it must not."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from vaxel_shared.config.channels import Channels

HOME = {"pool": "care", "queue": "general"}


def channels(*accounts: dict[str, object]) -> Channels:
    return Channels.model_validate(
        {
            "deployment": "d",
            "languages": ["en"],
            "default_language": "en",
            "accounts": [HOME | account for account in accounts],
        }
    )


MAIL = {"id": "help", "address": "Help@shop.example"}
CHAT = {"id": "web", "channel": "chat", "origins": ["https://shop.example", "http://[::1]:8080"]}
HOOK = {"id": "partner", "channel": "webhook", "secret_file": "partner-webhook"}


def test_mail_is_found_by_its_address_and_all_else_by_its_id() -> None:
    found = channels(MAIL, CHAT, HOOK)
    assert [found.account(name).id for name in ("help@SHOP.example", "web", "partner")] == [  # type: ignore[union-attr]
        "help",
        "web",
        "partner",
    ]
    assert found.account("help") is None  # an interaction never calls mail by its id
    assert found.account("") is None
    assert found.by_id("help") == found.accounts[0]
    assert found.addresses == ["Help@shop.example"]


@pytest.mark.parametrize(
    ("account", "said"),
    [
        ({"id": "help"}, "'address' is missing"),
        (CHAT | {"address": "a@b.example"}, "'address' belongs to email, not to chat"),
        (MAIL | {"origins": []}, "'origins' belongs to chat, not to email"),
        ({"id": "h", "channel": "webhook"}, "'secret_file' is missing"),
        (CHAT | {"secret_file": "x"}, "'secret_file' belongs to webhook, not to chat"),
        (HOOK | {"secret_file": "../deployment.key"}, "String should match"),
        (CHAT | {"origins": ["shop.example"]}, "is no origin; write it like"),
        (CHAT | {"origins": ["https://shop.example/path"]}, "is no origin"),
        (CHAT | {"origins": ["*"]}, "is no origin"),
        (MAIL | {"channel": "fax"}, "Input should be"),
    ],
)
def test_an_account_that_makes_no_sense_is_refused(account: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        channels(account)


def test_an_id_stands_once_over_all_channels() -> None:
    with pytest.raises(ValidationError, match="account web stands twice"):
        channels(CHAT, HOOK | {"id": "web"})
