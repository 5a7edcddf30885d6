"""Taken ports are named before anything starts, with an offset at which all are free."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable

from vaxel_shared.settings import PORTS

OFFSET_STEP = 100
OFFSET_MAX = 40_000
PORT_MAX = 65_535

Free = Callable[[int], bool]


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As servers do: a connection that still lingers in TIME_WAIT is in nobody's way.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def taken(names: Iterable[str], offset: int, free: Free) -> list[str]:
    """The named ports that somebody else has."""
    return [name for name in names if not free(PORTS[name] + offset)]


def free_offset(names: list[str], offset: int, free: Free) -> int | None:
    """The next offset, in steps of :data:`OFFSET_STEP`, at which all are free; None: there's none.

    Offsets at which two systems' ports would meet are no problem: those ports aren't free.
    """
    first = offset - offset % OFFSET_STEP + OFFSET_STEP
    for candidate in range(first, OFFSET_MAX + 1, OFFSET_STEP):
        if max(PORTS[name] for name in names) + candidate > PORT_MAX:
            return None
        if not taken(names, candidate, free):
            return candidate
    return None


def complaint(names: list[str], offset: int, free: Free) -> str | None:
    """One line that names the taken ports and the remedy; None when all are free."""
    busy = taken(names, offset, free)
    if not busy:
        return None
    ports = ", ".join(f"{PORTS[name] + offset} ({name})" for name in busy)
    verb = "is" if len(busy) == 1 else "are"
    other = free_offset(names, offset, free)
    remedy = f" or use `--port-offset {other}`" if other is not None else ""
    return f"port {ports} {verb} taken: stop what listens there{remedy}"
