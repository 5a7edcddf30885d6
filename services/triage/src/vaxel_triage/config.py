"""What triage is told by its environment, beside what every service is."""

from __future__ import annotations

from pydantic import Field

from vaxel_shared.settings import Settings


class TriageSettings(Settings):
    """See :class:`vaxel_shared.settings.Settings`."""

    config_poll_ms: int = Field(default=1_000, ge=50, le=60_000)
    """How often the configuration folder is looked at."""
    text_budget_ms: int = Field(default=500, ge=1, le=10_000)
    """How long to wait for a text in the blob store; then the contact goes without, and says so."""
    broker_wait_ms: int = Field(default=60_000, ge=1_000)
    """How long to wait for the broker at start."""
