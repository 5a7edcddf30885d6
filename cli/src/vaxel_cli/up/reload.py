"""Saved configuration takes effect within two seconds, or is refused and the old one kept.

Policy and roster go to the router through the log; the services that read channels or connectors
follow those files themselves. Here every change is checked whole first, and told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from vaxel_cli.publish.changes import describe
from vaxel_cli.publish.publications import Publication
from vaxel_cli.publish.publisher import publish
from vaxel_cli.publish.watch import Watcher
from vaxel_cli.up.account import Account
from vaxel_shared.config import deployment as deployment_files
from vaxel_shared.config.deployment import Deployment
from vaxel_shared.config.source import ConfigError
from vaxel_shared.errors import Retryable, VaxelError
from vaxel_shared.settings import Settings

STEP = "policy"
PAUSE_MS_FIRST = 200
PAUSE_MS_MAX = 5_000


class Reloader:
    """Publishes a deployment and follows its files. ``reloaded`` is called after each change."""

    def __init__(
        self,
        settings: Settings,
        deployment: Deployment,
        account: Account,
        reloaded: Callable[[], None],
    ) -> None:
        self.deployment = deployment
        self._settings = settings
        self._account = account
        self._reloaded = reloaded
        self._watcher = Watcher(settings.config_dir, self._on_change)

    async def publish_first(self) -> None:
        """Publish what changed since the last run, or everything on a new log."""
        self._account.begin(STEP, "publishing policy and roster")
        sent = await self._publish()
        agents, pools = len(self.deployment.roster.agents), len(self.deployment.routing.pools)
        what = f"{pools} pool{'s' if pools > 1 else ''}, {agents} agents"
        self._account.done(STEP, f"{what}, {'published' if sent else 'as published before'}")

    async def watch(self) -> None:
        """Follow the files until cancelled."""
        await self._watcher.run()

    async def _on_change(self, _names: set[str]) -> None:
        try:
            after = await asyncio.to_thread(deployment_files.load, self._settings.config_dir)
        except ConfigError as error:
            for problem in error.problems:
                self._account.say(f"not published: {problem}")
            self._account.say("the configuration in use stays as it was")
            return
        before, self.deployment = self.deployment, after
        try:
            sent = await self._publish()
        except VaxelError as error:
            self.deployment = before
            self._account.say(f"not published: {error}")
            return
        for line in describe(before, after):
            self._account.say(line)
        if sent:
            self._account.say(f"published {', '.join(sorted({item.kind for item in sent}))}")
        self._reloaded()

    async def _publish(self) -> list[Publication]:
        """Publish; while the broker is away, again and again: it comes back."""
        pause_ms = PAUSE_MS_FIRST
        while True:
            try:
                return await publish(self._settings, self.deployment)
            except Retryable as error:
                if pause_ms == PAUSE_MS_FIRST:
                    self._account.say(f"publishing waits: {error}")
                await asyncio.sleep(pause_ms / 1000)
                pause_ms = min(pause_ms * 2, PAUSE_MS_MAX)
