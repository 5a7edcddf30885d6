"""Which process runs on a broker's folder: written at start, verified before it is believed.

A pid alone proves nothing: numbers are used again. A process counts as this folder's broker only
if its command line names this folder's ``server.properties``.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from vaxel_shared.errors import Fatal

_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Owner:
    """A broker's process and the one that started it."""

    pid: int
    parent_pid: int


def write(path: Path, owner: Owner) -> None:
    """Remember who runs here."""
    path.write_text(json.dumps(asdict(owner)), encoding="utf-8")


def end_orphan(path: Path, properties: Path, timeout_s: float = 15) -> bool:
    """End a broker whose parent was killed; answers whether there was one.

    Raises Fatal where the broker of this folder belongs to a system that is still running.
    """
    owner = _read(path)
    if owner is None:
        return False
    if str(properties) not in _ps(owner.pid, "args"):
        path.unlink(missing_ok=True)  # long gone, or a stranger with the same number
        return False
    if _ps(owner.pid, "ppid") == str(owner.parent_pid):
        raise Fatal(
            f"{path.parent} is in use by process {owner.parent_pid}: stop that one, "
            "or choose another --data-dir"
        )
    deadline = time.monotonic() + timeout_s
    os.kill(owner.pid, signal.SIGTERM)
    while str(properties) in _ps(owner.pid, "args"):
        if time.monotonic() > deadline:
            os.kill(owner.pid, signal.SIGKILL)
        time.sleep(_POLL_S)
    path.unlink(missing_ok=True)
    return True


def _read(path: Path) -> Owner | None:
    try:
        row = json.loads(path.read_text(encoding="utf-8"))
        return Owner(int(row["pid"]), int(row["parent_pid"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        return None  # torn by a kill while it was written: then nothing runs under it for long


def _ps(pid: int, field: str) -> str:
    """``args`` or ``ppid`` of a process, "" where there is none; from /proc, else from ps."""
    proc = Path("/proc") / str(pid)
    if proc.parent.joinpath("self").exists():
        try:
            if field == "args":
                return proc.joinpath("cmdline").read_bytes().replace(b"\0", b" ").decode()
            status = proc.joinpath("status").read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return ""
        return next(line.split()[1] for line in status.splitlines() if line.startswith("PPid:"))
    answer = subprocess.run(
        ["ps", "-ww", "-p", str(pid), "-o", f"{field}="],
        capture_output=True,
        text=True,
        check=False,
    )
    return answer.stdout.strip()
