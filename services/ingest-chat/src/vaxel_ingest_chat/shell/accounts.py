"""Our chats and webhooks, from ``channels.yaml``, and the webhooks' secrets; both kept fresh.

A broken file keeps what held before. A webhook whose secret is missing isn't served: nothing that
can't be verified is ever taken.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from vaxel_shared.channels.catalog import platforms
from vaxel_shared.channels.platform import Platform
from vaxel_shared.config import source
from vaxel_shared.config.channels import Account, Channels
from vaxel_shared.config.source import ConfigError
from vaxel_shared.obs.logging import get_logger

FILE = "channels.yaml"
SECRETS_MAX = 2
"""Live at once: the old one and the new one while they are exchanged."""
SECRET_BYTES_MAX = 4_096


@dataclass(frozen=True, slots=True)
class Chat:
    """An account that visitors chat with."""

    id: str
    pool: str
    origins: frozenset[str]


@dataclass(frozen=True, slots=True)
class Hook:
    """An account that a platform posts to. ``platform`` is None where we don't know it."""

    id: str
    pool: str
    platform: Platform | None
    secrets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Held:
    channels: bytes = b""
    chats: dict[str, Chat] = field(default_factory=dict)
    hooks: dict[str, Hook] = field(default_factory=dict)


class Accounts:
    """What is ours right now."""

    def __init__(self, folder: Path, secrets: Path) -> None:
        """Reads the file; raises :class:`ConfigError` where it is missing or wrong."""
        self._path = folder / FILE
        self._secrets = secrets
        self._said: set[str] = set()
        self._held = self._read()

    def chat(self, account_id: str) -> Chat | None:
        """The chat with this id."""
        return self._held.chats.get(account_id)

    def hook(self, account_id: str) -> Hook | None:
        """The webhook with this id."""
        return self._held.hooks.get(account_id)

    @property
    def first_chat(self) -> str | None:
        """The chat that the demo page shows."""
        return next(iter(self._held.chats), None)

    def refresh(self) -> None:
        """Read everything again; an error keeps what held and is said once."""
        try:
            self._held = self._read()
        except ConfigError as error:
            first = error.problems[0]
            self._say("config_kept", path=f"{first.file}:{first.line}", error=first.message)

    async def watch(self, stop: asyncio.Event, poll_ms: int) -> None:
        """Refresh until asked to stop."""
        while not stop.is_set():
            await asyncio.to_thread(self.refresh)
            try:
                await asyncio.wait_for(stop.wait(), poll_ms / 1000)
            except TimeoutError:
                continue

    def _read(self) -> _Held:
        document = source.read(self._path)
        accounts = source.validate(Channels, document).accounts
        chats = {
            item.id: Chat(item.id, item.pool, frozenset(item.origins))
            for item in accounts
            if item.channel == "chat"
        }
        hooks = {item.id: self._hook(item) for item in accounts if item.channel == "webhook"}
        return _Held(document.raw, chats, hooks)

    def _hook(self, account: Account) -> Hook:
        platform = platforms().get(account.platform)
        if platform is None:
            self._say("webhook_platform_unknown", name=account.id, kind=account.platform)
        secrets = self._live_secrets(account)
        if not secrets:
            remedy = f"write the signing secret to {account.secret_file} in the secrets folder"
            self._say("webhook_secret_missing", name=account.id, remedy=remedy)
        return Hook(account.id, account.pool, platform, secrets)

    def _live_secrets(self, account: Account) -> tuple[str, ...]:
        """One secret a line."""
        try:
            with (self._secrets / account.secret_file).open("rb") as file:
                text = file.read(SECRET_BYTES_MAX).decode("utf-8", "replace")
        except OSError:
            return ()
        return tuple(line.strip() for line in text.splitlines() if line.strip())[:SECRETS_MAX]

    def _say(self, event: str, **fields: str) -> None:
        said = f"{event} {fields}"
        if said not in self._said:
            self._said.add(said)
            get_logger().error(event, **fields)
