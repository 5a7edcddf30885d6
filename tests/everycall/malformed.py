"""Records that can't be handled, and some that are only odd: drawn by a seed, wrong by construction."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Headers = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Made:
    """A record to append. ``id``: of the healthy thing in it; None where nothing can be made of it."""

    value: bytes | None
    headers: Headers
    id: str | None
    how: str


WRONG: tuple[Any, ...] = (None, 7, -1.5, [], {}, [[]], {"a": {"b": []}}, True)
"""In place of a text; none is one."""
ODD_HEADERS: tuple[Headers, ...] = (
    (),
    (("traceparent", b"\xff\xfe"),),
    (("traceparent", b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-01"),),
    (("ce_id", b""), ("ce_id", b"twice"), ("ce_type", b"vaxel.nonsense.v9")),
    (("content-type", b"application/xml"), ("x" * 200, b"y" * 2_000)),
    (("ce_time", b"yesterday"), ("ce_specversion", b"0.3")),
)


class Malformed:
    """Breaks healthy documents. ``required``: fields that must be texts."""

    def __init__(self, seed: int, required: tuple[str, ...]) -> None:
        self._rng = random.Random(seed)
        self._required = required
        self._ways: tuple[Callable[[dict[str, Any]], bytes | None], ...] = (
            self._truncated, self._noise, self._wrong_type, self._missing, self._nested, self._huge,
            self._number, self._encoding, self._not_an_object, self._nothing, self._json_and_more,
        )  # fmt: skip

    def stream(
        self, healthy: Callable[[int], dict[str, Any]], count: int, share: float
    ) -> Iterator[Made]:
        """Healthy and broken records until ``count`` are broken, so many of all."""
        broken = number = 0
        while broken < count:
            number += 1
            document = healthy(number)
            headers = self._rng.choice(ODD_HEADERS)
            if self._rng.random() < share:
                broken += 1
                way = self._ways[broken % len(self._ways)]
                yield Made(way(document), headers, None, way.__name__.strip("_"))
            else:
                yield Made(json.dumps(document).encode(), headers, str(document["id"]), "healthy")

    def _truncated(self, document: dict[str, Any]) -> bytes:
        raw = json.dumps(document).encode()
        return raw[: self._rng.randrange(1, len(raw) - 1)]

    def _noise(self, _: dict[str, Any]) -> bytes:
        return b"\x00" + self._rng.randbytes(self._rng.randrange(1, 400))

    def _wrong_type(self, document: dict[str, Any]) -> bytes:
        name = self._rng.choice(self._required)
        return json.dumps(document | {name: self._rng.choice(WRONG)}).encode()

    def _missing(self, document: dict[str, Any]) -> bytes:
        name = self._rng.choice(self._required)
        return json.dumps({key: value for key, value in document.items() if key != name}).encode()

    def _nested(self, document: dict[str, Any]) -> bytes:
        depth = self._rng.choice((200, 2_000, 100_000))
        name = self._rng.choice(self._required)
        rest = json.dumps({key: value for key, value in document.items() if key != name})
        return f'{rest[:-1]}, "{name}": {"[" * depth}{"]" * depth}}}'.encode()

    def _huge(self, document: dict[str, Any]) -> bytes:
        name = self._rng.choice(self._required)
        return json.dumps(document | {name: ["x" * 300_000]}).encode()

    def _number(self, document: dict[str, Any]) -> bytes:
        name = self._rng.choice(self._required)
        rest = json.dumps({key: value for key, value in document.items() if key != name})
        number = self._rng.choice(("1e999", "9" * 10_000, "NaN", "-Infinity", "0x10"))
        return f'{rest[:-1]}, "{name}": {number}}}'.encode()

    def _encoding(self, document: dict[str, Any]) -> bytes:
        """Bytes that are no UTF-8, in a field that is read."""
        name = self._rng.choice(self._required)
        raw = json.dumps(document | {name: "HERE"})
        return self._rng.choice((
            raw.encode("utf-16"), raw.encode().replace(b"HERE", b"\xff\xfe"),
            raw.encode().replace(b"HERE", b"\xed\xa0\x80"), b"\xef\xbb\xbf" + raw.encode()[:-1],
        ))  # fmt: skip

    def _not_an_object(self, _: dict[str, Any]) -> bytes:
        return self._rng.choice((b"null", b"[]", b'"text"', b"0", b"true", b"[{}]", b"{}", b" "))

    def _nothing(self, _: dict[str, Any]) -> bytes | None:
        return self._rng.choice((None, b""))

    def _json_and_more(self, document: dict[str, Any]) -> bytes:
        return json.dumps(document).encode() + self._rng.choice((b"}", b" {}", b"\x00", b",null"))
