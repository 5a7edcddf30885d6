"""Real processes on a real Apache Kafka, killed in turn while mail comes in; then a verdict.

``make chaos SEED=1 MINUTES=2`` or ``python tests/chaos/chaos.py --seconds 60``. It starts a system
of its own in a folder of its own, ends only what it started, and says at the end, from the topics
and the senders' journal alone, whether anything that was acknowledged was lost, decided twice,
given to two agents or put above somebody's capacity.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from checker import Verdict, check
from load import Agents, Load

ROOT = Path(__file__).resolve().parents[2]
VICTIMS = ("router", "triage", "ingest-email", "delivery", "register", "broker")
START_TIMEOUT_S = 180
SETTLE_TIMEOUT_S = 90


class System:
    """``vaxel up`` in a folder of its own."""

    def __init__(self, folder: Path, port_offset: int, config: Path = ROOT / "config") -> None:
        self.data_dir = folder / "data"
        self.config = config
        self.port_offset = port_offset
        self._log = (folder / "up.log").open("a")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Come up; raises RuntimeError with the end of its account where it doesn't."""
        command = [sys.executable, "-m", "vaxel_cli", "up", "--data-dir", str(self.data_dir)]
        command += ["--port-offset", str(self.port_offset), "--config", str(self.config)]
        self._process = subprocess.Popen(
            command, stdout=self._log, stderr=self._log, start_new_session=True
        )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not (self.data_dir / "run.json").exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(Path(self._log.name).read_text()[-2000:])
            time.sleep(0.2)

    @property
    def run(self) -> dict[str, Any]:
        """The present run.json; pids change with every restart."""
        return json.loads((self.data_dir / "run.json").read_text())

    def pid(self, name: str) -> int | None:
        """The process of a service or of the broker, as of now."""
        run = self.run
        pid = run["broker_pid"] if name == "broker" else run["services"][name].get("pid")
        return int(pid) if pid else None

    def kill(self, name: str) -> bool:
        """kill -9; says whether there was something to kill."""
        pid = self.pid(name)
        if pid is None:
            return False
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True

    def vaxel(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command of ours against it."""
        command = [sys.executable, "-m", "vaxel_cli", *words, "--data-dir", str(self.data_dir)]
        return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)

    def stop(self) -> int:
        """Drain and stop; its exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(timeout=60)

    def end(self) -> None:
        """Whatever is left of it ends now."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()


def torment(system: System, seconds: float, seed: int) -> dict[str, int]:
    """Kill the victims in turn, at random moments, until the time is over."""
    chance = random.Random(seed)
    killed = dict.fromkeys(VICTIMS, 0)
    end = time.monotonic() + seconds
    order: list[str] = []
    while time.monotonic() < end:
        order = order or chance.sample(VICTIMS, len(VICTIMS))
        time.sleep(chance.uniform(1.0, 4.0))
        victim = order.pop()
        if system.kill(victim):
            killed[victim] += 1
            print(f"chaos: killed {victim}", flush=True)
        wait_for(lambda name=victim: _is_back(system, name), 60)
    return killed


def _is_back(system: System, name: str) -> bool:
    pid = system.pid(name)
    try:
        os.kill(pid or 0, 0) if pid else None
    except ProcessLookupError:
        return False
    return pid is not None


def wait_for(condition: Any, seconds: float) -> bool:
    """Wait until it holds; False if it didn't in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if condition():
                return True
        except (OSError, ValueError, KeyError):
            pass  # run.json is being replaced, or a service is coming back
        time.sleep(0.3)
    return False


def judge(system: System, folder: Path, journal: Path) -> Verdict:
    """Wait until all that was acknowledged is decided, then check the exported log."""
    deadline = time.monotonic() + SETTLE_TIMEOUT_S
    while True:
        export = Path(tempfile.mkdtemp(prefix="export-", dir=folder)) / "log"
        done = system.vaxel("log", "export", "--to", str(export))
        if done.returncode == 0:
            verdict = check(export, journal)
            if not (verdict.lost or verdict.unsent) or time.monotonic() > deadline:
                break
        elif time.monotonic() > deadline:
            raise RuntimeError(f"log export: {done.stderr}")
        time.sleep(2)
    replayed = system.vaxel("replay", "--from", str(export))
    print(f"chaos: replay: {(replayed.stdout or replayed.stderr).strip().splitlines()[-1:]}")
    if replayed.returncode != 0:
        verdict.broken_chain.append(f"replay: {replayed.stdout[-500:]}{replayed.stderr[-500:]}")
    return verdict


def run(folder: Path, *, seconds: float, rate: float, seed: int, port_offset: int) -> Verdict:
    """One whole run; the verdict."""
    system = System(folder, port_offset)
    journal = folder / "journal.jsonl"
    try:
        print(f"chaos: starting a system in {folder}", flush=True)
        system.start()
        load, agents = Load(system.run, journal, rate, seed), Agents(system.run)
        load.start()
        agents.start()
        try:
            killed = torment(system, seconds, seed)
        finally:
            load.stop()
            agents.stop()
        print(
            f"chaos: sent {load.sent}, acknowledged {load.acknowledged}, refusals {dict(load.refusals)}"
        )
        print(f"chaos: agents {dict(agents.done)}; killed {killed}", flush=True)
        verdict = judge(system, folder, journal)
        if system.stop() != 0:
            verdict.broken_chain.append("the system did not stop cleanly")
        return verdict
    finally:
        system.end()


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=float, default=20, help="mails a second")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--port-offset", type=int, default=30_000)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="vaxel-chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    verdict = run(
        folder,
        seconds=options.seconds,
        rate=options.rate,
        seed=options.seed,
        port_offset=options.port_offset,
    )
    print(json.dumps(asdict(verdict), indent=1))
    good = not verdict.wrong
    print(
        "chaos: "
        + ("nothing lost, nothing twice" if good else f"BROKEN: {', '.join(verdict.wrong)}")
    )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
