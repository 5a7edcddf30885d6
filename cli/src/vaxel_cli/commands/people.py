"""Agents as the register knows them, found by id or by name."""

from __future__ import annotations

from typing import Any

from vaxel_cli.commands.api import Api
from vaxel_cli.console import wrong_use

SHOWN_MAX = 12


def agents(api: Api) -> list[dict[str, Any]]:
    """All agents, by id."""
    found: list[dict[str, Any]] = api.get("/api/v1/agents")["items"]
    return sorted(found, key=lambda agent: str(agent["id"]))


def find(everybody: list[dict[str, Any]], wanted: str) -> dict[str, Any]:
    """The one agent that is meant: by id, by whole name, or by part of it.

    Raises (exit 2) where nobody or several are meant.
    """
    text = wanted.casefold().strip()
    for same in (
        [agent for agent in everybody if agent["id"] == text],
        [agent for agent in everybody if text and _name(agent) == text],
        [agent for agent in everybody if text and text in _name(agent)],
    ):
        if len(same) == 1:
            return same[0]
        if same:
            several = ", ".join(label(agent) for agent in same[:SHOWN_MAX])
            raise wrong_use(f"{wanted!r} could be {several}; give the id")
    known = ", ".join(str(agent["id"]) for agent in everybody[:SHOWN_MAX]) or "none"
    raise wrong_use(f"no agent {wanted!r}; known are {known}")


def label(agent: dict[str, Any]) -> str:
    """An agent in one phrase: ``Aino Koskela (a01)``."""
    return f"{agent['name']} ({agent['id']})" if agent["name"] else str(agent["id"])


def levels(skills: dict[str, int] | None) -> str:
    """Skills or languages with their levels: ``billing 8, returns 4``."""
    return ", ".join(f"{name} {level}" for name, level in sorted((skills or {}).items())) or "-"


def elsewhere(agent: dict[str, Any]) -> str:
    """What an agent has in tools of their own: ``crm: email 3; phone: voice 1``."""
    tools = (
        f"{tool['source']}: {', '.join(f'{name} {n}' for name, n in tool['channels'].items())}"
        for tool in agent["elsewhere"]
    )
    return "; ".join(tools) or "-"


def _name(agent: dict[str, Any]) -> str:
    return str(agent["name"] or "").casefold()
