"""Finds personal text where none may stand: in exported ``work``, ``decisions`` and ``snapshots``.

Input is what ``vaxel log export`` writes: JSONL files, one a partition. Looked at is everything a
record holds, keys and headers too, as text: a name inside an id is as bad as one in a field. Three
kinds are found: anything that looks like an e-mail address, any part of a name on the roster, and
canaries, texts planted in the mails that were sent in.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

CLEAN_TOPICS = ("vaxel.work", "vaxel.decisions", "vaxel.snapshots", "vaxel.sla")
"""The topics that hold ids, codes and derived facts only."""

CANARY_CHARS_MIN = 4
"""A shorter text turns up in hashes by chance."""

_ADDRESS = re.compile(r"[\w.+%'-]+@[\w-]+(?:\.[\w-]+)+", re.UNICODE)
_MAILTO = re.compile(r"mailto:\S+", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+", re.UNICODE)


@dataclass(frozen=True, slots=True)
class Finding:
    """One place with personal text. ``what`` is address, name or canary."""

    file: str
    offset: int
    what: str
    found: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to look for besides addresses: names of people, and planted texts."""

    names: tuple[str, ...] = ()
    canaries: tuple[str, ...] = ()


def scan_export(folder: Path, wanted: Wanted) -> list[Finding]:
    """Every finding in the clean topics of an export. Raises ``LookupError`` if it holds none."""
    files = [path for topic in CLEAN_TOPICS for path in sorted(folder.rglob(f"*{topic}*.jsonl"))]
    if not files:
        raise LookupError(f"{folder} holds no export of {', '.join(CLEAN_TOPICS)}")
    return [finding for path in files for finding in scan_file(path, wanted)]


def scan_file(path: Path, wanted: Wanted) -> list[Finding]:
    """Every finding in one exported partition."""
    found = []
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            for what, text in scan_record(record, wanted):
                found.append(Finding(path.name, record["offset"], what, text))
    return found


def scan_record(record: object, wanted: Wanted) -> list[tuple[str, str]]:
    """What one record holds, as (what, text); base64 of it is looked into."""
    seen = list(dict.fromkeys(_texts(record)))
    findings = [("address", hit) for text in seen for hit in _addresses(text)]
    findings += [("name", hit) for text in seen for hit in _names(text, wanted.names)]
    folded = [(text, _fold(text)) for text in seen]
    for canary in wanted.canaries:
        if len(canary) < CANARY_CHARS_MIN:
            raise ValueError(f"canary {canary!r} is too short to be told from chance")
        findings += [("canary", canary) for _, text in folded if _fold(canary) in text]
    return list(dict.fromkeys(findings))


def _texts(value: object, name: str = "") -> Iterable[str]:
    """Every string of a JSON value, names of fields included."""
    if isinstance(value, str):
        if name.endswith("_b64"):
            yield base64.b64decode(value).decode("utf-8", errors="replace")
        else:
            yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _texts(item, key)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item, name)


def _addresses(text: str) -> list[str]:
    return [*_ADDRESS.findall(text), *_MAILTO.findall(text)]


def _names(text: str, names: Iterable[str]) -> list[str]:
    """Parts of names that stand in a text as words; an initial is no part."""
    words = {_fold(word) for word in _WORD.findall(text)}
    parts = {part for name in names for part in _WORD.findall(name) if len(part) > 2}
    return sorted(part for part in parts if _fold(part) in words)


def _fold(text: str) -> str:
    return " ".join(text.casefold().split())
