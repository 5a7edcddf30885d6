"""Customers who don't wait for each other: mails, webhooks and chats at a given rate, open loop.

A process of its own, so that what it costs isn't counted to the system. Whatever happens to an
arrival, the next one comes when it is due: a slow or refusing system gets no relief. Each arrival
is tried once, and a line in the journal says how it was answered; what nobody answered in time, or
not in the words of the protocol, is told by a name that isn't polite.

``python tests/chaos/overload_sender.py --data-dir D --rate 100 --seconds 60 --journal J`` prints
one JSON line with the counts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

if not __package__:  # run as a script: this file isn't the package that is called like it
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from chaos.overload_ways import Arrival, Chats, Hooks, Mails, Way

UNDER_WAY_MAX = 3_000
"""What this process bears at once; an arrival beyond it isn't sent, and is counted as that."""
MIX = {"mail": 0.6, "hook": 0.25, "chat": 0.15}


@dataclass
class Sender:
    """Sends until its time is over; ``journal`` gets a line an arrival."""

    ways: dict[str, Way]
    rate: float
    journal: TextIO
    tag: str
    rng: random.Random
    counts: Counter[str] = field(default_factory=Counter)
    offered: int = 0
    unsent: int = 0
    late_ms_max: int = 0

    async def run(self, seconds: float) -> None:
        """Offer ``rate`` a second, then wait for the last answers."""
        under_way: set[asyncio.Task[None]] = set()
        began = time.monotonic()
        number = 0
        kinds, weights = list(MIX), list(MIX.values())
        while (due := number / self.rate) < seconds:
            behind = time.monotonic() - began - due
            if began + seconds < time.monotonic():
                self.unsent += int(seconds * self.rate) - number
                break
            if behind < 0:
                await asyncio.sleep(-behind)
            else:
                self.late_ms_max = max(self.late_ms_max, int(behind * 1000))
                if number % 50 == 0:
                    await asyncio.sleep(0)
            number += 1
            if len(under_way) >= UNDER_WAY_MAX:
                self.unsent += 1
                continue
            kind = self.rng.choices(kinds, weights)[0]
            arrival = Arrival(f"{self.tag}-{kind}-{number:07d}", number, self.rng.random())
            task = asyncio.create_task(self._one(kind, arrival))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        if under_way:
            await asyncio.wait(under_way)
        for way in self.ways.values():
            await way.close()

    async def _one(self, kind: str, arrival: Arrival) -> None:
        self.offered += 1
        sent_ms = int(time.time() * 1000)
        message_id, outcome, accepted = await self.ways[kind].send(arrival)
        self.counts[f"{kind} {outcome}"] += 1
        line = {
            "message_id": message_id,
            "acknowledged": accepted,
            "kind": kind,
            "outcome": outcome,
            "sent_ms": sent_ms,
            "done_ms": int(time.time() * 1000),
        }
        self.journal.write(json.dumps(line, separators=(",", ":")) + "\n")


def main() -> None:
    """The process."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--journal", type=Path, required=True)
    parser.add_argument("--tag", default="load")
    options = parser.parse_args()
    run: dict[str, Any] = json.loads((options.data_dir / "run.json").read_text())
    rng = random.Random(options.tag)
    ways: dict[str, Way] = {
        "mail": Mails(run["smtp"]["host"], run["smtp"]["port"], run["mailboxes"][0]),
        "hook": Hooks(run["services"]["ingest-chat"]["url"], run["webhooks"][0], options.data_dir),
        "chat": Chats(run["services"]["ingest-chat"]["url"], run["chats"][0]),
    }
    with options.journal.open("a", buffering=1 << 16) as journal:
        sender = Sender(ways, options.rate, journal, options.tag, rng)
        asyncio.run(sender.run(options.seconds))
    summary = {
        "offered": sender.offered,
        "unsent": sender.unsent,
        "late_ms_max": sender.late_ms_max,
        "counts": dict(sender.counts),
    }
    print(json.dumps(summary), flush=True)


if __name__ == "__main__":
    main()
