"""The same shapes for hot paths: decoded by msgspec, several times quicker than pydantic.

A test holds these against the models of :mod:`commands` and :mod:`decisions`. Encoding is
deterministic: fields in the order of declaration, dicts in the order they were built.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec


class Actor(msgspec.Struct, frozen=True, gc=False):
    """See :class:`vaxel_shared.contracts.commands.Actor`."""

    kind: str
    id: str


class Command(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """See :class:`vaxel_shared.contracts.commands.Command`."""

    id: str
    type: str
    pool: str
    actor: Actor
    via: str
    case_id: str | None = None
    agent_id: str | None = None
    token: str | None = None
    data: dict[str, Any] = msgspec.field(default_factory=dict)


class Decision(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """See :class:`vaxel_shared.contracts.decisions.Decision`."""

    type: str
    at_ms: int
    pool: str
    cause: str
    policy: str | None = None
    case_id: str | None = None
    work_id: str | None = None
    offer_id: str | None = None
    agent_id: str | None = None
    data: dict[str, Any] = msgspec.field(default_factory=dict)


class Batch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, dict=True):
    """See :class:`vaxel_shared.contracts.decisions.Batch`.

    One that was made by :func:`batch_of` knows its own encoding, which :func:`encode` answers.
    """

    engine: str
    wall_ms: int
    tick_ms: int | None = None
    state_digest: str | None = None
    claim: dict[str, str] | None = None
    open: str | None = None
    decisions: list[Decision] = msgspec.field(default_factory=list)


_command_decoder = msgspec.json.Decoder(Command)
_batch_decoder = msgspec.json.Decoder(Batch)
_encoder = msgspec.json.Encoder()


def decode_command(raw: bytes) -> Command:
    """Bytes of ``vaxel.work``; raises ``msgspec.DecodeError`` if they are no command."""
    try:
        return _command_decoder.decode(raw)
    except UnicodeDecodeError as error:  # msgspec lets it through from within a string
        raise msgspec.DecodeError("not UTF-8") from error


def decode_batch(raw: bytes) -> Batch:
    """The JSON body of a record of ``vaxel.decisions``; raises ``msgspec.DecodeError``."""
    try:
        return _batch_decoder.decode(raw)
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError("not UTF-8") from error


def encode(value: Command | Batch | Decision) -> bytes:
    """Deterministic JSON."""
    if isinstance(value, Batch):
        known: bytes | None = value.__dict__.get(_KNOWN)
        if known is not None:
            return known
    return _encoder.encode(value)


encode_decision: Callable[[Decision], bytes] = _encoder.encode
"""The same of a decision alone."""


def batch_of(head: Batch, decisions: list[Decision], encoded: list[bytes]) -> Batch:
    """``head`` with these decisions, each already encoded: nothing is encoded a second time."""
    batch = msgspec.structs.replace(head, decisions=decisions)
    if decisions:
        plain = _encoder.encode(head)
        body = b",".join(encoded)
        batch.__dict__[_KNOWN] = b"".join((plain[:-1], b',"decisions":[', body, b"]}"))
    return batch


_KNOWN = "encoding"


class _Checked(Batch, frozen=True, kw_only=True, omit_defaults=True):
    """A batch of whose decisions' data only the names are decoded; the rest is read past."""

    decisions: list[_CheckedDecision] = msgspec.field(default_factory=list)  # type: ignore[assignment]


class _CheckedDecision(Decision, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    data: dict[str, msgspec.Raw] = msgspec.field(default_factory=dict)


_check_decoder = msgspec.json.Decoder(_Checked)


def check_batch(raw: bytes) -> Batch:
    """As :func:`decode_batch`, for whoever made ``raw`` and only asks whether a reader takes it.

    The values in the data of the answer's decisions are left undecoded.
    """
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError("not UTF-8") from error
    return _check_decoder.decode(raw)
