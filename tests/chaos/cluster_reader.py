"""A reader of the decisions as a process: writes down each valid record that it was handed.

``python cluster_reader.py BROKERS PREFIX TRACE``. A line of the trace is record and cursor at once,
so a reader that is killed goes on where its trace ends. Exit code 3: it halted, the sentence is the
last line on its standard error.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from vaxel_shared.errors import Fatal, Retryable
from vaxel_shared.kafka.reader import ChainCursor, DecisionsReader
from vaxel_shared.settings import Settings

PAUSE_S = 0.2


def read_trace(path: Path) -> dict[int, list[dict[str, Any]]]:
    """The lines of a trace by partition, in order; one torn by a kill at its end is none."""
    found: dict[int, list[dict[str, Any]]] = {}
    if path.exists():
        for line in path.read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n"):
                row = json.loads(line)
                found.setdefault(row["partition"], []).append(row)
    return found


def mend(path: Path) -> None:
    """Cut a torn last line off: what follows must not be glued to it."""
    if path.exists():
        data = path.read_bytes()
        path.write_bytes(data[: data.rfind(b"\n") + 1])


async def follow(settings: Settings, trace: Path) -> None:
    """Read from the end of the trace on, until the broker is away; raises Fatal to halt."""
    cursors = {p: ChainCursor.from_row(rows[-1]) for p, rows in read_trace(trace).items()}
    reader = DecisionsReader(settings, cursors)
    try:
        await reader.start()
        with trace.open("a") as file:
            while True:
                for record in await reader.poll():
                    row = record.cursor.row() | {
                        "ts": record.timestamp_ms,
                        "decisions": len(record.batch.decisions),
                    }
                    file.write(json.dumps(row) + "\n")
                file.flush()
    finally:
        await reader.close()


async def main(broker: str, prefix: str, trace: Path) -> int:
    """Until halted."""
    settings = Settings(
        broker=broker, security_protocol="PLAINTEXT", topic_prefix=prefix, cold_start="genesis"
    )
    mend(trace)
    while True:
        try:
            await follow(settings, trace)
        except Retryable as error:
            print(f"again: {error}", file=sys.stderr, flush=True)
            await asyncio.sleep(PAUSE_S)
        except Fatal as error:
            print(error, file=sys.stderr, flush=True)
            return 3


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))))
