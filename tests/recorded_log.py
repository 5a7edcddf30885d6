"""A short true history of the router: commands, and the chained records that the core makes of them.

For tests that need a log which replays: nothing in it is made up but the people.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from vaxel_router.core import state as states
from vaxel_router.core.engine import Batch
from vaxel_router.core.inputs import decode
from vaxel_router.core.policy import Policy
from vaxel_router.core.policy import decode as decode_policy
from vaxel_router.core.state import State, World
from vaxel_shared.blobs import FolderBlobs
from vaxel_shared.config import source
from vaxel_shared.config.roster import Roster, directory, roster_version
from vaxel_shared.config.routing import Routing, pool_policy
from vaxel_shared.contracts import wire
from vaxel_shared.kafka import chain
from vaxel_shared.kafka.topic_reader import Record, record_sha256
from vaxel_shared.kafka.topics import DECISIONS, WORK
from vaxel_shared.version import ENGINE

LOG_ID = "0123456789abcdef0123456789abcdef"
START_MS = 1_700_000_000_000
POOL = b"support"

ROUTING = b"""
pools:
  - name: support
    letter: S
    queues:
      - {name: billing, skills: {billing: 3}, steps: [{after: 0s, tiers: [1]}]}
"""
ROSTER = b"""
agents:
  - {id: a01, name: Aino Koskela, email: a01@agents.example, pool: support, skills: {billing: 5}, languages: {fi: 9}, present: true}
  - {id: a02, name: Maarja Lepik, email: a02@agents.example, pool: support, skills: {technical: 5}, languages: {fi: 9}, present: true}
"""


def commands(blobs: Path) -> list[bytes]:
    """Values of ``vaxel.work``: a policy, a roster, two contacts, one that repeats, and nonsense.

    The blobs that they name are stored in the folder.
    """
    store = FolderBlobs(blobs)
    routing = source.validate(Routing, source.parse("routing.yaml", ROUTING))
    policy_ref = store.put_now("policy", pool_policy(routing.pools[0]))
    agents = source.validate(Roster, source.parse("roster.yaml", ROSTER)).agents
    directory_ref = store.put_now("roster", directory(agents))
    version = policy_ref.partition("/")[2]
    rows = [
        _command("p", "policy.publish", kind="routing", version=version, ref=policy_ref),
        _command(
            "r", "roster.set", source="file", version=roster_version(agents),
            directory_ref=directory_ref, directory_sha256=directory_ref.partition("/")[2],
            agents=[agent.profile().to_dict() for agent in agents],
        ),
        *(_contact(name, offset) for offset, name in enumerate(["first", "second", "first"])),
    ]  # fmt: skip
    return [*rows, b"{]"]


def _command(id_: str, type_: str, **data: Any) -> bytes:
    actor = wire.Actor(kind="system", id="test")
    return wire.encode(
        wire.Command(id=id_, type=type_, pool="support", actor=actor, via="test", data=data)
    )


def _contact(name: str, offset: int) -> bytes:
    return _command(
        name, "contact.add", contact_id=name, conversation_key=f"support|email|support|{name}",
        customer_id="c1", channel="email", account="support", language="fi", queue="billing",
        priority=5, requires={"skills": {}, "languages": ["fi"]}, labels=["billing"],
        received_at_ms=START_MS, src=[0, offset], rule={"id": "billing", "at": "routing.yaml:93"},
    )  # fmt: skip


def work(values: list[bytes]) -> list[Record]:
    """The commands as records, a second apart."""
    headers = (("ce_type", b"vaxel.command"),)
    return [
        Record(WORK, 0, offset, START_MS + offset * 1000, POOL, value, headers)
        for offset, value in enumerate(values)
    ]


def fold(
    records: list[Record], blobs: Path, log_id: str = LOG_ID, partition: int = 0
) -> list[bytes]:
    """What the router writes for these inputs, a record each: chained, digests and all."""
    library: dict[str, Policy] = {
        path.name: decode_policy(path.read_bytes()) for path in (blobs / "policy").glob("*/*")
    }
    world = World(State(log_id, partition))
    raws: list[bytes] = []
    previous = chain.genesis_sha256(log_id, partition)
    for seq, record in enumerate(records):
        digest = states.digest(world.state)
        batch = Batch(world, library, seq=seq, wall_ms=record.timestamp_ms)
        assert batch.add(decode(record.offset, record.timestamp_ms, record.value))
        body = wire.encode(batch.close(engine=ENGINE, state_digest=digest))
        folded = record_sha256(record.key, record.value)
        header = chain.Header(log_id, seq, previous, record.offset, record.offset, folded)
        raws.append(chain.pack(header, body))
        previous = hashlib.sha256(raws[-1]).digest()
    return raws


def decisions(raws: list[bytes], partition: int = 0) -> list[Record]:
    """Raw values as records of ``vaxel.decisions``."""
    return [
        Record(DECISIONS, partition, offset, START_MS + offset, b"0", raw, ())
        for offset, raw in enumerate(raws)
    ]
