"""Whether a changed schema breaks those who read or wrote by the old one.

Within a version only optional fields are added: records of the old schema stand on the topics for
30 days and in archives for years, and must stay valid; readers built on it must go on finding what
they were promised. So these are breaks: a field removed, renamed or newly required; one that was
required and may now be missing; a type, an enumeration, a constant or a range narrowed; a variant
(a command's or decision's type) removed. Adding any of these is not: readers skip fields and types
that they don't know.
"""

from __future__ import annotations

from typing import Any

from vaxel_shared.contracts.schema import Schema

_NARROWER_WHEN_HIGHER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_NARROWER_WHEN_LOWER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")


def breaks(old: Schema, new: Schema) -> list[str]:
    """What the step from ``old`` to ``new`` breaks, one line each; empty when nothing.

    Both are whole documents with local ``$ref`` only. Each line names the place, e.g.
    ``sender.name: removed``.
    """
    return _Comparison(old, new).run()


class _Comparison:
    """One walk over two documents; a pair of definitions is visited once, so recursion ends."""

    def __init__(self, old: Schema, new: Schema) -> None:
        self._old = old
        self._new = new
        self._seen: set[tuple[str, str]] = set()
        self._found: list[str] = []

    def run(self) -> list[str]:
        self._compare(self._old, self._new, "")
        return self._found

    def _compare(self, old: Any, new: Any, place: str) -> None:
        names = (_name(old), _name(new))
        if all(names):
            if names in self._seen:
                return
            self._seen.add(names)
        before, after = _flat(old, self._old), _flat(new, self._new)
        self._properties(before, after, place)
        self._values(before, after, place)
        self._limits(before, after, place)
        for key in ("items", "additionalProperties"):
            self._inner(before.get(key), after.get(key), f"{place}[]")
        self._tuple(before.get("prefixItems"), after.get("prefixItems"), place)
        self._variants(before, after, place)

    def _say(self, place: str, what: str) -> None:
        self._found.append(f"{place or 'the document'}: {what}")

    def _properties(self, old: Schema, new: Schema, place: str) -> None:
        before, after = old.get("properties", {}), new.get("properties", {})
        required, requires = set(old.get("required", ())), set(new.get("required", ()))
        for name in before:
            here = f"{place}.{name}".lstrip(".")
            if name not in after:
                self._say(here, "removed")
            else:
                self._compare(before[name], after[name], here)
        for name in sorted(requires - required):
            self._say(f"{place}.{name}".lstrip("."), "newly required")
        for name in sorted(required - requires):
            if name in after:
                self._say(f"{place}.{name}".lstrip("."), "was always there, now optional")

    def _values(self, old: Schema, new: Schema, place: str) -> None:
        if gone := _missing(_types(old), _types(new)):
            self._say(place, f"type narrowed, no longer {', '.join(sorted(gone))}")
        if gone := _missing(_allowed(old), _allowed(new)):
            self._say(place, f"values narrowed, no longer {', '.join(sorted(map(str, gone)))}")
        for key in ("pattern", "format"):
            if new.get(key) is not None and new.get(key) != old.get(key):
                self._say(place, f"{key} {'changed' if key in old else 'added'}")

    def _limits(self, old: Schema, new: Schema, place: str) -> None:
        for keys, sign in ((_NARROWER_WHEN_HIGHER, 1), (_NARROWER_WHEN_LOWER, -1)):
            for key in keys:
                if key in new and (key not in old or sign * (new[key] - old[key]) > 0):
                    self._say(place, f"{key} narrowed to {new[key]}")

    def _inner(self, old: Any, new: Any, place: str) -> None:
        """``items`` or ``additionalProperties``: absent or true admits everything."""
        if new in (None, True):
            return
        if new is False:
            if old is not False:
                self._say(place, "no longer allowed")
        elif old in (None, True):
            self._say(place, "newly restricted")
        elif isinstance(old, dict) and isinstance(new, dict):
            self._compare(old, new, place)

    def _tuple(self, old: list[Any] | None, new: list[Any] | None, place: str) -> None:
        for index, (before, after) in enumerate(zip(old or [], new or [], strict=False)):
            self._compare(before, after, f"{place}[{index}]")

    def _variants(self, old: Schema, new: Schema, place: str) -> None:
        for key in ("oneOf", "anyOf"):
            if key not in old:
                if key in new:
                    self._say(place, f"newly one of {len(new[key])} variants")
                continue
            after = {_tag(item, self._new): item for item in new.get(key, [])}
            for item in old[key]:
                tag = _tag(item, self._old)
                here = f"{place}<{tag}>"
                if tag in after:
                    self._compare(item, after[tag], here)
                else:
                    self._say(here, "removed")


def _name(schema: Any) -> str:
    return str(schema.get("$ref", "")) if isinstance(schema, dict) else ""


def _flat(schema: Schema, document: Schema) -> Schema:
    """The schema with its ``$ref`` followed and its ``allOf`` merged into it."""
    merged: Schema = {"properties": {}, "required": []}
    parts = [*(_resolve(part, document) for part in schema.get("allOf", []))]
    if "$ref" in schema:
        parts.append(_resolve(schema, document))
    for part in [*(_flat(part, document) for part in parts), schema]:
        for key, value in part.items():
            if key == "properties":
                merged["properties"] = {**merged["properties"], **value}
            elif key == "required":
                merged["required"] = [*merged["required"], *value]
            elif key not in ("$ref", "allOf"):
                merged[key] = value
    return merged


def _resolve(schema: Schema, document: Schema) -> Schema:
    if "$ref" not in schema:
        return schema
    found: Any = document
    for step in str(schema["$ref"]).removeprefix("#/").split("/"):
        found = found[step]
    resolved: Schema = found
    return resolved


def _types(schema: Schema) -> set[str] | None:
    """The JSON types a schema admits; None: all. An integer is a number."""
    declared = schema.get("type")
    if declared is None:
        return None
    types = {declared} if isinstance(declared, str) else set(declared)
    return types | {"integer"} if "number" in types else types


def _allowed(schema: Schema) -> set[Any] | None:
    """The values a schema enumerates; None: all."""
    if "const" in schema:
        return {schema["const"]}
    return set(schema["enum"]) if "enum" in schema else None


def _missing(old: set[Any] | None, new: set[Any] | None) -> set[Any]:
    """What ``old`` admits and ``new`` doesn't; ``anything else`` where ``old`` admitted all."""
    if new is None:
        return set()
    return {"anything else"} if old is None else old - new


def _tag(item: Schema, document: Schema) -> str:
    """What tells a variant from its siblings: its constant ``type``, else its shape."""
    flat = _flat(item, document)
    constant = flat["properties"].get("type", {}).get("const")
    return str(constant or flat.get("title") or flat.get("type") or "variant")
