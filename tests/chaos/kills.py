"""The fast loop: kill -9 of anything at any moment, at a pace that waits for nobody.

A process is found by what it runs, not by what the supervisor says of it, so that it is met while
it starts, restores or imports as well. Some kills hit two at once, some the one that is just coming
back. When a victim is ready again is watched beside the loop and stands in the journal of faults.
"""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from chaos.system import SERVICES, System

BROKER_EVERY = 40
"""One kill in so many is the broker's: it takes seconds to come back, and holds up all others."""
AWAY_MAX = 3
"""While more are away nobody else is killed, and nobody's turn comes before it was ready again: what
never works can't go wrong. The share below hits those that are just starting."""
TWO_AT_ONCE, AGAIN = 0.12, 0.12
"""The share of kills that hit a second one as well, and of those that hit the last one again."""
WATCH_S = 0.1


@dataclass
class Kills:
    """Kills until it did so ``count`` times; ``pace_s`` apart on average."""

    system: System
    journal: Path
    seed: int
    say: Callable[[str], None]
    count: int
    pace_s: float
    done: Counter[str] = field(default_factory=Counter)
    starting: int = 0
    """How many were hit before they were ready again."""

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._lock = threading.Lock()
        self._away: dict[str, list[float]] = {}
        """Victim → when it was hit, since it was ready last."""
        self._over = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def run(self, until: float | None = None) -> None:
        """Kill until all is done, or the monotonic instant ``until``."""
        self._watcher.start()
        last, turn = "", self._turns()
        while self.done.total() < self.count and (until is None or time.monotonic() < until):
            time.sleep(self._random.uniform(0.5, 1.5) * self.pace_s)
            if last and self._random.random() < AGAIN:
                self.kill(last)
                continue
            while len(self._away) > AWAY_MAX:
                time.sleep(WATCH_S)
            last = next(name for name in turn if name not in self._away)
            self.kill(last)
            if self._random.random() < TWO_AT_ONCE:
                self.kill(next(turn))
        self._over.set()
        self._watcher.join()

    def kill(self, victim: str) -> bool:
        """Kill it if it is there."""
        pid = pid_of(self.system, victim)
        if pid is None:
            return False
        began = time.time()
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        with self._lock:
            self.done[f"kill {victim}"] += 1
            self.starting += victim in self._away
            self._away.setdefault(victim, []).append(began)
        return True

    def _turns(self) -> Iterator[str]:
        """All in turn, each round in another order; the broker at times."""
        number = 0
        while True:
            for victim in self._random.sample(SERVICES, len(SERVICES)):
                number += 1
                if number % BROKER_EVERY == 0:
                    yield "broker"
                yield victim

    def _watch(self) -> None:
        """Write down each kill when its victim is back."""
        while not self._over.wait(WATCH_S):
            for victim in list(self._away):
                with suppress(OSError, ValueError, KeyError):
                    if self._is_back(victim):
                        self._write(victim, int(time.time() * 1000))
        for victim in list(self._away):
            self._write(victim, None)

    def _is_back(self, victim: str) -> bool:
        pid = self.system.pid(victim)
        if pid is None or time.time() - self._away[victim][-1] < WATCH_S:
            return False
        if pid != pid_of(self.system, victim):
            return False
        # Of the broker's new process nothing is said before it takes requests.
        return victim == "broker" or self.system.is_ready(victim)

    def _write(self, victim: str, until_ms: int | None) -> None:
        with self._lock:
            hits = self._away.pop(victim)
        with self.journal.open("a") as file:
            for at in hits:
                line = {"fault": f"kill {victim}", "from_ms": int(at * 1000), "until_ms": until_ms}
                file.write(json.dumps(line) + "\n")


def pid_of(system: System, name: str) -> int | None:
    """The process of a service or of the broker at any moment of its life, also while it starts."""
    parent = str(system.run["pid"])
    module = "kafka.Kafka" if name == "broker" else f"vaxel_{name.replace('-', '_')}"
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            if path.read_text().rpartition(")")[2].split()[1] != parent:
                continue
            words = (path.parent / "cmdline").read_bytes().split(b"\0")
        except (OSError, IndexError):
            continue
        if module.encode() in words:
            return int(path.parent.name)
    return None
