"""One delivery a database: two would send everything twice.

On SQLite a lock on a file beside it, which the kernel lets go of however the process ends.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from vaxel_shared.errors import Fatal
from vaxel_shared.settings import Settings


def only_one(settings: Settings) -> int:
    """Hold the lock until the process ends; answers its descriptor.

    Raises Fatal where another process holds it, or where several instances are configured.
    """
    if settings.instances > 1:
        raise Fatal(
            f"delivery is set up as {settings.instances} instances; it runs as one (instances: 1)"
        )
    path: Path = settings.data_dir / "delivery.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise Fatal(
            "another delivery runs on this data dir; stop it, or name another VAXEL_DATA_DIR"
        ) from error
    return descriptor
