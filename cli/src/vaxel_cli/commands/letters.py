"""Dead letters read, picked and replayed; the command line around it is ``dlq.py``."""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from vaxel_cli.commands.lines import line_of
from vaxel_cli.console import wrong_use
from vaxel_shared.contracts.deadletters import DeadLetter
from vaxel_shared.errors import Fatal
from vaxel_shared.kafka.log import KafkaPartitionLog
from vaxel_shared.kafka.scan import Bounds, bounds, scan
from vaxel_shared.kafka.topic_reader import Record
from vaxel_shared.kafka.topics import DEADLETTERS, INTERACTIONS, WORK
from vaxel_shared.settings import Settings

REPLAY_HEADER = "vaxel-replay-of"
"""Names the dead letter whose original a record is."""
REPLAYABLE = (INTERACTIONS, WORK)
"""Decisions and snapshots are the router's alone; nobody else may append to them."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter and where it stands: ``place`` is its own partition and offset."""

    letter: DeadLetter
    place: str


async def read(settings: Settings) -> list[Letter]:
    """Every dead letter, once, the oldest first. Raises Retryable without a broker."""
    found: dict[str, Letter] = {}
    within = await bounds(settings, DEADLETTERS)
    async with aclosing(scan(settings, DEADLETTERS, within)) as records:
        async for record in records:
            place = f"{record.partition}:{record.offset}"
            try:
                letter = DeadLetter.model_validate_json(record.value)
            except ValidationError as error:
                raise Fatal(
                    f"{DEADLETTERS} {place} is no dead letter; is this our topic?"
                ) from error
            found.setdefault(letter.id, Letter(letter, place))
    return sorted(found.values(), key=lambda item: (item.letter.timestamp_ms, item.letter.id))


def pick(found: list[Letter], wanted: list[str]) -> list[Letter]:
    """Those that are meant: by place, id or the beginning of it. Raises (exit 2) for any other."""
    picked = []
    for text in wanted:
        same = [
            item for item in found if item.place == text or item.letter.id.startswith(text.lower())
        ]
        if len(same) != 1:
            many = "several dead letters" if same else "no dead letter"
            raise wrong_use(f"{many} {text!r}; see `vaxel dlq list`")
        picked.append(same[0])
    return picked


def summary(item: Letter) -> dict[str, Any]:
    """A dead letter without its bytes."""
    plain = item.letter.model_dump(exclude={"key_b64", "value_b64", "headers_b64"})
    return {**plain, "place": item.place, "bytes": len(original(item.letter).value)}


def document(item: Letter) -> dict[str, Any]:
    """A dead letter with the original record, readable and exact."""
    line = line_of(original(item.letter))
    return summary(item) | {name: line[name] for name in line if name not in summary(item)}


def original(letter: DeadLetter) -> Record:
    """The record that could not be handled, as it was."""
    return Record(
        topic=letter.topic,
        partition=letter.partition,
        offset=letter.offset,
        timestamp_ms=letter.timestamp_ms,
        key=None if letter.key_b64 is None else base64.b64decode(letter.key_b64),
        value=base64.b64decode(letter.value_b64),
        headers=tuple((n, base64.b64decode(v)) for n, v in letter.headers_b64.items()),
    )


async def replayed(settings: Settings, chosen: Iterable[DeadLetter]) -> set[str]:
    """The ids of those whose original was appended again, as far as their topics still tell."""
    first: dict[str, dict[int, int]] = defaultdict(dict)
    for letter in chosen:
        if letter.topic in REPLAYABLE:
            known = first[letter.topic].get(letter.partition, letter.offset)
            first[letter.topic][letter.partition] = min(known, letter.offset)
    found: set[str] = set()
    for topic, offsets in first.items():
        whole = await bounds(settings, topic)
        within = {
            number: Bounds(max(whole[number].begin, offset + 1), whole[number].end)
            for number, offset in offsets.items()
        }
        async with aclosing(scan(settings, topic, within)) as records:
            async for record in records:
                found |= {v.decode() for n, v in record.headers if n == REPLAY_HEADER}
    return found


async def replay(
    settings: Settings, chosen: list[Letter], advance: Callable[[], None]
) -> list[dict[str, Any]]:
    """Append each original again unless that was done; answers what became of each, in order.

    Raises Retryable where an append is not acknowledged: asking again is safe.
    """
    done = await replayed(settings, [item.letter for item in chosen])
    results = []
    for item in chosen:
        letter = item.letter
        result: dict[str, Any] = {
            "id": letter.id,
            "topic": letter.topic,
            "partition": letter.partition,
        }
        if letter.topic not in REPLAYABLE:
            why = f"only the router writes {letter.topic}"
            results.append({**result, "done": "refused", "why": why})
        elif letter.id in done:
            why = "its original was appended again before"
            results.append({**result, "done": "already", "why": why})
        else:
            at = await _append(settings, letter)
            results.append({**result, "done": "replayed", "at": at})
        advance()
    return results


async def _append(settings: Settings, letter: DeadLetter) -> int:
    record = original(letter)
    headers = [pair for pair in record.headers if pair[0] != REPLAY_HEADER]
    headers.append((REPLAY_HEADER, letter.id.encode()))
    log = KafkaPartitionLog(settings, letter.topic, letter.partition)
    try:
        return (await log.append(record.key or b"", record.value, headers)).offset
    finally:
        await log.close()
