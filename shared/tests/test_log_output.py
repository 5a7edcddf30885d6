"""A log line that can't be written costs nothing but itself."""

from __future__ import annotations

import errno
import io

from vaxel_shared.obs.output import SteadyOutput


class Disk(io.StringIO):
    """Full, or not."""

    full = False

    def write(self, text: str) -> int:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(text)


def test_a_full_disk_reaches_nobody_and_is_told_afterwards() -> None:
    disk = Disk()
    output = SteadyOutput(disk)
    output.write("one\n")
    disk.full = True
    output.write("two\n")
    output.write("three\n")
    assert output.lost == 2
    disk.full = False
    output.write("four\n")
    output.write("five\n")
    lost = '{"event": "log_lines_lost", "level": "error", "count": 2}'
    assert disk.getvalue().splitlines() == ["one", lost, "four", "five"]


def test_a_closed_stream_loses_the_line_and_nothing_else() -> None:
    stream = io.StringIO()
    output = SteadyOutput(stream)
    stream.close()
    output.write("gone\n")
    assert output.lost == 1
