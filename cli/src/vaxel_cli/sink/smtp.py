"""Takes mail in: anything, from whoever may connect, up to a size."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from vaxel_cli.sink.mailbox import Mailbox
from vaxel_shared.obs.logging import get_logger

MAIL_BYTES_MAX = 40 * 1024 * 1024
"""A little more than the largest mail that Vaxel takes in or sends."""
LINE_BYTES_MAX = 64 * 1024
"""RFC 5321 allows 1,000; a mailbox for trying things out shows what others would refuse."""
IDLE_S = 60


class Server(SMTP):
    """The library's server, with longer lines."""

    line_length_limit = LINE_BYTES_MAX


class Handler:
    """The library's hook for a whole mail."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def handle_DATA(  # noqa: N802 - the library's name
        self, _server: Any, _session: Session, envelope: Envelope
    ) -> str:
        """Keep the mail, then say so."""
        content = envelope.content or b""
        raw = content.encode() if isinstance(content, str) else content
        now_ms = time.time_ns() // 1_000_000
        try:
            entry = await self._mailbox.add(
                envelope.mail_from or "", list(envelope.rcpt_tos), raw, now_ms
            )
        except OSError as error:
            get_logger().error("mail_not_kept", error=error.strerror or "", bytes=len(raw))
            return "451 4.3.1 the mailbox can't be written; try again later"
        get_logger().info("mail_kept", number=entry.id, bytes=len(raw))
        return f"250 2.0.0 kept as {entry.id}"


async def serve(
    mailbox: Mailbox, host: str, port: int, listening: asyncio.Event, stop: asyncio.Event
) -> None:
    """Listen until asked to stop; raises OSError where the port is taken."""
    loop = asyncio.get_running_loop()
    handler = Handler(mailbox)

    def connection() -> Server:
        return Server(
            handler,
            loop=loop,
            hostname="sink.localhost",
            ident="Vaxel sink",
            data_size_limit=MAIL_BYTES_MAX,
            enable_SMTPUTF8=True,
            timeout=IDLE_S,
        )

    server = await loop.create_server(connection, host, port)
    listening.set()
    try:
        await stop.wait()
    finally:
        listening.clear()
        server.close()
