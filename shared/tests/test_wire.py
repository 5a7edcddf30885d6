"""wire.py and the models hold the same shapes: what one writes, the other reads, and equal.

Method: the fields are compared by declaration, then hypothesis sends arbitrary commands and
batches through both and compares what arrives.
"""

import json
import typing

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaxel_shared.contracts import commands, decisions, wire

PAIRS = [
    (commands.Actor, wire.Actor),
    (commands.Command, wire.Command),
    (decisions.Decision, wire.Decision),
    (decisions.Batch, wire.Batch),
]


@pytest.mark.parametrize(("model", "struct"), PAIRS, ids=lambda item: item.__name__)
def test_both_declare_the_same_fields_in_the_same_order(model, struct):
    fields = msgspec.structs.fields(struct)
    assert [field.name for field in fields] == list(model.model_fields)
    assert [field.required for field in fields] == [
        field.is_required() for field in model.model_fields.values()
    ]


NAMES = {commands.Actor: "Actor", decisions.Decision: "Decision"}


def plain(annotation):
    """An annotation with both families of classes replaced by their name."""
    if isinstance(annotation, type) and annotation.__name__ in NAMES.values():
        return annotation.__name__
    origin = typing.get_origin(annotation)
    if origin is typing.Literal:
        return str  # the wire takes any text: an unknown actor is refused by the core, not lost
    if origin is None:
        return annotation
    return (str(origin).rpartition(".")[2], *map(plain, typing.get_args(annotation)))


@pytest.mark.parametrize(("model", "struct"), PAIRS, ids=lambda item: item.__name__)
def test_both_declare_the_same_types(model, struct):
    ours = {field.name: plain(field.type) for field in msgspec.structs.fields(struct)}
    hints = typing.get_type_hints(model)
    assert ours == {name: plain(hints[name]) for name in model.model_fields}


text = st.text(st.characters(codec="utf-8"), max_size=20)
integers = st.integers(-(2**63), 2**63 - 1)
json_values = st.recursive(
    st.none() | st.booleans() | integers | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)
data = st.dictionaries(text, json_values, max_size=4)
maybe = st.none() | text

command_models = st.builds(
    commands.Command,
    id=text, type=text, pool=text, via=text, case_id=maybe, agent_id=maybe, token=maybe, data=data,
    actor=st.builds(
        commands.Actor, kind=st.sampled_from(typing.get_args(commands.ActorKind)), id=text
    ),
)  # fmt: skip
decision_models = st.builds(
    decisions.Decision,
    type=text, at_ms=integers, pool=text, cause=text, policy=maybe, case_id=maybe, work_id=maybe,
    offer_id=maybe, agent_id=maybe, data=data,
)  # fmt: skip
batch_models = st.builds(
    decisions.Batch,
    engine=text, wall_ms=integers, tick_ms=st.none() | integers, state_digest=maybe,
    claim=st.none() | st.dictionaries(text, text, max_size=3),
    decisions=st.lists(decision_models, max_size=3),
)  # fmt: skip


@given(command_models)
def test_any_command_survives_both_ways(model):
    struct = wire.decode_command(model.to_json())
    assert commands.Command.model_validate_json(wire.encode(struct)) == model
    assert wire.decode_command(wire.encode(struct)) == struct


@given(batch_models)
def test_any_batch_survives_both_ways(model):
    struct = wire.decode_batch(model.to_json())
    assert decisions.Batch.model_validate_json(wire.encode(struct)) == model
    assert wire.decode_batch(wire.encode(struct)) == struct


@given(decision_models)
def test_any_decision_survives_both_ways(model):
    struct = msgspec.json.decode(model.to_json(), type=wire.Decision)
    assert decisions.Decision.model_validate_json(wire.encode(struct)) == model


@given(batch_models)
def test_encoding_is_deterministic_and_holds_no_absent_field(model):
    raw = wire.encode(wire.decode_batch(model.to_json()))
    assert raw == wire.encode(wire.decode_batch(raw))
    plain_batch = json.loads(raw)
    assert None not in plain_batch.values()
    for decision in plain_batch.get("decisions", []):
        assert None not in decision.values()


@given(command_models, st.dictionaries(text.filter(lambda name: name.startswith("x")), json_values))
def test_both_skip_fields_they_do_not_know(model, more):
    raw = json.dumps({"x_new": 1, **more, **model.to_dict()}).encode()
    struct = wire.decode_command(raw)
    assert commands.Command.model_validate_json(raw) == model
    assert commands.Command.model_validate_json(wire.encode(struct)) == model


@pytest.mark.parametrize(
    "raw",
    [b"", b"null", b"[]", b"{}", b'{"id":1}', b"\xff", b'{"id":"a","type":"t","pool":"p"}'],
)
def test_what_is_no_command_is_refused_by_both(raw):
    with pytest.raises(msgspec.DecodeError):
        wire.decode_command(raw)
    with pytest.raises(ValueError):
        commands.Command.model_validate_json(raw)


def test_a_batch_encoded_piece_by_piece_is_the_batch_encoded_at_once() -> None:
    made = [
        wire.Decision(
            type="case.noted", at_ms=1, pool="p", cause="c", data={"n": [1, {"ä": None}]}
        ),
        wire.Decision(type="command.refused", at_ms=1, pool="p", cause="c"),
    ]
    for count in (0, 1, 2):
        head = wire.Batch(engine="e", wall_ms=3, tick_ms=4, open="c")
        batch = wire.batch_of(head, made[:count], [wire.encode(one) for one in made[:count]])
        assert wire.encode(batch) == msgspec.json.encode(batch)
        assert wire.decode_batch(wire.encode(batch)) == batch
        other = msgspec.structs.replace(batch, engine="f")
        assert wire.encode(other) == msgspec.json.encode(other), "a changed copy is encoded anew"


@pytest.mark.parametrize(
    "decisions",
    [
        b'[{"type":"x","at_ms":1,"pool":"p","cause":"c","data":{"a":[1,{"b":2}]}}]',
        b'[{"type":"x","at_ms":1,"pool":"p","cause":"c"}]',
        b'[{"type":"x","at_ms":1,"pool":"p","cause":"c","data":{"a":}}]',
        b'[{"type":"x","at_ms":1,"pool":"p","cause":"c","data":{"a":1]}}]',
        b'[{"type":"x","at_ms":1,"pool":"p","cause":"c","data":[1]}]',
        b'[{"type":"x","at_ms":1,"pool":"p","cause":"c","data":{"a":"\xff"}}]',
        b'[{"type":"x","at_ms":"1","pool":"p","cause":"c","data":{}}]',
        b'[{"type":"x","at_ms":1,"pool":"p","data":{}}]',
        b'[{"type":"x","at_ms":1,"pool":"p","cause":"c","data":{"a":1}}',
    ],
)
def test_the_writers_check_takes_what_readers_take(decisions: bytes) -> None:
    raw = b'{"engine":"e","wall_ms":1,"decisions":' + decisions + b"}"
    verdicts = []
    for decode in (wire.decode_batch, wire.check_batch):
        try:
            decode(raw)
        except msgspec.DecodeError:
            verdicts.append("refused")
        else:
            verdicts.append("taken")
    assert verdicts[0] == verdicts[1]
