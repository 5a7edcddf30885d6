"""What the mailbox is told besides the common settings."""

from __future__ import annotations

from pydantic import Field

from vaxel_shared.settings import Settings


class SinkSettings(Settings):
    """Each is read from ``VAXEL_<NAME>``."""

    sink_mails_max: int = Field(default=10_000, ge=1)
    """The newest that are kept, so that a forgotten load test fills neither disk nor memory."""
