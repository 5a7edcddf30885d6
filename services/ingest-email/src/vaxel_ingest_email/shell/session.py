"""One SMTP connection: aiosmtpd with what it lacks for mail that must not be lost.

* Our own trouble is 4xx, whatever happens (aiosmtpd answers any exception with 500, and the sender
  gives up); every reply has an enhanced code.
* DATA ends at ``<CR><LF>.<CR><LF>`` and nowhere else, takes lines of any length, is bounded in
  bytes as it comes, and may be slow but not too slow.
* Connections beyond the limits are told so and closed.
"""

from __future__ import annotations

import asyncio
import collections
from typing import TYPE_CHECKING, Any, cast

from aiosmtpd.smtp import SMTP

from vaxel_ingest_email.core import replies
from vaxel_ingest_email.shell.limiter import Hold, network

if TYPE_CHECKING:
    from vaxel_ingest_email.shell.receiver import Receiver

_END = b"\r\n.\r\n"
_FIRST_HOLD_BYTES = 64 * 1024
"""Reserved before a mail's size is known."""


class Session(SMTP):
    """The protocol of one connection."""

    line_length_limit = 64 * 1024
    """Also how much is buffered before DATA is taken on; no line is refused for its length."""

    def __init__(self, receiver: Receiver) -> None:
        settings = receiver.settings
        # Otherwise shared by all connections, where each EHLO raises them.
        self.command_size_limits = collections.defaultdict(lambda: 2_048)
        super().__init__(
            receiver,
            data_size_limit=settings.smtp_mail_bytes_max,
            enable_SMTPUTF8=True,
            hostname=settings.smtp_hostname,
            ident="ESMTP",
            timeout=settings.smtp_idle_timeout_ms / 1000,
            command_call_limit={"*": settings.smtp_commands_max},
            loop=asyncio.get_running_loop(),
        )
        self._receiver = receiver
        self._settings = settings
        self._entered = False
        self._peer: str | None = None
        self._data_since: float | None = None
        self._data_bytes = 0
        self._plain = False
        self.unknown_recipients = 0

    @property
    def peer(self) -> str | None:
        """The network it comes from; None for this machine."""
        return self._peer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let it in, or say why not and close."""
        name = transport.get_extra_info("peername")
        self._peer = network(str(name[0])) if name else None
        refusal = self._receiver.enter(self._peer)
        if refusal is not None:
            plain = cast("asyncio.Transport", transport)
            plain.write(refusal.encode() + b"\r\n")
            plain.close()
            return
        self._entered = True
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """Count it out; one that was never let in has nothing to clean up."""
        if self._entered:
            self._entered = False
            self._receiver.leave(self._peer)
            super().connection_lost(error)

    def eof_received(self) -> bool | None:
        """See :meth:`connection_lost`."""
        return super().eof_received() if self._entered else False

    def data_received(self, data: bytes) -> None:
        """Bytes count as progress while a mail comes in, if there are enough of them."""
        if not self._entered:
            return
        super().data_received(data)
        if self._data_since is None:
            return
        self._reset_timeout()
        self._data_bytes += len(data)
        elapsed_s = self.loop.time() - self._data_since
        graced = elapsed_s * 1000 <= self._settings.smtp_data_grace_ms
        if not graced and self._data_bytes < elapsed_s * self._settings.smtp_data_rate_min:
            self._data_since = None
            self._receiver.count("too_slow")
            self._writer.write(replies.TOO_SLOW.encode() + b"\r\n")
            self._writer.close()

    async def push(self, status: Any) -> None:
        """Send a reply with its enhanced code; after a 421 the connection is closed."""
        if isinstance(status, str) and not self._plain:
            status = replies.enhance(status)
        await super().push(status)
        if isinstance(status, str) and status.startswith("421") and self.transport is not None:
            self.transport.close()

    async def handle_exception(self, error: Exception) -> str:
        """Whatever went wrong is ours: the sender keeps the mail and comes back."""
        self._receiver.trouble(error)
        return replies.TROUBLE

    async def smtp_EHLO(self, hostname: str) -> None:  # noqa: N802 - aiosmtpd's name
        """Without enhanced codes in its reply (RFC 2034, section 4)."""
        self._plain = True
        try:
            await super().smtp_EHLO(hostname)
        finally:
            self._plain = False

    async def smtp_HELO(self, hostname: str) -> None:  # noqa: N802 - aiosmtpd's name
        """See :meth:`smtp_EHLO`."""
        self._plain = True
        try:
            await super().smtp_HELO(hostname)
        finally:
            self._plain = False

    async def smtp_DATA(self, arg: str | None) -> None:  # noqa: N802 - aiosmtpd's name
        """Take a mail."""
        if await self.check_helo_needed():
            return
        envelope = self.envelope
        if envelope is None or not envelope.rcpt_tos:
            await self.push("503 5.5.1 Error: need RCPT command")
            return
        if arg:
            await self.push("501 5.5.4 Syntax: DATA")
            return
        hold = self._receiver.budget.hold(_FIRST_HOLD_BYTES)
        if hold is None:
            self._receiver.count("busy")
            await self.push(replies.BUSY)
            return
        handed_over = False
        try:
            raw, status = await self._receive(hold)
            if status is None:
                handed_over = True
                status = await self._receiver.accept(raw, envelope, hold)
        finally:
            self._data_since = None
            if not handed_over:
                hold.release()
        self.envelope = self._create_envelope()
        await self.push(status)

    async def _receive(self, hold: Hold) -> tuple[bytes, str | None]:
        """The mail, or why it is refused."""
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        self._data_since, self._data_bytes = self.loop.time(), 0
        # The line end before the first line, so that a mail that is nothing but "." ends too.
        buffer: bytearray = cast("Any", self._reader)._buffer  # noqa: SLF001 - no public way back
        buffer[:0] = b"\r\n"
        content, refusal = await self._read(hold)
        self._reset_timeout()
        if refusal is not None:
            return b"", refusal
        # Dots that were doubled at line starts (RFC 5321, 4.5.2), and the added line end.
        return bytes(content[: -len(b".\r\n")].replace(b"\r\n.", b"\r\n")[2:]), None

    async def _read(self, hold: Hold) -> tuple[bytearray, str | None]:
        """All up to the end of data; what is too much is read and thrown away."""
        content = bytearray()
        refusal: str | None = None
        limit = self._settings.smtp_mail_bytes_max
        while True:
            try:
                chunk = await self._reader.readuntil(_END)
                last = True
            except asyncio.LimitOverrunError as error:
                chunk = await self._reader.readexactly(error.consumed)
                last = False
            content += chunk
            if refusal is None and len(content) > limit + len(_END) + 2:
                refusal = replies.TOO_LARGE.format(limit=limit)
                self._receiver.count("too_large")
            elif refusal is None and not hold.grow(len(content)):
                refusal = replies.BUSY
                self._receiver.count("busy")
            if last:
                return content, refusal
            if refusal is not None:
                del content[: -len(_END)]
                if self._data_bytes > 2 * limit + _FIRST_HOLD_BYTES:
                    return content, "421 4.3.0 Still sending a mail that is refused"
