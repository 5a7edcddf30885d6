"""Each rule of the commit protocol has tests that exist; those that have no other home stand here."""

from __future__ import annotations

import ast
import hashlib
import re
import sys
from pathlib import Path

import msgspec
import pytest
import recorded_log
from simulation.simlog import SimulatedLog, SimulatedPartition

from vaxel_router.shell.clock import LogClock
from vaxel_router.shell.library import PolicyLibrary
from vaxel_router.shell.ports import Ports
from vaxel_router.shell.restore import restore
from vaxel_shared.blobs import FolderBlobs
from vaxel_shared.clock import ManualClock
from vaxel_shared.contracts import wire
from vaxel_shared.kafka import chain
from vaxel_shared.kafka.reader import DecisionsReader
from vaxel_shared.kafka.snapshots import SnapshotStore
from vaxel_shared.kafka.topic_reader import Record
from vaxel_shared.kafka.writer import ChainWriter

sys.path.insert(0, str(Path(__file__).parents[2] / "services/delivery/tests"))
sys.path.insert(0, str(Path(__file__).parents[2] / "services/router/tests"))

import delivery_kit
import router_harness

from vaxel_delivery.shell.feed import DecisionsFeed
from vaxel_delivery.shell.store import Store
from vaxel_delivery.shell.waiters import Waiters
from vaxel_shared.sql import make_engine

ROOT = Path(__file__).resolve().parents[2]
RULES = 25
ROW = re.compile(r"^\| (\d+) \| (.+?) \| (.*) \|$", re.MULTILINE)
TABLE = {
    int(number): re.findall(r"`([^`]+)`", tests)
    for number, _, tests in ROW.findall((ROOT / "docs/commit.md").read_text())
}


def test_every_rule_is_in_the_table() -> None:
    assert sorted(TABLE) == list(range(1, RULES + 1))


@pytest.mark.parametrize("rule", range(1, RULES + 1))
def test_every_rule_has_tests_that_exist(rule: int) -> None:
    assert TABLE[rule], "no test"
    for node in TABLE[rule]:
        assert _exists(node), node


def test_every_test_that_names_a_rule_names_one_of_these() -> None:
    """``test_rule_07_…`` is about rule 7, and the number of no other thing."""
    found = set()
    for path in [*ROOT.glob("shared/tests/*.py"), *ROOT.glob("tests/*/*.py")]:
        found |= {int(number) for number in re.findall(r"def test_rule_(\d\d)_", path.read_text())}
    assert found <= set(range(1, RULES + 1))
    assert len(found) > 20


def test_a_test_that_is_gone_is_noticed() -> None:
    assert not _exists("tests/contract/test_commit_rules.py::test_that_nobody_wrote")
    assert not _exists("tests/contract/test_that_nobody_wrote.py")


def _exists(node: str) -> bool:
    file, _, name = node.partition("::")
    path = ROOT / file
    if not path.is_file():
        return False
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    names = {
        one.name for one in ast.walk(ast.parse(path.read_text())) if isinstance(one, functions)
    }
    return name in names if name else any(one.startswith("test_") for one in names)


def _rechained(raws: list[bytes], change: object, engine: str) -> list[bytes]:
    """The same records as another engine would have written them, without digests."""
    made: list[bytes] = []
    previous = chain.genesis_sha256(recorded_log.LOG_ID, 0)
    for raw in raws:
        header, body = chain.unpack(raw) or pytest.fail("header")
        batch = wire.decode_batch(body)
        decisions = [one for one in batch.decisions if one.type != change]
        batch = msgspec.structs.replace(
            batch, engine=engine, decisions=decisions, state_digest=None
        )
        header = chain.Header(
            header.log_id, header.seq, previous, header.from_, header.through, header.through_sha256
        )
        made.append(chain.pack(header, wire.encode(batch)))
        previous = hashlib.sha256(made[-1]).digest()
    return made


async def test_rule_21_a_restore_applies_what_another_engine_recorded(tmp_path: Path) -> None:
    """An engine that offered nothing: today's would, and must not while it restores."""
    raws = recorded_log.fold(recorded_log.work(recorded_log.commands(tmp_path)), tmp_path)
    offered = [d.type for raw in raws for d in wire.decode_batch(chain.unpack(raw)[1]).decisions]  # type: ignore[index]
    assert "offer.made" in offered, "or this test shows nothing"
    partition = SimulatedPartition()
    for raw in _rechained(raws, "offer.made", "another"):
        partition.land(b"0", raw)
    blobs, log = FolderBlobs(tmp_path), SimulatedLog(partition)
    stored = SimulatedLog(SimulatedPartition())
    ports = Ports(
        writer=ChainWriter(log, log_id=recorded_log.LOG_ID, partition=0, instance="0", run_id="r"),
        decisions=log,
        snapshots=SnapshotStore(stored, blobs, log_id=recorded_log.LOG_ID, partition=0),
        open_reader=lambda _: pytest.fail("a restore reads no input"),
        park=_no_parking,
        blobs=blobs,
        clock=LogClock(ManualClock()),
    )
    world, folded = await restore(ports, PolicyLibrary(blobs), recorded_log.LOG_ID, 0)
    pool = world.state.pools["support"]
    assert (folded, len(pool.cases), len(pool.offers)) == (len(raws), 2, 0)


async def _no_parking(_record: Record, reason: str) -> None:
    pytest.fail(reason)


async def test_rule_22_a_void_record_has_no_effect_and_a_valid_one_has_it_once(
    tmp_path: Path,
) -> None:
    """Two instances fold the same log; beside the record that counts stands one that doesn't."""
    box = await delivery_kit.make_box(tmp_path)
    partition = SimulatedPartition()
    at = chain.genesis(delivery_kit.LOG_ID, 0)
    for number, decisions in enumerate(
        (
            [delivery_kit.case_opened(), delivery_kit.work_queued()],
            [delivery_kit.offer_made(expires_ms=4_000_000_000_000)],
        )
    ):
        body = wire.encode(wire.Batch(engine="e", wall_ms=0, decisions=decisions))
        header = chain.Header(at.log_id, number, at.sha256, 0, -1, chain.NO_INPUT_SHA256)
        raw = chain.pack(header, body)
        at = chain.accept(at, partition.land(b"0", raw), raw).state
    other = [delivery_kit.offer_made("offer-2", expires_ms=4_000_000_000_000)]
    body = wire.encode(wire.Batch(engine="e", wall_ms=0, decisions=other))
    loser = chain.Header(at.log_id, 1, b"\1" * 32, 0, -1, chain.NO_INPUT_SHA256)
    partition.land(b"0", chain.pack(loser, body))

    stores = [box.store, Store(make_engine(box.settings, "delivery"))]
    for store in stores:
        reader = DecisionsReader.over(
            {0: SimulatedLog(partition)}, delivery_kit.LOG_ID, {}, "genesis"
        )
        await reader.start()
        feed = DecisionsFeed(reader, store, Waiters(), _no_parking, lambda: None)
        while not await reader.at_end():
            await feed._round()
    assert [(row["kind"], row["offer_id"]) for row in await box.rows()] == [("offer", "offer-1")]
    for store in stores:
        await store.close()


def test_rule_23_what_a_neighbour_decides_changes_nothing() -> None:
    """Two partitions in one process, with the same policies at hand, and one of them alone."""
    alone, beside, neighbour = (router_harness.Router() for _ in range(3))
    beside.library = neighbour.library
    for number in range(4):
        for router in (alone, beside):
            router.contact(f"m{number}")
            router.wait(60_000)
        neighbour.contact(f"n{number}", queue="general")
        neighbour.contact(f"m{number}", conversation="another")
        neighbour.wait(90_000)
    assert [one.body for one in alone.records] == [one.body for one in beside.records]
    assert neighbour.pool().cases.keys() != alone.pool().cases.keys()
