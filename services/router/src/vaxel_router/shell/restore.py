"""The state at the log's end: from the newest verified snapshot, then the recorded batches.

What was recorded is applied and never decided again, so any engine can take over any log.
"""

from __future__ import annotations

from vaxel_router.core import state as states
from vaxel_router.core.apply import apply_batch
from vaxel_router.core.state import State, World
from vaxel_router.shell.library import PolicyLibrary
from vaxel_router.shell.ports import Ports
from vaxel_router.shell.snapshotting import digest_of
from vaxel_shared.errors import Fatal, Retryable
from vaxel_shared.kafka.chain import ChainHalt, ChainState
from vaxel_shared.kafka.reader import ChainRecord
from vaxel_shared.obs.logging import get_logger
from vaxel_shared.version import ENGINE


async def restore(
    ports: Ports, library: PolicyLibrary, log_id: str, partition: int
) -> tuple[World, int]:
    """The world at the log's end with its policies at hand, and how many records were folded.

    Raises Retryable without a broker or a policy's blob, Fatal where the log can't be trusted.
    """
    known = ports.writer.position
    base = await ports.snapshots.choose(ports.decisions, digest_of)
    world = World(State(log_id, partition))
    if base.state is not None:
        world = World(states.decode(base.state))
    try:
        await ports.writer.restore(lambda record: _fold(world, record), base.position)
    except ChainHalt:
        await _leave_word(ports, known)
        raise
    for pool in world.state.pools.values():
        if pool.policy is not None:
            held = {work.rules for work in pool.works.values() if work.rules is not None}
            for version in sorted({pool.policy, *held, pool.shadow or pool.policy}):
                await _fetch_adopted(library, partition, version)
    return world, ports.writer.position.seq - base.position.seq


async def _leave_word(ports: Ports, known: ChainState) -> None:
    """Whoever is started after us can't know what was confirmed to us: it shall halt as well."""
    if known.offset < 0:
        return
    try:
        await ports.snapshots.leave_word(known, engine=ENGINE, wall_ms=ports.clock.wall_ms())
    except Retryable as error:
        get_logger().warning("last_word_failed", partition=known.partition, reason=str(error))


def _fold(world: World, record: ChainRecord) -> None:
    """One recorded batch, as it was written; a digest in it must be that of our state.

    Another engine's digest may be of another shape of state, and says nothing here.
    """
    recorded = record.batch.state_digest if record.batch.engine == ENGINE else None
    if recorded is not None and recorded != states.digest(world.state):
        raise ChainHalt(
            f"decisions partition {record.partition} seq {record.header.seq}: the restored state"
            " has another digest than the record says; keep the log and report this defect"
        )
    apply_batch(world, record.batch, record.header.seq)


async def _fetch_adopted(library: PolicyLibrary, partition: int, version: str) -> None:
    await library.fetch(version)
    if version not in library:
        raise Fatal(
            f"partition {partition}: the policy in force, {version}, can't be read by this release;"
            " install the one that adopted it, publish another policy, then go on"
        )
