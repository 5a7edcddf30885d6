"""Handing one notice over: a POST, or a mail to the relay. Says what came of it, raises nothing.

A repeat after a kill has the same ``webhook-id`` and fingerprint, or the same Message-ID.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import aiohttp
from aiosmtplib import SMTP, SMTPException, SMTPResponseException

from vaxel_shared.channels.standard import sign
from vaxel_shared.clock import Clock
from vaxel_shared.settings import Settings
from vaxel_sla_monitor.config import Files
from vaxel_sla_monitor.core import notices
from vaxel_sla_monitor.shell.store import Notice

POST_TIMEOUT_S = 10.0
MAIL_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """``done``; ``later``: worth another try; ``refused``: it never will be."""

    state: Literal["done", "later", "refused"]
    code: str | None = None


class Outlets:
    """Both ways out, by the configuration of the moment."""

    def __init__(self, settings: Settings, files: Callable[[], Files], clock: Clock) -> None:
        self._settings = settings
        self._files = files
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Let go of connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def send(self, notice: Notice) -> Outcome:
        """Try once."""
        return await (self._mail(notice) if notice.kind == "email" else self._post(notice))

    async def _post(self, notice: Notice) -> Outcome:
        notify = self._files().sla.file.notify
        body = notices.webhook_body(notice.event, notify, self._case_url(notice))
        secret_file = next((w.secret_file for w in notify.webhooks if w.url == notice.target), None)
        seconds = self._clock.wall_ms() // 1000
        headers = {
            "content-type": "application/json",
            "user-agent": "vaxel-sla-monitor",
            "webhook-id": notice.id,
            "webhook-timestamp": str(seconds),
        }
        if secret_file is not None:
            try:
                secret = (self._settings.secrets / secret_file).read_text("utf-8").strip()
                headers["webhook-signature"] = sign(secret, notice.id, seconds, body)
            except (OSError, ValueError):
                return Outcome("later", "secret_unusable")
        if self._session is None:
            limit = aiohttp.ClientTimeout(total=POST_TIMEOUT_S)
            self._session = aiohttp.ClientSession(timeout=limit)
        try:
            async with self._session.post(
                notice.target, data=body, headers=headers, allow_redirects=False
            ) as answer:
                return _judged(answer.status)
        except (aiohttp.ClientError, OSError):  # TimeoutError is an OSError
            return Outcome("later", "unreachable")

    async def _mail(self, notice: Notice) -> Outcome:
        files = self._files()
        account = files.account(notice.event.pool)
        if account is None:
            return Outcome("later", "no_mail_account")
        message = notices.mail(
            notice.event,
            notice_id=notice.id,
            from_name=files.connectors.mail.from_name,
            from_address=account.address,
            to=notice.target,
            case_url=self._case_url(notice),
        )
        relay = files.connectors.mail.relay
        local = relay.host == "sink"
        client = SMTP(
            hostname="127.0.0.1" if local else relay.host,
            port=self._settings.port("sink-smtp") if local else relay.port,
            use_tls=not local and relay.tls == "implicit",
            start_tls=not local and relay.tls == "starttls",  # required where asked for
            local_hostname=account.address.rpartition("@")[2],
            timeout=MAIL_TIMEOUT_S,
        )
        try:
            await client.connect()
            if relay.username is not None and not local:
                await client.login(relay.username, self._password(relay.password_file))
            await client.sendmail(account.address, [notice.target], message.as_bytes())
        except SMTPResponseException as error:
            refused = 500 <= error.code < 600
            return Outcome("refused" if refused else "later", f"smtp_{error.code}")
        except (SMTPException, OSError):
            return Outcome("later", "relay_unreachable")
        finally:
            client.close()
        return Outcome("done")

    def _password(self, name: str | None) -> str:
        if name is None:
            return ""
        return (self._settings.secrets / name).read_text("utf-8").strip()

    def _case_url(self, notice: Notice) -> str:
        files = self._files()
        base = files.connectors.public_url or self._settings.url("register")
        case = notice.event.number or notice.event.case_id
        return f"{base.rstrip('/')}/api/v1/cases/{case}"


def _judged(status: int) -> Outcome:
    """2xx took it; 4xx never will, but for those that ask for patience."""
    if 200 <= status < 300:
        return Outcome("done")
    patient = status in {408, 425, 429} or not 400 <= status < 500
    return Outcome("later" if patient else "refused", f"http_{status}")
