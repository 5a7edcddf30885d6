"""What is done to a running system: each fault by name, in an order drawn from a seed.

A fault begins, lasts, and is over when the victim is back. The journal of faults (one JSON line
each) is for the checker: it says when nobody could be expected to decide, and from when on people
waited.
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from chaos.system import SERVICES, NetworkedSystem, System, wait_for

BACK_S_MAX = 20
ZOMBIE_S = (4.0, 12.0)
"""A frozen process: for longer than an append (5 s) or a mail server's patience lasts, or not."""
SECOND_OWNER_S = (3.0, 8.0)
SECOND_S = (8.0, 16.0)
"""Of another service: what a start takes on a busy machine, and a while beside the first."""
STORM_S = (3.0, 8.0)
STORM_PROBABILITY = 0.12
DISK_FULL_S = (2.0, 5.0)


@dataclass
class Torment:
    """Does one fault after the other; ``say`` gets a line for each."""

    system: System
    journal: Path
    seed: int
    say: Callable[[str], None]
    scale: float = 1.0
    """Of how long the faults that last do last: CI is short of time."""
    done: Counter[str] = field(default_factory=Counter)
    network: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def until(self, end: float, only: str | None = None) -> None:
        """Faults in turn, all kinds before any comes again, until the monotonic instant ``end``."""
        plan = self._plan(only)
        while time.monotonic() < end:
            time.sleep(self._random.uniform(0.7, 2.5))
            self.do(next(plan))

    def do(self, name: str) -> None:
        """One fault, from beginning to end."""
        began, started = time.time(), time.monotonic()
        kind, _, victim = name.partition(" ")
        _DEEDS[kind](self, victim, self._random)
        self.done[name] += 1
        self._write(name, began)
        self.say(f"{name}: over after {time.monotonic() - started:.1f} s")

    def _write(self, name: str, began: float) -> None:
        line = {"fault": name, "from_ms": int(began * 1000), "until_ms": int(time.time() * 1000)}
        with self.journal.open("a") as file:
            file.write(json.dumps(line) + "\n")

    def _plan(self, only: str | None) -> Iterator[str]:
        wanted = tuple(only.split(",")) if only else ("",)
        names = [name for name in every_fault(self.system) if name.startswith(wanted)]
        while True:
            yield from self._random.sample(names, len(names))

    def last(self, span: tuple[float, float], draw: random.Random) -> None:
        """Let a fault last, between the two ends of ``span`` seconds."""
        time.sleep(draw.uniform(*span) * self.scale)

    def back(self, victim: str, not_pid: int | None = None) -> None:
        """Wait until the victim is there again, ready where it can say so."""
        wait_for(lambda: self.system.is_back(victim, not_pid), BACK_S_MAX)
        if victim != "broker":
            wait_for(lambda: self.system.is_ready(victim), BACK_S_MAX)


def every_fault(system: System) -> list[str]:
    """All that can be done to this system."""
    victims = (*SERVICES, "broker")
    names = [f"kill {victim}" for victim in victims]
    names += [f"freeze {victim}" for victim in victims]
    names += ["zombie router", "rolling restart", "full disk", "cut intake"]
    names += [f"second {victim}" for victim in SERVICES]
    if isinstance(system, NetworkedSystem):
        names += ["restart broker", "bad network"]
    return names


def _kill(torment: Torment, victim: str, _draw: random.Random) -> None:
    pid = torment.system.pid(victim)
    if torment.system.kill(victim):
        torment.back(victim, not_pid=pid)


def _freeze(torment: Torment, victim: str, draw: random.Random) -> None:
    """SIGSTOP for longer than people wait; then it goes on as if nothing had been."""
    pid = torment.system.signal(victim, signal.SIGSTOP)
    torment.last(ZOMBIE_S, draw)
    if pid is not None:
        _resume(pid)


def _zombie(torment: Torment, victim: str, draw: random.Random) -> None:
    """A frozen owner, a successor that decides meanwhile, and the first one wakes up."""
    pid = torment.system.signal(victim, signal.SIGSTOP)
    second = torment.system.start_second("router")
    torment.last(ZOMBIE_S, draw)
    if pid is not None:
        _resume(pid)
    # Whoever is displaced ends; the supervisor's comes back and displaces the successor.
    if not wait_for(lambda: second.poll() is not None, max(6.0, 15 * torment.scale)):
        second.kill()
    torment.back(victim)


def _second(torment: Torment, victim: str, draw: random.Random) -> None:
    """Two live owners of the same, for a while: they displace, share or refuse each other."""
    system = torment.system
    second = system.start_second(victim)
    span = SECOND_OWNER_S if victim == "router" else SECOND_S
    end = time.monotonic() + draw.uniform(*span) * torment.scale
    while time.monotonic() < end:
        if second.poll() is not None:
            second = system.start_second(victim)
        time.sleep(0.2)
    second.send_signal(draw.choice([signal.SIGTERM, signal.SIGKILL]))
    if not wait_for(lambda: second.poll() is not None, 12):
        second.kill()
    torment.back(victim)


def _rolling(torment: Torment, _victim: str, draw: random.Random) -> None:
    """SIGTERM to each service in turn, the next one when the last is ready again."""
    for name in draw.sample(SERVICES, len(SERVICES)):
        pid = torment.system.signal(name, signal.SIGTERM)
        torment.back(name, not_pid=pid)


def _full_disk(torment: Torment, _victim: str, draw: random.Random) -> None:
    """Intake can't write a byte to any file (RLIMIT_FSIZE): it must say 451 and keep nothing."""
    pid = torment.system.pid("ingest-email")
    if pid is None:
        return
    with suppress(ProcessLookupError):
        before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, before[1]))
        torment.last(DISK_FULL_S, draw)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
    torment.back("ingest-email")


def _cut_intake(torment: Torment, _victim: str, draw: random.Random) -> None:
    """The broker stands still; intake dies with all that it holds; the broker goes on."""
    broker = torment.system.signal("broker", signal.SIGSTOP)
    torment.last((2.0, 4.0), draw)
    pid = torment.system.pid("ingest-email")
    torment.system.kill("ingest-email")
    if broker is not None:
        _resume(broker)
    torment.back("ingest-email", not_pid=pid)


def _restart(torment: Torment, _victim: str, _draw: random.Random) -> None:
    assert isinstance(torment.system, NetworkedSystem)
    torment.system.restart_broker()


def _bad_network(torment: Torment, _victim: str, draw: random.Random) -> None:
    """Requests and answers of five APIs are lost, held back or land late."""
    assert isinstance(torment.system, NetworkedSystem)
    torment.system.network(STORM_PROBABILITY)
    torment.last(STORM_S, draw)
    torment.network = torment.system.network(0.0)


def _resume(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


_DEEDS: dict[str, Callable[[Torment, str, random.Random], None]] = {
    "kill": _kill,
    "freeze": _freeze,
    "zombie": _zombie,
    "second": _second,
    "rolling": _rolling,
    "full": _full_disk,
    "cut": _cut_intake,
    "restart": _restart,
    "bad": _bad_network,
}
