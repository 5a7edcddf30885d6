"""Real processes on a real Apache Kafka, ill-treated in turn while mail comes in; then a verdict.

``make chaos SEED=1 MINUTES=2`` or ``python tests/chaos/chaos.py --seconds 60``. It starts a system
of its own in a folder of its own, ends only what it started, and says at the end, from the topics,
the mails that left and the senders' journal alone, whether anything that was acknowledged was lost,
decided twice, given to two agents, put above somebody's capacity or forgotten by a timer.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import signal
import sys
import tempfile
import threading
import time
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

if not __package__:  # run as a script: this file isn't the package that is called like it
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from chaos.checker import Verdict, check
from chaos.faults import Torment
from chaos.load import Agents, Load
from chaos.system import ROOT, NetworkedSystem, System, wait_for

__all__ = ["ROOT", "System", "run", "wait_for"]

DRAIN_S_MAX = 60
JUDGE_S_MAX = 90
SUMMARY_S = 5
DETAILS = 40
"""Cases of which works and offers are compared as well."""
IMPATIENT = {
    r"\blimit: 10m": "limit: 6s",
    r"bar_after_decline: 1h": "bar_after_decline: 3s",
    r"bar_after_miss: 10m": "bar_after_miss: 3s",
}
"""The example deployment's offers end after ten minutes; a run hasn't that much time."""


def say(text: str) -> None:
    """A line of the run's account."""
    print(f"chaos: {text}", flush=True)


@dataclass
class Plan:
    """What a run is made of; ``only``: beginnings of faults' names, with commas."""

    seconds: float = 60
    rate: float = 20
    seed: int = 1
    port_offset: int = 15_000
    only: str | None = None
    scale: float = 1.0
    network: bool = True
    environment: dict[str, str] | None = None
    judge_s: float = JUDGE_S_MAX
    drain_s: float = DRAIN_S_MAX
    after_s: float = 3
    """How long mail goes on coming in after the last fault."""


def impatient_config(folder: Path) -> Path:
    """The example deployment with offers that end within seconds."""
    config = folder / "config"
    shutil.copytree(ROOT / "config", config)
    path = config / "routing.yaml"
    text = path.read_text()
    for old, new in IMPATIENT.items():
        text, count = re.subn(old, new, text)
        assert count >= 1, f"config/routing.yaml has no {old} any more"
    path.write_text(text)
    return config


class Run:
    """One run from start to verdict."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.folder, self.plan = folder, plan
        kind: Any = System
        more: dict[str, Any] = {}
        if plan.network:
            kind, more = NetworkedSystem, {"seed": plan.seed}
        config = impatient_config(folder)
        self.system: System = kind(folder, plan.port_offset, config, plan.environment, **more)
        self.journal, self.faults = folder / "journal.jsonl", folder / "faults.jsonl"
        self._began = time.monotonic()

    def whole(self) -> Verdict:
        """Start, torment, drain, judge, stop."""
        try:
            say(f"starting a system in {self.folder}")
            self.system.start()
            self._began = time.monotonic()
            self.load = Load(self.system.run, self.journal, self.plan.rate, self.plan.seed)
            self.agents = Agents(self.system.run, self.plan.seed)
            plan = self.plan
            self.torment = Torment(self.system, self.faults, plan.seed, say, plan.scale)
            self._torment()
            verdict = self.judge()
            if self.system.stop() != 0:
                verdict.broken_chain.append("the system did not stop cleanly")
            return verdict
        finally:
            self.system.end()

    def _torment(self) -> None:
        over = threading.Event()
        summary = threading.Thread(target=self._summarize, args=(over,), daemon=True)
        self.load.start()
        self.agents.start()
        summary.start()
        self.torment.until(time.monotonic() + self.plan.seconds, self.plan.only)
        time.sleep(self.plan.after_s)
        say("no more faults; what is under way may finish")
        self.load.stop(self.plan.drain_s)
        self.agents.finish(self.plan.drain_s)
        over.set()
        summary.join()

    def _summarize(self, over: threading.Event) -> None:
        """A line every few seconds."""
        while not over.wait(SUMMARY_S):
            load = self.load
            refused = ", ".join(f"{n} x {code}" for code, n in load.refusals.most_common(3))
            say(
                f"{time.monotonic() - self._began:.0f} s: {load.sent} mails sent,"
                f" {load.acknowledged} accepted ({refused or 'none refused'}),"
                f" {self.agents.done['POST 202'] + self.agents.done['POST 200']} answers by agents,"
                f" {self.torment.done.total()} faults"
            )

    def judge(self) -> Verdict:
        """Wait until all that was acknowledged is decided and shown, then say what is wrong."""
        deadline = time.monotonic() + self.plan.judge_s
        while True:
            export = Path(tempfile.mkdtemp(prefix="export-", dir=self.folder)) / "log"
            now_ms = int(time.time() * 1000)
            before = {path.name for path in (self.system.data_dir / "sink").glob("*.eml")}
            done = self.system.vaxel("log", "export", "--to", str(export))
            late = time.monotonic() > deadline
            if done.returncode == 0:
                verdict = self._check(export, now_ms, before)
                if late or not verdict.wrong:
                    break
            elif late:  # our own readers refuse the log, and that is a finding
                return Verdict(broken_chain=[f"log export: {done.stderr.strip()}"])
            time.sleep(1)
        replayed = self.system.vaxel("replay", "--from", str(export))
        if replayed.returncode != 0:
            verdict.broken_chain.append(f"replay: {replayed.stdout[-500:]}{replayed.stderr[-500:]}")
        return verdict

    def _check(self, export: Path, now_ms: int, before: set[str]) -> Verdict:
        try:
            shown = shown_cases(self.system.run)
        except OSError as error:
            shown = [{"number": f"the register doesn't answer ({error})"}]
        return check(
            export,
            self.journal,
            faults=self.faults,
            mails=self.system.data_dir / "sink",
            mails_before=before,
            shown=shown,
            now_ms=now_ms,
        )


def shown_cases(run: dict[str, Any]) -> list[dict[str, Any]]:
    """All cases as the register shows them; of the newest also works and offers."""
    base = f"{run['services']['register']['url']}/api/v1"
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = _get(f"{base}/cases?limit=100{cursor}", run["tokens"]["admin"])
        found += page["items"]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    for item in found[:DETAILS]:
        detail = _get(f"{base}/cases/{item['number']}", run["tokens"]["admin"])
        for name in ("works", "offers"):
            item[name] = {one["id"]: one["state"] for one in detail[name]}
    return found


def _get(url: str, token: str) -> Any:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def run(folder: Path, plan: Plan) -> Verdict:
    """One whole run, told on standard output; the verdict."""
    one = Run(folder, plan)
    verdict = one.whole()
    explain(verdict, one)
    return verdict


def explain(verdict: Verdict, one: Run) -> None:
    """What happened and what it means, for a stranger."""
    done = one.torment.done
    print()
    say(f"{done.total()} faults: {', '.join(f'{n} x {name}' for name, n in sorted(done.items()))}")
    for name, count in sorted(one.torment.network.items()):
        say(f"network: {count} x {name}")
    say(
        f"{verdict.sent} mails sent, {verdict.acknowledged} accepted, {verdict.contacts} decided"
        f" ({verdict.recovered} of them although the sender was told to come again)"
    )
    say(
        f"{verdict.decisions} decisions in {verdict.records} records ({verdict.void_records} void),"
        f" {verdict.assigned} assignments, {verdict.offers_ended} offers ended,"
        f" {verdict.replied} answers; {verdict.mails} mails reached the world,"
        f" {verdict.repeated} of them repeats with the Message-ID of the first;"
        f" {verdict.compared_cases} cases compared; {verdict.deadletters} dead letters"
    )
    for name, value in verdict.figures.items():
        say(f"{name}: {value}")
    for name, value in verdict.wrong.items():
        say(f"BROKEN: {name}, {len(value)} times, e.g. {value[0]}")
    if verdict.wrong:
        say(f"verdict: BROKEN ({', '.join(verdict.wrong)}); everything is kept in {one.folder}")
    else:
        say("verdict: nothing lost, nothing twice, nobody above capacity, no timer forgotten")


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=float, default=20, help="mails a second")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--port-offset", type=int, default=15_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--only", help='faults that begin so, e.g. "kill" or "zombie,full"')
    parser.add_argument("--scale", type=float, default=1.0, help="of how long faults last")
    parser.add_argument("--own-network", action="store_true", help="vaxel up's broker, no proxy")
    parser.add_argument("--json", type=Path, help="where to write the verdict as well")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="vaxel-chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    plan = Plan(
        options.seconds, options.rate, options.seed, options.port_offset, options.only,
        options.scale, not options.own_network,
    )  # fmt: skip
    # Whoever ends us early wants what we started ended as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))
    one = Run(folder, plan)
    verdict = one.whole()
    explain(verdict, one)
    if options.json is not None:
        kept = {"faults": one.torment.done, "network": one.torment.network, **asdict(verdict)}
        options.json.write_text(json.dumps(kept, indent=1) + "\n")
    return 1 if verdict.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
