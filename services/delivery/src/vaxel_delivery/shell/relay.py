"""The gate in front of the mail relay: its own trouble holds all mail back, and is said once."""

from __future__ import annotations

from vaxel_delivery.core.effects import Outcome
from vaxel_delivery.shell.gate import Gate
from vaxel_shared.obs import metrics
from vaxel_shared.obs.logging import get_logger


def relay_gate() -> Gate:
    """Closes at the first sign of trouble: it is the relay's, or this machine's, for every mail."""
    metrics.RELAY_UP.set(1)
    return Gate(_told)


def _told(is_open: bool, outcome: Outcome | None, failures: int) -> None:
    metrics.RELAY_UP.set(1 if is_open else 0)
    if is_open:
        get_logger().info("relay_back", attempt=failures)
        return
    get_logger().warning(
        "relay_down",
        code=outcome.code if outcome else None,
        remedy="check mail.relay in connectors.yaml; mails wait",
    )
