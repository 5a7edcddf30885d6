"""``connectors.yaml``: what Vaxel talks to. Secrets never stand here, only names of their files."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import Field, model_validator

from vaxel_shared.config.base import ConfigModel, Duration, Located
from vaxel_shared.connectors.targets import url_fault

WEBHOOKS_MAX = 50
"""Each answer that comes in is checked against the secrets of all of them."""


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


class Chat(ConfigModel):
    """Automatic messages in live chats."""

    acknowledge: bool = True
    """Whether a customer is told the number of a new case."""


HookEvent = Literal["offer", "assigned", "ended"]


class Webhook(Located):
    """A tool that hears of its agents' work by signed POSTs, and may answer for them.

    ``pools`` and ``agents`` narrow it down, both where both are named; left out: everybody's.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")
    url: str
    secret_file: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    """The file among the secrets with the signing secret, or two while it is exchanged."""
    pools: list[str] = []
    agents: list[str] = []
    events: list[HookEvent] = Field(default=["offer", "assigned", "ended"], min_length=1)
    offers_by_mail_too: bool = False
    """Whether agents whose offers come this way get them by mail as well."""
    allow_private: bool = False
    """Whether the tool may stand on this machine or in the own network, and be called by http."""
    authority: Literal["vaxel"] = "vaxel"
    """Who owns the assignee. Nothing but ``vaxel`` yet: the tool follows."""

    @model_validator(mode="after")
    def _url(self) -> Webhook:
        fault = url_fault(self.url, allow_private=self.allow_private)
        if fault is not None:
            raise ValueError(f"webhook {self.name!r}: url {fault}")
        return self

    def covers(self, pool: str, agent_id: str) -> bool:
        """Whether it speaks for this agent of this pool."""
        in_pool = not self.pools or pool in self.pools
        return in_pool and (not self.agents or agent_id in self.agents)


class Connectors(ConfigModel):
    """The whole file."""

    mail: Mail
    chat: Chat = Field(default_factory=Chat)
    webhooks: list[Webhook] = Field(default=[], max_length=WEBHOOKS_MAX)
    public_url: str | None = None
    """Where agents' browsers reach delivery's links; left out, delivery's own address."""

    @model_validator(mode="after")
    def _apart(self) -> Connectors:
        doubled = _doubled(hook.name for hook in self.webhooks)
        if doubled:
            raise ValueError(f"webhooks with the same name: {doubled}; rename one")
        shared = _doubled(hook.secret_file for hook in self.webhooks)
        if shared:
            # An answer is known by the secret that signed it.
            raise ValueError(f"webhooks with the same secret_file: {shared}; give each its own")
        return self

    def webhook(self, name: str) -> Webhook | None:
        """The webhook of this name."""
        return next((hook for hook in self.webhooks if hook.name == name), None)


def _doubled(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(sorted({name for name in listed if listed.count(name) > 1}))
