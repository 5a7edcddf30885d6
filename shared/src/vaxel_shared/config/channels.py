"""``channels.yaml``: where contacts come in, and to which pool each account belongs."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, model_validator

from vaxel_shared.config.base import ConfigModel, LanguageTag, Located

_ORIGIN = re.compile(r"^https?://[a-z0-9.-]+(:\d{1,5})?$|^https?://\[[0-9a-f:]+\](:\d{1,5})?$")
_OWN_KEYS: dict[str, frozenset[str]] = {
    "email": frozenset({"address"}),
    "chat": frozenset({"origins"}),
    "webhook": frozenset({"platform", "secret_file"}),
}
"""The keys that only one channel has."""


class Account(Located):
    """One way in. The pool is a function of the account, never of content."""

    id: str = Field(pattern=r"^[a-z][a-z0-9-]{0,63}$")
    """Stands for the address wherever no address may stand: keys, commands, decisions."""
    channel: Literal["email", "chat", "webhook"] = "email"
    pool: str
    queue: str
    """Where contacts go that no rule sends elsewhere."""
    address: str = ""
    """Mail: what customers write to. Empty for every other channel."""
    origins: list[str] = []
    """Chat: the web sites that may embed the widget, like ``https://shop.example``."""
    platform: str = Field(default="standard", pattern=r"^[a-z][a-z0-9_-]{0,63}$")
    """Webhook: who sends it, the name of a file in ``vaxel_shared/channels/``."""
    secret_file: str = Field(default="", pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]{0,63})?$")
    """Webhook: the file among the secrets with the signing secret, or two while it is exchanged."""

    @model_validator(mode="after")
    def _of_its_channel(self) -> Account:
        for channel, keys in _OWN_KEYS.items():
            for key in sorted(keys & self.model_fields_set):
                if channel != self.channel:
                    raise ValueError(f"{key!r} belongs to {channel}, not to {self.channel}")
        if self.channel == "email" and not self.address:
            raise ValueError("'address' is missing; add it")
        if self.channel == "webhook" and not self.secret_file:
            raise ValueError("'secret_file' is missing; name a file in the secrets folder")
        for origin in self.origins:
            if not _ORIGIN.match(origin):
                raise ValueError(f"{origin!r} is no origin; write it like https://shop.example")
        return self

    @property
    def name(self) -> str:
        """What an interaction calls it: the address of mail, the id of everything else."""
        return self.address or self.id


class Channels(ConfigModel):
    """The whole file."""

    deployment: str
    languages: list[LanguageTag] = Field(min_length=1)
    """BCP 47 tags that this deployment answers in; language detection is restricted to them."""
    default_language: LanguageTag
    accounts: list[Account] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> Channels:
        if self.default_language not in self.languages:
            raise ValueError("default_language must be one of languages")
        seen: set[str] = set()
        for account in self.accounts:
            for name in {account.name.lower(), account.id}:
                if name in seen:
                    raise ValueError(f"account {name} stands twice; keep one")
                seen.add(name)
        return self

    def account(self, name: str) -> Account | None:
        """The account that interactions call ``name``, compared without case."""
        wanted = name.lower()
        return next((item for item in self.accounts if item.name.lower() == wanted), None)

    def by_id(self, account_id: str) -> Account | None:
        """The account with this id."""
        return next((item for item in self.accounts if item.id == account_id), None)

    def ids(self, channel: str) -> list[str]:
        """The ids of a channel's accounts."""
        return [item.id for item in self.accounts if item.channel == channel]

    @property
    def addresses(self) -> list[str]:
        """What customers write mail to."""
        return [item.address for item in self.accounts if item.address]
