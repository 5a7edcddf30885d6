"""What counts as a break: a table of one change each, on a small schema as a reader would see it.

The published documents themselves are held by tests/contract/test_published_schemas.py.
"""

import copy

import pytest

from vaxel_shared.contracts.compatibility import breaks
from vaxel_shared.contracts.schema import schemas

OLD = {
    "type": "object",
    "required": ["id", "size"],
    "properties": {
        "id": {"type": "string"},
        "size": {"type": "number", "maximum": 10},
        "state": {"enum": ["sent", "failed"], "type": "string"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "place": {"prefixItems": [{"type": "integer"}, {"type": "integer"}], "type": "array"},
        "sender": {"$ref": "#/$defs/Party"},
        "free": {"type": "object", "additionalProperties": True},
    },
    "$defs": {
        "Party": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "boss": {"$ref": "#/$defs/Party"}},
        },
        "Envelope": {"type": "object", "properties": {"type": {"type": "string"}}},
        "a": {
            "allOf": [{"$ref": "#/$defs/Envelope"}],
            "properties": {"type": {"const": "a"}, "data": {"$ref": "#/$defs/Party"}},
        },
        "b": {"allOf": [{"$ref": "#/$defs/Envelope"}], "properties": {"type": {"const": "b"}}},
    },
    "oneOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/b"}],
}


def removed(new):
    del new["properties"]["state"]


def renamed(new):
    new["properties"]["status"] = new["properties"].pop("state")


def newly_required(new):
    new["required"].append("tags")


def new_and_required(new):
    new["properties"]["extra"] = {"type": "string"}
    new["required"].append("extra")


def no_longer_promised(new):
    new["required"].remove("size")


def type_narrowed(new):
    new["properties"]["size"]["type"] = "integer"


def type_changed(new):
    new["properties"]["id"]["type"] = "integer"


def enum_narrowed(new):
    new["properties"]["state"]["enum"] = ["sent"]


def free_text_becomes_enum(new):
    new["properties"]["id"]["enum"] = ["a", "b"]


def items_narrowed(new):
    new["properties"]["tags"]["items"] = {"type": "integer"}


def tuple_narrowed(new):
    new["properties"]["place"]["prefixItems"][1] = {"type": "string"}


def maximum_lowered(new):
    new["properties"]["size"]["maximum"] = 9


def length_added(new):
    new["properties"]["id"]["minLength"] = 1


def pattern_added(new):
    new["properties"]["id"]["pattern"] = "^x"


def nested_removed(new):
    del new["$defs"]["Party"]["properties"]["name"]


def variant_removed(new):
    new["oneOf"].pop()


def variant_field_removed(new):
    del new["$defs"]["a"]["properties"]["data"]


def envelope_field_removed(new):
    new["$defs"]["Envelope"]["properties"] = {}
    new["$defs"]["a"]["properties"].pop("type")


def objects_closed(new):
    new["properties"]["free"]["additionalProperties"] = False


BREAKS = [
    (removed, "state: removed"),
    (renamed, "state: removed"),
    (newly_required, "tags: newly required"),
    (new_and_required, "extra: newly required"),
    (no_longer_promised, "size: was always there, now optional"),
    (type_narrowed, "size: type narrowed, no longer number"),
    (type_changed, "id: type narrowed, no longer string"),
    (enum_narrowed, "state: values narrowed, no longer failed"),
    (free_text_becomes_enum, "id: values narrowed, no longer anything else"),
    (items_narrowed, "tags[]: type narrowed, no longer string"),
    (tuple_narrowed, "place[1]: type narrowed, no longer integer"),
    (maximum_lowered, "size: maximum narrowed to 9"),
    (length_added, "id: minLength narrowed to 1"),
    (pattern_added, "id: pattern added"),
    (nested_removed, "sender.name: removed"),
    (variant_removed, "<b>: removed"),
    (variant_field_removed, "<a>.data: removed"),
    (envelope_field_removed, "<a>: removed"),
    (objects_closed, "free[]: no longer allowed"),
]


@pytest.mark.parametrize(("change", "expected"), BREAKS, ids=[c.__name__ for c, _ in BREAKS])
def test_a_narrowing_change_is_a_break_and_names_its_place(change, expected):
    new = copy.deepcopy(OLD)
    change(new)
    assert expected in breaks(OLD, new)


def field_added(new):
    new["properties"]["extra"] = {"type": "string"}


def enum_widened(new):
    new["properties"]["state"]["enum"].append("unknown")


def type_widened(new):
    new["properties"]["id"]["type"] = ["string", "integer"]


def maximum_raised(new):
    new["properties"]["size"]["maximum"] = 11


def variant_added(new):
    new["$defs"]["c"] = {"properties": {"type": {"const": "c"}}}
    new["oneOf"].append({"$ref": "#/$defs/c"})


def definition_renamed(new):
    new["$defs"]["Person"] = new["$defs"].pop("Party")
    new["$defs"]["Person"]["properties"]["boss"]["$ref"] = "#/$defs/Person"
    new["properties"]["sender"]["$ref"] = "#/$defs/Person"
    new["$defs"]["a"]["properties"]["data"]["$ref"] = "#/$defs/Person"


def described_better(new):
    new["description"] = "What it is."
    new["properties"]["id"]["description"] = "What it is."


@pytest.mark.parametrize(
    "change",
    [field_added, enum_widened, type_widened, maximum_raised, variant_added, definition_renamed,
     described_better],
    ids=lambda change: change.__name__,
)  # fmt: skip
def test_a_widening_change_breaks_nobody(change):
    new = copy.deepcopy(OLD)
    change(new)
    assert breaks(OLD, new) == []


@pytest.mark.parametrize("name", sorted(schemas()))
def test_every_removed_field_of_the_real_schemas_would_be_noticed(name):
    """Take out one property after the other: none may go unnoticed."""
    old = schemas()[name]
    unnoticed = []
    places = {"": old, **old.get("$defs", {})}
    for place, definition in places.items():
        for field in definition.get("properties", {}):
            new = copy.deepcopy(old)
            target = {"": new, **new.get("$defs", {})}[place]
            del target["properties"][field]
            if not breaks(old, new):
                unnoticed.append(f"{place}.{field}")
    # Every variant of an envelope declares these two itself, so that nothing is lost with them.
    envelope = {"command.v1.json": "Command", "decisions.v1.json": "Decision"}.get(name)
    assert unnoticed == ([f"{envelope}.type", f"{envelope}.data"] if envelope else [])
