"""Which interactions become contacts, and which of those nobody wrote.

Nothing is dropped that a person could want answered: what can't be told is handed to the router.
"""

from __future__ import annotations

from typing import Literal

from vaxel_shared.contracts.interaction import Flag, Interaction

Skip = Literal["outbound", "echo", "signal", "report"]
"""Why an interaction is no contact: what we sent, what our agents sent, a mark, a receipt."""

_SIGNALS = frozenset({"typing", "read", "reaction", "edit", "delete", "membership"})
"""They change how a conversation looks; the register shows them, nobody has to answer."""

_REPORTS = frozenset({"delivery", "optin", "optout", "system"})
"""They say what became of something; a bounce among them is a contact all the same."""


def skipped(interaction: Interaction) -> Skip | None:
    """Why this is no contact; None if it is one."""
    if interaction.direction == "outbound":
        return "outbound"
    if interaction.direction == "echo":
        return "echo"
    if interaction.kind in _SIGNALS and left(interaction) is None:
        return "signal"
    if interaction.kind in _REPORTS and not is_bounce(interaction):
        return "report"
    return None


def left(interaction: Interaction) -> Literal["left", "hung_up"] | None:
    """How the customer ended the conversation, if this says so; None: it says something else."""
    if interaction.direction != "inbound" or interaction.kind != "membership":
        return None
    state = (interaction.status or {}).get("state")
    return "left" if state == "left" else "hung_up" if state == "hung_up" else None


def is_bounce(interaction: Interaction) -> bool:
    """Whether it says that something of ours could not be delivered."""
    return interaction.bounce is not None or raised(interaction, "bounce")


def raised(interaction: Interaction, flag: str) -> bool:
    """Whether a flag is set."""
    value: Flag | None = getattr(interaction.flags, flag, None) if interaction.flags else None
    return value is not None and value.value


def automatic_codes(interaction: Interaction) -> list[str]:
    """Why this counts as written by nobody, e.g. ``["bounce"]``; empty if somebody did."""
    codes = [name for name in ("auto_reply", "list", "spam") if raised(interaction, name)]
    if is_bounce(interaction):
        codes.append("bounce")
    return sorted(codes)
