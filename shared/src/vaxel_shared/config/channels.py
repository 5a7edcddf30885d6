"""``channels.yaml``: where contacts come in, and to which pool each account belongs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from vaxel_shared.config.base import ConfigModel, LanguageTag, Located


class Account(Located):
    """One of our addresses. The pool is a function of the account, never of content."""

    id: str = Field(pattern=r"^[a-z][a-z0-9-]{0,63}$")
    """Stands for the address wherever no address may stand: keys, commands, decisions."""
    address: str
    channel: Literal["email"] = "email"
    pool: str
    queue: str
    """Where contacts go that no rule sends elsewhere."""


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
            for name in (account.address.lower(), account.id):
                if name in seen:
                    raise ValueError(f"account {name} stands twice; keep one")
                seen.add(name)
        return self

    def account(self, address: str) -> Account | None:
        """The account with this address, compared without case."""
        wanted = address.lower()
        return next((item for item in self.accounts if item.address.lower() == wanted), None)
