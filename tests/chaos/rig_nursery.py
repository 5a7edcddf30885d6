"""Has a service's code imported already and forks a process of it whenever it is told to.

``python tests/chaos/rig_nursery.py MODULE``. A child does what ``python -m MODULE`` does, in a
session, an environment and a log of its own; only the second of importing is saved. Each line on
standard input is ``{"id", "env", "log"}``; on standard output come ``{"id", "pid"}`` and, when a
child has ended, ``{"pid", "code"}`` (negative: the signal). At the end of its input all end.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import select
import signal
import sys
from contextlib import suppress
from typing import Any


def main(module: str) -> None:
    """Until standard input ends."""
    importlib.import_module(f"{module}.bootstrap")
    gc.freeze()
    read, write = os.pipe()
    for end in (read, write):
        os.set_blocking(end, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(write)
    children: set[int] = set()
    _say({"ready": module})
    rest = b""
    while True:
        ready, _, _ = select.select([0, read], [], [])
        if read in ready:
            os.read(read, 4096)
            _reap(children)
        if 0 in ready:
            data = os.read(0, 65536)
            if not data:
                break
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                children.add(_fork(module, json.loads(line)))
    for child in children:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


def _fork(module: str, order: dict[str, Any]) -> int:
    child = os.fork()
    if child:
        _say({"id": order["id"], "pid": child})
        return child
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.closerange(3, 64)
    os.environ.update(order["env"])
    sys.argv = [module]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        os._exit(70)  # a service exits by itself: never go on as a second nursery


def _reap(children: set[int]) -> None:
    with suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            children.discard(pid)
            _say({"pid": pid, "code": os.waitstatus_to_exitcode(status)})


def _say(line: dict[str, Any]) -> None:
    os.write(1, json.dumps(line).encode() + b"\n")


if __name__ == "__main__":
    main(sys.argv[-1])
