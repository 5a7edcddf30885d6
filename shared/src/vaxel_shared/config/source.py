"""YAML with the line of every value, so that an error names the place and what to do.

Mappings that are items of a list get their place as ``at`` (``routing.yaml:42``): it travels with
the policy into decisions, and ``vaxel explain`` shows it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from vaxel_shared.errors import VaxelError

FILE_BYTES_MAX = 4 * 1024 * 1024
"""A larger file is a mistake; parsing one would stall whoever watches it."""

NESTING_MAX = 50
"""No shape of ours is a fifth as deep; the parser recurses."""

Path_ = tuple[str | int, ...]
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, where, and the remedy."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        """E.g. ``routing.yaml:42: unknown key 'tier'; did you mean 'tiers'?``."""
        return f"{self.file}:{self.line}: {self.message}"


class ConfigError(VaxelError):
    """Everything that is wrong with a file; ``str()`` gives a line for each problem."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file: plain data, and the line of each path in it."""

    file: str
    data: Any
    lines: dict[Path_, int]
    raw: bytes

    def problem(self, path: Path_, message: str) -> Problem:
        """A problem at the nearest known place above ``path``."""
        while path and path not in self.lines:
            path = path[:-1]
        return Problem(self.file, self.lines.get(path, 1), message)


def read(path: Path) -> Document:
    """Read and parse a file. Raises :class:`ConfigError` where it is missing or no YAML."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        reason = error.strerror or "cannot be read"
        raise ConfigError(
            [Problem(path.name, 1, f"{reason}; create it or name another --config folder")]
        ) from error
    return parse(path.name, raw)


def parse(file: str, raw: bytes) -> Document:
    """Parse YAML bytes. Raises :class:`ConfigError` with the line of the first syntax error."""
    if len(raw) > FILE_BYTES_MAX:
        raise ConfigError([Problem(file, 1, f"larger than {FILE_BYTES_MAX} bytes; split it")])
    try:
        node = yaml.compose(raw.decode(), Loader=yaml.SafeLoader)
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ConfigError([Problem(file, line, "not UTF-8; save it as UTF-8")]) from error
    except RecursionError as error:
        raise ConfigError([Problem(file, 1, "nested too deeply; flatten it")]) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = mark.line + 1 if mark else 1
        what = f"not YAML: {error.problem}; check indentation and quotes here"
        raise ConfigError([Problem(file, line, what)]) from error
    except yaml.YAMLError as error:
        raise ConfigError([Problem(file, 1, "not YAML: unreadable characters")]) from error
    lines: dict[Path_, int] = {}
    data = _build(node, (), lines, file, in_list=False) if node is not None else {}
    return Document(file, data, lines, raw)


def _build(
    node: yaml.Node, path: Path_, lines: dict[Path_, int], file: str, *, in_list: bool
) -> Any:
    """Plain data of a node; notes the line of every path on the way."""
    line = node.start_mark.line + 1
    lines.setdefault(path, line)
    if len(path) > NESTING_MAX:
        raise ConfigError([Problem(file, line, "nested too deeply; flatten it")])
    if isinstance(node, yaml.MappingNode):
        built: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            key_line = key_node.start_mark.line + 1
            if key in built:
                raise ConfigError([Problem(file, key_line, f"{key!r} stands here twice; keep one")])
            lines[(*path, key)] = key_line
            built[key] = _build(value_node, (*path, key), lines, file, in_list=False)
        if in_list:
            built["at"] = f"{file}:{line}"
        return built
    if isinstance(node, yaml.SequenceNode):
        return [
            _build(item, (*path, index), lines, file, in_list=True)
            for index, item in enumerate(node.value)
        ]
    return yaml.SafeLoader("").construct_object(node)


def validate(model: type[M], document: Document) -> M:
    """The document as ``model``. Raises :class:`ConfigError` with a line for every problem."""
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        problems = [_explain(document, dict(item)) for item in error.errors()]
        raise ConfigError(problems) from error


def _explain(document: Document, item: dict[str, Any]) -> Problem:
    """A pydantic error in the words of someone who edits the file."""
    path: Path_ = tuple(item["loc"])
    name = ".".join(str(part) for part in path) or "the file"
    if item["type"] == "extra_forbidden":
        return document.problem(path, f"unknown key {path[-1]!r}; see the comments in the example")
    if item["type"] == "missing":
        return document.problem(path, f"{path[-1]!r} is missing; add it")
    return document.problem(path, f"{name}: {item['msg']}")
