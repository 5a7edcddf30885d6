"""The rig at a size for every change, and the proof that its checker can fail in a whole run."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from chaos import rig_apis, rig_awaits, rig_session, rig_zombies
from chaos.rig_place import Place
from chaos.rig_session import Bench

from vaxel_shared.errors import VaxelError

pytestmark = [pytest.mark.broker, pytest.mark.e2e]

SEED = int(os.environ.get("VAXEL_CHAOS_SEED", "7"))
BROKEN = Path(__file__).with_name("broken")
Make = Callable[..., Awaitable[Bench]]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """One broker for all; each test has logs of its own on it."""
    found = Place(tmp_path_factory.mktemp("rig"))
    try:
        asyncio.run(found.start())
    except VaxelError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no broker: {error}")
    yield found
    asyncio.run(found.stop())


@pytest.fixture
async def bench(place: Place) -> AsyncIterator[Make]:
    """Makes benches; they end with the test."""
    made: list[Bench] = []

    async def make(environment: dict[str, str] | None = None, *, triage: bool = False) -> Bench:
        one = await Bench.start(place, print, environment=environment, triage=triage)
        made.append(one)
        return one

    yield make
    for one in made:
        await one.close()


async def test_what_a_displaced_owner_writes_is_void_for_everybody_who_knows_the_rule(
    bench: Make,
) -> None:
    found = await rig_zombies.run(await bench(), 16, SEED, naive_reader="reader_without_hash")
    wrong = found.judgement.wrong
    assert wrong.keys() == {"readers_differ"}, "a reader without the rule, and nothing else"
    assert all("naive" in line for line in wrong["readers_differ"])
    assert found.done == 16
    assert found.judgement.stale_attempts > 0, "else nothing was tried"


async def test_requests_lost_delayed_or_late_lose_and_double_nothing(bench: Make) -> None:
    found = await rig_apis.run(await bench(triage=True), 10, SEED)
    assert found.judgement.wrong == {}
    assert found.done.total() == 60, "ten of each API and of new connections"
    assert found.judgement.interactions > 0


async def test_an_owner_may_end_at_any_await_of_its_commit_path(bench: Make, place: Place) -> None:
    waits = place.folder / "waits"
    one = await bench(rig_awaits.environment(waits))
    found = await rig_awaits.run(one, 1, SEED, waits)
    assert found.judgement.wrong == {}
    assert len(found.seen) > 40
    assert len(found.unreached(1)) < 5, "the rest is come by too seldom"


async def test_an_owner_that_lost_the_rule_of_the_offset_is_found(
    bench: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    for patience in ("LEAVES_S_MAX", "QUIET_S_MAX", "TAKEOVER_S_MAX"):  # it never comes to an end
        monkeypatch.setattr(rig_session, patience, 6)
    broken = {"PYTHONPATH": str(BROKEN), "VAXEL_TEST_BROKEN": "offset_ignored"}
    found = await rig_zombies.run(await bench(broken), 2, SEED)
    assert found.judgement.wrong.keys() & {"undecided", "misbehaved", "broken_chain"}
