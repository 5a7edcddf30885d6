"""An export: what `vaxel log export` writes into a folder, and reading it again.

    DIR/manifest.json             format, log_id, and each file's topic, partition, offsets, sha256
    DIR/vaxel.work-0.jsonl        one line a record, see lines.py
    DIR/blobs/policy/ab/abcd…     blobs that policies and rosters are, as the blob store keeps them

A file ends where its partition ended when it was begun. Records that are void (rule 4 of the commit
protocol) are marked, where the log is whole enough to tell.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any, BinaryIO

from rich.progress import Progress

from vaxel_cli.commands.lines import NotALine, compact, line_of, record_of
from vaxel_cli.console import unreachable
from vaxel_shared.blobs import FolderBlobs
from vaxel_shared.errors import Fatal, VaxelError
from vaxel_shared.kafka import chain
from vaxel_shared.kafka.scan import Bounds, bounds, scan
from vaxel_shared.kafka.topic_reader import Record
from vaxel_shared.kafka.topics import DECISIONS, SNAPSHOTS, TOPICS, WORK, read_log_id
from vaxel_shared.settings import Settings
from vaxel_shared.version import ENGINE

FORMAT = 1
_REFERRING = (SNAPSHOTS, DECISIONS, WORK)
"""Topics whose records name records of others, the one that names most first."""
MANIFEST = "manifest.json"
_REFS = {
    "policy.adopted": "ref",
    "policy.publish": "ref",
    "roster.adopted": "directory_ref",
    "roster.set": "directory_ref",
}
"""Which field of a command's or decision's data names a blob that a replay may need."""


def prepare(folder: Path) -> None:
    """Make the folder, for its owner only. Raises (exit 3) where that can't be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
    except OSError as error:
        raise unreachable(f"{folder}: {error.strerror}; name another folder") from error


async def export(
    settings: Settings, folder: Path, names: tuple[str, ...], bars: Progress
) -> dict[str, Any]:
    """Write the named topics (all where none is named) into ``folder``; answers the manifest.

    Raises VaxelError where the broker, the log or the disk is in the way.
    """
    writer = _Export(settings, folder, await read_log_id(settings), bars)
    chosen = [item.name for item in TOPICS if not names or item.name in names]
    # What refers to other topics is bounded first: what it refers to is then in the export as well.
    chosen.sort(key=lambda name: _REFERRING.index(name) if name in _REFERRING else len(_REFERRING))
    within = {topic: await bounds(settings, topic) for topic in chosen}
    topics = {topic: {"partitions": await writer.topic(topic, within[topic])} for topic in chosen}
    manifest = {
        "format": FORMAT,
        "log_id": writer.log_id,
        "engine": ENGINE,
        "topics": topics,
        "blobs": _copy_blobs(settings, folder, writer.refs),
    }
    _write(folder / MANIFEST, json.dumps(manifest, indent=2, ensure_ascii=False).encode() + b"\n")
    return manifest


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of an export. Raises (exit 3) where the folder holds none."""
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError) as error:
        raise unreachable(f"{folder} holds no export: `vaxel log export --to` makes one") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise unreachable(f"{folder / MANIFEST} is of another version of this program")
    return manifest


def read_partition(
    folder: Path, manifest: dict[str, Any], topic: str, partition: int
) -> Iterator[Record]:
    """The records of one partition. Raises (exit 3) where the file isn't as it was written."""
    parts = manifest["topics"].get(topic, {}).get("partitions", [])
    part = next((item for item in parts if item["partition"] == partition), None)
    if part is None:
        raise unreachable(f"{folder} holds no {topic} partition {partition}; export it too")
    path = folder / part["file"]
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                digest.update(raw)
                yield _record(path, number, raw, topic, partition)
    except OSError as error:
        raise unreachable(f"{path}: {error.strerror}; export again") from error
    if digest.hexdigest() != part["sha256"]:
        raise unreachable(f"{path} was changed since it was exported; export again")


def _record(path: Path, number: int, raw: bytes, topic: str, partition: int) -> Record:
    try:
        return record_of(json.loads(raw), topic, partition)
    except (NotALine, ValueError) as error:
        raise unreachable(f"{path.name}:{number}: {error}; export again") from error


class _Export:
    """One export while it is written; ``refs`` are the blobs named so far."""

    def __init__(self, settings: Settings, folder: Path, log_id: str, bars: Progress) -> None:
        self.log_id = log_id
        self.refs: set[str] = set()
        self._settings = settings
        self._folder = folder
        self._bars = bars

    async def topic(self, topic: str, within: dict[int, Bounds]) -> list[dict[str, Any]]:
        """Write one topic; answers what the manifest says of its partitions."""
        total = sum(one.end - one.begin for one in within.values())
        bar = self._bars.add_task(topic, total=total)
        files = {
            number: PartitionFile(self._folder, topic, number, one, self.log_id)
            for number, one in within.items()
        }
        try:
            async with aclosing(scan(self._settings, topic, within)) as records:
                async for record in records:
                    files[record.partition].write(record)
                    self.refs |= _refs(record)
                    self._bars.advance(bar)
        finally:
            for file in files.values():
                file.close()
        return [file.summary() for file in files.values()]


class PartitionFile:
    """One partition's file while it is written."""

    def __init__(
        self, folder: Path, topic: str, partition: int, within: Bounds, log_id: str
    ) -> None:
        self._path = folder / f"{topic}-{partition}.jsonl"
        self._partition = partition
        self._within = within
        self._digest = hashlib.sha256()
        self._count = self._voids = 0
        self._file: BinaryIO = os.fdopen(_open(self._path), "wb")
        judged = topic == DECISIONS and within.begin == 0
        self._chain = chain.genesis(log_id, partition) if judged else None

    def write(self, record: Record) -> None:
        """Append a record's line. Raises ChainHalt where the log of decisions is no chain."""
        void = None
        if self._chain is not None:
            outcome = chain.accept(self._chain, record.offset, record.value)
            self._chain = outcome.state
            void = isinstance(outcome, chain.Void)
            self._voids += void
        raw = compact(line_of(record, void=void)) + b"\n"
        self._digest.update(raw)
        self._count += 1
        try:
            self._file.write(raw)
        except OSError as error:
            raise Fatal(f"{self._path}: {error.strerror}; free space and export again") from error

    def close(self) -> None:
        """Nothing more comes."""
        self._file.close()

    def summary(self) -> dict[str, Any]:
        """What the manifest says of it."""
        summary = {
            "partition": self._partition,
            "file": self._path.name,
            "begin": self._within.begin,
            "end": self._within.end,
            "records": self._count,
            "sha256": self._digest.hexdigest(),
        }
        return summary if self._chain is None else summary | {"void": self._voids}


def _refs(record: Record) -> set[str]:
    """The blobs that a command or a batch names and a replay may need."""
    if record.topic not in (WORK, DECISIONS):
        return set()
    value = line_of(record)["value"]
    if not isinstance(value, dict):
        return set()
    items = [value] if record.topic == WORK else (value.get("body") or {}).get("decisions", [])
    found = ((item.get("data") or {}).get(_REFS.get(str(item.get("type")), "")) for item in items)
    return {str(ref) for ref in found if ref}


def _copy_blobs(settings: Settings, folder: Path, refs: set[str]) -> list[dict[str, Any]]:
    """Copy the blobs beside the files; one that is missing is named, and the rest goes on."""
    store, copies = FolderBlobs(settings.blobs), FolderBlobs(folder / "blobs")
    found = []
    for ref in sorted(refs):
        try:
            kind = ref.partition("/")[0]
            copies.put_now(kind, store.get_now(ref))
            found.append({"ref": ref, "copied": True})
        except VaxelError as error:
            found.append({"ref": ref, "copied": False, "why": str(error)})
    return found


def _write(path: Path, data: bytes) -> None:
    with os.fdopen(_open(path), "wb") as file:
        file.write(data)


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise Fatal(f"{path}: {error.strerror}; name another folder") from error
