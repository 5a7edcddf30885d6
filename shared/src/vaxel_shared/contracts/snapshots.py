"""What stands on ``vaxel.snapshots``: where a verified state of a partition can be found."""

from __future__ import annotations

from vaxel_shared.contracts.base import Contract

SNAPSHOT_TYPE = "vaxel.snapshot.taken.v1"
LOG_TYPE = "vaxel.log.created.v1"


class SnapshotRecord(Contract):
    """A state after the record at ``offset`` of the decisions; the state itself is a blob."""

    log_id: str
    partition: int
    offset: int
    seq: int
    through: int
    sha256: str
    """Of the raw value of the decisions record at ``offset``."""
    state_digest: str
    engine: str
    blob_ref: str
    blob_sha256: str


class LogRecord(Contract):
    """The identity of the decisions log, made once with its topic (key ``log``)."""

    log_id: str
