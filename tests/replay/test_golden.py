"""Golden histories: the same bytes by the engine that wrote them, restorable by every later one."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from replay import golden_run, refold
from replay.recording import facts
from replay.stories import GOLDEN, STORIES, tell

from vaxel_cli.commands.recorded import FromExport
from vaxel_router.core import state as states
from vaxel_router.core.engine import Batch
from vaxel_router.core.inputs import decode
from vaxel_router.core.invariants import broken
from vaxel_router.core.policy import decode as decode_policy
from vaxel_shared.contracts import wire
from vaxel_shared.kafka import chain
from vaxel_shared.kafka.topic_reader import Record
from vaxel_shared.version import ENGINE_VERSION

ALL = sorted(GOLDEN.glob("*/*"))
OWN = [folder for folder in ALL if folder.parent.name == ENGINE_VERSION]
HASH_SEEDS = ("0", "1", "4242", "random")


def name_of(folder: Path) -> str:
    return f"{folder.parent.name}-{folder.name}"


def manifest(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return found


def test_this_engine_has_its_golden_histories() -> None:
    assert {folder.name for folder in OWN} == set(STORIES), "python tests/replay/stories.py"
    kinds = {
        made.type
        for folder in OWN
        for _, outcome, _ in refold.accepted(
            manifest(folder)["log_id"], list(FromExport(folder).decisions(0))
        )
        for made in outcome.batch.decisions
    }
    assert len(kinds) >= 25, "between them they show nearly all that a router decides"


@pytest.mark.parametrize("folder", OWN, ids=name_of)
def test_its_own_engine_decides_it_again_byte_for_byte(folder: Path) -> None:
    result = refold.replay(folder)
    assert result.mismatch is None, (
        "the engine decides otherwise: raise ENGINE_VERSION and record histories for it beside"
        f" these, which stay: {result.mismatch}"
    )
    assert result.decisions > 15


@pytest.mark.parametrize("folder", OWN, ids=name_of)
def test_its_story_told_again_gives_the_same_log(folder: Path, tmp_path: Path) -> None:
    told = tell(folder.name, tmp_path)
    log = FromExport(folder)
    assert [record.value for record in log.work(0)] == [record.value for record in told.work]
    assert [record.value for record in log.decisions(0)] == [raw for _, raw in told.raws]


@pytest.mark.parametrize("folder", ALL, ids=name_of)
@pytest.mark.parametrize("halfway", [False, True], ids=["from the beginning", "by a snapshot"])
def test_every_later_engine_restores_it_and_goes_on(folder: Path, halfway: bool) -> None:
    world = refold.restore(folder, halfway=halfway)
    end = manifest(folder)["end"]
    assert facts(world) == {name: value for name, value in end.items() if name != "digest"}
    if folder in OWN:
        assert states.digest(world.state) == end["digest"]
    problems = broken(world, frozenset(world.state.pools["support"].agents))
    problems.pop("nothing_waits_while_somebody_could", None)  # time may have passed since
    assert not problems
    log = FromExport(folder)
    library = {version: decode_policy(log.policies[version]) for version in log.policies}
    made = _go_on(world, library)
    assert "case.opened" in [one.type for one in made]


def _go_on(world: states.World, library: dict[str, Any]) -> list[wire.Decision]:
    """Another contact, at the end of what was recorded."""
    data = {
        "contact_id": "after", "conversation_key": "support|email|support|after",
        "customer_id": "c", "channel": "email", "account": "support", "language": "en",
        "queue": "general", "requires": {"skills": {}, "languages": ["en"]},
        "received_at_ms": world.state.now_ms, "src": [0, 10**6],
    }  # fmt: skip
    actor = wire.Actor(kind="customer", id="c")
    command = wire.Command(
        id="after", type="contact.add", pool="support", actor=actor, via="test", data=data
    )
    batch = Batch(world, library, seq=10**6, wall_ms=world.state.now_ms)
    item = decode(10**6, world.state.now_ms, wire.encode(command))
    for _ in range(20):
        if batch.add(item):
            break
    return batch.close(engine="later").decisions


@pytest.mark.parametrize("folder", OWN, ids=name_of)
def test_every_hash_seed_gives_the_same_bytes(folder: Path) -> None:
    said = set()
    for seed in HASH_SEEDS:
        done = subprocess.run(
            [sys.executable, refold.__file__, str(folder)],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        )
        said.add(done.stdout)
    assert len(said) == 1
    assert said.pop().splitlines()[0].endswith("None"), "and those that were recorded"


def test_every_python_of_this_machine_gives_the_same_bytes() -> None:
    """Those that have the packages; usually that is the one which runs this, and no other."""
    found = []
    for minor in range(11, 20):
        program = shutil.which(f"python3.{minor}")
        if program is None or minor == sys.version_info.minor:
            continue
        done = subprocess.run(
            [program, refold.__file__, str(OWN[0])],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0:
            found.append(minor)
            assert done.stdout.splitlines()[0].endswith("None")
    if not found:
        pytest.skip("no other Python with the packages is here")


# Histories that must fail


def _records(folder: Path) -> list[Record]:
    return list(FromExport(folder).decisions(0))


def _rechained(log_id: str, bodies: list[tuple[chain.Header, bytes]]) -> list[Record]:
    """Records with these bodies, in a chain that is whole."""
    previous, records = chain.genesis(log_id, 0), []
    for offset, (header, body) in enumerate(bodies):
        raw = chain.pack(dataclasses.replace(header, prev_sha256=previous.sha256), body)
        outcome = chain.accept(previous, offset, raw)
        previous = outcome.state
        records.append(Record("vaxel.decisions", 0, offset, 0, b"0", raw, ()))
    return records


def _split(records: list[Record]) -> list[tuple[chain.Header, bytes]]:
    parts = [chain.unpack(record.value) for record in records]
    return [part for part in parts if part is not None]


def _with_value(records: list[Record], place: int, value: bytes) -> list[Record]:
    changed = dataclasses.replace(records[place], value=value)
    return [*records[:place], changed, *records[place + 1 :]]


def another_predecessor(records: list[Record]) -> list[Record]:
    header, body = _split(records)[5]
    return _with_value(
        records, 5, chain.pack(dataclasses.replace(header, prev_sha256=b"\x01" * 32), body)
    )


def a_jump_in_seq(records: list[Record]) -> list[Record]:
    header, body = _split(records)[5]
    return _with_value(records, 5, chain.pack(dataclasses.replace(header, seq=7), body))


def a_record_left_out(records: list[Record]) -> list[Record]:
    return [*records[:5], *records[6:]]


def a_record_twice(records: list[Record]) -> list[Record]:
    again = dataclasses.replace(records[5], offset=6)
    later = [dataclasses.replace(record, offset=record.offset + 1) for record in records[6:]]
    return [*records[:6], again, *later]


def two_changed_places(records: list[Record]) -> list[Record]:
    swapped = [records[6].value, records[5].value]
    return _with_value(_with_value(records, 5, swapped[0]), 6, swapped[1])


def inputs_skipped(records: list[Record]) -> list[Record]:
    header, body = _split(records)[5]
    ahead = dataclasses.replace(header, from_=header.from_ + 1, through=header.through + 1)
    return _with_value(records, 5, chain.pack(ahead, body))


def another_log(records: list[Record]) -> list[Record]:
    header, body = _split(records)[5]
    return _with_value(records, 5, chain.pack(dataclasses.replace(header, log_id="ab" * 16), body))


def one_bit(records: list[Record]) -> list[Record]:
    raw = bytearray(records[5].value)
    raw[-9] ^= 1
    return _with_value(records, 5, bytes(raw))


def cut_short(records: list[Record]) -> list[Record]:
    return _with_value(records, 5, records[5].value[:-1])


BROKEN_CHAINS = (
    another_predecessor, a_jump_in_seq, a_record_left_out, a_record_twice, two_changed_places,
    inputs_skipped, another_log, one_bit, cut_short,
)  # fmt: skip


@pytest.mark.parametrize("spoil", BROKEN_CHAINS)
def test_a_log_that_was_tampered_with_is_refused(
    spoil: Callable[[list[Record]], list[Record]],
) -> None:
    folder = GOLDEN / ENGINE_VERSION / "mail"
    records = _records(folder)
    assert refold.replay(folder, records).mismatch is None
    with pytest.raises((chain.ChainHalt, refold.IsVoid)):
        refold.replay(folder, spoil(records))


def a_wrong_digest(batch: wire.Batch) -> wire.Batch:
    return msgspec.structs.replace(batch, state_digest="0" * 64)


def another_time(batch: wire.Batch) -> wire.Batch:
    return msgspec.structs.replace(batch, wall_ms=batch.wall_ms + 700_000)


def one_decision_less(batch: wire.Batch) -> wire.Batch:
    return msgspec.structs.replace(batch, decisions=batch.decisions[:-1])


def two_decisions_swapped(batch: wire.Batch) -> wire.Batch:
    first, second, *rest = batch.decisions
    return msgspec.structs.replace(batch, decisions=[second, first, *rest])


def another_agent(batch: wire.Batch) -> wire.Batch:
    made = [
        msgspec.structs.replace(one, agent_id="somebody") if one.type == "offer.made" else one
        for one in batch.decisions
    ]
    return msgspec.structs.replace(batch, decisions=made)


OTHER_DECISIONS = (
    a_wrong_digest, another_time, one_decision_less, two_decisions_swapped, another_agent,
)  # fmt: skip


@pytest.mark.parametrize("spoil", OTHER_DECISIONS)
def test_a_whole_chain_of_what_was_not_decided_is_found(
    spoil: Callable[[wire.Batch], wire.Batch],
) -> None:
    """Whoever can write the chain anew can't make the engine have decided it."""
    folder = GOLDEN / ENGINE_VERSION / "mail"
    bodies = _split(_records(folder))
    place = next(i for i, (_, body) in enumerate(bodies) if b'"offer.made"' in body)
    header, body = bodies[place]
    bodies[place] = (header, wire.encode(spoil(wire.decode_batch(body))))
    result = refold.replay(folder, _rechained(header.log_id, bodies))
    assert result.mismatch is not None
    assert result.mismatch.seq == place


def test_the_figure_counts_a_history_that_ends_otherwise(tmp_path: Path) -> None:
    folder = tmp_path / "mail"
    shutil.copytree(OWN[0].parent / "mail", folder)
    assert golden_run.restored(folder) == []
    told = manifest(folder)
    told["end"][next(key for key in told["end"] if key != "digest")] = "otherwise"
    (folder / "manifest.json").write_text(json.dumps(told))
    assert len(golden_run.restored(folder)) == 2
