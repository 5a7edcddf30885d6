"""Faust's flow of records, mended, and a check that none of them was left out.

At the end of a recovery Faust 0.15.3 lets the stream's partitions go, seeks them to their committed
places (a question to the broker for each), and then resumes the flow, which empties the streams'
queues. What was read and queued after its partition's seek and before that is gone: the next record
shows a hole in the offsets, which Faust takes for one that compaction left, and commits over it.
Seen under kill -9 on a busy machine: some of the records that were written while it recovered.

So a flow that flows already isn't resumed again; and since ``vaxel.clocks`` is never compacted, a
hole ends the process before its place can be committed: the next one reads what was left out.
"""

from __future__ import annotations

from mode.utils.queues import FlowControlEvent

from vaxel_shared.errors import Fatal


class SteadyFlow(FlowControlEvent):
    """Empties the queues when a stopped flow is resumed, and only then."""

    def resume(self) -> None:
        """Let records in."""
        if not self.is_active():
            super().resume()


class Places:
    """The offset that comes next, by partition, since the last recovery."""

    def __init__(self) -> None:
        self._next: dict[int, int] = {}

    def clear(self) -> None:
        """Partitions may be others from here on."""
        self._next.clear()

    def read(self, partition: int, offset: int, committed: int | None) -> None:
        """A record was handed over; ``committed``: where reading was to begin, if it is known.

        What was read before may come again. Raises Fatal where something was left out.
        """
        expected = self._next.get(partition, committed)
        if expected is not None and offset > expected:
            raise Fatal(
                f"records {expected} to {offset - 1} of vaxel.clocks partition {partition} were "
                "left out; the process starts again and reads them"
            )
        self._next[partition] = offset + 1
