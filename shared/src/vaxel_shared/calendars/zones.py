"""Time zones from the pinned ``tzdata`` package, never from the machine.

Zone rules are an input of every deadline: two machines must come to the same one, and a slim
container has no rules of its own. ``TZDATA_VERSION`` says which rules these are.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches
from functools import lru_cache
from importlib import resources
from importlib.metadata import version
from zoneinfo import ZoneInfo

TZDATA_VERSION = version("tzdata")
_NAME = re.compile(r"^[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+){0,2}$")
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - wall-clock times are counted from here
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_MS = timedelta(milliseconds=1)
_DAY_MS = 86_400_000
DATE_MIN, DATE_MAX = date(1, 1, 4), date(9999, 12, 28)
"""Further out, a wall-clock time may have no UTC one in Python's calendar."""


@lru_cache(maxsize=1000)
def zone(name: str) -> ZoneInfo:
    """The IANA zone of that name; raises ``ValueError`` with what was perhaps meant."""
    if _NAME.match(name):
        place = resources.files("tzdata").joinpath("zoneinfo", *name.split("/"))
        try:
            with place.open("rb") as file:
                return ZoneInfo.from_file(file, key=name)
        except (OSError, ValueError):
            pass  # a folder, or no zone: say so below
    close = get_close_matches(name, zone_names(), n=1)
    meant = f"did you mean {close[0]!r}?" if close else "name one like Europe/Copenhagen"
    raise ValueError(f"no time zone {name[:60]!r}; {meant}")


@lru_cache(maxsize=1)
def zone_names() -> tuple[str, ...]:
    """All zones that can be named."""
    listed = resources.files("tzdata").joinpath("zones").read_text("utf-8")
    return tuple(listed.split())


def instant_ms(where: ZoneInfo, day: date, of_day_ms: int) -> int:
    """The UTC instant of a wall-clock time; ``of_day_ms`` may be 24:00.

    A time that comes twice is its first occurrence; one that the clock leaps over is moved forward
    by the leap (PEP 495 with ``fold=0``).
    """
    wall_ms = (day.toordinal() - _EPOCH_ORDINAL) * _DAY_MS + of_day_ms
    offset = (_EPOCH + wall_ms * _MS).replace(tzinfo=where).utcoffset()
    return wall_ms - (offset or timedelta()) // _MS


def local(where: ZoneInfo, at_ms: int) -> datetime:
    """The wall clock at an instant; raises ``ValueError`` outside Python's calendar."""
    try:
        return datetime.fromtimestamp(at_ms // 1000, UTC).astimezone(where)
    except (OverflowError, OSError) as error:
        raise ValueError("an instant outside the years 1 to 9999") from error
