"""Notices that a partition has got another leader, which may not have all that was read before.

After an unclean election a log is shorter, and grows again: whoever was at its end reads on at its
place and never sees what came in between, without an error. So a reader looks again at the record
at its cursor whenever somebody else leads, before it takes anything from there.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aiokafka import TopicPartition

_NOBODY = {None, -1}


class Leaders:
    """Who led each partition of ``consumer`` when its log was last found whole."""

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer
        self._known: dict[TopicPartition, int] = {}

    def changed(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """Those that have got another leader, and which; the first that is known is no change."""
        found = {}
        for tp in partitions:
            leader = self._leader(tp)
            if leader not in _NOBODY and self._known.setdefault(tp, leader) != leader:
                found[tp] = leader
        return found

    def note(self, tp: TopicPartition, leader: int) -> None:
        """What this leader has was found to continue what was read before."""
        self._known[tp] = leader

    def _leader(self, tp: TopicPartition) -> Any:
        cluster = self._consumer._client.cluster  # noqa: SLF001 - the client shows it nowhere else
        return cluster.leader_for_partition(tp)
