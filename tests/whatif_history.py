"""Recorded histories for what-if: random ones, and mornings at a small desk as exports."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from heapq import heappop, heappush
from pathlib import Path
from typing import Any

import recorded_log
from policy_kit import deployment
from random_desk import Traffic

from vaxel_cli.commands import export
from vaxel_cli.commands.recorded import FromExport
from vaxel_cli.policy.history import Moment
from vaxel_cli.policy.incoming import Desk
from vaxel_cli.policy.scenario import Contact
from vaxel_cli.publish.publications import publications
from vaxel_cli.whatif.compared import load
from vaxel_cli.whatif.told import Story
from vaxel_router.core.apply import apply, finish_batch
from vaxel_router.core.engine import Batch, Input
from vaxel_router.core.inputs import decode
from vaxel_router.core.policy import Policy
from vaxel_router.core.policy import decode as decode_policy
from vaxel_router.core.state import Offer, State, World
from vaxel_shared.blobs import FolderBlobs
from vaxel_shared.config import deployment as deployment_files
from vaxel_shared.contracts import wire
from vaxel_shared.contracts.commands import Actor, Command
from vaxel_shared.kafka import chain
from vaxel_shared.kafka.scan import Bounds
from vaxel_shared.kafka.topic_reader import Record, record_sha256
from vaxel_shared.kafka.topics import DECISIONS, INTERACTIONS, WORK
from vaxel_shared.version import ENGINE

LOG_ID = recorded_log.LOG_ID
BEGIN_MS = recorded_log.START_MS


@dataclass(frozen=True)
class History:
    """What a router was told and what it decided."""

    inputs: list[Input]
    bodies: list[wire.Batch]
    library: dict[str, Policy]
    log_id: str = LOG_ID

    def moments(self) -> Iterator[Moment]:
        """As :func:`vaxel_cli.policy.history.fold` gives them."""
        world = World(State(self.log_id, 0))
        for seq, body in enumerate(self.bodies):
            for index, decision in enumerate(body.decisions):
                yield Moment(world, seq, index, decision, body.wall_ms)
                apply(world, decision, (seq, index))
            finish_batch(world, body)
        yield Moment(world, -1, -1, None)


def drawn(
    seed: int, commands: int, agents: int, late_ms: int = 0, kind: type[Traffic] = Traffic
) -> History:
    """Any traffic; each command is decided ``late_ms`` after it came."""
    world = World(State(LOG_ID, 0))
    traffic = kind(seed, world, agents)
    inputs: list[Input] = []
    bodies: list[wire.Batch] = []

    def decide(act: Callable[[Batch], bool], now_ms: int) -> None:
        done = False
        while not done:
            batch = Batch(world, traffic.library, seq=len(bodies), wall_ms=now_ms + late_ms)
            done = act(batch)
            bodies.append(batch.close(engine=ENGINE))

    def come(value: bytes) -> None:
        while (timer := world.next_timer()) is not None and timer[0] <= traffic.now_ms:
            decide(partial(Batch.tick, tick_ms=timer[0]), timer[0])
        item = decode(len(inputs), traffic.now_ms, value)
        inputs.append(item)
        decide(lambda batch: batch.add(item), traffic.now_ms)

    for value in traffic.first():
        come(value)
    for _ in range(commands):
        come(traffic.next())
    return History(inputs, bodies, traffic.library)


class Days:
    """A desk of one agent in the first tier and one in the second, who do as they are told.

    An offer is sent after a second and accepted after five; work is done in ten minutes.
    """

    def __init__(self, folder: Path) -> None:
        one = ("skills: {billing: 3}\n", "skills: {billing: 3}\n    capacity: 1\n")
        two = ("skills: {billing: 8}\n", "skills: {billing: 8}\n    capacity: 1\n")
        loaded = deployment_files.load(deployment(folder / "kit", {"roster": [one, two]}))
        self._folder, self._blobs = folder / "export", folder / "blobs"
        self._desk = Desk(loaded)
        self.world = World(State(LOG_ID, 0))
        self.library: dict[str, Policy] = {}
        self.now_ms = BEGIN_MS
        self.work: list[Record] = []
        self.interactions: list[Record] = []
        self.raws: list[bytes] = []
        self._previous = chain.genesis_sha256(LOG_ID, 0)
        self._todo: list[tuple[int, int, Callable[[], None]]] = []
        store = FolderBlobs(self._blobs)
        for item in publications(loaded):
            store.put_now("policy" if item.kind == "policy" else "roster", item.blob)
            if item.kind == "policy":
                self.library[item.version] = decode_policy(item.blob)
            self._come(item.command(0).to_json())

    def morning(self, mails: int, every_ms: int = 240_000) -> Days:
        """So many mails, and the work on them to its end."""
        for number in range(mails):
            self.at(self.now_ms + number * every_ms, lambda n=number: self.mail(f"m{n}"))
        return self.pass_()

    def mail(self, name: str, **given: Any) -> None:
        """A mail in English, through triage."""
        plain = {"language": "en", "subject": "A question"}
        contact = Contact(id=name, **plain | given)
        value = self._desk.interaction(contact, self.now_ms).to_json()
        place = len(self.interactions)
        self.interactions.append(Record(INTERACTIONS, 0, place, self.now_ms, b"k", value, ()))
        self._come(self._desk.command(contact, self.now_ms).to_json())

    def at(self, at_ms: int, act: Callable[[], None]) -> None:
        heappush(self._todo, (at_ms, len(self._todo) + len(self.work) * 1000, act))

    def pass_(self, until_ms: int | None = None) -> Days:
        """Let all happen that is to, by ``until_ms`` at most."""
        end_ms = 2**60 if until_ms is None else until_ms
        while self._todo or self.world.pool("support").works:
            timer = self.world.next_timer() or (end_ms + 1, "")
            first_ms = self._todo[0][0] if self._todo else end_ms + 1
            if min(timer[0], first_ms) > end_ms:
                break
            if timer[0] <= first_ms:
                self.now_ms = max(self.now_ms, timer[0])
                batch = self._batch()
                assert batch.tick(self.now_ms)
                self._close(batch, None)
            else:
                self.now_ms, _, act = heappop(self._todo)
                act()
        return self

    def _come(self, value: bytes) -> None:
        record = Record(WORK, 0, len(self.work), self.now_ms, b"support", value, ())
        self.work.append(record)
        batch = self._batch()
        assert batch.add(decode(record.offset, record.timestamp_ms, value))
        self._close(batch, record)

    def say(self, type_: str, agent: str | None = None, **given: Any) -> None:
        """A command, now."""
        actor = Actor(kind="agent", id=agent) if agent else Actor(kind="system", id="test")
        name = f"c{len(self.work)}"
        self._come(Command(
            id=name, type=type_, pool="support", actor=actor, via="test", agent_id=agent, **given
        ).to_json())  # fmt: skip

    def _batch(self) -> Batch:
        return Batch(self.world, self.library, seq=len(self.raws), wall_ms=self.now_ms)

    def _close(self, batch: Batch, record: Record | None) -> None:
        body = batch.close(engine=ENGINE)
        through = len(self.work) - 1
        last = self.work[through] if through >= 0 else None
        folded = record_sha256(last.key, last.value) if last else chain.NO_INPUT_SHA256
        begin = through if record is not None else through + 1
        header = chain.Header(LOG_ID, len(self.raws), self._previous, begin, through, folded)
        self.raws.append(chain.pack(header, wire.encode(body)))
        self._previous = hashlib.sha256(self.raws[-1]).digest()
        for made in body.decisions:
            if made.type == "offer.made":
                self._shown(self.world.pool("support").offers[str(made.offer_id)])
            elif made.type == "work.assigned":
                self._given(str(made.work_id), str(made.case_id), str(made.agent_id))

    def _shown(self, offer: Offer) -> None:
        about = {"effect_id": offer.id, "effect": "offer", "state": "sent", "offer_id": offer.id}
        self.at(self.now_ms + 1_000, lambda: self.say("delivery.result", data=about))
        self.at(self.now_ms + 5_000, lambda: self.say(
            "offer.accept", offer.agent_id, token=offer.token, data={"offer_id": offer.id}
        ))  # fmt: skip

    def _given(self, work_id: str, case_id: str, agent_id: str) -> None:
        token = self.world.pool("support").works[work_id].token
        body = {"body_ref": "body/" + "1a" * 32, "body_sha256": "1a" * 32, "body_size": 9}
        self.at(self.now_ms + 600_000, lambda: self.say(
            "case.reply", agent_id, case_id=case_id, token=token, data=body | {"then": "resolved"}
        ))  # fmt: skip

    def write(self) -> Path:
        """As an export with one partition of each topic."""
        export.prepare(self._folder)
        rows = {
            DECISIONS: recorded_log.decisions(self.raws),
            WORK: self.work,
            INTERACTIONS: self.interactions,
        }
        topics = {}
        for topic, records in rows.items():
            file = export.PartitionFile(self._folder, topic, 0, Bounds(0, len(records)), LOG_ID)
            for record in records:
                file.write(record)
            file.close()
            topics[topic] = {"partitions": [file.summary()]}
        shutil.copytree(self._blobs, self._folder / "blobs")
        manifest = {"format": 1, "log_id": LOG_ID, "topics": topics, "blobs": []}
        (self._folder / export.MANIFEST).write_text(json.dumps(manifest))
        return self._folder

    def story(self) -> Story:
        """As it is read from the export."""
        return load(FromExport(self.write())).stories[0]
