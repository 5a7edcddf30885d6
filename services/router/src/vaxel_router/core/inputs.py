"""Records of ``vaxel.work`` as inputs: decoded and checked against the contract.

What is no valid command, or is larger or stranger than any that makes sense, becomes an input
without one: the engine answers ``input.rejected``. So the handlers behind it can count on plain
integers, short strings and short lists, and never raise. Replay comes through here too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from pydantic import ValidationError

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
_ODD = re.compile(rb"[0-9]{16}|\\u001")
"""Without it there is neither a large integer nor a joiner in a record."""
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
    if _POOL.fullmatch(command.pool) is None or command.id.startswith(_TAKEN):
        return "invalid_data"
    if not _is_ordinary(value) and not _has_plain_parts(command, whole=whole):
        return "invalid_data"
    if not _has_short_languages(command.data):
        return "invalid_data"
    model = DATA.get(command.type)
    if model is not None:
        try:
            # Strict: 1.0 and "1" are no integers, or a state would not survive its own encoding.
            model.model_validate_json(msgspec.json.encode(command.data), strict=True)
        except ValidationError:
            return "invalid_data"
    return None


def _is_ordinary(value: bytes) -> bool:
    """Whether a record can't break a limit, judged at a glance: most can't, and looking is dear."""
    nested = value.count(b"{") + value.count(b"[")
    return len(value) <= _SHORT_BYTES and nested <= DEPTH_MAX and _ODD.search(value) is None


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
    languages = requires.get("languages") if isinstance(requires, Mapping) else None
    if not isinstance(languages, list):
        return True
    return len(languages) <= LANGUAGES_MAX and all(len(str(tag)) <= TAG_MAX for tag in languages)
