"""Broken records in a healthy stream: nobody ends, all are parked with a reason, the rest is handled."""

from __future__ import annotations

import pytest
from everycall.poison import STREAMS, TriageStream, pour

from vaxel_shared.errors import Poison
from vaxel_triage.shell import handler

BROKEN = 66
"""Each way of breaking a record six times."""


@pytest.mark.parametrize("service", STREAMS)
def test_what_cannot_be_handled_is_parked_and_all_else_handled(service: str) -> None:
    problems, count = pour(service, BROKEN)
    assert not problems, "\n".join(problems)
    assert count > 2 * BROKEN


def test_a_service_that_drops_what_it_cannot_read_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    build = handler.Handler._build

    async def careless(self: object, record: object, now: object) -> object:
        try:
            return await build(self, record, now)  # type: ignore[arg-type]
        except Poison:
            return None

    monkeypatch.setattr(handler.Handler, "_build", careless)
    problems, _ = pour("triage", 12)
    assert "not parked" in str(problems)
    assert TriageStream.topic == "vaxel.interactions"
