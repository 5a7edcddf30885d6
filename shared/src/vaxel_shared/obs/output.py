"""Where log lines go: a stream whose failures never reach whoever logs.

A full disk must not turn a line about a request into the request's failure: intake would answer a
mail that it could have deferred with a permanent error. Lines that can't be written are counted,
and the first one that can be again is preceded by one that says how many were lost.
"""

from __future__ import annotations

import json
from typing import TextIO


class SteadyOutput:
    """A text stream for whole lines over ``stream``; never fails."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.lost = 0
        """Lines that could not be written since the last one that was."""

    def write(self, line: str) -> int:
        """Write a line, or count it."""
        lost = ""
        if self.lost:
            lost = json.dumps({"event": "log_lines_lost", "level": "error", "count": self.lost})
            lost += "\n"
        try:
            self._stream.write(lost + line)
            self._stream.flush()
        except (OSError, ValueError):  # ValueError: the stream was closed
            self.lost += 1
        else:
            self.lost = 0
        return len(line)

    def flush(self) -> None:
        """Nothing is kept back."""
