"""Where a visitor stands in the log: ``<partition>:<offset>`` of the last record seen."""

from __future__ import annotations

import re
from typing import NamedTuple

_FORM = re.compile(r"(\d{1,5}):(\d{1,18})", re.ASCII)


class Cursor(NamedTuple):
    """``offset`` is that of the last record seen, -1 before the first."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}:{self.offset + 1}"  # counted from 1, so that none is negative


def parse(text: object) -> Cursor | None:
    """The cursor in a text of :meth:`Cursor.__str__`; None for anything else."""
    found = _FORM.fullmatch(text) if isinstance(text, str) else None
    return Cursor(int(found[1]), int(found[2]) - 1) if found else None
