"""JSON Schemas of the configuration files, for editors: completion, and errors while typing.

They are computed from the models, with what stands beneath each field as its description. A schema
says less than the check does: `vaxel policy check` also knows what must hold between the files.
"""

from __future__ import annotations

import ast
import inspect
import itertools
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from vaxel_shared.config.base import Located, duration_ms
from vaxel_shared.config.channels import Channels
from vaxel_shared.config.connectors import Connectors
from vaxel_shared.config.roster import Roster
from vaxel_shared.config.routing import Routing
from vaxel_shared.config.sla import SlaFile

DIALECT = "https://json-schema.org/draft/2020-12/schema"
DURATION = {
    "description": "A number with ms, s, m, h or d, like 10m; a bare number is milliseconds.",
    "anyOf": [
        {"type": "string", "pattern": r"^\s*\d+(ms|s|m|h|d)\s*$"},
        {"type": "integer"},
    ],
}
_UNITS = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1))

FILES: dict[str, type[BaseModel]] = {
    "channels": Channels,
    "routing": Routing,
    "roster": Roster,
    "connectors": Connectors,
    "sla": SlaFile,
}
"""The model of each file, by its name without ``.yaml``."""

Schema = dict[str, Any]


class _AsWritten(GenerateJsonSchema):
    """As people write it: durations with their unit, and no place, which the reader fills in."""

    def function_before_schema(
        self, schema: core_schema.BeforeValidatorFunctionSchema
    ) -> JsonSchemaValue:
        function: Any = schema["function"].get("function")
        if function is duration_ms:
            return dict(DURATION)
        written = _WRITTEN.get(getattr(function, "__name__", ""))
        inner = super().function_before_schema(schema)
        return {"anyOf": [*written, inner]} if written else inner

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        built = super().model_schema(schema)
        model: type[BaseModel] = schema["cls"]
        if issubclass(model, Located):
            built.get("properties", {}).pop("at", None)
        for name, text in _descriptions(model).items():
            field = model.model_fields.get(name)
            shown = (field.alias or name) if field is not None else name
            if shown in built.get("properties", {}):
                built["properties"][shown]["description"] = text
        for (owner, name), short in _SHORT.items():
            if owner == model.__name__:
                long = built["properties"][name]
                built["properties"][name] = {"anyOf": [short, long]}
        for name, field in model.model_fields.items():
            part = built.get("properties", {}).get(field.alias or name)
            if part is not None and name.endswith("_ms") and isinstance(part.get("default"), int):
                part["default"] = duration(part["default"])
        return built

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's hook
        return False


_WRITTEN: dict[str, list[Schema]] = {
    "_hours_texts": [{"type": "string"}, {"type": "null"}],
    "_goals": [dict(DURATION)],
    "_listed": [{"type": "string"}],
    "_short": [{"type": "string"}],
}
"""What may stand there besides, by the function that reads it."""
_SHORT: dict[tuple[str, str], Schema] = {("CalendarConfig", "hours"): {"const": "always"}}
"""What may stand for a field, where its whole model reads it."""


def duration(ms: int) -> str:
    """Milliseconds as written: the largest unit without a rest, like ``10m``."""
    for unit, size in _UNITS:
        if ms % size == 0 and (ms or unit == "s"):
            return f"{ms // size}{unit}"
    raise AssertionError(ms)


def config_schemas() -> dict[str, Schema]:
    """Every file's schema by file name, e.g. ``config/routing.json``."""
    return {f"config/{name}.json": schema_of(model, name) for name, model in FILES.items()}


def schema_of(model: type[BaseModel], name: str) -> Schema:
    """The schema of one file."""
    built = model.model_json_schema(by_alias=True, schema_generator=_AsWritten)
    return {"$schema": DIALECT, "$id": f"urn:vaxel:schema:config:{name}", **built}


def _descriptions(model: type[BaseModel]) -> dict[str, str]:
    """What stands beneath each field of a model, by the field's name."""
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if not issubclass(base, BaseModel) or base is BaseModel:
            continue
        try:
            tree = ast.parse(inspect.cleandoc("\n" + inspect.getsource(base)))
        except (OSError, SyntaxError):
            continue  # no sources here: a schema without descriptions is one all the same
        body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
        for field, text in itertools.pairwise(body):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                said = _text(text)
                if said is not None:
                    found[field.target.id] = said
    return found


def _text(node: ast.stmt) -> str | None:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        value = node.value.value
        return " ".join(value.replace("``", "`").split()) if isinstance(value, str) else None
    return None
