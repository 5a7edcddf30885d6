"""The SMTP receiver: what is accepted, for whom, and when it is answered.

``250`` means: kept for good, and found under the id in the reply. Anything of ours that is in the
way is 4xx; 5xx is only what no later try could change (not ours, too large, going in circles).
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from vaxel_ingest_email.config import IngestEmailSettings
from vaxel_ingest_email.core import replies
from vaxel_ingest_email.core.fields import Envelope
from vaxel_ingest_email.core.normalize import AccountRef
from vaxel_ingest_email.shell.accounts import Accounts
from vaxel_ingest_email.shell.intake import Intake, Taken
from vaxel_ingest_email.shell.limiter import Budget, Connections, Hold, Rate
from vaxel_ingest_email.shell.session import Session
from vaxel_shared.errors import Fatal, Retryable
from vaxel_shared.obs import metrics
from vaxel_shared.obs.logging import get_logger

BACKLOG = 1_024
"""Connections that the kernel holds until we look: of what comes beyond it Linux tells the sender
that it is connected and us nothing, so a burst would leave senders waiting for our greeting."""
DRAIN_S_MAX = 7.0
"""Mails under way when asked to stop get this long; the rest come again from their senders."""


class Receiver:
    """The policy behind all sessions; aiosmtpd calls its ``handle_…`` methods."""

    def __init__(self, settings: IngestEmailSettings, accounts: Accounts, intake: Intake) -> None:
        self.settings = settings
        self.budget = Budget(settings.smtp_inflight_bytes_max)
        self._accounts = accounts
        self._intake = intake
        self._connections = Connections(
            settings.smtp_connections_max, settings.smtp_connections_per_peer_max
        )
        self._rate = Rate(settings.smtp_mails_per_peer_per_minute_max, time.monotonic)
        self._under_way: set[asyncio.Task[str]] = set()
        self._stopping = False
        self.listening = False

    async def run(self, stop: asyncio.Event) -> None:
        """Listen until asked to stop, then finish what was begun."""
        loop = asyncio.get_running_loop()
        port = self.settings.port("smtp")
        try:
            server = await loop.create_server(
                lambda: Session(self), self.settings.bind, port, backlog=BACKLOG
            )
        except OSError as error:
            raise Fatal(
                f"SMTP can't listen on port {port} ({error.strerror}); free it or use --port-offset"
            ) from error
        self.listening = True
        get_logger().info("listening", listener="smtp", port=port)
        await stop.wait()
        self.listening, self._stopping = False, True
        server.close()
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=DRAIN_S_MAX)

    def enter(self, peer: str | None) -> str | None:
        """Let a connection in: None, or the refusal."""
        if self._stopping:
            return replies.GOODBYE
        if self.budget.room <= 0:
            self.count("busy")
            return replies.BUSY.replace("452", "421", 1)
        if not self._connections.enter(peer):
            self.count("too_many_connections")
            return replies.TOO_MANY_CONNECTIONS
        return None

    def leave(self, peer: str | None) -> None:
        """A connection is gone."""
        self._connections.leave(peer)

    def count(self, result: str) -> None:
        """One more mail or connection with this result."""
        metrics.MAILS.labels(result).inc()

    def trouble(self, error: Exception) -> None:
        """Something of ours went wrong outside of a mail's acceptance."""
        self.count("trouble")
        get_logger().error("smtp_trouble", exception_type=type(error).__name__)

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self, _server: Any, session: Any, _envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        """Say what aiosmtpd keeps to itself."""
        session.host_name = hostname
        return [*responses[:-1], "250-PIPELINING", "250-ENHANCEDSTATUSCODES", responses[-1]]

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, server: Session, _session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        """Begin a mail, unless there is no room or too many come."""
        if self._stopping:
            return replies.GOODBYE
        if not self._rate.allow(server.peer):
            self.count("too_fast")
            return replies.TOO_FAST
        declared = next((item[5:] for item in options if item.startswith("SIZE=")), "0")
        if int(declared) > self.budget.room:
            self.count("busy")
            return replies.BUSY
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 Ok"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: Session, _session: Any, envelope: Any, address: str, _options: list[str]
    ) -> str:
        """Only what is ours: this is no relay."""
        if len(envelope.rcpt_tos) >= self.settings.smtp_recipients_max:
            return replies.TOO_MANY_RECIPIENTS.format(limit=self.settings.smtp_recipients_max)
        if self._accounts.find(address) is None:
            self.count("unknown_recipient")
            server.unknown_recipients += 1
            if server.unknown_recipients > self.settings.smtp_unknown_recipients_max:
                return replies.TOO_MANY_UNKNOWN
            return replies.unknown_recipient(address)
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def accept(self, raw: bytes, envelope: Any, hold: Hold) -> str:
        """Keep a mail and answer; finishes even if the sender hangs up meanwhile.

        ``hold`` is its place in memory, which is given back whatever happens.
        """
        refusal = self._refusal(raw)
        accounts = [] if refusal else self._accounts_of(envelope.rcpt_tos)
        if not accounts:  # channels.yaml can have changed since RCPT
            hold.release()
            return refusal or replies.TROUBLE
        mail_from = "" if envelope.mail_from == "<>" else str(envelope.mail_from)
        what = Envelope(mail_from, tuple(envelope.rcpt_tos))
        task = asyncio.get_running_loop().create_task(self._take(raw, what, accounts))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        task.add_done_callback(lambda _: hold.release())
        return await asyncio.shield(task)

    def _refusal(self, raw: bytes) -> str | None:
        if self._stopping:
            return replies.GOODBYE
        if replies.hops(raw) > self.settings.smtp_hops_max:
            self.count("loop")
            return replies.LOOP.format(limit=self.settings.smtp_hops_max)
        return None

    async def _take(self, raw: bytes, envelope: Envelope, accounts: list[AccountRef]) -> str:
        """Keep a mail and tell one line about it."""
        started = time.monotonic()
        taken: Taken | None = None
        reason = ""
        try:
            taken = await self._intake.take(raw, envelope, accounts)
        except Retryable as error:
            reason = str(error)
        except Exception as error:  # noqa: BLE001 - any error of ours is the sender's "later"
            reason = type(error).__name__
        seconds = time.monotonic() - started
        metrics.MAIL_SECONDS.observe(seconds)
        self.count("accepted" if taken else "deferred")
        self._tell(taken, reason, raw, len(accounts), int(seconds * 1000))
        if taken is None:
            return replies.TROUBLE
        return replies.ACCEPTED.format(ids=" ".join(taken.ids))

    def _tell(
        self, taken: Taken | None, reason: str, raw: bytes, accounts: int, duration_ms: int
    ) -> None:
        """The canonical line of a mail."""
        log = get_logger()
        if taken is None:
            log.error(
                "mail", state="deferred", code=451, error=reason, bytes=len(raw),
                account_count=accounts, duration_ms=duration_ms,
            )  # fmt: skip
            return
        log.info(
            "mail", state="accepted", code=250, interaction_id=taken.ids[0], kind=taken.kind,
            reason=taken.limit or "", bytes=len(raw), account_count=accounts,
            duration_ms=duration_ms,
        )  # fmt: skip

    def _accounts_of(self, recipients: list[str]) -> list[AccountRef]:
        """Each of our accounts once, in the order of the recipients."""
        found = (self._accounts.find(address) for address in recipients)
        return list({account.id: account for account in found if account is not None}.values())
