"""The judgement at a history's end, and what is told of one that failed."""

from __future__ import annotations

import random
from typing import Any

import msgspec
from simulation.world import clocks, delivering, repeats
from simulation.world.checker import HEADER, Violation
from simulation.world.routing import LOG_ID

from vaxel_register.core.projection import project
from vaxel_register.core.rows import Rows, fold
from vaxel_router.core import state as states
from vaxel_router.core.apply import apply_batch
from vaxel_router.core.invariants import broken
from vaxel_router.core.replay import DecisionRecord, WorkRecord, replay_partition
from vaxel_router.core.state import State, World
from vaxel_shared.contracts import wire
from vaxel_shared.kafka.topics import DECISIONS, SNAPSHOTS, WORK

RECORDS_TOLD = 20


def judge(world: Any) -> None:
    """The whole log once more. Raises :class:`Violation`."""
    _contacts(world)
    _fold(world)
    if "delivery" in world.plan.services:
        delivering.judge(world)
    if "clocks" in world.plan.services:
        clocks.judge(world)
    if "replay" in world.plan.checks:
        _replay(world)
    whole = world.plan.decisions_max == 500 and not world.faults.counts["long_outage"]
    if "repeats" in world.plan.checks and whole:
        world.copies = repeats.judge(world, random.Random(f"{world.seed} repeats"))
    if "register" in world.plan.checks:
        _register(world)


def _contacts(world: Any) -> None:
    decided = world.checker.facts.contacts
    lost = sorted(world.accepted - decided.keys())
    if lost:
        raise Violation(f"lost: {len(lost)} contacts that were accepted, the first {lost[0]}")
    unexpected = sorted(decided.keys() - world.sent.keys())
    if unexpected:
        raise Violation(f"unexpected: {unexpected[0]} was never sent")
    for key, contacts in world.checker.facts.conversations.items():
        first = dict.fromkeys(contacts)  # a second time: longer after than ids are remembered
        offsets = [world.first_offset[contact] for contact in first]
        if offsets != sorted(offsets):
            raise Violation(f"conversation {key} was decided out of order: {contacts}")
    lost = sorted(world.edge.acked - world.checker.seen)
    if lost:
        raise Violation(f"lost: command {lost[0]} was acknowledged and never decided")


def _fold(world: Any) -> None:
    """The state as the decisions say it: each snapshot's, and the live one's, must be that."""
    snapshots: dict[int, str] = {}
    for record in world.broker.partition(SNAPSHOTS).records:
        said = msgspec.json.decode(record.value)
        if not said["state_digest"]:
            continue  # the last word of an owner under whom the log was cut: no state
        snapshots[said["seq"]] = said["state_digest"]
    folded = World(State(LOG_ID, 0))
    for one in world.checker.valid:
        batch = wire.decode_batch(one.body)
        apply_batch(folded, batch, one.seq)
        if one.seq in snapshots and states.digest(folded.state) != snapshots[one.seq]:
            raise Violation(f"the snapshot of seq {one.seq} isn't the fold of the log up to it")
    live = world.routers["router-0"].owner
    confirmed = live.is_confirmed and live.as_of["seq"] == world.checker.valid[-1].seq
    if confirmed and states.digest(live.world.state) != states.digest(folded.state):
        raise Violation("the live state isn't the fold of the log")
    problems = broken(folded)
    if problems:
        raise Violation(f"the state at the end: {problems}")


def _replay(world: Any) -> None:
    work = [
        WorkRecord(r.offset, r.timestamp_ms, r.value) for r in world.broker.partition(WORK).archive
    ]
    records = [
        DecisionRecord(one.offset, one.seq, one.from_, one.through, one.body)
        for one in world.checker.valid
    ]
    blobs = {
        ref.partition("/")[2]: blob
        for ref, blob in world.disk.blobs.items()
        if ref.startswith("policy/")
    }
    result = replay_partition(LOG_ID, 0, work, records, blobs)
    if result.mismatch is not None:
        raise Violation(f"replay differs: {result.mismatch}")


def _register(world: Any) -> None:
    rows: Rows = {}
    for one in world.checker.valid:
        for index, decision in enumerate(wire.decode_batch(one.body).decisions):
            place = {"partition": 0, "offset": one.offset, "seq": one.seq}
            fold(rows, project(decision, **place, index=index))
    if rows != world.register.rows:
        raise Violation("the register's rows aren't the fold of the log")


def tell(world: Any) -> str:
    """The last records, valid and void, and what was done to the world meanwhile."""
    valid = {one.offset for one in world.checker.valid}
    lines = [
        f"repeat it: python tests/simulation/world_run.py --seed {world.seed} --verbose",
        f"plan: {world.plan}"[:1_500],
        "what was done last:",
        *world.log[-40:],
        f"the last {RECORDS_TOLD} records:",
    ]
    for record in world.broker.partition(DECISIONS).records[-RECORDS_TOLD:]:
        _, _, _, seq, _, from_, through, _ = HEADER.unpack_from(record.value)
        batch = wire.decode_batch(record.value[HEADER.size :])
        what = "claim" if batch.claim else ", ".join(_said(d) for d in batch.decisions)
        mark = "     " if record.offset in valid else "VOID "
        lines.append(
            f"  {mark}{record.offset} at {record.timestamp_ms} seq {seq} inputs {from_}-{through}"
            f" tick {batch.tick_ms}: {what}"
        )
    return "\n".join(lines)


def _said(decision: wire.Decision) -> str:
    about = decision.offer_id or decision.work_id or decision.case_id or ""
    return f"{decision.type} {about[:13]} {decision.agent_id or ''} @{decision.at_ms}"
