"""One-time links into the console: no token is copied by hand.

A link is a signed token that names who it lets in and until when; the register remembers which
were used. Making one needs the deployment's key, so only whoever runs the system can.
"""

from __future__ import annotations

import secrets
import time

from vaxel_shared.config.roster import Agent
from vaxel_shared.crypto.keys import Keyring
from vaxel_shared.crypto.tokens import sign
from vaxel_shared.settings import Settings

LINK_MS = 15 * 60_000
"""A printed link is opened now or not at all; the register takes none that holds longer."""
PURPOSE = "login"
SUPERVISOR = "supervisor"


def make(settings: Settings, role: str, subject: str, url: str | None = None) -> str:
    """A link that lets one browser in as ``subject``. Raises Fatal where the key is missing.

    ``url`` is where browsers reach the register; left out, its port on this machine.
    """
    payload = {
        "r": role,
        "s": subject,
        "j": secrets.token_urlsafe(16),
        "x": time.time_ns() // 1_000_000 + LINK_MS,
    }
    key = sign(Keyring.load(settings.secrets), PURPOSE, payload)
    return f"{(url or settings.url('register')).rstrip('/')}/login?k={key}"


def for_supervisor(settings: Settings, url: str | None = None) -> str:
    """A link for a supervisor of the whole deployment."""
    return make(settings, "supervisor", SUPERVISOR, url)


def for_agent(settings: Settings, agent: Agent, url: str | None = None) -> str:
    """A link for somebody of the roster, with the role they have there."""
    return make(settings, agent.role, agent.id, url)
