"""The whole system on three brokers with three copies of everything, whose leaders die under load.

``python tests/chaos/three_brokers.py`` (a few of each, two minutes) or ``--full`` (fifty leaders
killed, ten of everything else, more than half an hour). It starts a cluster and a system of its own
and ends only what it started. The verdict says whether anything that was acknowledged was lost or
decided twice, whether all who read the decisions read the same, and whether anybody went on in
silence on a log from which an unclean election had cut what was acknowledged.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

if not __package__:  # run as a script: this file isn't the package that is called like it
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from chaos import record
from chaos.chaos import impatient_config
from chaos.checker import Verdict, read_lines
from chaos.cluster import BROKERS, CONTROLLER, Cluster, until
from chaos.cluster_system import LEAN, ClusterSystem, disagreements
from chaos.load import Agents, Load
from chaos.recovery import describe
from chaos.shown import Shown
from chaos.three_brokers_account import Outcome, explain, figure, say
from chaos.three_brokers_acks import RULE, leader_alone
from chaos.three_brokers_unclean import Unclean

from vaxel_shared.kafka.topics import (
    DEADLETTERS,
    DECISIONS,
    INTERACTIONS,
    SNAPSHOTS,
    WORK,
    partition_for,
)
from vaxel_shared.settings import PORTS

USED = (WORK, DECISIONS, INTERACTIONS, SNAPSHOTS, DEADLETTERS)
POOL = b"support"
"""Of the example deployment: all its mail is decided on this key's partition."""
PARTITIONS = 16
CLUSTER_OFFSET = 300
"""The cluster's ports begin this far above the broker's of a system with this offset."""
FROZEN_S = (3.0, 8.0)
OUTAGE_S = 14.0
"""Two of three are down for this long: longer than an append and a send wait (5 and 8 s)."""
SETTLE_S = 4.0
"""After this nothing that was acknowledged before an outage is still on its way to its sender."""
PROGRESS_S_MAX = 120
BOUNDED_S_MAX = 30
"""Within this of losing two brokers, router and intake must have said so."""
FULL = {
    "leader of decisions killed": 30,
    "leader of work killed": 20,
    "leader moved": 10,
    "leader frozen": 10,
    "two of three killed": 10,
    "last one known killed": 10,
    "all three killed": 10,
    "controller killed": 10,
    "brokers restarted in turn": 10,
    "reader killed": 10,
}
SHORT = {
    "leader of work killed": 1,
    "last one known killed": 1,
    "leader moved": 1,
    "leader frozen": 1,
    "two of three killed": 1,
    "reader killed": 1,
}
Json = dict[str, Any]


@dataclass
class Plan:
    """How often what is done; ``unclean``: how many unclean elections, each on a new system."""

    faults: dict[str, int] = field(default_factory=lambda: dict(SHORT))
    unclean: int = 1
    acks: tuple[str, ...] = (RULE,)
    """Builds whose leader dies alone with what it was sent: with this rule broken, or sound."""
    rate: float = 6
    seed: int = 1
    port_offset: int = 16_000
    services: tuple[str, ...] = LEAN
    judge_s: float = 60
    drain_s: float = 30


class Run:
    """One cluster, a system on it, its torment, the verdict; then the unclean elections."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.folder, self.plan = folder, plan
        self.cluster = Cluster(
            folder / "cluster", PORTS["broker"] + plan.port_offset + CLUSTER_OFFSET
        )
        self.config = impatient_config(folder)
        self.outcome = Outcome()
        self._random = random.Random(plan.seed)
        self._recovered: dict[str, list[int]] = {}
        self._partition = partition_for(POOL, PARTITIONS)

    def whole(self) -> Outcome:
        """Start, torment, judge, stop; then the elections."""
        try:
            say(f"starting three brokers and a controller in {self.folder}")
            self.cluster.start()
            if self.plan.faults:
                self._clean()
            for rule in self.plan.acks:
                self._acks(rule)
            for number in range(self.plan.unclean):
                self._unclean(number)
        finally:
            self.cluster.end()
        return self.outcome

    # Faults after which nothing may be missing.

    def _clean(self) -> None:
        plan = self.plan
        self.system = ClusterSystem(
            self.folder / "clean", plan.port_offset, self.config, self.cluster,
            services=plan.services,
        )  # fmt: skip
        self.faults = self.system.folder / "faults.jsonl"
        try:
            self.system.start()
            self.readers = [self.system.start_reader(), self.system.start_reader()]
            self.load = Load(
                self.system.run, self.system.folder / "journal.jsonl", plan.rate, plan.seed
            )
            self.agents = Agents(self.system.run, plan.seed)
            self.load.start()
            self.agents.start()
            try:
                self._torment()
            except BaseException:
                self.load.stop(0)
                self.agents.finish(0)
                raise
            say("no more faults; what is under way may finish")
            self.load.stop(plan.drain_s)
            self.agents.finish(plan.drain_s)
            self._judge()
            if self.system.stop() != 0:
                self.outcome.wrong.append("the system did not stop cleanly")
        finally:
            self.system.end()

    def _torment(self) -> None:
        names = [name for name, count in self.plan.faults.items() for _ in range(count)]
        self._random.shuffle(names)
        self._progress(10)
        for number, name in enumerate(names, 1):
            began_s, began_ms = time.monotonic(), _now_ms()
            _DEEDS[name](self)
            self.cluster.whole((*map(self.system.topic, USED), "__consumer_offsets"))
            self._progress(5)
            self._note(name, began_ms)
            say(
                f"{number} of {len(names)}: {name}, over after {time.monotonic() - began_s:.1f} s;"
                f" {self.load.acknowledged} of {self.load.sent} mails accepted"
            )

    def _note(self, name: str, began_ms: int) -> None:
        self.outcome.done[name] += 1
        line = {"fault": name, "from_ms": began_ms, "until_ms": _now_ms()}
        with self.faults.open("a") as file:
            file.write(json.dumps(line) + "\n")
        decided = [row["ts"] for row in self._rows() if row["decisions"] and row["ts"] > began_ms]
        if decided:
            self._recovered.setdefault(name, []).append(min(decided) - began_ms)

    def _rows(self) -> list[Json]:
        return self.readers[0].rows().get(self._partition, [])

    def _progress(self, records: int) -> None:
        """Wait until so many more records with decisions came to a reader."""

        def decided() -> int:
            return sum(bool(row["decisions"]) for row in self._rows())

        before = decided()
        until(
            lambda: decided() >= before + records,
            PROGRESS_S_MAX,
            lambda: f"no {records} new records; halted: {self.system.halts()}",
        )

    def leader(self, topic: str) -> int:
        """Who leads the busy partition."""
        return self.cluster.state(self.system.topic(topic))[self._partition].leader

    def _kill_leader(self, topic: str) -> None:
        node = self.leader(topic)
        self.cluster.kill(node)
        others = [one for one in BROKERS if one != node]
        self.cluster.led_by(self.system.topic(topic), self._partition, *others)
        self._progress(3)
        self.cluster.up(node)

    def _move(self) -> None:
        topic = self._random.choice((WORK, DECISIONS))
        to = self._random.choice([one for one in BROKERS if one != self.leader(topic)])
        self.cluster.move(self.system.topic(topic), [self._partition], to)

    def _freeze(self) -> None:
        node = self.leader(self._random.choice((WORK, DECISIONS)))
        self.cluster.freeze(node)
        time.sleep(self._random.uniform(*FROZEN_S))
        self.cluster.thaw(node)

    def _two_down(self) -> None:
        """Nothing may be acknowledged meanwhile, and whoever waits must be told in bounded time."""
        logged = self.system.logged()
        nodes = self._random.sample(BROKERS, 2)
        self.cluster.kill(*nodes)
        began_s, began_ms = time.monotonic(), _now_ms()
        for service, words in (("router", "are enough"), ("ingest-email", "enough replicas")):
            took = until(
                lambda s=service, w=words: w in json.dumps(self.system.log_of(s)[logged[s] :]),
                BOUNDED_S_MAX,
                lambda s=service: f"{s} doesn't say that brokers are missing",
            )
            self._recovered.setdefault(f"two of three killed → {service} says so", []).append(
                int((took if service == "router" else time.monotonic() - began_s) * 1000)
            )
        time.sleep(max(0.0, OUTAGE_S - (time.monotonic() - began_s)))
        ended_ms = _now_ms()
        self.cluster.up(*nodes)
        decided = [row for row in self._rows() if began_ms + SETTLE_S * 1000 < row["ts"] < ended_ms]
        journal = read_lines(self.system.folder / "journal.jsonl")
        taken = [
            mail
            for mail in journal
            if mail["acknowledged"] and began_ms + SETTLE_S * 1000 < mail["done_ms"] < ended_ms
        ]
        if decided or taken:
            self.outcome.wrong.append(
                f"with one of three brokers {len(taken)} mails were accepted and {len(decided)}"
                " records decided"
            )

    def _last_known(self) -> None:
        """Two come back, and before any client has looked again the third, all it knows, dies."""
        node = self.leader(DECISIONS)
        others = [one for one in BROKERS if one != node]
        self.cluster.kill(*others)
        time.sleep(self._random.uniform(2, 4))
        self.cluster.up(*others)
        self.cluster.whole(map(self.system.topic, USED))
        self._kill_leader(DECISIONS)

    def _all_down(self) -> None:
        self.cluster.kill(*BROKERS)
        self.cluster.up(*BROKERS)

    def _controller(self) -> None:
        """Nobody elects meanwhile; whoever leads goes on."""
        self.cluster.kill(CONTROLLER)
        self._progress(3)
        self.cluster.up(CONTROLLER)

    def _rolling(self) -> None:
        for node in self._random.sample(BROKERS, len(BROKERS)):
            self.cluster.down(node)
            self.cluster.up(node)
            self.cluster.whole(map(self.system.topic, USED))

    def _kill_reader(self) -> None:
        reader = self.readers[1]
        reader.kill()
        self._progress(3)
        reader.start()

    def _judge(self) -> None:
        """Wait until all that was acknowledged is decided and shown, then say what is wrong."""
        deadline = time.monotonic() + self.plan.judge_s
        system, outcome = self.system, self.outcome
        shown = Shown(system.run)
        while True:
            export = Path(tempfile.mkdtemp(prefix="export-", dir=system.folder)) / "log"
            now_ms = _now_ms()
            before = {path.name for path in (system.data_dir / "sink").glob("*.eml")}
            shown.before()
            done = system.vaxel("log", "export", "--to", str(export))
            differ = []
            if done.returncode == 0:
                outcome.verdict = self._check(export, now_ms, before, shown)
                differ = [one for reader in self.readers for one in disagreements(export, reader)]
            else:
                outcome.verdict = Verdict(broken_chain=[f"log export: {done.stderr.strip()}"])
            if not (outcome.verdict.wrong or differ) or time.monotonic() > deadline:
                break
            time.sleep(1)
        outcome.wrong += [f"a reader read otherwise: {one}" for one in differ]
        replayed = system.vaxel("replay", "--from", str(export))
        if replayed.returncode != 0:
            outcome.wrong.append(f"replay: {replayed.stdout[-500:]}{replayed.stderr[-500:]}")
        outcome.wrong += [
            f"{name} halted without cause: {words[0]}" for name, words in system.halts().items()
        ]
        outcome.wrong += [
            f"{one.folder.name} halted: {one.words}" for one in self.readers if one.halted
        ]
        for name, values in sorted(self._recovered.items()):
            told = name if "→" in name else f"{name} → next decision"
            outcome.figures[told] = describe(values)
        ends = Counter({name: len(system.last_words(name)) for name in system.services})
        outcome.figures["processes that ended by themselves and came back"] = (
            ", ".join(f"{count} x {name}" for name, count in (+ends).items()) or "none"
        )

    def _check(self, export: Path, now_ms: int, before: set[str], shown: Shown) -> Verdict:
        return shown.judged(
            export,
            self.system.folder / "journal.jsonl",
            faults=self.faults,
            mails=self.system.data_dir / "sink",
            mails_before=before,
            now_ms=now_ms,
        )

    # A build that the checker must find.

    def _acks(self, rule: str) -> None:
        folder = self.folder / (rule or "sound")
        lost = leader_alone(self.cluster, folder, self.plan.port_offset, rule).wrong
        name = "acks=1, leader killed alone" if rule else "sound build, leader killed alone"
        self.outcome.done[name] += 1
        self.outcome.figures[f"{name}: the checker finds"] = ", ".join(lost) or "nothing wrong"
        say(f"{name}: the checker finds {', '.join(lost) or 'nothing wrong'}")
        if ("lost" in lost) != bool(rule):
            self.outcome.wrong.append(f"{name}: the checker finds {lost}")

    # Elections after which something is missing.

    def _unclean(self, number: int) -> None:
        """A new system on topics of its own: after such an election there is no going on."""
        plan = self.plan
        prefix = f"u{number}." if plan.faults or number else ""
        system = ClusterSystem(
            self.folder / f"unclean-{number}", plan.port_offset, self.config, self.cluster,
            prefix=prefix, services=plan.services,
        )  # fmt: skip
        one = Unclean(system, self._partition, number, plan, say)
        try:
            found = one.whole()
        finally:
            system.end()
        self.outcome.unclean.append(found)
        self.outcome.done["unclean election"] += 1
        self.outcome.wrong += [f"unclean election {number}: {what}" for what in found["wrong"]]


_DEEDS: dict[str, Callable[[Run], None]] = {
    "leader of decisions killed": lambda run: run._kill_leader(DECISIONS),
    "leader of work killed": lambda run: run._kill_leader(WORK),
    "leader moved": Run._move,
    "leader frozen": Run._freeze,
    "two of three killed": Run._two_down,
    "last one known killed": Run._last_known,
    "all three killed": Run._all_down,
    "controller killed": Run._controller,
    "brokers restarted in turn": Run._rolling,
    "reader killed": Run._kill_reader,
}


def _now_ms() -> int:
    return int(time.time() * 1000)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--full", action="store_true", help="fifty leaders, ten of all else")
    parser.add_argument("--only", help="faults that begin so, with commas")
    parser.add_argument("--times", type=int, help="how often each, instead of the size's number")
    parser.add_argument("--acks", action="store_true", help="acks=1 also where only chosen runs")
    parser.add_argument("--unclean", type=int, help="how many unclean elections")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=6, help="mails a second")
    parser.add_argument("--port-offset", type=int, default=16_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--json", type=Path, help="where to write the figures")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="vaxel-three-"))
    folder.mkdir(parents=True, exist_ok=True)
    chosen = tuple(options.only.split(",")) if options.only else ("",)
    faults = {
        name: options.times or count
        for name, count in (FULL if options.full else SHORT if not options.only else FULL).items()
        if name.startswith(chosen)
    }
    if options.only == "none":
        faults = {}
    elections = options.unclean if options.unclean is not None else 10 if options.full else 1
    acks: tuple[str, ...] = (RULE, "") if options.full else (RULE,)
    if options.only and not options.acks:
        acks = ()
    plan = Plan(faults, elections, acks, options.rate, options.seed, options.port_offset)
    # Whoever ends us early wants what we started ended as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))
    begun = record.begin()
    outcome = Run(folder, plan).whole()
    explain(outcome, folder)
    if options.json is not None:
        record.write(options.json, figure(outcome, begun))
        say(f"written to {options.json}")
    return 1 if outcome.broken else 0


if __name__ == "__main__":
    sys.exit(main())
