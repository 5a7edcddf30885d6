"""Wires the mailbox: a folder of mails, an SMTP server that fills it, routes that show it."""

from __future__ import annotations

import asyncio

from vaxel_cli.sink.config import SinkSettings
from vaxel_cli.sink.examples import Examples
from vaxel_cli.sink.mailbox import Mailbox
from vaxel_cli.sink.smtp import serve
from vaxel_cli.sink.web import routes
from vaxel_shared.service import Service


async def build(settings: SinkSettings) -> Service:
    """The service, its mails read back from disk."""
    mailbox = await asyncio.to_thread(Mailbox, settings.data_dir / "sink", settings.sink_mails_max)
    listening = asyncio.Event()

    async def smtp(stop: asyncio.Event) -> None:
        await serve(mailbox, settings.bind, settings.port("sink-smtp"), listening, stop)

    return Service(
        name="sink",
        settings=settings,
        tasks={"smtp": smtp},
        routes=[*routes(mailbox), *Examples(settings, mailbox).routes()],
        not_ready=lambda: [] if listening.is_set() else ["the SMTP port isn't open yet"],
    )
