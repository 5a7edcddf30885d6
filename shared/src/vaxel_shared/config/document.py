"""YAML with the line of every value, so that an error names the place and what to do.

Mappings that are items of a list get their place as ``at`` (``routing.yaml:42``): it travels with
the policy into decisions, and ``vaxel explain`` shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from vaxel_shared.errors import VaxelError

FILE_BYTES_MAX = 4 * 1024 * 1024
"""A larger file is a mistake; parsing one would stall whoever watches it."""

NESTING_MAX = 50
"""No shape of ours is a fifth as deep."""

VALUES_MAX = 1_000_000
"""In a file, aliases followed: forty for each of 20,000 agents. Nine aliases in a row, each a list
of nine of the one before, are more."""

Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml where it is there: a large roster is read eight times as quickly."""

Path_ = tuple[str | int, ...]


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
        return Problem(self.file, self.line(path), message)

    def line(self, path: Path_) -> int:
        """The line of ``path``, or of the nearest known place above it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def read(path: Path) -> Document:
    """Read and parse a file. Raises :class:`ConfigError` where it is missing or no YAML."""
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_BYTES_MAX + 1)
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
        text = raw.decode("utf-8-sig")
        _check_nesting(file, text)
        loader = Loader(text)
        node = loader.get_single_node()
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ConfigError([Problem(file, line, "not UTF-8; save it as UTF-8")]) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = mark.line + 1 if mark else 1
        what = f"not YAML: {error.problem}; check indentation and quotes here"
        raise ConfigError([Problem(file, line, what)]) from error
    except yaml.YAMLError as error:
        line = _line_of(text, getattr(error, "position", 0))
        what = "a character that no text file holds; delete it"
        raise ConfigError([Problem(file, line, what)]) from error
    builder = _Builder(file, loader)
    data = builder.build(node, (), in_list=False) if node is not None else {}
    return Document(file, data, builder.lines, raw)


def _check_nesting(file: str, text: str) -> None:
    """Before the parser recurses: libyaml's would run out of the machine's stack and die."""
    depth = 0
    for event in yaml.parse(text, Loader=Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > NESTING_MAX:
            line = event.start_mark.line + 1 if event.start_mark else 1
            raise ConfigError([Problem(file, line, "nested too deeply; flatten it")])


def _line_of(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


class _Builder:
    """Makes plain data of nodes, and notes the line of every path on the way."""

    def __init__(self, file: str, loader: Any) -> None:
        self.lines: dict[Path_, int] = {}
        self._file = file
        self._loader = loader
        self._values = 0

    def build(self, node: yaml.Node, path: Path_, *, in_list: bool) -> Any:
        line = node.start_mark.line + 1
        self.lines.setdefault(path, line)
        self._values += 1
        if len(path) > NESTING_MAX:
            raise self._error(line, "nested too deeply; flatten it")
        if self._values > VALUES_MAX:
            raise self._error(line, f"more than {VALUES_MAX} values, aliases followed; split it")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, line, in_list=in_list)
        if isinstance(node, yaml.SequenceNode):
            items = enumerate(node.value)
            return [self.build(item, (*path, index), in_list=True) for index, item in items]
        return self._scalar(node, line)

    def _mapping(
        self, node: yaml.MappingNode, path: Path_, line: int, *, in_list: bool
    ) -> dict[str, Any]:
        built: dict[str, Any] = {"at": f"{self._file}:{line}"} if in_list else {}
        for key_node, value_node in node.value:
            key_line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise self._error(key_line, "a key is a word; put the brackets after the colon")
            key = str(key_node.value)
            if in_list and key == "at":
                raise self._error(key_line, "unknown key 'at'; Vaxel fills it in itself")
            if key in built:
                raise self._error(key_line, f"{key!r} stands here twice; keep one")
            self.lines[(*path, key)] = key_line
            built[key] = self.build(value_node, (*path, key), in_list=False)
        return built

    def _scalar(self, node: yaml.Node, line: int) -> Any:
        try:
            return self._loader.construct_object(node)
        except (yaml.YAMLError, ValueError, KeyError, OverflowError) as error:
            # E.g. a tag that isn't YAML's own, or the 45th of a month: a date only by its looks.
            raise self._error(line, "not a value that YAML knows; put it in quotes") from error

    def _error(self, line: int, message: str) -> ConfigError:
        return ConfigError([Problem(self._file, line, message)])


def duplicates(
    document: Document, of: Path_, key: str, same: Callable[[str], str] = str
) -> Iterator[Problem]:
    """A problem for every item of the list at ``of`` whose ``key`` an earlier one has.

    ``same`` gives what is compared, e.g. ``str.lower``. Whatever isn't of that shape is left to
    validation.
    """
    items: Any = document.data
    for part in of:
        items = items.get(part) if isinstance(items, dict) else None
    first: dict[str, int] = {}
    for index, item in enumerate(items if isinstance(items, list) else []):
        value = item.get(key) if isinstance(item, dict) else None
        if not isinstance(value, str):
            continue
        line = document.line((*of, index, key))
        if (earlier := first.setdefault(same(value), line)) != line:
            message = f"{key} {value!r} stands in line {earlier} already; change one"
            yield document.problem((*of, index, key), message)
