"""CloudEvents 1.0 in Kafka's binary mode: the attributes are headers, the value is the data.

Source: CloudEvents Kafka Protocol Binding 1.0.2, section 3.2; W3C Trace Context for traceparent.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

Headers = list[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Event:
    """The attributes of one record. ``time_ms`` is milliseconds UTC."""

    id: str
    type: str
    source: str
    time_ms: int
    subject: str | None = None
    traceparent: str | None = None

    def headers(self) -> Headers:
        """As Kafka record headers."""
        pairs = {
            "ce_specversion": "1.0",
            "ce_id": self.id,
            "ce_source": self.source,
            "ce_type": self.type,
            "ce_time": iso_ms(self.time_ms),
            "content-type": "application/json",
        }
        if self.subject is not None:
            pairs["ce_subject"] = self.subject
        if self.traceparent is not None:
            pairs["traceparent"] = self.traceparent
        return [(name, value.encode()) for name, value in pairs.items()]


def iso_ms(instant_ms: int) -> str:
    """Milliseconds UTC as ISO 8601, e.g. ``2026-11-22T14:37:57.123Z``."""
    instant = datetime.fromtimestamp(instant_ms / 1000, UTC)
    return instant.strftime("%Y-%m-%dT%H:%M:%S.") + f"{instant_ms % 1000:03d}Z"


def header(headers: Headers | tuple[tuple[str, bytes], ...], name: str) -> str | None:
    """The value of a header, or None where it is absent or not UTF-8."""
    for key, value in headers:
        if key == name:
            try:
                return value.decode()
            except UnicodeDecodeError:
                return None
    return None
