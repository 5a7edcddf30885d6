"""One person is one customer, however the address is written and whoever else writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaxel_shared.contracts.interaction import Interaction
from vaxel_shared.crypto.keys import Keyring
from vaxel_shared.ids import event_id
from vaxel_triage.core.identity import alias, customer_id

PSEUDONYM = Keyring(b"k" * 32).pseudonym


def mail(address: str, *aliases: dict[str, Any]) -> dict[str, Any]:
    return {"sender": {"external_id": address, "aliases": list(aliases)}}


ALIASES = [
    (mail("Ann@Example.org"), "mailto:ann@example.org"),
    (mail(" ann@example.org "), "mailto:ann@example.org"),
    (mail(""), None),
    (mail("  "), None),
    (mail("a@b.example", {"scheme": "mailto", "value": "c@d.example"}), "mailto:a@b.example"),
    (
        mail("a@b.example", {"scheme": "MAILTO", "value": "C@d.example", "verified": True}),
        "mailto:c@d.example",
    ),
    (
        mail(
            "a@b.example",
            {"scheme": "shop", "value": "77", "verified": True},
            {"scheme": "mailto", "value": "a@b.example", "verified": True},
            {"scheme": "crm", "value": "Cust-9", "verified": True},
        ),
        "crm:Cust-9",
    ),
    (mail("a@b.example", {"scheme": "crm", "value": " ", "verified": True}), "mailto:a@b.example"),
    ({"channel": "whatsapp", **mail("+358401234567")}, "tel:+358401234567"),
    ({"channel": "telegram", **mail("QaZ1")}, "telegram:QaZ1"),
]


@pytest.mark.parametrize(("changed", "expected"), ALIASES)
def test_the_strongest_verified_alias_stands_for_the_customer(
    message: Callable[..., Interaction], changed: dict[str, Any], expected: str | None
) -> None:
    assert alias(message(**changed)) == expected


def test_the_id_is_what_every_service_computes_for_the_address(
    message: Callable[..., Interaction],
) -> None:
    expected = event_id("customer", PSEUDONYM("customer", "mailto:ann@example.org"))
    assert customer_id(message(**mail("ANN@example.ORG")), PSEUDONYM) == expected


addresses = st.from_regex(r"[a-z]{1,8}@[a-z]{1,8}\.example", fullmatch=True)


@given(first=addresses, second=addresses, upper=st.booleans())
def test_two_messages_have_one_customer_exactly_if_they_have_one_address(
    message: Callable[..., Interaction], first: str, second: str, upper: bool
) -> None:
    written = second.upper() if upper else second
    one = customer_id(message(**mail(first)), PSEUDONYM)
    two = customer_id(message(**mail(written)), PSEUDONYM)
    assert (one == two) is (first == second)


def test_messages_without_a_sender_are_nobodys_and_not_each_others(
    message: Callable[..., Interaction],
) -> None:
    ids = {customer_id(message(id=name, **mail("")), PSEUDONYM) for name in ("m1", "m2")}
    assert len(ids) == 2


def test_another_deployment_has_other_ids(message: Callable[..., Interaction]) -> None:
    here = customer_id(message(), PSEUDONYM)
    there = customer_id(message(), Keyring(b"j" * 32).pseudonym)
    assert here != there
