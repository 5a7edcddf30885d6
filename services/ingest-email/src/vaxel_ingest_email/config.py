"""Settings of the receiver; every limit with its reason. Variables begin with ``VAXEL_``."""

from __future__ import annotations

from pydantic import Field

from vaxel_shared.settings import Settings


class IngestEmailSettings(Settings):
    """What ingest-email is told by its environment."""

    smtp_hostname: str = "vaxel.local"
    """What the receiver calls itself in its greeting."""
    smtp_mail_bytes_max: int = Field(default=35 * 1024 * 1024, ge=64 * 1024)
    """Announced as SIZE; larger mails are refused with 552."""
    smtp_inflight_bytes_max: int = Field(default=96 * 1024 * 1024, ge=64 * 1024)
    """Mail held in memory at once, by all connections; beyond it senders come back later (452)."""
    smtp_recipients_max: int = Field(default=100, ge=100)
    """Of one mail; RFC 5321 asks for at least a hundred. More come in a second transaction."""
    smtp_connections_max: int = Field(default=200, ge=1)
    """At once: each may hold a reader's buffer of 128 KiB."""
    smtp_connections_per_peer_max: int = Field(default=20, ge=1)
    """At once from one network (/24 or /64); this machine itself is not limited."""
    smtp_mails_per_peer_per_minute_max: int = Field(default=600, ge=1)
    """From one network; this machine itself is not limited."""
    smtp_unknown_recipients_max: int = Field(default=20, ge=1)
    """Of one connection: who tries more is harvesting addresses."""
    smtp_commands_max: int = Field(default=10_000, ge=100)
    """Of each kind, of one connection."""
    smtp_hops_max: int = Field(default=50, ge=25)
    """Received fields of one mail; more is a loop (RFC 5321, 6.3)."""
    smtp_idle_timeout_ms: int = Field(default=300_000, ge=100)
    """Silence after which a connection is closed (RFC 5321, 4.5.3.2)."""
    smtp_data_rate_min: int = Field(default=500, ge=1)
    """Bytes a second that a mail must come in with, after the grace below."""
    smtp_data_grace_ms: int = Field(default=60_000, ge=100)
    """How long a slow start is borne."""
    accept_timeout_ms: int = Field(default=25_000, ge=100)
    """End of DATA to reply: clients hang up after two minutes at the earliest."""
    parse_timeout_ms: int = Field(default=5_000, ge=100)
    """One mail in a worker process; then it is kept raw as ``unsupported``."""
    parse_workers: int = Field(default=2, ge=1, le=64)
    """Processes that parse; one takes about 60 MB."""
    parse_memory_bytes_max: int = Field(default=2 * 1024**3, ge=256 * 1024**2)
    """Address space of one such process."""
    config_poll_ms: int = Field(default=500, ge=50)
    """How often channels.yaml is looked at."""
