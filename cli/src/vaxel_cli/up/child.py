"""``python -m vaxel_cli.up.child PARENT MODULE``: run a service that can't outlive its parent.

Where the kernel can send a signal at the parent's death (Linux) it is asked to, and this process
becomes the service. Elsewhere a thread watches the parent beside the service.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import runpy
import signal
import sys
import threading
import time

PR_SET_PDEATHSIG = 1  # linux/prctl.h
WATCH_MS = 500


def main() -> None:
    """Tie this process to its parent, then become the service."""
    parent, module = int(sys.argv[1]), sys.argv[2]
    tied = _tie_by_kernel()
    if os.getppid() != parent:  # it died before it could be watched
        sys.exit(1)
    if tied:
        os.execv(sys.executable, [sys.executable, "-m", module])  # noqa: S606 - that is the point
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    sys.argv = [module]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _tie_by_kernel() -> bool:
    with contextlib.suppress(OSError, AttributeError):
        return bool(ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL) == 0)
    return False


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(WATCH_MS / 1000)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
