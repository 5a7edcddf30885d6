"""Records of ``vaxel.work`` as inputs: decoded and checked against the contract.

What is no valid command becomes an input without one: the engine answers ``input.rejected``.
Replay comes through here too.
"""

from __future__ import annotations

import msgspec
from pydantic import ValidationError

from vaxel_router.core.engine import Input
from vaxel_shared.contracts import wire
from vaxel_shared.contracts.commands import DATA


def decode(offset: int, append_ms: int, value: bytes) -> Input:
    """One record's value as an input; never raises."""
    try:
        command = wire.decode_command(value)
        model = DATA.get(command.type)
        if model is not None:
            model.model_validate(command.data)
    except msgspec.MsgspecError:
        return Input(offset, append_ms, None, "undecodable")
    except ValidationError:
        return Input(offset, append_ms, None, "invalid_data")
    return Input(offset, append_ms, command)
