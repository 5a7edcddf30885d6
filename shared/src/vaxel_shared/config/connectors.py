"""``connectors.yaml``: what Vaxel talks to. Secrets never stand here, only names of their files."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from vaxel_shared.config.base import ConfigModel, Duration


class Relay(ConfigModel):
    """The SMTP server that takes our mail. ``host: sink`` is the example's local mailbox."""

    host: str
    port: int = Field(default=25, ge=1, le=65_535)
    tls: Literal["none", "starttls", "implicit"] = "starttls"
    username: str | None = None
    password_file: str | None = None


class AutomaticMail(ConfigModel):
    """Limits on mail that nobody wrote (RFC 3834): they end loops with other machines."""

    acknowledge: bool = True
    per_sender_max: int = Field(default=10, ge=0)
    per_sender_window_ms: Duration = Field(default=7_200_000, alias="per_sender_window")
    per_conversation_window_ms: Duration = Field(
        default=86_400_000, alias="per_conversation_window"
    )


class Mail(ConfigModel):
    """Outgoing mail."""

    relay: Relay
    from_name: str = "Support"
    automatic: AutomaticMail = Field(default_factory=AutomaticMail)


class Connectors(ConfigModel):
    """The whole file."""

    mail: Mail
    public_url: str | None = None
    """Where agents' browsers reach delivery's links; left out, delivery's own address."""
