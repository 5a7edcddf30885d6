"""A new version comes: each service is asked to end, and the next one when it is ready again."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from chaos.kills import pid_of
from chaos.system import SERVICES, System, wait_for

DRAIN_S_MAX = 10
"""A container is killed so long after it was asked to end."""
BACK_S_MAX = 60


@dataclass
class Rolling:
    """``count`` rounds over all services; ``drains_ms`` are from SIGTERM to the process's end."""

    system: System
    journal: Path
    seed: int
    say: Callable[[str], None]
    count: int
    done: Counter[str] = field(default_factory=Counter)
    drains_ms: dict[str, list[int]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def run(self) -> None:
        """All rounds."""
        draw = random.Random(self.seed)
        for number in range(self.count):
            began = time.time()
            for name in draw.sample(SERVICES, len(SERVICES)):
                self._restart(name)
            self.done["rolling restart"] += 1
            self.say(f"rolling restart {number + 1} of {self.count}: {time.time() - began:.1f} s")

    def _restart(self, name: str) -> None:
        pid = pid_of(self.system, name)
        if pid is None:
            self.wrong.append(f"{name} wasn't there")
            return
        began = time.time()
        os.kill(pid, signal.SIGTERM)
        while _lives(pid) and time.time() - began < 2 * DRAIN_S_MAX:
            time.sleep(0.01)
        took_ms = int((time.time() - began) * 1000)
        self.drains_ms.setdefault(name, []).append(took_ms)
        if took_ms > DRAIN_S_MAX * 1000:
            self.wrong.append(f"{name} took {took_ms} ms to end")
        if not wait_for(lambda: self._is_back(name, pid), BACK_S_MAX):
            self.wrong.append(f"{name} wasn't ready again after {BACK_S_MAX} s")
        line = {"fault": f"restart {name}", "from_ms": int(began * 1000)}
        with self.journal.open("a") as file:
            file.write(json.dumps(line | {"until_ms": int(time.time() * 1000)}) + "\n")

    def _is_back(self, name: str, before: int) -> bool:
        now = self.system.pid(name)
        return now != before and now == pid_of(self.system, name) and self.system.is_ready(name)


def _lives(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False
