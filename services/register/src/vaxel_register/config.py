"""What the register is told besides the common settings; names start with ``VAXEL_``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from vaxel_register.core.limits import RATE_BURST, RATE_PER_S
from vaxel_shared.settings import Settings


class RegisterSettings(Settings):
    """The register's settings."""

    router_url: str | None = None
    """Where the router answers live reads; left out, its port on this machine."""
    api_rate_per_s: float = Field(default=RATE_PER_S, gt=0)
    """Requests a second and token subject."""
    api_burst: int = Field(default=RATE_BURST, ge=1)
    """Requests at once of one token subject."""
    agents_see_reasons: Literal["own", "all"] = "own"
    """Whether agents see what ruled others out of an offer, or only what concerns themselves."""

    console_presence: bool = False
    """Whether agents work at the console: whose last one closes has lost the connection, and the
    policy's grace begins. Off, presence is only what somebody says."""
    secure_cookies: bool = False
    """Whether browsers come by TLS, as they should past one machine: cookies go only by it then."""
    demo: bool = False
    """Whether the example deployment runs, whose mailbox takes all mail and can send examples."""

    @property
    def demo_url(self) -> str | None:
        """Where the local mailbox answers, if there is one."""
        return self.url("sink") if self.demo else None

    @property
    def router(self) -> str:
        """The router's base address."""
        return self.router_url or self.url("router")
