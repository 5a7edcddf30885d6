"""A roster as CSV, one agent a row, and back: for spreadsheets and personnel systems. Pure.

Levels stand as ``billing:8 returns:4``, a share or an occupancy as ``6/1h``, channels as
``email:1/4`` (what one costs / how many) or ``email:1/4~voice~chat`` (put aside for those).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

from vaxel_shared.config import source
from vaxel_shared.config.document import ConfigError, Document, Path_, Problem
from vaxel_shared.config.roster import Agent, Capacity, Occupancy, Roster, Share
from vaxel_shared.config.schema import duration

COLUMNS = (
    "id", "name", "email", "pool", "role", "tier", "skills", "languages", "capacity", "channels",
    "present", "max_offers", "auto_accept", "backup", "shift", "authority",
    "share", "occupancy", "queue_order",
)  # fmt: skip
REQUIRED = ("id", "name", "email", "pool", "languages")
_YES = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False, "": False}


def write(agents: list[Agent]) -> str:
    """The agents as CSV with a heading."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for agent in agents:
        rows.writerow([
            agent.id, agent.name, agent.email, agent.pool, agent.role, agent.tier,
            _levels_out(agent.skills), _levels_out(agent.languages), agent.capacity,
            " ".join(_channel(name, item) for name, item in agent.channels.items()),
            str(agent.present).lower(), agent.max_offers, " ".join(agent.auto_accept),
            agent.backup, agent.shift, agent.authority,
            _within(agent.share), _within(agent.occupancy), " ".join(agent.queue_order),
        ])  # fmt: skip
    return text.getvalue()


def read(file: str, text: str) -> list[Agent]:
    """The agents of a CSV with a heading. Raises :class:`ConfigError` with file and line."""
    rows = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
    problems = _heading(file, rows.fieldnames or [])
    if problems:
        raise ConfigError(problems)
    data: list[dict[str, Any]] = []
    lines: dict[Path_, int] = {(): 1}
    for row in rows:
        index, line = len(data), rows.line_num
        lines[("agents", index)] = line
        if None in row or None in row.values():
            problems.append(Problem(file, line, "has another number of columns than the heading"))
            continue
        data.append(_agent(file, line, row, problems))
    if problems:
        raise ConfigError(problems)
    return source.validate(Roster, Document(file, {"agents": data}, lines, text.encode())).agents


def _heading(file: str, given: Any) -> list[Problem]:
    names = [str(name) for name in given]
    known = list(COLUMNS)
    problems = [
        Problem(file, 1, f"unknown column {name!r}; {source.hint(name, known)}")
        for name in names
        if name not in COLUMNS
    ]
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        problems.append(Problem(file, 1, f"column {', '.join(missing)} is missing; add it"))
    return problems


def _agent(file: str, line: int, row: dict[str, str], problems: list[Problem]) -> dict[str, Any]:
    """One row as it would stand in ``roster.yaml``; an empty cell leaves the field out."""
    agent: dict[str, Any] = {"at": f"{file}:{line}"}
    for name, cell in row.items():
        value = cell.strip()
        if not value:
            continue
        try:
            agent[name] = _CELLS.get(name, str)(value)
        except ValueError as error:
            problems.append(Problem(file, line, f"{name}: {error}"))
    return agent


def _levels_out(levels: dict[str, int]) -> str:
    return " ".join(f"{name}:{level}" for name, level in levels.items())


def _levels(cell: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for part in cell.split():
        name, _, level = part.partition(":")
        if not name or not level.isdecimal() or name in found:
            raise ValueError(f"{part!r}; write levels like billing:8 returns:4, each name once")
        found[name] = int(level)
    return found


def _channel(name: str, item: Capacity) -> str:
    return "~".join([f"{name}:{item.cost}/{item.max}", *item.interrupted_by])


def _channels(cell: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for part in cell.split():
        name, _, limits = part.partition(":")
        cost, _, most = limits.partition("/")
        most, *others = most.split("~")
        if not name or not cost.isdecimal() or not most.isdecimal() or name in found:
            raise ValueError(f"{part!r}; write channels like email:1/4, its cost and how many")
        found[name] = {"cost": int(cost), "max": int(most)}
        if others:
            found[name]["interrupted_by"] = others
    return found


def _within(limit: Share | Occupancy | None) -> str:
    return f"{limit.most}/{duration(limit.within_ms)}" if limit is not None else ""


def _limit(cell: str) -> dict[str, Any]:
    most, slash, within = cell.partition("/")
    if not slash or not most.isdecimal():
        raise ValueError(f"{cell!r}; write how much and in which time, like 6/1h")
    return {"most": int(most), "within": within}


def _number(cell: str) -> int:
    if not cell.isdecimal():
        raise ValueError(f"{cell!r} is no number")
    return int(cell)


def _flag(cell: str) -> bool:
    if cell.lower() not in _YES:
        raise ValueError(f"{cell!r}; write true or false")
    return _YES[cell.lower()]


_CELLS: dict[str, Callable[[str], Any]] = {
    "tier": _number,
    "capacity": _number,
    "skills": _levels,
    "languages": _levels,
    "channels": _channels,
    "present": _flag,
    "max_offers": _number,
    "authority": _number,
    "share": _limit,
    "occupancy": _limit,
    "auto_accept": str.split,
    "queue_order": str.split,
}
"""How a cell is read, by its column; the others are text."""
