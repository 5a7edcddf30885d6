"""The quick look at a command says yes only where its model does."""

from __future__ import annotations

import uuid
from random import Random
from typing import Any

import msgspec
import pytest
from pydantic import ValidationError

from vaxel_router.core import inputs
from vaxel_shared import ids
from vaxel_shared.contracts.commands import DATA

ODD: list[Any] = [
    None, True, 0, -1, 2**53, 1.0, 1.5, "", "x", "open", "left", "available", "customer", "offer", "sent", "routing", "taken", "approved", "consult", [], ["x"], [1, 2], [1],
    [1.0, 2], {}, {"x": 1}, {"x": "y"}, {"skills": {"a": 1}, "languages": ["fi"]}, {"skills": []},
    {"id": "r", "at": "f:1"}, {"id": "r"}, [{"id": "a"}], [{"id": 1}], [{"id": "a", "channels": {"c": {"max": "1"}}}],
]  # fmt: skip


def valid(name: str, draw: Random) -> dict[str, Any]:
    """Data of a type that its model takes, found by trying."""
    data: dict[str, Any] = {}
    for field in DATA[name].model_fields:
        choices = [value for value in ODD if field not in _wrong(name, data | {field: value})]
        if choices:
            data[field] = draw.choice(choices)
    return data


def _wrong(name: str, data: dict[str, Any]) -> set[str]:
    try:
        DATA[name].model_validate_json(msgspec.json.encode(data), strict=True)
    except ValidationError as error:
        return {str(item["loc"][0]) for item in error.errors()}
    return set()


@pytest.mark.parametrize("name", sorted(DATA))
def test_what_has_the_shape_keeps_the_contract(name: str) -> None:
    draw = Random(name)
    fields = list(DATA[name].model_fields)
    taken = 0
    for _ in range(400):
        data = valid(name, draw)
        for field in draw.sample(fields, draw.choice((0, 0, 1, 2)) % (len(fields) + 1)):
            data[field] = draw.choice(ODD)
        if draw.random() < 0.3:
            data.pop(draw.choice(fields), None)
        try:
            msgspec.convert(data, inputs._SHAPES[name])
        except msgspec.ValidationError:
            continue
        taken += 1
        assert not _wrong(name, data), data
    assert taken > 50, "what makes sense is seen at a glance"


def test_our_ids_are_version_5() -> None:
    draw = Random(5)
    for _ in range(2_000):
        parts = [str(draw.random())[: draw.randint(0, 9)] for _ in range(draw.randint(1, 4))]
        assert ids.event_id(*parts) == str(uuid.uuid5(ids.NAMESPACE, "\x1f".join(parts)))
    for bad in (["a\x1fb"], ["a", "\x1f"], ["\x1f"]):
        with pytest.raises(ValueError, match="U\\+001F"):
            ids.event_id(*bad)
