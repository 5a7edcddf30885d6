"""Which services were ready once on this data dir.

Only a service that never was may fold the log from its beginning when it finds no cursor; for any
other a missing cursor means lost state, and it halts.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from vaxel_shared.errors import Fatal

BORN_FILE = "born.json"

ColdStart = Literal["halt", "genesis"]


def cold_start(data_dir: Path, service: str) -> ColdStart:
    """What a service without a cursor does on this data dir."""
    return "halt" if service in born(data_dir) else "genesis"


def born(data_dir: Path) -> set[str]:
    """The services that were ready once. Raises Fatal where the record is damaged."""
    path = data_dir / BORN_FILE
    try:
        return set(json.loads(path.read_bytes())["services"])
    except FileNotFoundError:
        return set()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Fatal(
            f"{path} is damaged; if the services' state is whole, write "
            '{"services": [their names]} into it, else name a new --data-dir'
        ) from error


def mark_born(data_dir: Path, services: Iterable[str]) -> None:
    """Remember, durably, that these were ready."""
    already = born(data_dir)
    names = already | set(services)
    if names == already:
        return
    path = data_dir / BORN_FILE
    write_durably(path, json.dumps({"services": sorted(names)}).encode() + b"\n")


def write_durably(path: Path, data: bytes) -> None:
    """Replace a file's content so that a power cut leaves the old or the new one."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    with partial.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
