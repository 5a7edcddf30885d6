"""How fast the router's pure core decides, beside a matcher that looks at everybody each time."""

from __future__ import annotations

import gc
import time
import tracemalloc

from kit import Report, Table, rate, ratio, run
from naive_matcher import NaiveMatcher
from traffic import LOG_ID, Desk, Spent

from vaxel_router.core import state as states
from vaxel_router.core.apply import apply_batch
from vaxel_router.core.state import State, World
from vaxel_shared import heap
from vaxel_shared.kafka import chain

SIZES = ((12, 1_000), (1_000, 2_000), (10_000, 2_000))
"""Agents and waiting contacts: the example deployment with a bad morning, and large sites."""
MEMORY_CONTACTS = 5_000

METHOD = (
    "One partition of the example deployment, its agents multiplied, no Kafka: commands as bytes"
    " in, records as bytes out. Each cycle is a new contact, an agent who accepts and one"
    " who replies, so the queue keeps its length. The peer matches the same commands by looking at"
    " everybody for everything that waits after each change; it writes no record and no reasons,"
    " and its offers are compared with the core's one by one. Times are the processor's, one"
    " thread: the machine is shared."
)
NOT_COVERED = [
    "Kafka, fsync and the network: see the append.",
    "Timers, escalation, declined offers, presence; contacts that join or reopen a case.",
    "Several pools; a partition folds its pools one after the other, so they share these figures.",
    "Days of running: a measurement takes seconds.",
]


def main(seconds: float) -> Report:
    """Measure every size, then memory and restore."""
    heap.expect_much()  # as the process that does this does
    report = Report("router", "The router's core", METHOD, NOT_COVERED, ["msgspec", "pydantic"])
    core = Table(
        "A batch of up to 30 commands; decoding, deciding and encoding together",
        ["agents", "waiting", "commands/s", "decisions/s", "decode", "decide", "encode"],
    )
    peer = Table(
        "The same commands, matching only by the naive peer",
        ["agents", "waiting", "core, commands/s", "naive, commands/s", "core/naive", "same offers"],
    )
    desks: list[Desk] = []
    for agents, waiting in SIZES:
        desk = Desk(agents)
        desk.fill(waiting)
        naive = NaiveMatcher(desk.pool, desk.library[desk.pool.policy or ""])
        spent = desk.cycles(seconds)
        core.rows.append(_core_row(agents, waiting, spent))
        peer.rows.append(_peer_row(desk, naive, waiting, spent, seconds))
        desks.append(desk)
    report.tables = [core, peer, _restore(desks), _memory()]
    return report


def _core_row(agents: int, waiting: int, spent: Spent) -> list[str]:
    shares = [spent.decode_s, spent.engine_s, spent.encode_s]
    return [
        f"{agents:,}",
        f"{waiting:,}",
        rate(spent.inputs, spent.total_s),
        rate(spent.decisions, spent.total_s),
        *(f"{share / spent.total_s:.0%}" for share in shares),
    ]


def _peer_row(
    desk: Desk, naive: NaiveMatcher, waiting: int, spent: Spent, seconds: float
) -> list[str]:
    """The peer takes what the core took, until its time is over."""
    taken, begin = 0, time.thread_time()
    for command, now_ms in desk.events:
        naive.take(command, now_ms)
        taken += 1
        if time.thread_time() - begin > seconds:
            break
    naive_s = time.thread_time() - begin
    made = desk.made[: len(naive.offers)]
    if made != naive.offers:
        raise AssertionError("the core and the naive matcher differ: one of them is wrong")
    return [
        f"{desk.agents:,}",
        f"{waiting:,}",
        rate(spent.inputs, spent.total_s),
        rate(taken, naive_s),
        ratio(spent.inputs / spent.total_s, taken / naive_s),
        f"{len(made):,}",
    ]


def _restore(desks: list[Desk]) -> Table:
    """Fold the records that were just made again, through the chain as a restart does."""
    table = Table(
        "Restoring from the log's beginning (hash, decode, apply), and from a snapshot",
        ["agents", "records", "decisions", "MB", "fold", "decisions/s", "snapshot MB", "snapshot"],
    )
    for desk in desks:
        raws = _chained(desk.bodies)
        begin = time.thread_time()
        world, position, decisions = World(State(LOG_ID, 0)), chain.genesis(LOG_ID, 0), 0
        for offset, raw in enumerate(raws):
            accepted = chain.accept(position, offset, raw)
            assert isinstance(accepted, chain.Accepted)
            position = accepted.state
            apply_batch(world, accepted.batch, position.seq)
            decisions += len(accepted.batch.decisions)
        fold_s = time.thread_time() - begin
        if states.digest(world.state) != states.digest(desk.world.state):
            raise AssertionError("the restored state isn't the one that was left")
        snapshot = states.encode(world.state)
        gc.collect()  # what was made before is no restore's to look through
        begin = time.thread_time()
        World(states.decode(snapshot))
        load_s = time.thread_time() - begin
        table.rows.append(
            [
                f"{desk.agents:,}",
                f"{len(raws):,}",
                f"{decisions:,}",
                f"{sum(map(len, raws)) / 1e6:.1f}",
                f"{fold_s:.2f} s",
                rate(decisions, fold_s),
                f"{len(snapshot) / 1e6:.1f}",
                f"{load_s * 1000:.0f} ms",
            ]
        )
    return table


def _chained(bodies: list[bytes]) -> list[bytes]:
    position, raws = chain.genesis(LOG_ID, 0), []
    for offset, body in enumerate(bodies):
        through = position.through + 1
        header = chain.Header(
            LOG_ID, position.seq + 1, position.sha256, through, through, bytes(32)
        )
        raws.append(chain.pack(header, body))
        accepted = chain.accept(position, offset, raws[-1])
        assert isinstance(accepted, chain.Accepted)
        position = accepted.state
    return raws


def _memory() -> Table:
    """What a contact that waits costs: its case, work, timer and places in the indexes."""
    desk = Desk(12)
    desk.fill(1_000)  # everybody's hands are full
    waiting, before = desk.waiting, len(states.encode(desk.world.state))
    desk.bodies.clear()
    gc.collect()
    tracemalloc.start()
    for _ in range(MEMORY_CONTACTS // 10):
        desk.feed([desk.contact() for _ in range(10)])
        desk.bodies.clear()
        desk.events.clear()
    gc.collect()
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    saved = len(states.encode(desk.world.state)) - before
    if desk.waiting != waiting + MEMORY_CONTACTS:
        raise AssertionError("somebody was free: not all of these wait")
    row = [
        f"{MEMORY_CONTACTS:,}",
        f"{grown / MEMORY_CONTACTS:,.0f} bytes",
        f"{saved / MEMORY_CONTACTS:,.0f} bytes",
    ]
    columns = ["waiting", "in memory, each", "in a snapshot, each"]
    return Table("What a waiting contact costs", columns, [row])


if __name__ == "__main__":
    run(main, seconds=6)
