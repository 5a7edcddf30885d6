"""The messages of an export, by their place: what the rules are tried on again."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from vaxel_cli.commands import export
from vaxel_shared.contracts.interaction import Interaction
from vaxel_shared.kafka.topics import INTERACTIONS


class Interactions:
    """Reads a partition when it is first asked for. An export may lack the topic."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._manifest = export.read_manifest(folder)
        parts = self._manifest["topics"].get(INTERACTIONS, {}).get("partitions", [])
        self._partitions = {int(part["partition"]) for part in parts}
        self._read: dict[int, dict[int, bytes]] = {}

    def get(self, partition: int, offset: int, id_: str) -> Interaction | None:
        """The message at a place; None where it is gone, another, or its text stands elsewhere."""
        if partition not in self._partitions:
            return None
        if partition not in self._read:
            records = export.read_partition(self._folder, self._manifest, INTERACTIONS, partition)
            self._read[partition] = {record.offset: record.value for record in records}
        raw = self._read[partition].get(offset)
        if raw is None:
            return None
        try:
            found = Interaction.model_validate_json(raw)
        except ValidationError:
            return None
        whole = found.text is not None or found.text_ref is None
        return found if found.id == id_ and whole else None
