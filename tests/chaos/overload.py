"""Ten times what the system can bear, for ten minutes; and what it costs whom.

``python tests/chaos/overload.py --full --json R14.json`` starts a system of its own, measures the
rate that it sustains, offers ``--factor`` times as much (open loop: mails, webhooks and chats), and
afterwards a little again. It says at the end whether every process's memory stood still, whether
whatever was refused was refused politely, whether all that was acknowledged was decided, and
whether everything went back to normal by itself. With ``--factor 1`` it is a soak.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

if not __package__:  # run as a script: this file isn't the package that is called like it
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from chaos import record
from chaos.chaos import ROOT
from chaos.checker import Verdict, check, read_lines, read_topic
from chaos.overload_watch import WARM_UP, Growth, Sample, Watch, growth, metric
from chaos.shown import shown_cases
from chaos.system import System

SENDER = Path(__file__).with_name("overload_sender.py")
NICE = 5
"""The senders stand for machines elsewhere: the system goes first."""
HOLDS_CASES = ("router", "sla-monitor")
"""These have every open case in memory, as they must; their growth is held against its number."""
KIB_PER_CASE_MAX = 16.0
KIB_PER_CONNECTION_MAX = 64.0
"""What a process may hold for each connection that it has beyond the most of the warm-up: a slower
machine has more of them under way at the same rate."""
FLAT_AFTER_S = 120
"""A shorter run is all warm-up; then a process's peak is held against the limit below."""
PEAK_MIB_MAX = 300
MIB_MAX = {"broker": 768}
"""What has a limit of its own may grow up to it: a heap of 512 MiB, and a JVM around it."""
ENVIRONMENT = {"VAXEL_CHAT_RECENT_MESSAGES_MAX": "2000", "VAXEL_SINK_MAILS_MAX": "2000"}
"""What is kept up to a number is full before the warm-up is over; the defaults take longer."""
STEP_S = 10.0
BACKLOG_S = 1.0
"""A rate is sustained if what waits after a step is less than what comes in this time."""
SETTLE_S = 4.0
FRESH_MS = 10_000
"""Delivery goes on reporting while the log is exported."""
UNDER_WAY = 100
"""So many records are always under way: offers that end and are made again, clocks, ticks, and
while the outbox empties two records an effect, some fifty a second, each gauge seconds old."""
POLITE = frozenset({
    "421", "450", "451", "452", "429", "503", "not_sent", "close 1013", "close 4429", "close 1012",
})  # fmt: skip
"""How a sender may be told to come later; ``close`` and ``not_sent`` are the chat's."""
KEPT = frozenset({"250", "204", "ack"})
AFTER_ACK_MS_MAX = 5_000
"""After the overload a mail is answered within this, nine times out of ten."""
AFTER_S = 15.0
DRAIN_S_MAX = 1_800.0
PROGRESS_S = 10.0


NOT_COVERED = (
    "One machine for system, broker and senders: the rate is what they sustain together. Nobody "
    "answers, so router and SLA monitor hold every case that came; their growth is given by contact. "
    "The outbox of delivery is on its disk and is told, not waited for."
)


def say(text: str) -> None:
    """A line of the run's account."""
    print(f"overload: {text}", flush=True)


@dataclass
class Plan:
    """What a run is made of; ``rate`` given: sustainable isn't measured."""

    seconds: float = 600
    factor: float = 10
    rate: float | None = None
    port_offset: int = 19_700
    rates: tuple[float, ...] = (10, 20, 40, 80, 120, 160, 240, 320)
    drain_s: float = DRAIN_S_MAX
    after_s: float = AFTER_S
    environment: dict[str, str] | None = None


@dataclass
class Load:
    """What a sender said at its end."""

    offered: int
    unsent: int
    late_ms_max: int
    counts: Counter[str]

    @property
    def accepted(self) -> int:
        """Arrivals that were acknowledged."""
        return sum(n for name, n in self.counts.items() if name.partition(" ")[2] in KEPT)

    @property
    def impolite(self) -> Counter[str]:
        """Arrivals that were neither acknowledged nor told to come later."""
        return Counter({
            name: n
            for name, n in self.counts.items()
            if name.partition(" ")[2] not in POLITE | KEPT
        })  # fmt: skip


@dataclass
class Outcome:
    """What a run found; good when :attr:`wrong` is empty."""

    sustainable: float = 0.0
    load: Load | None = None
    after: Load | None = None
    memory: dict[str, Growth] = field(default_factory=dict)
    held: dict[str, dict[str, Growth]] = field(default_factory=dict)
    verdict: Verdict = field(default_factory=Verdict)
    drain_s: float = 0.0
    problems: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def wrong(self) -> dict[str, Any]:
        """Each promise that was broken, with what broke it."""
        found: dict[str, Any] = dict(self.verdict.wrong)
        if self.problems:
            found["overload"] = self.problems
        return found


class Overload:
    """One run from start to verdict."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.folder, self.plan = folder, plan
        config = folder / "config"
        shutil.copytree(ROOT / "config", config)
        environment = {**ENVIRONMENT, **(plan.environment or {})}
        self.system = System(folder, plan.port_offset, config, environment)
        self.journal = folder / "journal.jsonl"
        self.outcome = Outcome()
        self._tags = 0

    def whole(self) -> Outcome:
        """Start, measure, overload, drain, look again, judge, stop."""
        try:
            say(f"starting a system in {self.folder}")
            self.system.start()
            self.run = self.system.run
            rate = self.plan.rate or self._sustainable()
            self.outcome.sustainable = rate
            self._drained(120)
            self.watch = Watch(self.run)
            self.watch.start()
            self._overload(rate * self.plan.factor)
            self._afterwards(rate)
            self.watch.stop()
            self._judge()
            if self.system.stop() != 0:
                self.outcome.problems.append("the system did not stop cleanly")
            return self.outcome
        finally:
            self.system.end()

    def send(self, rate: float, seconds: float, progress: bool = False) -> Load:
        """Offer ``rate`` arrivals a second for ``seconds``; answers when the last is answered."""
        self._tags += 1
        command = [sys.executable, str(SENDER), "--data-dir", str(self.system.data_dir)]
        command += ["--rate", str(rate), "--seconds", str(seconds), "--tag", f"load{self._tags}"]
        command += ["--journal", str(self.journal)]
        with subprocess.Popen(
            ["nice", "-n", str(NICE), *command], stdout=subprocess.PIPE, text=True
        ) as process:
            began = time.monotonic()
            try:
                while process.poll() is None:
                    try:
                        process.wait(PROGRESS_S)
                    except subprocess.TimeoutExpired:
                        if progress:
                            self._tell(time.monotonic() - began)
                assert process.stdout is not None
                text = process.stdout.read()
            finally:
                process.kill()  # whoever ends us early ends it as well
        found = json.loads(text)
        counts = Counter(found.pop("counts"))
        return Load(**found, counts=counts)

    def _tell(self, elapsed_s: float) -> None:
        rss = {
            name: found[-1].rss_kib // 1024
            for name, found in self.watch.samples.items()
            if found and "children" not in name
        }
        sizes = ", ".join(f"{name} {size}" for name, size in rss.items())
        say(
            f"{elapsed_s:.0f} s: {self.backlog()} wait, {self.outbox()} in the outbox; MiB: {sizes}"
        )

    def outbox(self) -> int:
        """Effects that wait in delivery's database: as many as it likes, they cost no memory."""
        url = self.run["services"]["delivery"]["url"]
        return int(metric(url, "vaxel_effects_pending"))

    def waits(self) -> dict[str, int]:
        """Contacts and records that wait somewhere behind the acknowledgement, by where."""
        urls = {name: one["url"] for name, one in self.run["services"].items()}
        kept = metric(urls["ingest-email"], "vaxel_mail_received_total", result="accepted")
        kept += metric(urls["ingest-chat"], "vaxel_webhooks_total", result="accepted")
        kept += metric(urls["ingest-chat"], "vaxel_chat_frames_total", kind="message")
        done = metric(urls["triage"], "vaxel_contacts_triaged_total")
        found = {"before triage": max(0, int(kept - done))}
        for name in ("router", "register", "delivery"):
            found[f"before {name}"] = int(metric(urls[name], "vaxel_lag_records"))
        found["in the spool"] = int(metric(urls["ingest-chat"], "vaxel_spool_records"))
        return found

    def backlog(self) -> int:
        """How many wait, wherever."""
        return sum(self.waits().values())

    def _sustainable(self) -> float:
        """The highest of the rates that leaves nothing waiting and nobody refused."""
        best = 0.0
        for rate in self.plan.rates:
            load = self.send(rate, STEP_S)
            time.sleep(SETTLE_S)
            waiting = self.backlog() + self.outbox()
            good = load.accepted == load.offered and waiting <= rate * BACKLOG_S
            say(f"{rate:g}/s: {load.accepted} of {load.offered} accepted, {waiting} wait after it")
            if not good:
                self._drained(120)
                break
            best = rate
        if not best:
            raise RuntimeError("not even the lowest rate is sustained; is the machine busy?")
        say(f"sustainable: {best:g} arrivals a second")
        return best

    def _overload(self, rate: float) -> None:
        say(f"offering {rate:g} arrivals a second for {self.plan.seconds:g} s")
        began = time.monotonic()
        self.outcome.load = load = self.send(rate, self.plan.seconds, progress=True)
        phase = self.watch.between(began, began + self.plan.seconds)
        self.outcome.memory, self.outcome.held = growths(phase)
        say(f"offered {load.offered}, accepted {load.accepted}: {dict(load.counts)}")
        began = time.monotonic()
        if not self._drained(self.plan.drain_s):
            self.outcome.problems.append(
                f"{self.backlog()} still wait {self.plan.drain_s:g} s later"
            )
        self.outcome.drain_s = time.monotonic() - began
        self.outcome.figures["outbox when nothing else waited"] = self.outbox()
        say(f"nothing waits after {self.outcome.drain_s:.0f} s but {self.outbox()} in the outbox")

    def _drained(self, seconds: float) -> bool:
        """Wait until nothing waits any more but what is always under way."""
        deadline = time.monotonic() + seconds
        told = time.monotonic()
        while (waiting := self.backlog()) > UNDER_WAY:
            if time.monotonic() > deadline:
                return False
            if time.monotonic() - told > PROGRESS_S * 3:
                told = time.monotonic()
                say(f"{waiting} wait")
            time.sleep(1)
        return True

    def _afterwards(self, rate: float) -> None:
        """What comes now must be taken as if nothing had been."""
        lines = len(read_lines(self.journal))
        self.outcome.after = after = self.send(rate / 2, self.plan.after_s)
        fresh = read_lines(self.journal)[lines:]
        took = sorted(one["done_ms"] - one["sent_ms"] for one in fresh)
        p90 = took[math.ceil(0.9 * len(took)) - 1] if took else 0
        self.outcome.figures["after: p90 of an answer, ms"] = p90
        problems = self.outcome.problems
        if after.accepted != after.offered:
            problems.append(f"afterwards not everything is taken: {dict(after.counts)}")
        if p90 > AFTER_ACK_MS_MAX:
            problems.append(f"afterwards an answer takes {p90} ms")
        if not self._drained(60):
            problems.append(f"afterwards something waits for more than a minute: {self.waits()}")
        for name, pid in self.watch.pids.items():
            if self.system.pid(name) != pid:
                problems.append(f"{name} was restarted")

    def _judge(self) -> None:
        outcome, load = self.outcome, self.outcome.load
        assert load is not None
        if load.impolite:
            outcome.problems.append(f"impolite answers: {dict(load.impolite)}")
        self._judge_memory(load)
        say("judging the log")
        export = self.folder / "export"
        began_ms = int(time.time() * 1000)
        command = [sys.executable, "-m", "vaxel_cli", "log", "export", "--to", str(export)]
        command += ["--data-dir", str(self.system.data_dir)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=1_800, check=False)
        if done.returncode != 0:
            outcome.problems.append(f"log export: {done.stderr.strip()}")
            return
        outcome.verdict = check(export, self.journal, shown=shown_cases(self.run))
        fresh = _written_since(export, began_ms - FRESH_MS)
        left = [one for one in outcome.verdict.unhandled if one.partition(": ")[2] not in fresh]
        outcome.verdict.unhandled = left

    def _judge_memory(self, load: Load) -> None:
        """What doesn't hold cases must stand still; of a case no more than so much may be held."""
        cases = max(1.0, load.accepted * (1 - WARM_UP))
        for name, one in self.outcome.memory.items():
            if name in MIB_MAX:
                if one.highest > MIB_MAX[name] * 1024:
                    self.outcome.problems.append(f"{name} takes {one.highest / 1024:.0f} MiB")
                continue
            if name not in HOLDS_CASES:
                if self.plan.seconds < FLAT_AFTER_S:
                    if one.highest > PEAK_MIB_MAX * 1024:
                        self.outcome.problems.append(f"{name} takes {one.highest / 1024:.0f} MiB")
                elif not (one.flat or one.last - one.first <= self._for_connections(name)):
                    self.outcome.problems.append(
                        f"{name} grows: {one.first / 1024:.0f} to {one.last / 1024:.0f} MiB"
                    )
                continue
            each = (one.last - one.first) / cases
            self.outcome.figures[f"{name}, KiB for each contact accepted meanwhile"] = round(
                each, 1
            )
            if each > KIB_PER_CASE_MAX:
                self.outcome.problems.append(f"{name} holds {each:.0f} KiB a contact")

    def _for_connections(self, name: str) -> float:
        """KiB that more connections than before explain."""
        connections = self.outcome.held[name]["fds"]
        return connections.risen * KIB_PER_CONNECTION_MAX


def _written_since(export: Path, since_ms: int) -> set[str]:
    """The commands that were so new when the log was exported that nobody can have answered."""
    return {
        str(one["value"].get("id"))
        for _, one in read_topic(export, "vaxel.work")
        if one.get("timestamp_ms", 0) >= since_ms and isinstance(one["value"], dict)
    }


def growths(
    phase: dict[str, list[Sample]],
) -> tuple[dict[str, Growth], dict[str, dict[str, Growth]]]:
    """How the memory of each process moved over a phase, and what else it held."""
    memory: dict[str, Growth] = {}
    held: dict[str, dict[str, Growth]] = {}
    for name, samples in phase.items():
        found = growth([(one.at_s, one.rss_kib) for one in samples])
        if found is None:
            continue
        memory[name] = found
        held[name] = {
            what: one
            for what in ("fds", "threads", "tasks")
            if (one := growth([(s.at_s, getattr(s, what)) for s in samples])) is not None
        }
    return memory, held


def figures(outcome: Outcome, plan: Plan) -> dict[str, Any]:
    """The run in numbers."""
    load = outcome.load
    assert load is not None
    found: dict[str, Any] = {
        "sustainable, arrivals/s": outcome.sustainable,
        "offered, arrivals/s": round(load.offered / plan.seconds, 1),
        "offered": load.offered,
        "accepted": load.accepted,
        "refused politely": load.offered - load.accepted - load.impolite.total(),
        "answered otherwise": load.impolite.total(),
        "not sent by the sender itself": load.unsent,
        "decided": outcome.verdict.contacts,
        "until nothing waited, s": round(outcome.drain_s),
    }
    found |= {f"answers: {name}": n for name, n in sorted(load.counts.items())}
    for name, one in outcome.memory.items():
        found[f"RSS of {name}, MiB"] = (
            f"{one.first / 1024:.0f} -> {one.last / 1024:.0f} ({one.share:+.1%}),"
            f" highest {one.highest / 1024:.0f}"
        )
    for name, kinds in outcome.held.items():
        found[f"descriptors, threads, tasks of {name}"] = ", ".join(
            f"{what} {one.first:.0f} -> {one.last:.0f} (most {one.warm:.0f}, then {one.highest:.0f})"
            for what, one in kinds.items()
        )
    return found | outcome.figures


def explain(outcome: Outcome, plan: Plan, folder: Path) -> None:
    """What happened and what it means, for a stranger."""
    print()
    for name, value in figures(outcome, plan).items():
        say(f"{name}: {value}")
    for name, wrong in outcome.wrong.items():
        for one in wrong[:5]:
            say(f"BROKEN: {name}: {one}")
    if outcome.wrong:
        say(f"verdict: BROKEN ({', '.join(outcome.wrong)}); everything is kept in {folder}")
    else:
        say("verdict: bounded memory, polite refusals only, nothing lost, back to normal by itself")


def recorded(outcome: Outcome, plan: Plan, begun: record.Begun, command: str) -> record.Figure:
    """The run as a figure of the document: R14, or R15 where nothing is overloaded."""
    soak = plan.factor <= 1
    load = outcome.load
    return record.figure(
        "R15" if soak else "R14",
        "Hours at the sustainable rate: memory, descriptors, threads and tasks stand still"
        if soak
        else "Ten times what is sustained: bounded memory, polite refusals, nothing lost",
        begun,
        n=load.offered if load else 0,
        violations=sum(len(one) for one in outcome.wrong.values()),
        command=command,
        figures=figures(outcome, plan),
        not_covered=NOT_COVERED,
    )


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--full", action="store_true", help="ten minutes; else thirty seconds")
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--factor", type=float, default=10, help="of the sustainable rate")
    parser.add_argument("--rate", type=float, help="the sustainable rate, if it is known")
    parser.add_argument("--port-offset", type=int, default=19_700)
    parser.add_argument("--json", type=Path, help="where to write the figures as well")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="vaxel-overload-"))
    begun = record.begin()
    seconds = options.seconds or (600 if options.full else 30)
    plan = Plan(seconds, options.factor, options.rate, options.port_offset)
    # Whoever ends us early wants what we started ended as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))
    outcome = Overload(folder, plan).whole()
    explain(outcome, plan, folder)
    if options.json is not None:
        record.write(options.json, recorded(outcome, plan, begun, record.command()))
    return 1 if outcome.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
