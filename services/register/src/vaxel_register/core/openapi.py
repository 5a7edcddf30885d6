"""The OpenAPI 3.1 description, made of the same table and models that serve."""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from vaxel_register.core import limits, views
from vaxel_register.core.routes import ROUTES, Route

_PARAMETERS = {
    "number": "The case's number, such as `S7K-00042-P`.",
    "id": "The id.",
    "name": "The name.",
}
_ERRORS = {
    "401": "No valid token.",
    "403": "The token's role may not do this here.",
    "404": "There is no such thing.",
    "422": "The request makes no sense; `errors` names the fields.",
    "429": "Too many requests; `Retry-After` says when to come back.",
    "503": "Something this needs doesn't answer; `detail` says what.",
}
_WRITE_ERRORS = {
    "400": "The body is no JSON.",
    "409": "The router refused it; `title` is the reason's code. Nothing changed.",
    "413": "The body is too large.",
    "415": "The body is not JSON.",
}


def describe(version: str) -> dict[str, Any]:
    """The description of this version of the API."""
    models: list[tuple[type[BaseModel], JsonSchemaMode]] = [(views.Problem, "serialization")]
    for route in ROUTES:
        models.append((route.answers, "serialization"))
        if route.takes is not None:
            models.append((route.takes, "validation"))
    unique = list(dict.fromkeys(models))
    names, schemas = models_json_schema(unique, ref_template="#/components/schemas/{model}")
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, names, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Vaxel register",
            "version": version,
            "description": "Cases, queues and agents, and everything one does with them. A write"
            f" waits up to {limits.COMMAND_WAIT_MS} ms for the router's decision.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}, {"browser": [], "browserWho": []}],
        "paths": paths,
        "components": {
            "schemas": schemas.get("$defs", {}),
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token of this deployment; `vaxel up` writes some to"
                    " run.json.",
                },
                "browser": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "vaxel_<port>_<subject>",
                    "description": "The session of a one-time link: `vaxel login`.",
                },
                "browserWho": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-Vaxel-As",
                    "description": "The subject whose session is meant; no other site can set it.",
                },
            },
        },
    }


def _operation(route: Route, names: dict[Any, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "parameters": _parameters(route, names, schemas),
        "responses": _responses(route, names),
    }
    if route.action is None:
        operation["security"] = []
    if route.is_write and route.takes is not None:
        schema = names[(route.takes, "validation")]
        operation["requestBody"] = {
            "required": any(field.is_required() for field in route.takes.model_fields.values()),
            "content": {"application/json": {"schema": schema}},
        }
    return operation


def _parameters(
    route: Route, names: dict[Any, Any], schemas: dict[str, Any]
) -> list[dict[str, Any]]:
    found = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": _PARAMETERS[name],
            "schema": {"type": "string"},
        }
        for name in re.findall(r"{(\w+)}", route.path)
    ]
    if route.commands:
        found.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "description": "A repeat with the same key and body is the same command and gets"
                " the same answer. Left out, one is made and answered in the header of this name.",
                "schema": {"type": "string", "maxLength": limits.IDEMPOTENCY_CHARS_MAX},
            }
        )
    elif route.takes is not None and not route.is_write:
        reference = names[(route.takes, "validation")]["$ref"]
        model = schemas["$defs"][reference.rpartition("/")[2]]
        for name, schema in model["properties"].items():
            described = schema.pop("description", None)
            item = {"name": name, "in": "query", "required": False, "schema": schema}
            found.append(item | ({"description": described} if described else {}))
    return found


def _responses(route: Route, names: dict[Any, Any]) -> dict[str, Any]:
    shape = names[(route.answers, "serialization")]
    media = "text/event-stream" if route.streams else "application/json"
    found: dict[str, Any] = {"200": {"description": "Done.", "content": {media: {"schema": shape}}}}
    errors = dict(_ERRORS)
    if route.name == "openapi":
        found["200"]["content"][media]["schema"] = {"type": "object"}
    if route.action is None:
        errors = {"422": _ERRORS["422"]} if route.takes is not None else {}
    if route.is_write:
        errors |= _WRITE_ERRORS
    if route.commands:
        found["202"] = {
            "description": "Accepted, not decided yet; `Location` says where to ask.",
            "headers": {"Location": {"schema": {"type": "string"}}},
            "content": {"application/json": {"schema": shape}},
        }
    problem = {"application/problem+json": {"schema": names[(views.Problem, "serialization")]}}
    for status, description in sorted(errors.items()):
        found[status] = {"description": description, "content": problem}
    return found
