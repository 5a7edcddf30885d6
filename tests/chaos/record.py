"""A figure of ``docs/figures.md`` as JSON: what was done how often, what came of it, where and when.

    begun = record.begin()
    …                                           # the run
    one = record.figure("R4", "A frozen owner wakes up", begun, n=500, violations=0,
                        figures={"displaced within": "p50 0.4 s"}, command="make …",
                        not_covered="…")
    record.write(path, one)                     # or several of them

``figures.py`` makes the document of any number of such files.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
Figure = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Begun:
    """When a run began, and how busy the machine was then."""

    at_s: float
    load: float
    commit: str


def begin() -> Begun:
    """To be called before the run: the tree may have moved on at its end."""
    return Begun(time.monotonic(), os.getloadavg()[0], commit())


def figure(
    name: str,
    title: str,
    begun: Begun,
    *,
    n: int,
    violations: int,
    command: str,
    figures: Mapping[str, object],
    not_covered: str,
    broker: str | None = None,
) -> Figure:
    """One entry. ``n``: tries; ``violations``: promises broken; ``name``: ``R1`` … ``R20``.

    ``broker``: what stood in for Apache Kafka where it wasn't the one of ``deploy/kafka``.
    """
    seconds = time.monotonic() - begun.at_s
    return {
        "id": name,
        "title": title,
        "n": n,
        "figures": dict(figures),
        "violations": violations,
        "command": command,
        "not_covered": not_covered,
        "commit": begun.commit,
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "seconds": round(seconds, 1),
        "machine": machine(broker) | {"load": f"{begun.load:.1f} before, {_load():.1f} after"},
    }


def command() -> str:
    """How this process was called, without what belongs to one machine: folders, files, ports."""
    words = list(sys.argv[1:])
    for name in ("--json", "--folder", "--port-offset"):
        if name in words:
            at = words.index(name)
            del words[at : at + 2]
    script = Path(sys.argv[0]).resolve().relative_to(ROOT)
    return " ".join([".venv/bin/python", str(script), *words])


def write(path: Path, *figures: Figure) -> None:
    """Write them to ``path`` as a list."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(list(figures), indent=1) + "\n")


def machine(broker: str | None = None) -> dict[str, str]:
    """Processor, system, versions: what a figure depends on."""
    return {
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "system": f"{platform.system()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "aiokafka": version("aiokafka"),
        "broker": broker or f"Apache Kafka {_kafka()}",
    }


def commit() -> str:
    """The tree's commit, with ``+`` where something in it isn't committed."""
    command = ["git", "describe", "--always", "--abbrev=12", "--dirty=+"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def _kafka() -> str:
    """The version that ``deploy/kafka`` pins."""
    listed = (ROOT / "deploy/kafka/jgo.toml").read_text()
    return listed.partition("org.apache.kafka:kafka-clients:")[2].partition('"')[0]


def _load() -> float:
    return os.getloadavg()[0]


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
