"""The normalised interaction as it is published: names, enumerations, and absence.

The JSON below is what a reader of ``vaxel.interactions`` would see.
"""

import json
import typing

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from vaxel_shared.contracts import interaction as contract
from vaxel_shared.contracts.schema import schemas

SCHEMA = schemas()["interaction.v1.json"]
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

LEAST = {
    "id": "6f0c3f0e-0000-5000-8000-000000000001",
    "conversation_key": "nordic|email|support|0123456789abcdef0123456789abcdef",
    "channel": "email",
    "account": "support@vaxel.example",
    "direction": "inbound",
    "kind": "message",
    "sender": {"external_id": "aino@customer.example"},
    "received_at": "2026-11-22T14:37:57.123Z",
}
BOUNCE = {
    **LEAST,
    "subject": "Undelivered Mail",
    "text": "Hei!\n> quoted",
    "segments": [
        {"kind": "new", "start": 0, "end": 4, "confidence": 1.0},
        {"kind": "quote", "start": 5, "end": 13, "confidence": 0.9},
    ],
    "relations": {"in_reply_to": "a@customer.example", "references": ["r@customer.example"]},
    "flags": {"bounce": {"value": True, "evidence": ["multipart_report"]}},
    "bounce": {"class": "hard", "status": ["5.1.1"], "recipients": ["x@customer.example"]},
    "verification": {"scheme": "dkim", "ok": False, "reason": "unsigned"},
}


def nulls(value):
    if isinstance(value, dict):
        return any(nulls(item) for item in value.values())
    if isinstance(value, list):
        return any(nulls(item) for item in value)
    return value is None


@pytest.mark.parametrize("document", [LEAST, BOUNCE], ids=["least", "bounce"])
def test_what_is_read_is_written_again(document):
    model = contract.Interaction.model_validate(document)
    written = json.loads(model.to_json())
    assert not nulls(written)
    VALIDATOR.validate(written)
    assert contract.Interaction.model_validate(written) == model
    for name, value in document.items():
        if not isinstance(value, dict):
            assert written[name] == value


def test_a_field_that_does_not_apply_is_absent():
    written = json.loads(contract.Interaction.model_validate(LEAST).to_json())
    absent = {"subject", "text", "html_ref", "flags", "bounce", "call", "raw_ref", "verification"}
    assert absent.isdisjoint(written)


def test_null_is_no_way_to_say_absent():
    assert not VALIDATOR.is_valid({**LEAST, "subject": None})


def test_a_bounce_says_class_as_the_contract_does():
    written = contract.Interaction.model_validate(BOUNCE).to_dict()
    assert written["bounce"]["class"] == "hard"
    assert "class_" not in written["bounce"]


@pytest.mark.parametrize("name", sorted(LEAST))
def test_what_always_applies_is_required(name):
    document = {key: value for key, value in LEAST.items() if key != name}
    with pytest.raises(ValidationError):
        contract.Interaction.model_validate(document)
    assert not VALIDATOR.is_valid(document)


ENUMERATIONS = {
    ("Interaction", "direction"): "inbound outbound echo",
    ("Interaction", "kind"): (
        "message edit delete reaction postback command typing read delivery membership optin"
        " optout call system unsupported"
    ),
    ("Recipient", "role"): "to cc bcc envelope",
    ("Segment", "kind"): "new quote signature disclaimer forward_header",
}


@pytest.mark.parametrize(("model", "field"), ENUMERATIONS)
def test_enumerations_are_those_of_the_contract(model, field):
    annotation = typing.get_type_hints(getattr(contract, model))[field]
    assert set(typing.get_args(annotation)) == set(ENUMERATIONS[model, field].split())


FIELDS = {
    "Interaction": (
        "id conversation_key channel account direction kind sender recipients subject text text_ref"
        " reply_text html_ref language segments attachments relations provider occurred_at"
        " received_at flags bounce call status reply_context location contact raw_ref raw_sha256"
        " verification"
    ),
    "Party": "external_id name aliases is_bot",
    "Alias": "scheme value verified",
    "Recipient": "role external_id name",
    "Segment": "kind start end confidence",
    "Attachment": "name mime size sha256 ref state inline",
    "Relations": "in_reply_to references target_id thread_root forwarded_from",
    "Provider": "message_id event_id redelivery",
    "Flags": "auto_reply no_auto_response bounce list spam spoofed reused_id",
    "Flag": "value evidence",
    "Bounce": "class status recipients original_message_id",
    "Verification": "scheme key_id ok reason",
}


@pytest.mark.parametrize("name", FIELDS)
def test_fields_are_those_of_the_contract(name):
    definition = SCHEMA if name == "Interaction" else SCHEMA["$defs"][name]
    assert FIELDS[name].split() == list(definition["properties"])


@given(
    st.dictionaries(
        st.sampled_from(["subject", "text", "reply_text", "language", "text_ref", "raw_ref"]),
        st.text(st.characters(codec="utf-8")),
    )
)
def test_any_text_is_kept_as_it_is(fields):
    model = contract.Interaction.model_validate({**LEAST, **fields})
    written = json.loads(model.to_json())
    assert {name: written[name] for name in fields} == fields
    VALIDATOR.validate(written)
