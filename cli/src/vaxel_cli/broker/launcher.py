"""Turns into the broker's Java, after asking the kernel to end it when its parent dies.

Run by path with the parent's pid, then the command. ``exec`` keeps pid and request. Where the
kernel can't (not Linux), :mod:`vaxel_cli.broker.pidfile` ends an orphan at the next start.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h

if __name__ == "__main__":
    parent = int(sys.argv[1])
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died before we asked
        sys.exit(1)
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - no shell is the point
