"""Checks exported topics against the published schemas: what is written is what was promised.

Input is what ``vaxel log export`` writes. A record of a topic that isn't exported, or a void batch
of decisions, is no finding.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema

from vaxel_shared.contracts.schema import schemas

_BY_TOPIC = {
    "vaxel.interactions": "interaction.v1.json",
    "vaxel.work": "command.v1.json",
    "vaxel.decisions": "decisions.v1.json",
    "vaxel.deadletters": "deadletter.v1.json",
}
_BY_KEY = {True: "log.v1.json", False: "snapshot.v1.json"}
"""Of the snapshots' topic: the record with key ``log`` is the log's identity."""


def violations(folder: Path) -> Iterator[str]:
    """What doesn't fit its schema, a line each: file, offset, place and why."""
    documents = schemas()
    for path in sorted(folder.glob("vaxel.*.jsonl")):
        topic = path.name.rpartition("-")[0]
        for line in path.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            is_log = record["key"] == "log"
            name = _BY_KEY[is_log] if topic == "vaxel.snapshots" else _BY_TOPIC.get(topic)
            if name is None or record.get("void"):
                continue
            value = record["value"]
            where = f"{path.name}@{record['offset']}"
            if topic == "vaxel.decisions":
                yield from _batch(documents[name], value["body"], where)
            elif topic == "vaxel.work":
                yield from _typed(documents[name], value, where)
            else:
                yield from _one(documents[name], value, where)


def _batch(schema: dict[str, Any], body: dict[str, Any], where: str) -> Iterator[str]:
    for index, decision in enumerate(body.get("decisions", [])):
        yield from _typed(schema, decision, f"{where} decision {index} {decision.get('type')}")
    yield from _one(schema, {**body, "decisions": []}, where)


def _typed(schema: dict[str, Any], item: dict[str, Any], where: str) -> Iterator[str]:
    """By the variant of its own type: the message then names the field, not "no variant"."""
    if item.get("type") not in schema["$defs"]:
        yield f"{where}: type {item.get('type')!r} isn't published"
        return
    variant = {"$ref": f"#/$defs/{item['type']}", "$defs": schema["$defs"]}
    yield from _one(variant, item, where)


def _one(schema: dict[str, Any], value: object, where: str) -> Iterator[str]:
    for error in jsonschema.Draft202012Validator(schema).iter_errors(value):
        yield f"{where}: {error.json_path}: {error.message}"
