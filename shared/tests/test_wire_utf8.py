"""Bytes that are no UTF-8 are undecodable, wherever in the JSON they stand."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from vaxel_shared.contracts import wire


@pytest.mark.parametrize("decode", [wire.decode_command, wire.decode_batch])
@pytest.mark.parametrize(
    "raw",
    [b"\xff", b'{"id":"\xff"}', b'{"engine":"e\xf9","wall_ms":1}', b'{"id":"a","type":"\xc3("}'],
)
def test_bytes_that_are_no_utf8_raise_a_decode_error(
    decode: Callable[[bytes], object], raw: bytes
) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode(raw)
