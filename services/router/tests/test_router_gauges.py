"""The gauges tell what waits and who works, and forget what is gone."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, cast

import pytest

from vaxel_router.core import views
from vaxel_router.shell.gauges import Gauges
from vaxel_shared.obs import metrics


def _value(metric: Any, *labels: str) -> float:
    return float(metric.labels(*labels)._value.get())


async def test_gauges_follow_the_state_and_go_to_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"pool": "p", "queue": "q", "waiting": 3, "oldest_since_ms": 40_000}]
    agents = [{"pool": "p", "presence": name} for name in ("present", "present", "away")]
    monkeypatch.setattr(views, "queues", lambda _world: rows)
    monkeypatch.setattr(views, "agents", lambda _world: agents)
    partition = SimpleNamespace(confirmed=nullcontext)
    gauges = Gauges(cast("Any", {0: partition}))

    await gauges.look(100_000)
    assert _value(metrics.QUEUED, "p", "q") == 3
    assert _value(metrics.OLDEST, "p", "q") == 60
    assert _value(metrics.AGENTS, "p", "present") == 2
    assert _value(metrics.AGENTS, "p", "away") == 1

    rows.clear()
    agents[:] = agents[:1]
    await gauges.look(100_000)
    assert _value(metrics.QUEUED, "p", "q") == 0
    assert _value(metrics.OLDEST, "p", "q") == 0
    assert _value(metrics.AGENTS, "p", "present") == 1
    assert _value(metrics.AGENTS, "p", "away") == 0
