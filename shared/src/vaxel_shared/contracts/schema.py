"""The published JSON Schemas: what stands on the topics, for readers that aren't Python.

Everything here is computed from the models, so a schema can't say what the code doesn't do. The
committed copies under ``docs/schemas`` are what others build against; a test compares both with
:mod:`vaxel_shared.contracts.compatibility`. Writing files is the business of
``vaxel schema export``.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from vaxel_shared.contracts import commands, decisions
from vaxel_shared.contracts.deadletters import DeadLetter
from vaxel_shared.contracts.interaction import Interaction
from vaxel_shared.contracts.sla import Due, Mark, Move, SlaEvent
from vaxel_shared.contracts.snapshots import LogRecord, SnapshotRecord

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_DEFS = "#/$defs/"

Schema = dict[str, Any]


class _AbsentNotNull(GenerateJsonSchema):
    """A field that doesn't apply is absent on the wire, so no published type admits null."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        built = super().default_schema(schema)
        if built.get("default", ...) is None:
            del built["default"]
        return built

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's hook
        return False


def schemas() -> dict[str, Schema]:
    """Every published JSON Schema by file name, e.g. ``command.v1.json``."""
    return {
        "interaction.v1.json": _one(Interaction, "interaction"),
        "command.v1.json": _command(),
        "decisions.v1.json": _batch(),
        "deadletter.v1.json": _one(DeadLetter, "deadletter"),
        "snapshot.v1.json": _one(SnapshotRecord, "snapshot"),
        "log.v1.json": _one(LogRecord, "log"),
        "sla.v1.json": _one(SlaEvent, "sla"),
        "clocks.v1.json": _clocks(),
    }


def render(document: Schema) -> str:
    """A document as it is committed: sorted keys and a final newline, so that diffs are small."""
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _head(name: str) -> Schema:
    return {"$schema": DIALECT, "$id": f"urn:vaxel:schema:{name}:v1"}


def _definitions(models: list[type[BaseModel]]) -> dict[str, Schema]:
    """``$defs`` of the models and all that they use, by class name."""
    _, document = models_json_schema(
        [(model, "validation") for model in models],
        by_alias=True,
        schema_generator=_AbsentNotNull,
    )
    found: dict[str, Schema] = document["$defs"]
    return found


def _one(model: type[BaseModel], name: str) -> Schema:
    """The schema of a topic that holds one shape."""
    definitions = _definitions([model])
    root = definitions.pop(model.__name__)
    return {**_head(name), **root, **({"$defs": definitions} if definitions else {})}


def _typed(envelope: str, data: dict[str, type[BaseModel]]) -> dict[str, Schema]:
    """One definition a type: the envelope, with this ``type`` and its own ``data``."""
    return {
        name: {
            "allOf": [{"$ref": _DEFS + envelope}],
            "properties": {
                "type": {"const": name},
                "data": {"$ref": _DEFS + model.__name__},
            },
            "required": ["type", "data"] if _needs_data(model) else ["type"],
        }
        for name, model in data.items()
    }


def _needs_data(model: type[BaseModel]) -> bool:
    return any(field.is_required() for field in model.model_fields.values())


def _command() -> Schema:
    definitions = _definitions([commands.Command, *commands.DATA.values()])
    typed = _typed("Command", dict(commands.DATA))
    return {
        **_head("command"),
        "title": "Command",
        "description": "One record of vaxel.work; its type says what stands in data.",
        "oneOf": [{"$ref": _DEFS + name} for name in typed],
        "$defs": {**definitions, **typed},
    }


def _clocks() -> Schema:
    """``vaxel.clocks`` holds three shapes, told apart by ``kind``."""
    models: dict[str, type[BaseModel]] = {"move": Move, "due": Due, "mark": Mark}
    definitions = _definitions(list(models.values()))
    named = {kind: definitions.pop(model.__name__) for kind, model in models.items()}
    return {
        **_head("clocks"),
        "title": "Clocks",
        "description": "One record of vaxel.clocks; its kind says which.",
        "oneOf": [{"$ref": _DEFS + kind} for kind in named],
        "$defs": {**definitions, **named},
    }


def _batch() -> Schema:
    definitions = _definitions([decisions.Batch, *decisions.DATA.values()])
    typed = _typed("Decision", dict(decisions.DATA))
    root = definitions.pop("Batch")
    root["properties"]["decisions"]["items"] = {"oneOf": [{"$ref": _DEFS + name} for name in typed]}
    return {**_head("decisions"), **root, "$defs": {**definitions, **typed}}
