"""Records of ``vaxel.work`` as inputs: decoded and checked against the contract.

What is no valid command, or is larger or stranger than any that makes sense, becomes an input
without one: the engine answers ``input.rejected``. So the handlers behind it can count on plain
integers, short strings and short lists, and never raise. Replay comes through here too.
"""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Mapping
from types import GenericAlias, UnionType
from typing import Any, Union, get_args, get_origin

import msgspec
from pydantic import BaseModel, ValidationError

from vaxel_router.core.engine import Input
from vaxel_router.core.limits import (
    COLLECTION_MAX,
    DEPTH_MAX,
    INPUT_BYTES_MAX,
    INTEGER_MAX,
    LANGUAGES_MAX,
    STRING_MAX,
    TAG_MAX,
)
from vaxel_shared.contracts import wire
from vaxel_shared.contracts.commands import DATA

_POOL = re.compile(r"[a-z][a-z0-9-]{0,63}", re.ASCII)
_TAKEN = ("timer:", "offset:")
"""What the causes of decisions begin with that no command caused."""
_SHORT_BYTES = 1024
"""No string or collection in so short a record is too long."""
_AS_NINES = bytes.maketrans(b"0123456789", b"9" * 10)
_LONG_NUMBER = b"9" * 16
"""Without so many digits in a row there is no integer in a record that is too large."""
_ESCAPED = rb"\u001"
"""Without it there is no joiner in a record."""
_JOINER = "\x1f"
"""Joins the parts of deterministic ids, so no part may hold it."""


def decode(offset: int, append_ms: int, value: bytes) -> Input:
    """One record's value as an input; never raises."""
    try:
        command = wire.decode_command(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Input(offset, append_ms, None, "undecodable")
    error = _error(command, value)
    return Input(offset, append_ms, command if error is None else None, error)


def _error(command: wire.Command, value: bytes) -> str | None:
    """Why a command is none, as a code; None where it is one."""
    whole = command.type == "roster.set"
    if len(value) > INPUT_BYTES_MAX and not whole:
        return "too_large"
    if not _is_pool(command.pool) or command.id.startswith(_TAKEN):
        return "invalid_data"
    if not _is_ordinary(value) and not _has_plain_parts(command, whole=whole):
        return "invalid_data"
    if not _has_short_languages(command.data):
        return "invalid_data"
    return None if _keeps_contract(command) else "invalid_data"


@functools.lru_cache(maxsize=1_024)
def _is_pool(name: str) -> bool:
    return _POOL.fullmatch(name) is not None


def _keeps_contract(command: wire.Command) -> bool:
    """Whether the data is what the type's model says.

    Strict: 1.0 and "1" are no integers, or a state would not survive its own encoding. Shapes that
    are as strict say yes to nearly all in a tenth of the time; only the model itself says no.
    """
    shape = _SHAPES.get(command.type)
    if shape is not None:
        try:
            msgspec.convert(command.data, shape)
        except msgspec.ValidationError:
            pass
        else:
            return True
    model = DATA.get(command.type)
    if model is None:
        return True
    try:
        model.model_validate_json(msgspec.json.encode(command.data), strict=True)
    except ValidationError:
        return False
    return True


def _shape(model: type[BaseModel]) -> type[msgspec.Struct]:
    """What is never wider than the model: for each field its very type, nested models likewise."""
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    decorators = model.__pydantic_decorators__
    assert not decorators.field_validators, "a shape knows types only"
    assert not decorators.model_validators, "a shape knows types only"
    for name, field in model.model_fields.items():
        assert not field.metadata, "a shape knows types only"
        kind = _plain(field.annotation)
        fields.append((name, kind) if field.is_required() else (name, kind, None))
    return msgspec.defstruct(model.__name__, fields, kw_only=True, gc=False)


def _plain(kind: Any) -> Any:
    """A type with every model in it replaced by its shape."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return _shape(kind)
    if get_origin(kind) in (list, dict, tuple):
        return GenericAlias(get_origin(kind), tuple(map(_plain, get_args(kind))))
    if get_origin(kind) in (Union, UnionType):
        return functools.reduce(operator.or_, map(_plain, get_args(kind)))
    return kind


_SHAPES = {name: _shape(model) for name, model in DATA.items()}
"""Where a model comes to say more than types, its shape must go, or say it as well."""


def _is_ordinary(value: bytes) -> bool:
    """Whether a record can't break a limit, judged at a glance: most can't, and looking is dear."""
    return (
        len(value) <= _SHORT_BYTES
        and value.count(b"{") + value.count(b"[") <= DEPTH_MAX
        and _ESCAPED not in value
        # A pattern that searches for sixteen digits costs thirty times as much.
        and _LONG_NUMBER not in value.translate(_AS_NINES)
    )


def _has_plain_parts(command: wire.Command, *, whole: bool) -> bool:
    """Whether every part of a command is within the limits."""
    data: Mapping[str, Any] = command.data
    if whole and isinstance(agents := data.get("agents"), list):
        # As long as its record: each agent is looked at alone.
        if not all(_is_plain(agent) for agent in agents):
            return False
        data = {name: item for name, item in data.items() if name != "agents"}
    texts = [command.id, command.via, command.actor.kind, command.actor.id]
    texts += [text for text in (command.case_id, command.agent_id, command.token) if text]
    return _is_plain(texts) and _is_plain(data)


def _is_plain(value: object, depth: int = 0) -> bool:
    """Whether a value from JSON stays within the limits of integers, strings and collections."""
    if isinstance(value, str):
        return len(value) <= STRING_MAX and _JOINER not in value
    if value is None or isinstance(value, bool | float):
        return True
    if isinstance(value, int):
        return abs(value) <= INTEGER_MAX
    if depth >= DEPTH_MAX:
        return False
    if isinstance(value, dict):
        parts: list[Any] = [*value, *value.values()]
    elif isinstance(value, list):
        parts = value
    else:
        return False
    return len(parts) <= 2 * COLLECTION_MAX and all(_is_plain(part, depth + 1) for part in parts)


def _has_short_languages(data: Mapping[str, Any]) -> bool:
    """Every candidate who lacks them names them all in a decision's reasons."""
    requires = data.get("requires")
    languages = requires.get("languages") if isinstance(requires, dict) else None
    if not languages or not isinstance(languages, list):
        return True
    return len(languages) <= LANGUAGES_MAX and all(len(str(tag)) <= TAG_MAX for tag in languages)
