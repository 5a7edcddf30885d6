"""The whole system on a cluster of three, with readers of its decisions beside it, and what it says.

``vaxel up --broker A,B,C`` on topics made by ``vaxel topics apply``: sixteen partitions, three
copies of which two must be in step. Mail goes in and answers come out as in every other run of
chaos; what its processes say when they end is read from their logs.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaos.checker import HEADER
from chaos.cluster import Cluster
from chaos.cluster_reader import read_trace
from chaos.system import ROOT, System

LEAN = ("sink", "router", "triage", "ingest-email", "delivery", "register")
"""The services that the checker judges; the others cost time on a small machine."""
CUT_WORDS = (
    "acknowledged decisions were lost",
    "acknowledged records were cut",
    "the log was cut",
    "records were cut",
    "is not in the log",
    "records at the cursor are gone",
    "records went unread",
    "records are missing",
    "an offset to read is gone",
    "another chain grows",
    "a writer doesn't restore",
    "no offset",
)
"""What a process says that halts because a log isn't what it was."""
Json = dict[str, Any]


class ClusterSystem(System):
    """``vaxel up`` on somebody's cluster, with a prefix of its own."""

    def __init__(
        self,
        folder: Path,
        port_offset: int,
        config: Path,
        cluster: Cluster,
        *,
        prefix: str = "",
        services: tuple[str, ...] = LEAN,
        environment: dict[str, str] | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        own = {"VAXEL_TOPIC_PREFIX": prefix, **(environment or {})}
        super().__init__(folder, port_offset, config, own)
        self.cluster, self.prefix, self.services = cluster, prefix, services
        self._readers: list[Reader] = []

    def broker_options(self) -> list[str]:
        """The three, and no more services than are wanted."""
        return ["--broker", self.cluster.address, "--only", ",".join(self.services)]

    def start(self) -> None:
        """Topics as a cluster gets them, then the system."""
        words = ("topics", "apply", "--cluster", "--broker", self.cluster.address)
        command = [sys.executable, "-m", "vaxel_cli", *words]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env=self.environment
        )
        if done.returncode:
            raise RuntimeError(f"vaxel topics apply: {done.stderr}")
        super().start()

    def topic(self, name: str) -> str:
        """The full name of a topic."""
        return f"{self.prefix}{name}"

    def start_reader(self) -> Reader:
        """A reader of the decisions, from the first on."""
        reader = Reader(self, self.folder / f"reader-{len(self._readers)}")
        self._readers.append(reader)
        reader.start()
        return reader

    def end(self) -> None:
        """Readers too."""
        for reader in self._readers:
            reader.end()
        super().end()

    def log_of(self, service: str) -> list[Json]:
        """What a service has logged so far."""
        path = self.data_dir / "logs" / f"{service}.log"
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        found = []
        for line in lines:
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
        return [one for one in found if isinstance(one, dict)]

    def last_words(self, service: str, since: int = 0) -> list[str]:
        """The sentences with which its processes ended, of what it logged from ``since`` on."""
        return [
            str(one.get("error", ""))
            for one in self.log_of(service)[since:]
            if one.get("event") in ("failed", "task_failed")
        ]

    def halts(self, since: dict[str, int] | None = None) -> dict[str, list[str]]:
        """Service → the sentences, in order, that say that a log isn't what it was."""
        found: dict[str, list[str]] = {}
        for service in self.services:
            for words in self.last_words(service, (since or {}).get(service, 0)):
                if any(one in words for one in CUT_WORDS):
                    found.setdefault(service, []).append(words)
        return found

    def logged(self) -> dict[str, int]:
        """How much every service has logged by now."""
        return {service: len(self.log_of(service)) for service in self.services}


@dataclass
class Reader:
    """A process that follows the decisions; see ``cluster_reader.py``."""

    system: ClusterSystem
    folder: Path
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def trace(self) -> Path:
        """What it has read."""
        return self.folder.with_suffix(".jsonl")

    @property
    def words(self) -> str:
        """The last line that it said."""
        path = self.folder.with_suffix(".err")
        lines = path.read_text().splitlines() if path.exists() else []
        return lines[-1] if lines else ""

    @property
    def halted(self) -> bool:
        """Whether it refused to go on."""
        return self._process is not None and self._process.poll() == 3

    def start(self) -> None:
        """Go on where its trace ends."""
        script = Path(__file__).with_name("cluster_reader.py")
        words = [self.system.cluster.address, self.system.prefix, str(self.trace)]
        with self.folder.with_suffix(".err").open("a") as errors:
            self._process = subprocess.Popen(
                [sys.executable, str(script), *words],
                stderr=errors,
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": str(ROOT / "tests")},
            )

    def kill(self) -> None:
        """Kill -9."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def end(self) -> None:
        """Whatever is left of it ends now."""
        if self._process is not None and self._process.poll() is None:
            self.kill()

    def rows(self) -> dict[int, list[Json]]:
        """What it has read, by partition."""
        return read_trace(self.trace)


def valid_records(export: Path) -> dict[int, list[tuple[int, str]]]:
    """Offset and hash of each record that counts, by partition, by the chain's one rule."""
    log_id = str(json.loads((export / "manifest.json").read_text())["log_id"])
    found: dict[int, list[tuple[int, str]]] = {}
    for path in export.glob("vaxel.decisions-*.jsonl"):
        partition = int(path.stem.rpartition("-")[2])
        tip = hashlib.sha256(f"{log_id}:{partition}".encode()).digest()
        for line in path.read_text().splitlines():
            record = json.loads(line)
            raw = base64.b64decode(record["value_b64"])
            if raw[:4] == b"VXLC" and HEADER.unpack_from(raw)[4] == tip:
                tip = hashlib.sha256(raw).digest()
                found.setdefault(partition, []).append((record["offset"], tip.hex()))
    return found


def disagreements(export: Path, reader: Reader) -> list[str]:
    """Where a reader was handed something else than the log holds, or less."""
    rows, wrong = reader.rows(), []
    for partition, records in valid_records(export).items():
        read = [(row["offset"], row["sha256"]) for row in rows.get(partition, [])]
        if read[: len(records)] != records:
            at = next(
                (i for i, (a, b) in enumerate(zip(read, records, strict=False)) if a != b),
                len(read),
            )
            wrong.append(
                f"{reader.folder.name} partition {partition} record {at}: {len(read)} read"
            )
    return wrong
