"""What the system's processes hold while it runs, once a second: memory, descriptors, threads.

Read from ``/proc`` and from the services' own ``/metrics``; nothing is asked of the system that an
operator couldn't ask. Growth is the slope of a straight line through the samples after a warm-up.
"""

from __future__ import annotations

import os
import re
import threading
import time
import urllib.request
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SAMPLE_S = 1.0
WARM_UP = 0.25
"""The share of a phase after which memory is expected to stand still."""
GROWTH_MAX = 0.05
NOISE_KIB = 8 * 1024
"""Less than this is an allocator's or a collector's business, whatever share it is."""
PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024
_SERIES = re.compile(r"^(vaxel_\w+)(?:\{(.*)\})? (\S+)$")


@dataclass(frozen=True, slots=True)
class Sample:
    """One process, or one kind of child process, at one moment."""

    at_s: float
    rss_kib: int
    fds: int
    threads: int
    tasks: int


@dataclass
class Watch:
    """Samples until :meth:`stop`; ``run`` gives the pids, which must not change."""

    run: dict[str, Any]
    samples: dict[str, list[Sample]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        self.pids = {name: one["pid"] for name, one in self.run["services"].items() if one["pid"]}
        if self.run.get("broker_pid"):
            self.pids["broker"] = self.run["broker_pid"]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Enough."""
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(SAMPLE_S):
            for name, pid in self.pids.items():
                for kind, pids in {name: [pid], f"{name} children": children(pid)}.items():
                    found = [one for one in map(self._look, pids) if one is not None]
                    if found:
                        self.samples[kind].append(self._together(name, kind, found))

    def _together(self, name: str, kind: str, found: list[tuple[int, int, int]]) -> Sample:
        rss, fds, threads = (sum(column) for column in zip(*found, strict=True))
        tasks = 0
        if kind == name and name in self.run["services"]:
            tasks = int(metric(self.run["services"][name]["url"], "vaxel_asyncio_tasks"))
        return Sample(time.monotonic(), rss, fds, threads, tasks)

    def _look(self, pid: int) -> tuple[int, int, int] | None:
        folder = Path("/proc") / str(pid)
        try:
            rss = int((folder / "statm").read_text().split()[1]) * PAGE_KIB
            return rss, _count(folder / "fd"), _count(folder / "task")
        except OSError:  # it is gone; whoever compares the pids says so
            return None

    def between(self, from_s: float, to_s: float) -> dict[str, list[Sample]]:
        """The samples of a phase."""
        return {
            name: [one for one in found if from_s <= one.at_s <= to_s]
            for name, found in self.samples.items()
        }


def _count(folder: Path) -> int:
    return sum(1 for _ in folder.iterdir())


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    try:
        return [
            int(child)
            for path in (Path("/proc") / str(pid) / "task").glob("*/children")
            for child in path.read_text().split()
        ]
    except OSError:
        return []


@dataclass(frozen=True, slots=True)
class Growth:
    """How a figure moved over the part of a phase that follows the warm-up."""

    first: float
    last: float
    highest: float
    warm: float = 0.0
    """The highest within the warm-up."""

    @property
    def risen(self) -> float:
        """By how much the warm-up's highest was exceeded."""
        return self.highest - self.warm

    @property
    def share(self) -> float:
        """Of what it was when the warm-up ended."""
        return (self.last - self.first) / self.first if self.first else 0.0

    @property
    def flat(self) -> bool:
        """Whether it stood still."""
        return self.share <= GROWTH_MAX or self.last - self.first <= NOISE_KIB


def growth(samples: Sequence[tuple[float, float]], warm_up: float = WARM_UP) -> Growth | None:
    """The straight line through (time, figure), at the warm-up's end and at the phase's end."""
    if len(samples) < 8:
        return None
    begin, end = samples[0][0], samples[-1][0]
    kept = [one for one in samples if one[0] >= begin + (end - begin) * warm_up]
    if len(kept) < 4:
        return None
    mean_x = sum(x for x, _ in kept) / len(kept)
    mean_y = sum(y for _, y in kept) / len(kept)
    spread = sum((x - mean_x) ** 2 for x, _ in kept)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in kept) / spread if spread else 0.0
    first, last = (mean_y + slope * (x - mean_x) for x in (kept[0][0], kept[-1][0]))
    warm = max(y for x, y in samples if x <= kept[0][0])
    return Growth(first, last, max(y for _, y in samples), warm)


def metric(url: str, name: str, **labels: str) -> float:
    """The sum of a metric's series that have these labels; 0.0 where there is none."""
    try:
        with urllib.request.urlopen(f"{url}/metrics", timeout=5) as answer:
            text = answer.read().decode()
    except OSError:
        return 0.0
    return total(text, name, **labels)


def total(text: str, name: str, **labels: str) -> float:
    """The same of a page of metrics."""
    found = 0.0
    for line in text.splitlines():
        match = _SERIES.match(line)
        if match is None or match[1] != name:
            continue
        if all(f'{key}="{value}"' in (match[2] or "") for key, value in labels.items()):
            found += float(match[3])
    return found
