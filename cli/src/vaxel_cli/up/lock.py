"""One `vaxel up` at a time on a data dir: an flock that ends with the process, however it ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from vaxel_cli.console import CommandFailed, answer_is_no

LOCK_FILE = "up.lock"


class DataDirLock:
    """Holds a data dir from :meth:`take` until :meth:`release` or the end of the process."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / LOCK_FILE
        self._descriptor: int | None = None

    def take(self) -> None:
        """Take it; raises (exit 1) with the holder's process id where it is taken."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(descriptor, 32).decode(errors="replace").strip()
            os.close(descriptor)
            raise self._refusal(holder) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Let the next one have it. The file stays: removing it would let two hold it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _refusal(self, holder: str) -> CommandFailed:
        who = f"process {holder}" if holder else "another process"
        return answer_is_no(
            f"`vaxel up` already runs on {self._path.parent} ({who}); "
            "stop it, or name another --data-dir"
        )
