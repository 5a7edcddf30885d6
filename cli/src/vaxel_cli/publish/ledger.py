"""``published.json``: what was published last, for each pool's policy and roster.

An entry is written before sending (``acked`` false) and again after the broker's acknowledgement.
So a publisher that dies in between sends the same command with the same id again, and one that
finds other files by then knows that it must send those.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from vaxel_cli.publish.publications import Publication
from vaxel_cli.up.born import write_durably
from vaxel_shared.errors import Fatal

LEDGER_FILE = "published.json"


@dataclass(frozen=True, slots=True)
class Entry:
    """The last version that was sent, its serial, and whether the broker has it.

    ``agents``: whom the router may still have in this pool, who left it lately included.
    """

    version: str
    serial: int
    acked: bool
    agents: list[str] = field(default_factory=list)


class Ledger:
    """The entries, kept for one log: on another log nothing is published yet."""

    def __init__(self, path: Path, log_id: str, entries: dict[str, Entry]) -> None:
        self._path = path
        self._log_id = log_id
        self._entries = entries

    @classmethod
    def load(cls, data_dir: Path, log_id: str) -> Ledger:
        """Read it. Raises Fatal where it is damaged."""
        path = data_dir / LEDGER_FILE
        try:
            document = json.loads(path.read_bytes())
            entries = {name: Entry(**entry) for name, entry in document["entries"].items()}
            same_log = document["log_id"] == log_id
        except FileNotFoundError:
            return cls(path, log_id, {})
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise Fatal(f"{path} is damaged: remove it; all is published once more") from error
        return cls(path, log_id, entries if same_log else {})

    def due(self, publication: Publication, now_ms: int) -> int | None:
        """The serial to send it under; None when the broker has it.

        The first serial is the clock's, so that a lost ledger can't repeat an id of its past.
        """
        entry = self._entries.get(_name(publication))
        if entry is None:
            return now_ms
        if entry.version == publication.version:
            return None if entry.acked else entry.serial
        return max(entry.serial + 1, now_ms)

    def sending(self, publication: Publication, serial: int) -> None:
        """Note, durably, that it is about to be sent."""
        self._set(publication, Entry(publication.version, serial, False, self._held(publication)))

    def sent(self, publication: Publication, serial: int) -> None:
        """Note, durably, that the broker has it."""
        self._set(publication, Entry(publication.version, serial, True, self._held(publication)))

    def elsewhere(self, publication: Publication) -> dict[str, set[str]]:
        """Who of a roster may still be in another pool: agents by that pool."""
        found: dict[str, set[str]] = {}
        for name, entry in self._entries.items():
            kind, _, pool = name.partition("/")
            both = publication.agents & set(entry.agents)
            if kind == publication.kind and pool != publication.pool and both:
                found[pool] = set(both)
        return found

    def left(self, pool: str, agents: set[str]) -> None:
        """Note that the router has let these go from a pool."""
        name = f"roster/{pool}"
        entry = self._entries[name]
        kept = [agent for agent in entry.agents if agent not in agents]
        self._entries[name] = replace(entry, agents=kept)
        self._write()

    def _held(self, publication: Publication) -> list[str]:
        before = self._entries.get(_name(publication))
        return sorted(publication.agents | set(before.agents if before else ()))

    def _set(self, publication: Publication, entry: Entry) -> None:
        self._entries[_name(publication)] = entry
        self._write()

    def _write(self) -> None:
        document = {
            "log_id": self._log_id,
            "entries": {name: asdict(item) for name, item in sorted(self._entries.items())},
        }
        write_durably(self._path, json.dumps(document, indent=2).encode() + b"\n")


def _name(publication: Publication) -> str:
    return f"{publication.kind}/{publication.pool}"
