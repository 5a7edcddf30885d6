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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

import click
from engine_oracle import NaiveWorld, both_kinds_of_worlds
from random_desk import Traffic

from vaxel_router.core import state as states
from vaxel_router.core.engine import Batch
from vaxel_router.core.inputs import decode
from vaxel_router.core.matching import Matcher
from vaxel_router.core.state import State, World
from vaxel_shared.contracts import wire

LOG_ID = "0a" * 16
HISTORY = 2_500
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


def history(seed: int, commands: int, count: Count) -> None:
    """One history on both engines. Raises :class:`Differs`."""
    draw = Random(f"history {seed}")
    fast, slow = World(State(LOG_ID, 0)), NaiveWorld(State(LOG_ID, 0))
    traffic = Traffic(seed, fast, draw.choice(TEAMS))
    todo = [*traffic.first()]
    seq, offset, done = -1, -1, 0
    while done < commands:
        if not todo:
            todo = [traffic.next() for _ in range(draw.choice((1, 1, 1, 4, 15)))]
        items = [decode(offset + 1 + i, traffic.now_ms, value) for i, value in enumerate(todo)]
        seq += 1
        tick_ms = traffic.now_ms if draw.random() < 0.5 else None
        bodies = []
        for world in (fast, slow):
            batch = Batch(world, traffic.library, seq=seq, wall_ms=traffic.now_ms)
            taken = 0
            while taken < len(items) and batch.has_room and batch.add(items[taken]):
                taken += 1
            if taken == len(items) and tick_ms is not None and batch.has_room:
                batch.tick(tick_ms)
            body = batch.close(engine="oracle")
            bodies.append((taken, wire.encode(body)))
        if bodies[0] != bodies[1]:
            raise Differs(f"history {seed}, record {seq}:\n  {bodies[0]}\n  {bodies[1]}")
        if seq % DIGEST_EVERY == 0 and states.encode(fast.state) != states.encode(slow.state):
            raise Differs(f"history {seed}: the states after record {seq}")
        offset += taken
        done += taken
        todo = todo[taken:]
        count.commands += taken
        timers = [made.cause for made in body.decisions if made.cause.startswith("timer:")]
        count.timers += sum(1 for _ in itertools.groupby(timers))
        count.records += 1
        count.decisions += len(body.decisions)
        count.offers += sum(made.type == "offer.made" for made in body.decisions)
        count.waiting_most = max(count.waiting_most, len(fast.matchers[traffic.pool.name]))
    count.histories += 1


DEFECTS: dict[str, tuple[Any, str, Any]] = {
    "barred": (Matcher, "_barred", lambda _self, _item: ()),
    "held": (Matcher, "is_held", lambda _self, _item_id: False),
    "ties": (Matcher, "is_tied", lambda _self, _item_id, _winner: False),
    "order": (states, "work_key", lambda work: work.order),
    "capacity": (Matcher, "free", lambda _self, _agent, _channel, _cost, *, idle=None: None),
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
            command="make chaos-full (services/router/tests/oracle_run.py --full)",
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
