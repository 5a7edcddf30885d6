"""A recorded log as `vaxel log export` writes it, made by the router's own core from a short story.

Contacts are triaged from interactions that stand in the export too, as they do live.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import recorded_log

from vaxel_cli.commands import export
from vaxel_cli.policy.incoming import Desk
from vaxel_cli.policy.scenario import Contact
from vaxel_cli.publish.publications import publications
from vaxel_shared.blobs import FolderBlobs
from vaxel_shared.config import deployment as deployment_files
from vaxel_shared.contracts import wire
from vaxel_shared.contracts.commands import Actor, Command
from vaxel_shared.kafka import chain
from vaxel_shared.kafka.scan import Bounds
from vaxel_shared.kafka.topic_reader import Record
from vaxel_shared.kafka.topics import DECISIONS, INTERACTIONS, WORK


class History:
    """Grows a log command by command; ``write`` exports it."""

    def __init__(self, config: Path, folder: Path) -> None:
        self._blobs = folder / "blobs"
        self._desk = Desk(deployment_files.load(config))
        self.values: list[bytes] = []
        self.interactions: list[bytes] = []
        store = FolderBlobs(self._blobs)
        for item in publications(deployment_files.load(config)):
            store.put_now("policy" if item.kind == "policy" else "roster", item.blob)
            self.values.append(item.command(0).to_json())

    @property
    def now_ms(self) -> int:
        """When the next command arrives: they come a second apart."""
        return recorded_log.START_MS + len(self.values) * 1000

    def contact(self, id_: str, **given: Any) -> None:
        contact = Contact(id=id_, **{"language": "en", **given})
        interaction = self._desk.interaction(contact, self.now_ms)
        self.interactions.append(interaction.to_json())
        self.values.append(self._desk.command(contact, self.now_ms).to_json())

    def answer(self, verb: str) -> None:
        """Of whoever has the last offer."""
        made = [one for one in self.decisions() if one.type == "offer.made"][-1]
        seq, index = next(
            (seq, index)
            for seq, batch in enumerate(self.batches())
            for index, one in enumerate(batch.decisions)
            if one.offer_id == made.offer_id and one.type == "offer.made"
        )
        who = Actor(kind="agent", id=str(made.agent_id))
        self.command(
            f"offer.{verb}", actor=who, case_id=made.case_id, agent_id=made.agent_id,
            token=f"{seq}.{index}", data={"offer_id": made.offer_id},
        )  # fmt: skip

    def command(self, type_: str, **given: Any) -> None:
        given.setdefault("actor", Actor(kind="system", id="test"))
        name = f"c{len(self.values)}"
        self.values.append(
            Command(id=name, type=type_, pool="support", via="test", **given).to_json()
        )

    def batches(self) -> list[wire.Batch]:
        raws = recorded_log.fold(recorded_log.work(self.values), self._blobs)
        return [wire.decode_batch(raw[chain.HEADER_BYTES :]) for raw in raws]

    def decisions(self) -> list[wire.Decision]:
        return [one for batch in self.batches() for one in batch.decisions]

    def write(self, folder: Path) -> Path:
        """As an export with one partition of each topic."""
        export.prepare(folder)
        work = recorded_log.work(self.values)
        rows = {
            DECISIONS: recorded_log.decisions(recorded_log.fold(work, self._blobs)),
            WORK: work,
            INTERACTIONS: [
                Record(INTERACTIONS, 0, offset, recorded_log.START_MS, b"k", value, ())
                for offset, value in enumerate(self.interactions)
            ],
        }
        topics = {}
        for topic, records in rows.items():
            file = export.PartitionFile(
                folder, topic, 0, Bounds(0, len(records)), recorded_log.LOG_ID
            )
            for record in records:
                file.write(record)
            file.close()
            topics[topic] = {"partitions": [file.summary()]}
        shutil.copytree(self._blobs, folder / "blobs")
        manifest = {"format": 1, "log_id": recorded_log.LOG_ID, "topics": topics, "blobs": []}
        (folder / export.MANIFEST).write_text(json.dumps(manifest))
        return folder
