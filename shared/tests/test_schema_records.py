"""The published schemas judge records as the models do, for every type of command and decision."""

import jsonschema
import pytest

from vaxel_shared.contracts import commands, decisions
from vaxel_shared.contracts.schema import schemas

COMMAND = jsonschema.Draft202012Validator(schemas()["command.v1.json"])
BATCH = jsonschema.Draft202012Validator(schemas()["decisions.v1.json"])

REPLY = {
    "id": "c1",
    "type": "case.reply",
    "pool": "nordic",
    "actor": {"kind": "agent", "id": "a01"},
    "via": "api",
    "case_id": "k1",
    "token": "4.0",
    "data": {"body_ref": "body/00", "body_sha256": "00", "body_size": 3, "then": "waiting"},
}
OPENED = {
    "type": "case.opened",
    "at_ms": 1,
    "pool": "nordic",
    "cause": "c1",
    "case_id": "k1",
    "data": {"number": "A-1", "queue": "billing", "src": [0, 17]},
}


def batch(*items):
    return {"engine": "vaxel 1", "wall_ms": 1, "decisions": list(items)}


def test_a_command_as_it_is_sent_is_valid():
    COMMAND.validate(REPLY)
    COMMAND.validate(commands.Command.model_validate(REPLY).to_dict())


@pytest.mark.parametrize(
    "change",
    [
        {"type": "case.repl"},
        {"actor": {"kind": "robot", "id": "x"}},
        {"data": {"body_ref": "body/00"}},
        {"data": {**REPLY["data"], "then": "later"}},
        {"token": None},
    ],
    ids=["unknown type", "unknown actor", "data missing", "data of no value", "null for absent"],
)
def test_a_command_that_is_wrong_is_invalid(change):
    assert not COMMAND.is_valid({**REPLY, **change})


def test_a_batch_as_it_is_written_is_valid():
    BATCH.validate(batch(OPENED))
    BATCH.validate(decisions.Batch.model_validate(batch(OPENED)).to_dict())
    BATCH.validate({"engine": "vaxel 1", "wall_ms": 1})


@pytest.mark.parametrize(
    "change",
    [{"type": "case.open"}, {"data": {}}, {"at_ms": "1"}, {"cause": None}],
    ids=["unknown type", "data missing", "text for a number", "null for a cause"],
)
def test_a_batch_that_is_wrong_is_invalid(change):
    assert not BATCH.is_valid(batch({**OPENED, **change}))


def test_a_field_from_a_later_version_is_let_through():
    COMMAND.validate({**REPLY, "later": 1, "data": {**REPLY["data"], "later": [1]}})
    BATCH.validate({**batch({**OPENED, "later": 1}), "later": {}})


@pytest.mark.parametrize("name", sorted(commands.DATA))
def test_every_command_type_has_its_variant(name):
    variants = [item["$ref"] for item in COMMAND.schema["oneOf"]]
    assert f"#/$defs/{name}" in variants
    assert COMMAND.schema["$defs"][name]["properties"]["type"] == {"const": name}


@pytest.mark.parametrize("name", sorted(decisions.DATA))
def test_every_decision_type_has_its_variant(name):
    variants = [item["$ref"] for item in BATCH.schema["properties"]["decisions"]["items"]["oneOf"]]
    assert f"#/$defs/{name}" in variants
    assert BATCH.schema["$defs"][name]["properties"]["type"] == {"const": name}
