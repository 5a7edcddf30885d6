"""More than is sustained, for a moment: refused politely, nothing lost, nothing left behind."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from chaos.overload import Load, Overload, Plan, explain, growths
from chaos.overload_abuse import Elsewhere, Seen, figures_of, noticed_of
from chaos.overload_watch import Sample, growth, total
from chaos.overload_ways import Arrival, Hooks

PAGE = """
# HELP vaxel_lag_records Records not yet handled.
vaxel_lag_records{partition="0",topic="vaxel.work"} 3.0
vaxel_lag_records{partition="1",topic="vaxel.work"} 4.0
vaxel_ready 1.0
"""


@pytest.mark.e2e
def test_overload_is_refused_politely_and_leaves_nothing_behind(tmp_path: Path) -> None:
    plan = Plan(
        seconds=20,
        factor=10,
        rate=25,
        port_offset=18_000 + os.getpid() % 1_500,
        after_s=5,
        drain_s=90,
    )
    outcome = Overload(tmp_path, plan).whole()
    explain(outcome, plan, tmp_path)
    assert outcome.wrong == {}
    assert outcome.load is not None
    assert outcome.load.accepted > 200
    assert outcome.verdict.contacts >= outcome.load.accepted
    assert outcome.memory.keys() >= {"router", "triage", "ingest-email", "ingest-chat", "register"}


def test_memory_that_grows_is_seen_and_noise_is_not() -> None:
    mib = 1024
    leak = growth([(second, (100 + second) * mib) for second in range(60)])
    noise = growth([(second, (100 + 6 * (second % 2)) * mib) for second in range(60)])
    warm = growth([(second, min(200, 100 + 10 * second) * mib) for second in range(60)])
    assert leak is not None
    assert not leak.flat
    assert noise is not None
    assert noise.flat
    assert warm is not None
    assert warm.flat
    assert growth([(0, 1), (1, 1)]) is None


@pytest.mark.parametrize(
    ("connections", "grows"),
    [
        (lambda second: 40, True),
        (lambda second: 40 if second < 300 else 400, False),
        (lambda second: 400 if second < 100 else 40, True),
    ],
    ids=["as many as before", "more than ever before", "fewer than while it warmed up"],
)
def test_memory_may_grow_with_connections_under_way_and_not_without(
    connections: Callable[[int], int], grows: bool, tmp_path: Path
) -> None:
    samples = [
        Sample(second, (100 * 1024) + second * 32, connections(second), 5, 30)
        for second in range(600)
    ]
    run = Overload(tmp_path, Plan())
    run.outcome.memory, run.outcome.held = growths({"ingest-chat": samples})
    run._judge_memory(Load(9, 0, 0, Counter({"mail 250": 9})))
    assert bool(run.outcome.problems) is grows


def test_an_answer_that_no_protocol_knows_is_impolite() -> None:
    load = Load(9, 0, 0, Counter())
    load.counts.update({"mail 250": 3, "mail 451": 2, "chat close 1013": 1, "hook 500": 1})
    load.counts.update({"mail hung up": 1, "hook 503 without Retry-After": 1})
    assert load.accepted == 3
    assert set(load.impolite) == {"hook 500", "mail hung up", "hook 503 without Retry-After"}


def test_a_page_of_metrics_is_summed_by_name_and_labels() -> None:
    assert total(PAGE, "vaxel_lag_records") == 7
    assert total(PAGE, "vaxel_lag_records", partition="1") == 4
    assert total(PAGE, "vaxel_lag") == 0


def test_what_a_loud_source_costs_is_judged_beside_what_it_may_send() -> None:
    def seen(took_ms: float, outcome: str = "204") -> Seen:
        return Seen(took={"webhook": [took_ms] * 9, "mail": [1.0]}, outcomes=Counter({outcome: 9}))

    within = {"alone": seen(5), "allowed": seen(20), "beside": seen(23)}
    assert noticed_of(within) == (False, 0)
    assert noticed_of(within | {"beside": seen(25)}) == (True, 0)
    assert noticed_of(within | {"beside": seen(23, "503")}) == (False, 9)
    told = figures_of(within)
    assert told["p99 of webhook"] == (
        "alone 5.0 ms, allowed 20.0 ms, beside 23.0 ms; "
        "beside is 1.15 times allowed, 4.60 times alone"
    )


async def test_what_a_loud_source_sends_elsewhere_is_answered_as_webhooks_are(
    tmp_path: Path,
) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "partner-webhook").write_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    server = await asyncio.get_running_loop().create_server(Elsewhere, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    way = Hooks(f"http://127.0.0.1:{port}", "partner", tmp_path)
    for number in range(3):  # the second and third on the same connection
        arrival = Arrival(f"one-{number}", number + 1, 0.3)
        assert await way.send(arrival) == (arrival.key, "429", False)
    await way.close()
    server.close()
