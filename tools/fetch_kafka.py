"""Fetches Apache Kafka's jars while the packages are still being installed.

Loads the one module that knows how by its path: the package around it needs packages that aren't
there yet.
"""

from __future__ import annotations

import asyncio
import importlib.util
import sys
import time
from pathlib import Path
from types import ModuleType

SAY_EVERY_S = 2.0


def load_jars() -> ModuleType:
    """The module ``vaxel_cli.broker.jars``, without its package."""
    path = Path(__file__).parents[1] / "cli/src/vaxel_cli/broker/jars.py"
    spec = importlib.util.spec_from_file_location("jars", path)
    if spec is None or spec.loader is None:
        raise ImportError(path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["jars"] = module  # its dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


def main() -> int:
    """0 when all jars are in the cache; 3, with one line on stderr, when they can't be had."""
    jars = load_jars()
    wanted = jars.locked_jars()
    folder = jars.cache_folder(jars.kafka_version(wanted))
    if not jars.missing(wanted, folder):
        return 0
    said_s = 0.0

    def say(step: object) -> None:
        nonlocal said_s
        done, total = getattr(step, "files_done", 0), getattr(step, "files_total", 0)
        if time.monotonic() - said_s >= SAY_EVERY_S or done == total:
            said_s = time.monotonic()
            megabytes = getattr(step, "bytes_done", 0) / 1e6
            print(f"setup: Apache Kafka: {done} of {total} files, {megabytes:.0f} MB", flush=True)

    try:
        asyncio.run(jars.fetch(wanted, folder, say))
    except Exception as error:  # noqa: BLE001 - whatever it is, `vaxel up` tries again and says more
        print(f"setup: {error}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
