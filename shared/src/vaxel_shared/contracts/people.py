"""Decisions about agents: who they are, whether they take work, and what else they have in hand."""

from __future__ import annotations

from typing import Literal

from vaxel_shared.contracts.base import Contract
from vaxel_shared.contracts.commands import AgentProfile


class Elsewhere(Contract):
    """What an agent has in hand in a tool, in place of what that tool said before."""

    source: str
    until_ms: int
    works: dict[str, tuple[int, int]]
    """By channel, how many that aren't ours, and what each takes of the agent's capacity."""
    missing: list[str] | None = None
    """Works of ours that the tool doesn't show; told again if it is so the next time too."""
    lingering: list[str] | None = None
    """Cases that it shows as the agent's and that aren't; likewise."""


class AgentChanged(Contract):
    """The profile where it changed, the presence where that changed."""

    profile: AgentProfile | None = None
    presence: str | None = None
    mode: str | None = None
    until_ms: int | None = None
    reason: str | None = None
    name: str | None = None
    """What the policy calls this presence."""
    grace_ms: int | None = None
    """The connection broke: nothing is taken from the agent until then."""
    closed: dict[str, int] | None = None
    """Channels that the agent takes nothing of → until when; 0: until it is said."""
    on_shift: bool | None = None
    """Whether the agent's shift is on, until ``shift_ms``."""
    shift_ms: int | None = None
    rest_ms: int | None = None
    """A pause until then; 0: it is over."""
    occupied: bool | None = None
    """Whether the agent had work in hand for as much of the time as the roster allows."""
    elsewhere: Elsewhere | None = None


class ToolDrifted(Contract):
    """A tool and we differ on a case, twice in a row: it is told again what holds."""

    source: str
    drift: Literal["missing", "lingering"]
    """The tool doesn't show the agent's work; or shows a case that isn't the agent's."""
    token: str | None = None
    """Of the assignment that it is told of again."""
