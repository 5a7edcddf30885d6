"""Mails as files: ``<id>.eml`` with the bytes as received, and a line of the index for each.

A mail is accepted once both are on disk. The newest ``mails_max`` are kept.
"""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

INDEX = "index.jsonl"


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of a mail without opening it. ``received_ms`` is UTC."""

    id: int
    envelope_from: str
    envelope_to: list[str]
    received_ms: int
    size: int


class Mailbox:
    """A folder of mails. One process writes it."""

    def __init__(self, folder: Path, mails_max: int) -> None:
        self._folder = folder
        self._mails_max = mails_max
        self._lock = asyncio.Lock()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._entries = _read_index(folder / INDEX)[-mails_max:]
        self._clear_away()
        self._index_lines = self._write_index()

    @property
    def entries(self) -> list[Entry]:
        """All kept mails, oldest first."""
        return self._entries

    def entry(self, mail_id: int) -> Entry | None:
        """The mail with this id."""
        return next((entry for entry in self._entries if entry.id == mail_id), None)

    def raw(self, mail_id: int) -> bytes | None:
        """The bytes of a mail as received; None where it isn't kept."""
        try:
            return self._path(mail_id).read_bytes()
        except FileNotFoundError:
            return None

    async def add(self, sender: str, recipients: list[str], raw: bytes, now_ms: int) -> Entry:
        """Keep a mail durably. Raises OSError where the disk refuses."""
        async with self._lock:
            mail_id = self._entries[-1].id + 1 if self._entries else 1
            entry = Entry(mail_id, sender, recipients, now_ms, len(raw))
            await asyncio.to_thread(self._store, entry, raw)
            self._entries.append(entry)
            while len(self._entries) > self._mails_max:
                self._path(self._entries.pop(0).id).unlink(missing_ok=True)
            if self._index_lines > 2 * self._mails_max:
                self._index_lines = await asyncio.to_thread(self._write_index)
            return entry

    def _store(self, entry: Entry, raw: bytes) -> None:
        _write(self._path(entry.id), raw, "wb")
        _write(self._folder / INDEX, _line(entry), "ab")
        self._index_lines += 1
        _fsync_folder(self._folder)

    def _write_index(self) -> int:
        partial = self._folder / f".{INDEX}"
        _write(partial, b"".join(_line(entry) for entry in self._entries), "wb")
        partial.replace(self._folder / INDEX)
        _fsync_folder(self._folder)
        return len(self._entries)

    def _clear_away(self) -> None:
        """Remove mails without a line: never accepted, or past the limit."""
        kept = {self._path(entry.id).name for entry in self._entries}
        for path in self._folder.glob("*.eml"):
            if path.name not in kept:
                path.unlink(missing_ok=True)

    def _path(self, mail_id: int) -> Path:
        return self._folder / f"{mail_id:08d}.eml"


def _read_index(path: Path) -> list[Entry]:
    """The lines that are whole: the last one may have been cut off by a kill."""
    entries: list[Entry] = []
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return entries
    for line in lines:
        try:
            entries.append(Entry(**json.loads(line)))
        except (ValueError, TypeError):
            continue
    return entries


def _line(entry: Entry) -> bytes:
    return json.dumps(asdict(entry)).encode() + b"\n"


def _write(path: Path, data: bytes, mode: str) -> None:
    with path.open(mode) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
