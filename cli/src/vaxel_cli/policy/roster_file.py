"""``roster.yaml`` with other agents in it: what didn't change stays as it was written. Pure.

Comments stay too: those above an agent go with it, whoever else comes or leaves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

from vaxel_shared.config import source
from vaxel_shared.config.document import ConfigError, Document
from vaxel_shared.config.roster import Agent, Roster
from vaxel_shared.config.schema import duration


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one agent; ``fields`` are (name, old, new)."""

    kind: str
    """added, removed, changed"""
    id: str
    fields: tuple[tuple[str, Any, Any], ...] = ()

    def plain(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        fields = {name: {"old": old, "new": new} for name, old, new in self.fields}
        return {"kind": self.kind, "id": self.id, "fields": fields}


def merged(before: list[Agent], given: list[Agent], *, replace: bool) -> list[Agent]:
    """The roster after an import: in the order of before, the new ones at the end.

    Whoever isn't in ``given`` stays, unless ``replace``.
    """
    new = {agent.id: agent for agent in given}
    kept = [new.get(agent.id, agent) for agent in before if agent.id in new or not replace]
    known = {agent.id for agent in before}
    return [*kept, *(agent for agent in given if agent.id not in known)]


def changes(before: list[Agent], after: list[Agent]) -> list[Change]:
    """The difference, agent by agent."""
    old = {agent.id: plain(agent) for agent in before}
    new = {agent.id: plain(agent) for agent in after}
    found = [Change("removed", name) for name in old if name not in new]
    for name, values in new.items():
        if name not in old:
            fields = tuple((key, None, value) for key, value in values.items() if key != "id")
            found.append(Change("added", name, fields))
        elif old[name] != values:
            pairs = ((key, old[name].get(key), value) for key, value in values.items())
            found.append(Change("changed", name, tuple(one for one in pairs if one[1] != one[2])))
    return found


def plain(agent: Agent) -> dict[str, Any]:
    """An agent's fields as they stand in the file."""
    fields = {name: value for name, value in agent.model_dump().items() if name != "at"}
    for name, limit in (("share", agent.share), ("occupancy", agent.occupancy)):
        if limit is not None:
            fields[name] = {"most": limit.most, "within": duration(limit.within_ms)}
    return fields


def rewritten(document: Document, before: list[Agent], after: list[Agent]) -> str:
    """The file with ``after`` in it; it is read again, so that what is written is what was meant.

    Raises :class:`ConfigError` where the new roster isn't valid.
    """
    text = document.raw.decode("utf-8-sig")
    kept = _in_place(document, text, before, after)
    for candidate in (kept, _anew(document, text, after)):
        if candidate is not None and _says(candidate, after):
            return candidate
    # Say what is wrong with it, in the words of the check.
    wrong = source.parse(document.file, _anew(document, text, after).encode())
    source.validate(Roster, wrong)
    raise ConfigError([document.problem((), "can't be rewritten; change it by hand")])


def _says(text: str, agents: list[Agent]) -> bool:
    try:
        found = source.validate(Roster, source.parse("roster.yaml", text.encode())).agents
    except ConfigError:
        return False
    return [plain(agent) for agent in found] == [plain(agent) for agent in agents]


def _in_place(document: Document, text: str, before: list[Agent], after: list[Agent]) -> str | None:
    """Block by block; None where the agents don't stand in lines of their own."""
    if not before:
        return None
    lines = text.splitlines(keepends=True)
    starts = [document.line(("agents", index)) - 1 for index in range(len(before))]
    if len(set(starts)) != len(starts) or any(
        not lines[start].lstrip().startswith("- ") for start in starts
    ):
        return None
    stops = [*starts[1:], len(lines)]
    ends = [_end(lines, start, stop) for start, stop in zip(starts, stops, strict=True)]
    wanted = {agent.id: agent for agent in after}
    known = {agent.id: agent for agent in before}
    indent = len(lines[starts[0]]) - len(lines[starts[0]].lstrip())
    out, place = [], 0
    for agent, start, end in zip(before, starts, ends, strict=True):
        out.append("".join(lines[place:start]))
        if agent.id in wanted:
            same = plain(wanted[agent.id]) == plain(known[agent.id])
            old = "".join(lines[start:end])
            out.append(old if same else block(wanted[agent.id], indent))
        place = end
    added = [block(agent, indent) for agent in after if agent.id not in known]
    rest = "".join(lines[place:])
    return "".join(out) + "".join(f"\n{one}" for one in added) + rest


def _end(lines: list[str], start: int, stop: int) -> int:
    """Where a block ends: the comments and empty lines behind it belong to what follows."""
    while stop > start + 1 and (not lines[stop - 1].strip() or lines[stop - 1].lstrip()[0] == "#"):
        stop -= 1
    return stop


def _anew(document: Document, text: str, after: list[Agent]) -> str:
    """What stands above ``agents:``, and all agents written anew."""
    head = text.splitlines(keepends=True)[: document.line(("agents",)) - 1]
    if not after:
        return "".join(head) + "agents: []\n"
    return "".join(head) + "agents:\n" + "\n".join(block(agent, 2) for agent in after)


def block(agent: Agent, indent: int) -> str:
    """One agent as an item of the list, a field a line; the usual role is left out."""
    fields = plain(agent)
    if fields["role"] == "agent":
        del fields["role"]
    lines = [f"{name}: {_flow(value)}" for name, value in fields.items()]
    space = " " * indent
    return "".join(
        f"{space}{'- ' if number == 0 else '  '}{line}\n" for number, line in enumerate(lines)
    )


def _flow(value: Any) -> str:
    text = yaml.safe_dump(
        value, default_flow_style=True, allow_unicode=True, sort_keys=False, width=10_000
    )
    return text.removesuffix("\n").removesuffix("\n...")
