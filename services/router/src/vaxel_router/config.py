"""What the router is told besides the common settings."""

from __future__ import annotations

from pydantic import Field

from vaxel_shared.settings import Settings


class RouterSettings(Settings):
    """Each is read from ``VAXEL_<NAME>``."""

    snapshot_records: int = Field(default=500, ge=1)
    """A snapshot, and the digest of the state in a record, every so many records; of a state of
    many megabytes seldomer, so that encoding it takes half a percent of the time."""

    snapshot_records_max: int = Field(default=20_000, ge=1)
    """So many records after the last stored snapshot make a restart slow: the router isn't ready,
    says why, and goes on deciding. A snapshot is taken after half as many at the latest."""

    poll_ms: int = Field(default=200, ge=1, le=5_000)
    """How long to wait for input before looking at the clock: the granularity of timers."""

    def owns(self, partition: int) -> bool:
        """Ownership is static: instance i of n owns the partitions p with p mod n = i."""
        return partition % self.instances == self.instance
