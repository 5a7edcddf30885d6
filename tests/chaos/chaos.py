"""Real processes on a real Apache Kafka, ill-treated in turn while mail comes in; then a verdict.

``make chaos SEED=1 MINUTES=2``, or this file: ``--seconds 60`` for every kind of fault in turn,
``--kills 100`` for the fast loop of kill -9, ``--rolling 5`` for orderly restarts. It starts a system
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
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

if not __package__:  # run as a script: this file isn't the package that is called like it
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from chaos import outcome, record
from chaos.checker import Verdict
from chaos.faults import Torment
from chaos.kills import Kills
from chaos.load import Agents, Load
from chaos.promises import Promise
from chaos.rolling import Rolling
from chaos.shown import Shown, get_json
from chaos.system import ROOT, NetworkedSystem, System, wait_for

__all__ = ["ROOT", "System", "run", "wait_for"]

DRAIN_S_MAX = 60
JUDGE_S_MAX = 90
SUMMARY_S = 5
WAITING_MAX = 120
"""While more than this waits, nobody new comes: the machine is what it is."""
WAYS = ("email", "chat", "email", "webhook")
SECOND = 0.25
"""The share of customers who write again."""
IMPATIENT = {
    r"\blimit: 10m": "limit: 6s",
    r"bar_after_decline: 1h": "bar_after_decline: 3s",
    r"bar_after_miss: 10m": "bar_after_miss: 3s",
}
"""The example deployment's offers end after ten minutes; a run hasn't that much time."""


RESTLESS = {
    r"after: 10m": "after: 8s",
    r"after: 15m": "after: 12s",
    r"after: 30m": "after: 16s",
    r"wrap_up: 0s": "wrap_up: 500ms",
    r"reopen_within: 14d": "reopen_within: 15s",
    r"sticky_wait: 1h": "sticky_wait: 4s",
}
"""And so do the queues' steps, wrap-ups, cases and reservations."""
PROMISE = Promise(first_response_ms=30_000, resolution_ms=90_000, warn_share=0.5)
SLA = """
calendars:
  - {name: always, zone: Europe/Helsinki, hours: always}
  - {name: day, zone: Europe/Helsinki, hours: always}
policies:
  - name: everything
    calendar: always
    first_response: 30s
    resolution: 90s
    warn_at: [50]
    on_warning: {priority_at_least: 20}
    on_breach: {tier_at_least: 2}
    reopen: ignore
notify: {stages: [warning, breach], email: [sla@agents.vaxel.example]}
"""
ENVIRONMENT = {
    "VAXEL_CHAT_CONVERSATIONS_PER_IP_PER_MINUTE_MAX": "100000",
    "VAXEL_CHAT_SOCKETS_PER_IP_MAX": "1000",
}
"""All visitors of a run come from one address."""


def say(text: str) -> None:
    """A line of the run's account."""
    print(f"chaos: {text}", flush=True)


@dataclass
class Plan:
    """What a run is made of; ``only``: beginnings of faults' names, with commas.

    With ``kills``, kill -9s in a fast loop, ``pace_s`` apart; with ``rolling``, rolling restarts.
    """

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
    kills: int = 0
    pace_s: float = 2.0
    rolling: int = 0
    after_s: float = 3
    """How long mail goes on coming in after the last fault."""


def impatient_config(folder: Path, more: dict[str, str] | None = None) -> Path:
    """The example deployment with offers that end within seconds, and ``more`` replaced."""
    config = folder / "config"
    shutil.copytree(ROOT / "config", config)
    path = config / "routing.yaml"
    text = path.read_text()
    for old, new in (IMPATIENT | (more or {})).items():
        text, count = re.subn(old, new, text)
        assert count >= 1, f"config/routing.yaml has no {old} any more"
    path.write_text(text)
    return config


def restless_config(folder: Path) -> Path:
    """The same where everything ends within seconds, and promises are short."""
    config = impatient_config(folder, RESTLESS)
    (config / "sla.yaml").write_text(SLA)
    return config


class Run:
    """One run from start to verdict."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.folder, self.plan = folder, plan
        kind: Any = System
        more: dict[str, Any] = {}
        if plan.network:
            kind, more = NetworkedSystem, {"seed": plan.seed}
        config = restless_config(folder)
        environment = {**ENVIRONMENT, **(plan.environment or {})}
        self.system: System = kind(folder, plan.port_offset, config, environment, **more)
        self.journal, self.faults = folder / "journal.jsonl", folder / "faults.jsonl"
        self.commands = folder / "commands.jsonl"
        self.begun = record.begin()
        self._began = time.monotonic()

    def whole(self) -> Verdict:
        """Start, torment, drain, judge, stop."""
        try:
            say(f"starting a system in {self.folder}")
            self.system.start()
            self._began = time.monotonic()
            plan, run = self.plan, self.system.run
            self.load = Load(run, self.journal, plan.rate, plan.seed, WAYS, SECOND, self._too_much)
            self.agents = Agents(run, plan.seed, lively=True, journal=self.commands)
            common = (self.system, self.faults, plan.seed, say)
            self.torment = Torment(*common, plan.scale)
            self.kills = Kills(*common, plan.kills, plan.pace_s)
            self.rolling = Rolling(*common, plan.rolling)
            self._torment()
            verdict = self.judge()
            if self.system.stop() != 0:
                verdict.broken_chain.append("the system did not stop cleanly")
            verdict.broken_chain += self.rolling.wrong
            verdict.faults = dict(self.done)
            return verdict
        finally:
            self.system.end()

    def _torment(self) -> None:
        over = threading.Event()
        summary = threading.Thread(target=self._summarize, args=(over,), daemon=True)
        self.load.start()
        self.agents.start()
        summary.start()
        if self.plan.kills:
            self.kills.run()
        elif self.plan.rolling:
            self.rolling.run()
        else:
            self.torment.until(time.monotonic() + self.plan.seconds, self.plan.only)
        time.sleep(self.plan.after_s)
        say("no more faults; what is under way may finish")
        self.load.stop(self.plan.drain_s)
        self.agents.finish(self.plan.drain_s)
        over.set()
        summary.join()

    @property
    def done(self) -> Counter[str]:
        """What was done to it, by name."""
        return self.torment.done + self.kills.done + self.rolling.done

    def _too_much(self) -> bool:
        """Whether more waits than agents will soon take."""
        run = self.system.run
        url = f"{run['services']['register']['url']}/api/v1/queues"
        try:
            queues = get_json(url, run["tokens"]["admin"], 3)["items"]
        except (OSError, ValueError):
            return False
        return sum(one["waiting"] + one["offered"] for one in queues) > WAITING_MAX

    def _summarize(self, over: threading.Event) -> None:
        """A line every few seconds."""
        while not over.wait(SUMMARY_S):
            load = self.load
            refused = ", ".join(f"{n} x {code}" for code, n in load.refusals.most_common(3))
            say(
                f"{time.monotonic() - self._began:.0f} s: {load.sent} messages sent,"
                f" {load.acknowledged} accepted ({refused or 'none refused'}),"
                f" {self.agents.done['POST 202'] + self.agents.done['POST 200']} answers by agents,"
                f" {self.done.total()} faults, braked {load.braked_s:.0f} s"
            )

    def judge(self) -> Verdict:
        """Wait until all that was acknowledged is decided and shown, then say what is wrong."""
        deadline = time.monotonic() + self.plan.judge_s
        export = None
        shown = Shown(self.system.run)
        while True:
            if export is not None:
                shutil.rmtree(export.parent)
            export = Path(tempfile.mkdtemp(prefix="export-", dir=self.folder)) / "log"
            now_ms = int(time.time() * 1000)
            before = {path.name for path in (self.system.data_dir / "sink").glob("*.eml")}
            shown.before()
            done = self.system.vaxel("log", "export", "--to", str(export))
            late = time.monotonic() > deadline
            if done.returncode == 0:
                verdict = self._check(export, now_ms, before, shown)
                if late or not verdict.wrong:
                    break
                say(f"not yet: {', '.join(verdict.wrong)}")
            elif late:  # our own readers refuse the log, and that is a finding
                return Verdict(broken_chain=[f"log export: {done.stderr.strip()}"])
            time.sleep(2)
        replayed = self.system.vaxel("replay", "--from", str(export))
        if replayed.returncode != 0:
            verdict.broken_chain.append(f"replay: {replayed.stdout[-500:]}{replayed.stderr[-500:]}")
        return verdict

    def _check(self, export: Path, now_ms: int, before: set[str], shown: Shown) -> Verdict:
        return shown.judged(
            export,
            self.journal,
            faults=self.faults,
            commands=self.commands,
            promise=PROMISE,
            mails=self.system.data_dir / "sink",
            mails_before=before,
            now_ms=now_ms,
        )


def run(folder: Path, plan: Plan) -> Verdict:
    """One whole run, told on standard output; the verdict."""
    one = Run(folder, plan)
    verdict = one.whole()
    explain(verdict, one)
    return verdict


def explain(verdict: Verdict, one: Run) -> None:
    """What happened and what it means, for a stranger."""
    print()
    for line in outcome.account(verdict, one.done, one.torment.network, one.kills.starting):
        say(line)
    for name, value in verdict.wrong.items():
        say(f"BROKEN: {name}, {len(value)} times, e.g. {'; '.join(map(str, value[:3]))}")
    if verdict.wrong:
        say(f"verdict: BROKEN ({', '.join(verdict.wrong)}); everything is kept in {one.folder}")
    else:
        say("verdict: nothing lost, nothing twice, nobody above capacity, no timer forgotten")


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=float, default=20, help="conversations a second")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--port-offset", type=int, default=15_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--only", help='faults that begin so, e.g. "kill" or "zombie,full"')
    parser.add_argument("--kills", type=int, default=0, help="so many kill -9s in a fast loop")
    parser.add_argument("--pace", type=float, default=2.0, help="seconds between two kills")
    parser.add_argument("--rolling", type=int, default=0, help="so many rolling restarts")
    parser.add_argument("--rounds", type=int, default=1, help="so often, each with a new system")
    parser.add_argument("--judge", type=float, default=JUDGE_S_MAX, help="seconds to settle")
    parser.add_argument("--scale", type=float, default=1.0, help="of how long faults last")
    parser.add_argument("--own-network", action="store_true", help="vaxel up's broker, no proxy")
    parser.add_argument("--json", type=Path, help="where to write the figures as well")
    options = parser.parse_args()
    top = options.folder or Path(tempfile.mkdtemp(prefix="vaxel-chaos-"))
    # Whoever ends us early wants what we started ended as well.
    signal.signal(signal.SIGTERM, _ended)
    whole = outcome.Outcome(record.begin())
    for number in range(options.rounds):
        folder = top / f"round-{number + 1}" if options.rounds > 1 else top
        folder.mkdir(parents=True, exist_ok=True)
        plan = Plan(
            options.seconds, options.rate, options.seed + number, options.port_offset,
            options.only, options.scale,
            not (options.own_network or options.kills or options.rolling),
            judge_s=options.judge, kills=options.kills, pace_s=options.pace,
            rolling=options.rolling,
        )  # fmt: skip
        one = Run(folder, plan)
        verdict = one.whole()
        explain(verdict, one)
        (folder / "verdict.json").write_text(json.dumps(asdict(verdict), indent=1) + "\n")
        whole.add(verdict, one)
        if options.json is not None:
            record.write(options.json, *outcome.figures(whole))
        if verdict.wrong:
            return 1
    if options.rounds > 1:
        say(f"{options.rounds} rounds, none with a broken promise")
    return 0


def _ended(number: int, _frame: object) -> None:
    say(f"ended by {signal.Signals(number).name}; there is no verdict")
    sys.exit(2)


if __name__ == "__main__":
    sys.exit(main())
