"""A reader of the decisions in a process of its own: writes down every record that it takes as valid.

``python tests/chaos/rig_reader.py --trace FILE`` with ``VAXEL_*`` as a service has them. After
trouble with the broker it goes on from its cursors, as services do. On SIGTERM it reads to the log's
end and exits 0; it exits 3 where it must halt. When its standard input ends it goes at once.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import importlib.util
import json
import os
import signal
import sys
from pathlib import Path
from typing import TextIO

from vaxel_shared.errors import Fatal, Retryable
from vaxel_shared.kafka.reader import ChainCursor, DecisionsReader
from vaxel_shared.settings import Settings

PAUSE_S = 0.2


class Tracer:
    """Reads on until asked to stop, then to the end."""

    def __init__(self, trace: TextIO) -> None:
        self._trace = trace
        self._settings = Settings(cold_start="genesis")
        self._cursors: dict[int, ChainCursor] = {}
        self.stop = asyncio.Event()

    async def run(self) -> None:
        """Raises Fatal where going on would be wrong."""
        while True:
            reader = DecisionsReader(self._settings, dict(self._cursors))
            try:
                await reader.start()
                await self._follow(reader)
            except Retryable as error:
                print(f"again: {error}", flush=True)
                await asyncio.sleep(PAUSE_S)
            else:
                return
            finally:
                await reader.close()

    async def _follow(self, reader: DecisionsReader) -> None:
        while True:
            records = await reader.poll()
            for record in records:
                digest = hashlib.sha256(record.raw).hexdigest()
                line = [record.partition, record.offset, record.header.seq, digest]
                self._trace.write(json.dumps(line) + "\n")
            self._trace.flush()
            for partition in reader.partitions:
                cursor = reader.cursor(partition)
                if cursor.offset >= 0:
                    self._cursors[partition] = cursor
            if not records and self.stop.is_set() and await reader.at_end():
                return


def break_rule(name: str) -> None:
    """Lose a rule, as the broken builds of the tests do: to show that the checker notices."""
    path = Path(__file__).with_name("broken") / "sitecustomize.py"
    spec = importlib.util.spec_from_file_location("broken_rules", path)
    assert spec is not None
    assert spec.loader is not None
    broken = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(broken)
    broken.RULES[name][1]()


def _end_with_parent() -> None:
    """Standard input ends when whoever started this has gone, however that came about."""
    if not os.read(0, 1):
        os._exit(4)


async def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trace", type=Path, required=True)
    parser.add_argument("--broken", help="lose this rule")
    options = parser.parse_args()
    if options.broken:
        break_rule(options.broken)
    with options.trace.open("a") as trace:
        tracer = Tracer(trace)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, tracer.stop.set)
        loop.add_reader(0, _end_with_parent)
        try:
            await tracer.run()
        except Fatal as error:
            print(f"halted: {error}", flush=True)
            return 3
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
