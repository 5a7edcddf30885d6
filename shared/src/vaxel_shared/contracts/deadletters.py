"""A dead letter: the original bytes, where they are from, and why they are here."""

from __future__ import annotations

from typing import Literal

from vaxel_shared.contracts.base import Contract

DEADLETTER_TYPE = "vaxel.deadletter.parked.v1"


class DeadLetter(Contract):
    """One parked record. ``value_b64`` is base64 of the untouched value, ``key_b64`` of the key.

    ``reason`` is a code, never personal text; ``code_version`` the version that could not handle
    it. ``id`` is deterministic: (topic, partition, offset, service).
    """

    id: str
    service: str
    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    error_class: Literal["poison", "rejected", "exhausted"]
    reason: str
    code_version: str
    key_b64: str | None = None
    value_b64: str
    headers_b64: dict[str, str] = {}
