"""Whether an acknowledgement may be sent: the rules that end loops with other machines.

Source: RFC 3834 sections 2 and 5. Every answer is a code, so that a person who asks why no
acknowledgement went out finds the reason in the result of the effect.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from vaxel_delivery.core.addresses import bare
from vaxel_delivery.core.kept import Kept
from vaxel_shared.config.connectors import AutomaticMail

SUPPRESSED = "suppressed_"
"""Stands before the code of every acknowledgement that was kept back on purpose."""


def suppressed_by_message(kept: Kept, rules: AutomaticMail, ours: AbstractSet[str]) -> str | None:
    """Why this message gets none, whatever was sent before; ``ours`` are our own addresses."""
    if not rules.acknowledge:
        return f"{SUPPRESSED}switched_off"
    if kept.quiet is not None:
        return f"{SUPPRESSED}{kept.quiet}"
    if bare(kept.sender_address) in ours:
        return f"{SUPPRESSED}own_address"
    return None


def suppressed_by_history(in_conversation: int, to_sender: int, rules: AutomaticMail) -> str | None:
    """Why no more: what was sent within the windows, to this conversation and to this sender."""
    if in_conversation > 0:
        return f"{SUPPRESSED}conversation_window"
    if to_sender >= rules.per_sender_max:
        return f"{SUPPRESSED}sender_cap"
    return None
