"""What preparing an effect comes to: something to send, or why not (yet)."""

from __future__ import annotations

from dataclasses import dataclass

from vaxel_delivery.core.mails import Mail
from vaxel_delivery.shell.lookups import Missing, Withheld
from vaxel_delivery.shell.outbox import AutomaticTo
from vaxel_shared.connectors.webhook import Post
from vaxel_shared.contracts.commands import Command
from vaxel_shared.contracts.interaction import Interaction


@dataclass(frozen=True, slots=True)
class Ready:
    """What to send, and what to remember with it."""

    message: Mail | Interaction | Post | Command
    outbound: str | None = None
    """JSON of the interaction to append once the message is sent."""
    automatic: AutomaticTo | None = None


Prepared = Ready | Missing | Withheld
