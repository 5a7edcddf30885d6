"""Handing one mail to the relay, and saying truthfully what came of it.

A connection a mail: the client has no pool, and one connection shared by several mails would make
one's timeout another's. The transaction is driven command by command, because only so can it be
told what is certain: until the final dot was sent nothing has happened, after it and without an
answer nobody knows. One recipient a mail, so there is no partial refusal to miss.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from aiosmtplib import SMTP, SMTPException, SMTPResponseException

from vaxel_delivery.core.addresses import domain_of
from vaxel_delivery.core.effects import Outcome
from vaxel_delivery.core.mails import Mail
from vaxel_shared.config.connectors import Relay
from vaxel_shared.settings import Settings

CONNECT_TIMEOUT_S = 30.0
COMMAND_TIMEOUT_S = 60.0
DATA_TIMEOUT_S = 600.0
"""RFC 5321 section 4.5.3.2.6: a server may take ten minutes to answer the final dot."""

UNREACHABLE = "relay_unreachable"
NO_LOGIN = "relay_login"
"""Nothing was sent, and it is not this mail's fault: every other would meet the same."""


class SmtpSender:
    """Mail over SMTP to the relay that the configuration names at that moment."""

    def __init__(self, settings: Settings, relay: Callable[[], Relay]) -> None:
        self._settings = settings
        self._relay = relay

    async def send(self, mail: Mail) -> Outcome:
        """Try once; answers what is known, and raises nothing of the relay's."""
        relay = self._relay()
        client = self._client(relay, domain_of(mail.message_id))
        try:
            return await self._log_in(client, relay) or await _transaction(client, mail)
        finally:
            client.close()

    def _client(self, relay: Relay, own_name: str) -> SMTP:
        local = relay.host == "sink"
        return SMTP(
            hostname="127.0.0.1" if local else relay.host,
            port=self._settings.port("sink-smtp") if local else relay.port,
            use_tls=not local and relay.tls == "implicit",
            start_tls=not local and relay.tls == "starttls",  # required where asked for
            local_hostname=own_name,
            timeout=CONNECT_TIMEOUT_S,
        )

    async def _log_in(self, client: SMTP, relay: Relay) -> Outcome | None:
        """Connect, encrypt, log in; an outcome where that is as far as it went."""
        try:
            await client.connect()
        except (SMTPException, OSError):
            return Outcome("later", UNREACHABLE, trouble=True)
        if relay.username is None or relay.host == "sink":
            return None
        try:
            await client.login(relay.username, _password(self._settings.secrets, relay))
        except (SMTPException, OSError):
            return Outcome("later", NO_LOGIN, trouble=True)
        return None


def _password(folder: Path, relay: Relay) -> str:
    """The relay's password, from its file in the secrets folder."""
    if relay.password_file is None:
        return ""
    return (folder / relay.password_file).read_text().strip()


async def _transaction(client: SMTP, mail: Mail) -> Outcome:
    try:
        await client.mail(mail.envelope_from, timeout=COMMAND_TIMEOUT_S)
        await client.rcpt(mail.envelope_to, timeout=COMMAND_TIMEOUT_S)
    except SMTPResponseException as error:
        return _refusal(error.code) or Outcome("later", "smtp_answer")
    except (SMTPException, OSError):
        return Outcome("later", UNREACHABLE, trouble=True)
    try:
        await client.data(mail.raw, timeout=DATA_TIMEOUT_S)
    except SMTPResponseException as error:
        return _refusal(error.code) or Outcome("lost", "smtp_answer")
    except (SMTPException, OSError):
        return Outcome("lost", "connection_lost")
    return Outcome("done")


def _refusal(code: int) -> Outcome | None:
    """What a reply code means: 5xx is for good, 4xx may pass later; None for any other."""
    if 500 <= code < 600:
        return Outcome("refused", f"smtp_{code}")
    return Outcome("later", f"smtp_{code}") if 400 <= code < 500 else None
