"""Histories of the router, told step by step and written as `vaxel log export` writes a log.

A :class:`Recorder` is a router in one process on the example deployment: what it is told becomes
records of ``vaxel.work``, what it decides becomes chained records of ``vaxel.decisions``. Times are
the story's own, so the same story gives the same bytes wherever it is told.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from vaxel_cli.commands import export
from vaxel_cli.publish.publications import publications
from vaxel_router.core import state as states
from vaxel_router.core.engine import Batch, Input
from vaxel_router.core.inputs import decode
from vaxel_router.core.policy import Policy
from vaxel_router.core.policy import decode as decode_policy
from vaxel_router.core.state import Case, Offer, Pool, State, World
from vaxel_shared.blobs import FolderBlobs
from vaxel_shared.config import deployment
from vaxel_shared.contracts import wire
from vaxel_shared.kafka import chain
from vaxel_shared.kafka.scan import Bounds
from vaxel_shared.kafka.topic_reader import Record, record_sha256
from vaxel_shared.kafka.topics import DECISIONS, WORK
from vaxel_shared.version import ENGINE

CONFIG = Path(__file__).parents[2] / "config"
LOG_ID = hashlib.md5(b"golden", usedforsecurity=False).hexdigest()
START_MS = 1_700_000_000_000
POOL = "support"
BODY = {"body_ref": "body/" + "1a" * 32, "body_sha256": "1a" * 32, "body_size": 30}
NOTE = {"note_ref": "note/" + "2b" * 32, "note_sha256": "2b" * 32, "note_size": 9}


class Recorder:
    """``say`` and its kin let a command arrive; ``wait`` lets time pass; ``write`` exports."""

    def __init__(self, folder: Path) -> None:
        self._blobs = folder / "blobs"
        self.now_ms = START_MS
        self.world = World(State(LOG_ID, 0))
        self.library: dict[str, Policy] = {}
        self.work: list[Record] = []
        self.raws: list[tuple[int, bytes]] = []
        self._previous = chain.genesis_sha256(LOG_ID, 0)
        self._through = -1
        store = FolderBlobs(self._blobs)
        self._folder = folder
        self._put = store.put_now
        self._claim()
        for item in publications(deployment.load(CONFIG)):
            if item.kind == "policy":
                self.adopt(item.blob)
            else:
                self._put("roster", item.blob)
            self.hear(item.command(0).to_json())

    def adopt(self, blob: bytes) -> None:
        """A policy that a command may publish."""
        ref = self._put("policy", blob)
        self.library[ref.partition("/")[2]] = decode_policy(blob)

    # What happens

    def say(self, type_: str, *, kind: str = "system", **given: Any) -> None:
        """A command, a second after what was before."""
        agent = given.get("agent_id")
        actor = wire.Actor(kind="agent" if agent and kind == "system" else kind, id=agent or kind)
        name = given.pop("id", f"c{len(self.work)}")
        command = wire.Command(id=name, type=type_, pool=POOL, actor=actor, via="golden", **given)
        self.hear(wire.encode(command))

    def hear(self, *values: bytes, after_ms: int = 1_000) -> None:
        """Records of ``vaxel.work``, folded into one batch if they fit."""
        self.now_ms += after_ms
        first = len(self.work)
        headers = (("ce_type", b"vaxel.command"),)
        for offset, value in enumerate(values, start=first):
            self.work.append(Record(WORK, 0, offset, self.now_ms, POOL.encode(), value, headers))
        todo = [decode(r.offset, r.timestamp_ms, r.value) for r in self.work[first:]]
        while todo:
            todo = todo[self._batch(todo, None) :]

    def wait(self, seconds: int) -> None:
        """Time passes; all that is due happens."""
        end_ms = self.now_ms + seconds * 1000
        while (timer := self.world.next_timer()) is not None and timer[0] <= end_ms:
            self.now_ms = max(self.now_ms, timer[0])
            self._batch([], self.now_ms)
        self.now_ms = end_ms

    def poison(self, value: bytes) -> None:
        """An input that the engine of this history could not fold, set aside as the shell does."""
        self.now_ms += 1_000
        self.work.append(Record(WORK, 0, len(self.work), self.now_ms, POOL.encode(), value, ()))
        item = decode(len(self.work) - 1, self.now_ms, value)
        batch = self._begin()
        batch.reject(item, "raised:KeyError")
        self._append(batch, item.offset)

    def contact(self, name: str, thread: str | None = None, **given: Any) -> None:
        data = {
            "contact_id": name,
            "conversation_key": f"{POOL}|email|support|{thread or name}",
            "customer_id": f"customer-{thread or name}",
            "channel": "email", "account": "support", "language": "en", "queue": "billing",
            "requires": {"skills": {}, "languages": ["en"]},
            "received_at_ms": self.now_ms, "src": [0, len(self.work)],
            "rule": {"id": "billing", "at": "routing.yaml:93"},
        }  # fmt: skip
        self.say("contact.add", id=name, kind="customer", data=data | given)

    def answer(self, verb: str, offer: Offer | None = None, **data: Any) -> None:
        """Of whom the work is offered to; left out: the last offer."""
        one = offer or list(self.pool.offers.values())[-1]
        self.say(
            f"offer.{verb}", agent_id=one.agent_id, token=one.token,
            data={"offer_id": one.id} | data,
        )  # fmt: skip

    def sent(self, state: str = "sent") -> None:
        one = list(self.pool.offers.values())[-1]
        data = {"effect_id": one.id, "effect": "offer", "state": state, "offer_id": one.id}
        self.say("delivery.result", data=data)

    def act(self, type_: str, case: Case, **data: Any) -> None:
        """As whoever has the case."""
        work = self.pool.works.get(case.work_id or "")
        held = work is not None and work.agent_id is not None
        agent = work.agent_id if work is not None and held else case.last_agent
        token = work.token if work is not None else None
        self.say(type_, case_id=case.id, agent_id=agent, token=token, data=data)

    @property
    def pool(self) -> Pool:
        return self.world.state.pools[POOL]

    @property
    def case(self) -> Case:
        """The case that was opened last."""
        return list(self.pool.cases.values())[-1]

    # What comes of it

    def _begin(self) -> Batch:
        self._digest = states.digest(self.world.state)
        return Batch(self.world, self.library, seq=len(self.raws), wall_ms=self.now_ms)

    def _batch(self, items: list[Input], tick_ms: int | None) -> int:
        batch = self._begin()
        taken = 0
        while taken < len(items) and batch.has_room and batch.add(items[taken]):
            taken += 1
        if tick_ms is not None:
            batch.tick(tick_ms)
        self._append(batch, items[taken - 1].offset if taken else self._through)
        return taken

    def _claim(self) -> None:
        claim = {"instance": "0", "run_id": "golden"}
        self._append(self._begin(), self._through, claim)

    def _append(self, batch: Batch, through: int, claim: dict[str, str] | None = None) -> None:
        body = wire.encode(batch.close(engine=ENGINE, state_digest=self._digest, claim=claim))
        last = self.work[through] if through >= 0 else None
        folded = record_sha256(last.key, last.value) if last else chain.NO_INPUT_SHA256
        header = chain.Header(
            LOG_ID, len(self.raws), self._previous, self._through + 1, through, folded
        )
        raw = chain.pack(header, body)
        self.raws.append((self.now_ms, raw))
        self._previous = hashlib.sha256(raw).digest()
        self._through = through

    def write(self, folder: Path, about: str) -> None:
        """The history as an export, with what it is about and how it ends."""
        export.prepare(folder)
        decided = [
            Record(DECISIONS, 0, offset, at_ms, b"0", raw, ())
            for offset, (at_ms, raw) in enumerate(self.raws)
        ]
        topics = {}
        for topic, records in ((DECISIONS, decided), (WORK, self.work)):
            file = export.PartitionFile(folder, topic, 0, Bounds(0, len(records)), LOG_ID)
            for record in records:
                file.write(record)
            file.close()
            topics[topic] = {"partitions": [file.summary()]}
        shutil.copytree(self._blobs, folder / "blobs")
        manifest = {
            "format": 1, "log_id": LOG_ID, "engine": ENGINE, "topics": topics, "blobs": [],
            "about": about, "end": self.end(),
        }  # fmt: skip
        (folder / export.MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")

    def end(self) -> dict[str, Any]:
        """What is so at the end, for whoever restores it."""
        return {"digest": states.digest(self.world.state), **facts(self.world)}


def facts(world: World) -> dict[str, Any]:
    """What any engine must make of a history: who has what, and what waits."""
    pools = world.state.pools.values()
    return {
        "cases": {case.number: case.status for pool in pools for case in pool.cases.values()},
        "owners": {
            work.id: work.agent_id for pool in pools for work in pool.works.values() if work.agent_id
        },
        "waiting": [work.id for pool in pools for work in world.waiting(pool)],
        "offered": {offer.work_id: offer.agent_id for pool in pools for offer in pool.offers.values()},
        "presence": {a.id: a.presence for pool in pools for a in pool.agents.values()},
    }  # fmt: skip
