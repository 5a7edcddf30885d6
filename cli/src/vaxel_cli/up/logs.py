"""Where the services' output goes: one file a service, kept small across starts."""

from __future__ import annotations

import json
import os
from pathlib import Path

LOG_BYTES_MAX = 16 * 1024 * 1024
"""A larger log is set aside at the next start of its service."""
OLD_LOGS_MAX = 3
TAIL_BYTES = 8_192
ERROR_CHARS_MAX = 240


def path_of(data_dir: Path, name: str) -> Path:
    """The log of a service."""
    return data_dir / "logs" / f"{name}.log"


def open_for_append(path: Path) -> int:
    """A descriptor to append to; a log that has grown too large is set aside first."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if path.exists() and path.stat().st_size > LOG_BYTES_MAX:
        _set_aside(path)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def _set_aside(path: Path) -> None:
    for number in range(OLD_LOGS_MAX - 1, 0, -1):
        older = path.with_name(f"{path.name}.{number}")
        if older.exists():
            older.replace(path.with_name(f"{path.name}.{number + 1}"))
    path.replace(path.with_name(f"{path.name}.1"))


def size_of(path: Path) -> int:
    """The length of a log in bytes; 0 where there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def last_error(path: Path, since: int = 0) -> str | None:
    """The last error that a service wrote after byte ``since``, in one line; None: it wrote none.

    Our services write JSON lines; an interpreter that fails to start writes plain text.
    """
    try:
        with path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(since, end - TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return None
    found = next((text for line in reversed(lines) if (text := _error_of(line))), None)
    return found[:ERROR_CHARS_MAX] if found else None


def _error_of(line: str) -> str | None:
    try:
        entry = json.loads(line)
    except ValueError:
        # The last line of a traceback names the error; anything else isn't one.
        name, _, rest = line.partition(": ")
        known = name.isidentifier() and name.endswith(("Error", "Exception"))
        return line.strip() if known and rest else None
    if not isinstance(entry, dict) or entry.get("level") not in {"error", "critical"}:
        return None
    return str(entry.get("error") or entry.get("reason") or entry.get("event") or "") or None
