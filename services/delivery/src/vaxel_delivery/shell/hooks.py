"""Telling a tool by one signed POST, and saying truthfully what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

import aiohttp

from vaxel_delivery.core.effects import Outcome
from vaxel_delivery.shell.carriers import Way
from vaxel_delivery.shell.gate import Gate
from vaxel_delivery.shell.guarded_http import ForbiddenAddressError, GuardedHttp
from vaxel_delivery.shell.secret_files import SecretMissingError, read_secrets
from vaxel_shared.channels.standard import sign
from vaxel_shared.clock import Clock
from vaxel_shared.config.connectors import Connectors, Webhook
from vaxel_shared.connectors.targets import url_fault
from vaxel_shared.connectors.webhook import Post, judge
from vaxel_shared.obs import metrics
from vaxel_shared.obs.logging import get_logger

THRESHOLD = 3
"""Failures in a row that close a webhook's gate: one may be of a single event, three are not."""

GONE = "hook_gone"
_REMEDIES = {
    "hook_secret": "write its secret into the file that connectors.yaml names; events wait",
    "hook_forbidden": "its url leads to an address that may not be called; events wait",
    "http_401": "it doesn't accept our signature: compare the secrets; events wait",
    "http_403": "it doesn't accept our signature: compare the secrets; events wait",
    "http_404": "check its url in connectors.yaml; events wait",
}


class HookSender:
    """Posts events. A target that answered 410 is left alone until its entry changes."""

    def __init__(
        self, http: GuardedHttp, secrets: Path, connectors: Callable[[], Connectors], clock: Clock
    ) -> None:
        self._http = http
        self._secrets = secrets
        self._connectors = connectors
        self._clock = clock
        self._gone: dict[str, Webhook] = {}

    async def send(self, message: Post) -> Outcome:
        """Try once; answers what is known, and raises nothing of the target's."""
        hook = self._connectors().webhook(message.connector)
        if hook is None:
            return Outcome("refused", "hook_unknown")
        if self._is_gone(hook):
            return Outcome("refused", GONE)
        if url_fault(hook.url, allow_private=hook.allow_private) is not None:
            return Outcome("refused", "hook_forbidden")
        try:
            headers = await asyncio.to_thread(self._headers, hook, message)
        except SecretMissingError:
            return Outcome("later", "hook_secret", trouble=True)
        return await self._post(hook, message, headers)

    async def _post(self, hook: Webhook, message: Post, headers: Mapping[str, str]) -> Outcome:
        try:
            status, retry_after = await self._http.post(
                hook.url, message.body, headers, allow_private=hook.allow_private
            )
        except aiohttp.ClientConnectorError as error:
            return Outcome("later", _why_unreachable(error), trouble=True)
        except aiohttp.ConnectionTimeoutError:
            return Outcome("later", "hook_unreachable", trouble=True)
        except TimeoutError:
            return Outcome("lost", "hook_timeout", trouble=True)
        except (aiohttp.ClientError, OSError):
            return Outcome("lost", "connection_lost", trouble=True)
        judged = judge(status, retry_after, self._clock.wall_ms())
        if judged.gone:
            self._disable(hook)
            return Outcome("refused", GONE)
        return Outcome(judged.verdict, judged.code, judged.trouble, judged.wait_ms)

    def _headers(self, hook: Webhook, message: Post) -> dict[str, str]:
        """Signed with every live secret, so that the receiver may know either."""
        seconds = self._clock.wall_ms() // 1000
        try:
            signatures = [
                sign(secret, message.webhook_id, seconds, message.body)
                for secret in read_secrets(self._secrets, hook.secret_file)
            ]
        except SecretMissingError:
            raise
        except ValueError as error:
            raise SecretMissingError(f"{hook.secret_file}: {error}") from error
        return {
            "Content-Type": "application/json",
            "User-Agent": "vaxel",
            "webhook-id": message.webhook_id,
            "webhook-timestamp": str(seconds),
            "webhook-signature": " ".join(signatures),
        }

    def _is_gone(self, hook: Webhook) -> bool:
        if self._gone.get(hook.name) == hook:
            return True
        self._gone.pop(hook.name, None)
        return False

    def _disable(self, hook: Webhook) -> None:
        metrics.WEBHOOK_UP.labels(hook.name).set(0)
        if self._gone.get(hook.name) != hook:
            get_logger().error(
                "hook_disabled",
                name=hook.name,
                status=410,
                remedy="it wants no more events; change or remove its entry in connectors.yaml",
            )
        self._gone[hook.name] = hook


def _why_unreachable(error: aiohttp.ClientConnectorError) -> str:
    if isinstance(error.os_error, ForbiddenAddressError):
        return "hook_forbidden"
    tls = (aiohttp.ClientConnectorSSLError, aiohttp.ClientConnectorCertificateError)
    return "hook_tls" if isinstance(error, tls) else "hook_unreachable"


def hook_way(name: str, sender: HookSender) -> Way:
    """The way to one webhook."""
    metrics.WEBHOOK_UP.labels(name).set(1)

    def told(is_open: bool, outcome: Outcome | None, failures: int) -> None:
        metrics.WEBHOOK_UP.labels(name).set(1 if is_open else 0)
        if is_open:
            get_logger().info("hook_back", name=name, attempt=failures)
            return
        code = outcome.code if outcome is not None and outcome.code is not None else "unknown"
        remedy = _REMEDIES.get(code, "is the tool up? events wait for it")
        get_logger().warning("hook_down", name=name, code=code, remedy=remedy)

    return Way(sender, Gate(told, threshold=THRESHOLD))
