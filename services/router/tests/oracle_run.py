"""The indexed engine against one that looks at everybody: the same commands, the same bytes?

    python services/router/tests/oracle_run.py                     50,000 events
    python services/router/tests/oracle_run.py --full --json FILE  a million of them, as a figure
    python services/router/tests/oracle_run.py --break barred      with a defect put in: it must be found

Every record is compared byte for byte (decisions, reasons, their order), the whole state from time
to time. Each history begins anew with another team, from one agent to sixty.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

import click
from engine_oracle import NaiveWorld, both_kinds_of_worlds
from random_desk import Traffic

from vaxel_router.core import cycle
from vaxel_router.core import state as states
from vaxel_router.core.engine import Batch
from vaxel_router.core.inputs import decode
from vaxel_router.core.matching import Matcher, together
from vaxel_router.core.state import State, World
from vaxel_shared.contracts import wire

LOG_ID = "0a" * 16
HISTORY = 600
"""Commands of one history."""
TEAMS = (1, 3, 8, 14, 14, 25, 60)
DIGEST_EVERY = 97


class Differs(Exception):
    """The two engines said different things."""


@dataclass
class Count:
    """What was compared. An event is a command, or a timer that fired."""

    histories: int = 0
    commands: int = 0
    timers: int = 0
    records: int = 0
    decisions: int = 0
    offers: int = 0
    waiting_most: int = 0

    @property
    def events(self) -> int:
        return self.commands + self.timers


class Both:
    """Two worlds, told the same; their traffic follows the first."""

    def __init__(self, seed: int, team: int, count: Count) -> None:
        self.worlds = (World(State(LOG_ID, 0)), NaiveWorld(State(LOG_ID, 0)))
        self.traffic = Traffic(seed, self.worlds[0], team)
        self.count = count
        self.seq = -1
        self.offset = -1

    def record(self, values: Sequence[bytes], tick_ms: int | None, wall_ms: int) -> int:
        """One record of each; answers how many inputs they took. Raises :class:`Differs`."""
        now_ms = self.traffic.now_ms
        items = [decode(self.offset + 1 + i, now_ms, value) for i, value in enumerate(values)]
        self.seq += 1
        made = []
        for world in self.worlds:
            batch = Batch(world, self.traffic.library, seq=self.seq, wall_ms=wall_ms)
            taken = 0
            while taken < len(items) and batch.has_room and batch.add(items[taken]):
                taken += 1
            if taken == len(items) and tick_ms is not None and batch.has_room:
                batch.tick(tick_ms)
            body = batch.close(engine="oracle")
            made.append((taken, wire.encode(body)))
        if made[0] != made[1]:
            raise Differs(f"record {self.seq}:\n  {made[0]}\n  {made[1]}")
        fast, slow = self.worlds
        if self.seq % DIGEST_EVERY == 0 and states.encode(fast.state) != states.encode(slow.state):
            raise Differs(f"the states after record {self.seq}")
        self.offset += taken
        self._note(body, taken)
        return taken

    def wait(self) -> None:
        """The router was there all the time: what is due fires at its own instant."""
        while (due := self.worlds[0].next_timer()) is not None and due[0] <= self.traffic.now_ms:
            self.record([], due[0], due[0])

    def _note(self, body: wire.Batch, taken: int) -> None:
        count = self.count
        count.commands += taken
        timers = [made.cause for made in body.decisions if made.cause.startswith("timer:")]
        count.timers += sum(1 for _ in itertools.groupby(timers))
        count.records += 1
        count.decisions += len(body.decisions)
        count.offers += sum(made.type == "offer.made" for made in body.decisions)
        waiting = len(self.worlds[0].matchers[self.traffic.pool.name])
        count.waiting_most = max(count.waiting_most, waiting)


def history(seed: int, commands: int, count: Count) -> None:
    """One history on both engines. Raises :class:`Differs`."""
    draw = Random(f"history {seed}")
    both = Both(seed, draw.choice(TEAMS), count)
    traffic = both.traffic
    todo = [*traffic.first()]
    while both.offset < commands:
        if not todo:
            todo = [traffic.next() for _ in range(draw.choice((1, 1, 1, 4, 15)))]
        if draw.random() < 0.7:  # else it was away meanwhile, and all of that is overdue
            both.wait()
        tick_ms = traffic.now_ms if draw.random() < 0.5 else None
        try:
            taken = both.record(todo, tick_ms, traffic.now_ms)
        except Differs as difference:
            raise Differs(f"history {seed}, {difference}") from None
        todo = todo[taken:]
    count.histories += 1


DEFECTS: dict[str, tuple[Any, str, Any]] = {
    "barred": (Matcher, "_barred", lambda _self, _item: ()),
    "held": (Matcher, "is_held", lambda _self, _item_id: False),
    "ties": (Matcher, "is_tied", lambda _self, _item_id, _winner: False),
    "order": (states, "work_key", lambda work: work.order),
    "capacity": (Matcher, "free", lambda _self, _agent, _channel, _cost, *, idle=None: None),
    "windows": (together, "_each", lambda idle, count: [0] * count),
    "window's rooms": (cycle, "most_of", lambda _agent, *, direct: (1, 1)),
    "comings": (Matcher, "_refile_preferring", lambda _self, _agent: None),
}
"""Defects by name: what is replaced by what."""


def compare(
    events: int,
    first_seed: int,
    *,
    say: Callable[[str], None] = lambda _text: None,
) -> Count:
    """So many events, in histories of :data:`HISTORY`. Raises :class:`Differs`."""
    count, begun = Count(), time.monotonic()
    with both_kinds_of_worlds():
        seed = first_seed
        while count.events < events:
            history(seed, min(HISTORY, events), count)
            seed += 1
            if count.histories % 20 == 0:
                each = (time.monotonic() - begun) / count.events
                left = int(each * (events - count.events))
                say(f"{count.events:,} events, all alike; {left} s to go")
    return count


@contextmanager
def broken(defect: str | None) -> Iterator[None]:
    """With a defect of :data:`DEFECTS` in the indexed engine, if one is named."""
    if defect is None:
        yield
        return
    with mock.patch.object(*DEFECTS[defect]):
        yield


def main() -> int:
    parser = argparse.ArgumentParser(description="The indexed engine against the naive one.")
    parser.add_argument("--full", action="store_true", help="a million events")
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=1, help="of the first history")
    parser.add_argument("--break", dest="defect", choices=sorted(DEFECTS), help="put a defect in")
    parser.add_argument("--json", type=Path, help="write the figure to this file")
    arguments = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "tests"))
    from chaos import record  # noqa: PLC0415 - only a run from the command line makes a figure

    begun = record.begin()
    wanted = 1_000_000 if arguments.full else arguments.events
    say = functools.partial(click.echo, err=True)
    try:
        with broken(arguments.defect):
            count = compare(wanted, arguments.seed, say=say)
    except Differs as difference:
        say(f"NOT ALIKE: {difference}")
        return 1
    say(
        f"alike: {count.events:,} events in {count.histories} histories gave {count.decisions:,}"
        f" decisions, {count.offers:,} of them offers, byte for byte on both engines"
    )
    if arguments.json is not None:
        one = record.figure(
            "R20", "The indexed engine decides as one that looks at everybody", begun,
            n=count.events, violations=0,
            command="python services/router/tests/oracle_run.py --full",
            figures={
                "commands": count.commands, "timers that fired": count.timers,
                "records compared": count.records,
                "decisions": count.decisions, "offers": count.offers,
                "histories": count.histories, "most that waited at once": count.waiting_most,
            },
            not_covered="teams above sixty agents (the matcher alone is compared at those sizes)",
        )  # fmt: skip
        record.write(arguments.json, one)
    return 0


if __name__ == "__main__":
    sys.exit(main())
