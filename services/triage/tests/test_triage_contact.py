"""What becomes of a message: the whole command, and each thing that a rule or a flag changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaxel_shared.contracts.commands import Command, ContactAdd
from vaxel_shared.contracts.interaction import Interaction
from vaxel_shared.crypto.keys import Keyring
from vaxel_shared.errors import Poison
from vaxel_shared.ids import event_id
from vaxel_triage.core.admission import skipped
from vaxel_triage.core.contact import Tools, to_command
from vaxel_triage.core.view import View

Triaged = Callable[..., dict[str, Any]]


def test_a_message_becomes_a_command_without_name_address_or_text(triaged: Triaged) -> None:
    customer = event_id(
        "customer", Keyring(b"k" * 32).pseudonym("customer", "mailto:matti.mainio@posti.example")
    )
    assert triaged(subject="Lasku", text="Sain väärän laskun, auttakaa") == {
        "id": "0f8fad5b-d9cb-469f-a165-70867728950e",
        "type": "contact.add",
        "pool": "care",
        "actor": {"kind": "customer", "id": customer},
        "via": "triage",
        "data": {
            "contact_id": "0f8fad5b-d9cb-469f-a165-70867728950e",
            "conversation_key": "care|email|help|5f2b0f6e0a1c4d3e9b8a7c6d5e4f3a2b",
            "customer_id": customer,
            "channel": "email",
            "account": "help",
            "language": "fi",
            "queue": "billing",
            "priority": 5,
            "requires": {"skills": {}, "languages": ["fi"]},
            "labels": ["money"],
            "received_at_ms": 1_795_358_277_123,
            "missing": [],
            "src": [3, 41],
            "automatic": False,
            "no_auto_response": False,
            "rule": {"id": "invoices", "at": "routing.yaml:18"},
        },
    }


EN = "Hello there, I have a question about my order. "
AUTO = {"auto_reply": {"value": True, "evidence": ["auto-submitted"]}}
IMAGE = {"mime": "image/png", "size": 1, "sha256": "0" * 64}

CASES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    # what is different about the message, what it changes
    (
        "what no rule sends anywhere goes to its account's queue",
        {"text": EN},
        {"queue": "general", "rule": {"id": "account-default", "at": "channels.yaml:5"}},
    ),
    (
        "addresses are compared without case",
        {"text": EN, "account": "MONEY@shop.example"},
        {
            "account": "money",
            "queue": "billing",
            "priority": 5,
            "rule": {"id": "account-default", "at": "channels.yaml:6"},
        },
    ),
    (
        "a rule without a queue leaves the queue and its own name out of it",
        {"text": EN + "My lawyer will call"},
        {
            "queue": "general",
            "priority": 30,
            "requires": {"skills": {"billing": 2, "legal": 3}, "languages": ["en"]},
            "labels": ["legal"],
            "rule": {"id": "account-default", "at": "channels.yaml:5"},
        },
    ),
    (
        "the first to set queue and priority wins, skills and labels add up",
        {"text": EN + "A refund for the invoice, or my lawyer"},
        {
            "queue": "billing",
            "priority": 30,
            "requires": {"skills": {"billing": 6, "legal": 3}, "languages": ["en"]},
            "labels": ["legal", "money", "refund"],
            "rule": {"id": "invoices", "at": "routing.yaml:18"},
        },
    ),
    (
        "rules look at the own words, not at what is quoted",
        {"text": EN + "\n> the invoice is attached", "reply_text": EN},
        {"queue": "general", "labels": []},
    ),
    (
        "an automatic answer goes to the automatic queue, whatever it quotes",
        {"text": EN + "the invoice, my lawyer", "flags": AUTO},
        {
            "queue": "automatic",
            "priority": -100,
            "requires": {"skills": {}, "languages": []},
            "labels": ["auto_reply"],
            "automatic": True,
            "no_auto_response": True,
            "rule": {"id": "automatic-mail", "at": "routing.yaml:7"},
        },
    ),
    (
        "a bounce is automatic mail, with or without its flag",
        {"bounce": {"class": "hard"}, "kind": "delivery"},
        {"queue": "automatic", "labels": ["bounce"], "automatic": True},
    ),
    (
        "a rule may choose among the automatic queues",
        {"text": EN + "invoice", "flags": {"spam": {"value": True}}},
        {
            "queue": "junk",
            "priority": -200,
            "labels": ["spam", "junk"],
            "automatic": True,
            "rule": {"id": "spam", "at": "routing.yaml:14"},
        },
    ),
    (
        "what a rule sends to an automatic queue is automatic mail",
        {"text": EN, "sender": {"external_id": "x@News.example"}},
        {"queue": "junk", "automatic": True, "no_auto_response": True},
    ),
    (
        "a pool without an automatic queue keeps automatic mail in its account's",
        {
            "text": EN,
            "account": "partners@shop.example",
            "conversation_key": "trade|email|partners|1",
            "flags": AUTO,
        },
        {"queue": "trade", "priority": 2, "automatic": True, "labels": ["auto_reply"]},
    ),
    (
        "a rule whose queue is another pool's chooses none",
        {
            "text": EN + "invoice",
            "account": "partners@shop.example",
            "conversation_key": "trade|email|partners|1",
        },
        {
            "queue": "trade",
            "labels": ["money"],
            "rule": {"id": "account-default", "at": "channels.yaml:7"},
        },
    ),
    (
        "whoever asks for no automatic answer gets none, and is a contact like any",
        {"text": EN, "flags": {"no_auto_response": {"value": True}}},
        {"no_auto_response": True, "automatic": False, "queue": "general"},
    ),
    (
        "an account that is gone loses nothing: its pool is in the key",
        {"text": EN, "account": "old@shop.example", "conversation_key": "trade|email|old|1"},
        {
            "account": "old",
            "queue": "trade",
            "labels": ["unknown_account"],
            "missing": ["account"],
            "rule": {"id": "unknown-account", "at": "routing.yaml:12"},
        },
    ),
    (
        "nor does a pool that is gone too",
        {"text": EN, "account": "old@shop.example", "conversation_key": "gone|email|old|1"},
        {"account": "old", "queue": "general", "missing": ["account"]},
    ),
    (
        "a rule that fails on a message doesn't match and is named",
        {"text": EN, "attachments": [IMAGE]},
        {"missing": ["rule:pictures"], "labels": []},
    ),
    (
        "the same rule on another message",
        {"text": EN, "attachments": [IMAGE, IMAGE]},
        {"missing": [], "labels": ["picture"]},
    ),
    (
        "pictures inside the text are no attachments",
        {"text": EN, "attachments": [IMAGE, IMAGE | {"inline": True}]},
        {"missing": ["rule:pictures"]},
    ),
    (
        "a message without a sender has a customer of its own, and says so",
        {"text": EN, "sender": {"external_id": ""}},
        {"missing": ["customer"]},
    ),
    (
        "a short text asks for no language",
        {"subject": "", "text": "Hi"},
        {"language": "und", "requires": {"skills": {}, "languages": []}},
    ),
    (
        "a subject tells where the text doesn't",
        {"subject": "Kysymys aukioloajoista", "text": "Hei"},
        {"language": "fi"},
    ),
    (
        "unless it is the subject of what is answered",
        {
            "subject": "Re: Kysymys aukioloajoista",
            "text": "Hei",
            "relations": {"in_reply_to": "a@b.example"},
        },
        {"language": "und"},
    ),
    (
        "what a mail program says counts less than the text",
        {"text": EN, "language": "fi-FI"},
        {"language": "en"},
    ),
    (
        "what the customer chose holds",
        {"text": EN, "language": "fi-FI", "channel": "chat"},
        {"language": "fi"},
    ),
    (
        "and is no requirement where nobody answers in it",
        {"text": EN, "language": "es", "channel": "chat"},
        {"language": "und", "requires": {"skills": {}, "languages": []}},
    ),
]


@pytest.mark.parametrize(("changed", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_what_a_message_says_decides_where_it_goes(
    triaged: Triaged, changed: dict[str, Any], expected: dict[str, Any]
) -> None:
    data = triaged(**changed)["data"]
    assert {name: data[name] for name in expected} == expected


ADMISSION = [
    ({"direction": "outbound"}, "outbound"),
    ({"direction": "echo"}, "echo"),
    ({"kind": "typing"}, "signal"),
    ({"kind": "read"}, "signal"),
    ({"kind": "reaction"}, "signal"),
    ({"kind": "delivery"}, "report"),
    ({"kind": "optout"}, "report"),
    ({"kind": "delivery", "bounce": {"class": "hard"}}, None),
    ({"kind": "system", "flags": {"bounce": {"value": True}}}, None),
    ({"kind": "message"}, None),
    ({"kind": "postback"}, None),
    ({"kind": "call"}, None),
    ({"kind": "unsupported"}, None),
]


@pytest.mark.parametrize(("changed", "expected"), ADMISSION)
def test_only_what_may_want_an_answer_is_a_contact(
    message: Callable[..., Interaction], changed: dict[str, Any], expected: str | None
) -> None:
    assert skipped(message(**changed)) == expected


@pytest.mark.parametrize(
    "instant", ["", "yesterday", "2026-11-22T14:37:57", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+10:00", "9999-12-31T23:59:59-10:00"]
)  # fmt: skip
def test_an_instant_that_is_none_is_poison(triaged: Triaged, instant: str) -> None:
    with pytest.raises(Poison) as caught:
        triaged(received_at=instant)
    assert caught.value.code == "received_at_invalid"


def test_instants_keep_their_offset(triaged: Triaged) -> None:
    assert triaged(received_at="2026-11-22T16:37:57.123456+02:00")["data"]["received_at_ms"] == (
        1_795_358_277_123
    )


anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


@given(
    subject=st.none() | anything,
    text=st.none() | anything,
    reply=st.none() | anything,
    sender=anything,
    account=anything,
    key=anything,
    language=st.none() | anything,
    mime=anything,
)
def test_no_message_makes_triage_fail(
    message: Callable[..., Interaction], view: View, tools: Tools, subject: str | None,
    text: str | None, reply: str | None, sender: str, account: str, key: str,
    language: str | None, mime: str,
) -> None:  # fmt: skip
    interaction = message(
        subject=subject, text=text, reply_text=reply, sender={"external_id": sender},
        account=account, conversation_key=key, language=language,
        attachments=[{"mime": mime, "size": 1, "sha256": "0" * 64}] * 2,
    )  # fmt: skip
    command = to_command(interaction, src=(0, 0), view=view, tools=tools, lacking=["text"])
    again = to_command(interaction, src=(0, 0), view=view, tools=tools, lacking=["text"])
    assert command.to_json() == again.to_json()
    contact = ContactAdd.model_validate(Command.model_validate_json(command.to_json()).data)
    assert contact.queue in {queue.name for queue in view.pools[command.pool].queues}
    assert contact.missing[0] == "text"
    assert contact.requires.languages in ([], ["en"], ["fi"])


secrets = st.from_regex(r"Zq[a-z]{8,20}", fullmatch=True)


@given(first=secrets, second=secrets, third=secrets, fourth=secrets)
def test_nothing_that_a_person_wrote_or_is_called_is_in_a_command(
    message: Callable[..., Interaction], view: View, tools: Tools, first: str, second: str,
    third: str, fourth: str,
) -> None:  # fmt: skip
    interaction = message(
        subject=f"{first} invoice", text=f"{second} lawyer {first}",
        sender={"external_id": f"{third}@x.example", "name": fourth},
        recipients=[{"role": "to", "external_id": f"{fourth}@y.example", "name": first}],
        attachments=[{"mime": "a/b", "name": second, "size": 1, "sha256": "0" * 64}],
    )  # fmt: skip
    sent = to_command(interaction, src=(0, 0), view=view, tools=tools, lacking=[]).to_json()
    for word in (first, second, third, fourth):
        assert word.lower().encode() not in sent.lower()
