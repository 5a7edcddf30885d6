"""A configuration file as its model, with every error in the words of whoever edits the file."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from vaxel_shared.config.document import (
    ConfigError,
    Document,
    Path_,
    Problem,
    duplicates,
    parse,
    read,
)

__all__ = ["ConfigError", "Document", "Problem", "duplicates", "hint", "parse", "read", "validate"]

M = TypeVar("M", bound=BaseModel)

QUOTED_MAX = 60
"""So much of a wrong value is shown."""


def validate(model: type[M], document: Document) -> M:
    """The document as ``model``. Raises :class:`ConfigError` with a line for every problem."""
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        # A misspelt key is also a missing one: the misspelling explains more.
        items = sorted(error.errors(), key=lambda item: item["type"] != "extra_forbidden")
        problems = [_explain(model, document, dict(item)) for item in items]
        raise ConfigError(problems) from error


def hint(wrong: str, known: list[str]) -> str:
    """What was perhaps meant by ``wrong``, or all that is known."""
    close = get_close_matches(wrong, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known) or 'none'}"


def _explain(model: type[BaseModel], document: Document, item: dict[str, Any]) -> Problem:
    path: Path_ = tuple(item["loc"])
    kind, given = str(item["type"]), item.get("input")
    name = ".".join(str(part) for part in path) or "the file"
    if kind == "extra_forbidden":
        wrong = str(path[-1])
        return document.problem(path, f"unknown key {wrong!r}; {hint(wrong, _keys(model, path))}")
    if kind == "missing":
        return document.problem(path, f"{path[-1]!r} is missing; add it")
    if kind == "string_type" and isinstance(given, bool):
        message = f"{name}: YAML takes yes, no, on and off for true and false; put it in quotes"
        return document.problem(path, message)
    message = str(item["msg"]).removeprefix("Value error, ")
    if isinstance(given, (str, int, float)) and kind != "value_error":
        message += f", not {str(given)[:QUOTED_MAX]!r}"
    return document.problem(path, f"{name}: {message}")


def _keys(model: type[BaseModel], path: Path_) -> list[str]:
    """The keys that may stand where the last one of ``path`` stands, by the model."""
    here: list[type[BaseModel]] = [model]
    for part in path[:-1]:
        if isinstance(part, str):
            fields = [(item.model_fields, part) for item in here]
            here = [
                found
                for known, name in fields
                for key, field in known.items()
                if name in (key, field.alias)
                for found in _models(field.annotation)
            ] or here
    names = {
        field.alias or key
        for item in here
        for key, field in item.model_fields.items()
        if key != "at"
    }
    return sorted(names)


def _models(annotation: Any) -> list[type[BaseModel]]:
    """The models inside an annotation, e.g. of ``list[Step] | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in get_args(annotation) for found in _models(part)]
