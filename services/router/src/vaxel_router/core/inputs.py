"""Records of ``vaxel.work`` as inputs: decoded and checked against the contract.

What is no valid command, or is larger or stranger than any that makes sense, becomes an input
without one: the engine answers ``input.rejected``. So the handlers behind it can count on plain
integers, short strings and short lists, and never raise. Replay comes through here too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
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
_JOINER = "\x1f"
"""Joins the parts of deterministic ids, so no part may hold it."""


def decode(offset: int, append_ms: int, value: bytes) -> Input:
    """One record's value as an input; never raises."""
    try:
        command = wire.decode_command(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Input(offset, append_ms, None, "undecodable")
    error = _error(command, len(value))
    return Input(offset, append_ms, command if error is None else None, error)


def _error(command: wire.Command, size: int) -> str | None:
    """Why a command is none, as a code; None where it is one."""
    whole = command.type == "roster.set"
    if size > INPUT_BYTES_MAX and not whole:
        return "too_large"
    if _POOL.fullmatch(command.pool) is None or command.id.startswith(_TAKEN):
        return "invalid_data"
    data: Mapping[str, Any] = command.data
    if whole and isinstance(agents := data.get("agents"), list):
        # As long as its record: each agent is looked at alone.
        if not all(_is_plain(agent) for agent in agents):
            return "invalid_data"
        data = {name: item for name, item in data.items() if name != "agents"}
    texts = [command.id, command.via, command.actor.kind, command.actor.id]
    texts += [text for text in (command.case_id, command.agent_id, command.token) if text]
    if not _is_plain(texts) or not _is_plain(data) or not _has_short_languages(data):
        return "invalid_data"
    model = DATA.get(command.type)
    if model is not None:
        try:
            # Strict: 1.0 and "1" are no integers, or a state would not survive its own encoding.
            model.model_validate_json(msgspec.json.encode(command.data), strict=True)
        except ValidationError:
            return "invalid_data"
    return None


def _is_plain(value: object, depth: int = 0) -> bool:
    """Whether a value from JSON stays within the limits of integers, strings and collections."""
    match value:
        case bool() | None | float():
            return True
        case int():
            return abs(value) <= INTEGER_MAX
        case str():
            return len(value) <= STRING_MAX and _JOINER not in value
        case Mapping():
            parts: Sequence[object] = [*value.keys(), *value.values()]
        case Sequence():
            parts = value
        case _:
            return False
    small = depth < DEPTH_MAX and len(parts) <= 2 * COLLECTION_MAX
    return small and all(_is_plain(part, depth + 1) for part in parts)


def _has_short_languages(data: Mapping[str, Any]) -> bool:
    """Every candidate who lacks them names them all in a decision's reasons."""
    requires = data.get("requires")
    languages = requires.get("languages") if isinstance(requires, Mapping) else None
    if not isinstance(languages, list):
        return True
    return len(languages) <= LANGUAGES_MAX and all(len(str(tag)) <= TAG_MAX for tag in languages)
