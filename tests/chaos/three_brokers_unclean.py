"""An unclean election: a broker that missed acknowledged records leads, and they are cut for good.

One broker is down while mail is taken and decided. Then the other two die, the laggard comes back
and, allowed to for once, leads; the others come back and throw away what it never had. Mail goes on
coming in all the while, so the logs grow again over the place of the cut. Whoever had read further
must halt, say what to do, and halt again whenever it is restarted.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any, Protocol

from chaos.cluster import BROKERS, until
from chaos.cluster_system import CUT_WORDS, ClusterSystem
from chaos.load import Agents, Load
from chaos.system import ROOT

from vaxel_shared.kafka.topics import DECISIONS, SNAPSHOTS, WORK

KINDS: tuple[tuple[str, ...], ...] = ((DECISIONS, WORK), (WORK,), (DECISIONS,))
"""What is cut, in turn."""
READERS_OF_DECISIONS = ("router", "register", "delivery")
LAG_RECORDS = 12
"""So many records with decisions, at least, the laggard misses."""
HALT_S_MAX = 90
HALTS = 2
"""Times that a service must halt: it is restarted, and must not come back with less in mind."""
PATIENCE_S = 120
Json = dict[str, Any]


class Wanted(Protocol):
    """The part of a run's plan that is needed here."""

    rate: float
    seed: int
    drain_s: float


class Unclean:
    """One election on a system of its own; :meth:`whole` answers what came of it."""

    def __init__(
        self,
        system: ClusterSystem,
        partition: int,
        number: int,
        plan: Wanted,
        say: Callable[[str], None],
    ) -> None:
        self.system, self.cluster, self.say = system, system.cluster, say
        self._partition, self._plan = partition, plan
        self.cut = KINDS[number % len(KINDS)]
        self._names = [system.topic(name) for name in self.cut]

    def whole(self) -> Json:
        """Start, cut, watch."""
        system = self.system
        system.start()
        self.readers = [system.start_reader(), system.start_reader()]
        load = Load(system.run, system.folder / "journal.jsonl", self._plan.rate, self._plan.seed)
        agents = Agents(system.run, self._plan.seed)
        load.start()
        agents.start()
        try:
            self._progress(5)
            self._elect()
            found = self._watch()
        finally:
            load.stop(0)
            agents.finish(0)
        for name, sentences in found["told"].items():
            for words in sentences:
                self.say(f"unclean election, {found['cut']} cut, {name} halts: {words}")
        return found

    def _elect(self) -> None:
        cluster, topics = self.cluster, (*self._names, self.system.topic(SNAPSHOTS))
        leaders = {cluster.state(name)[self._partition].leader for name in self._names}
        laggard = next(node for node in reversed(BROKERS) if node not in leaders)
        others = [node for node in BROKERS if node != laggard]
        cluster.kill(laggard)
        for name in topics:
            until(
                lambda name=name: laggard not in cluster.state(name)[self._partition].in_sync,
                PATIENCE_S,
                lambda name=name: f"{name}: {laggard} still counts",
            )
        self._progress(LAG_RECORDS)
        self._logged = self.system.logged()
        for name in self.cut:
            self._allow(name, "true")
        cluster.kill(*others)
        cluster.up(laggard)
        for name in self._names:
            cluster.led_by(name, self._partition, laggard)
        for name in self.cut:
            self._allow(name, "false")
        self.say(f"unclean election: {laggard} leads what it never had whole")
        cluster.up(*others)
        cluster.whole(self._names)

    def _allow(self, name: str, answer: str) -> None:
        self.cluster.configure(
            self.system.topic(name), declared_as=name, unclean_leader_election_enable=answer
        )

    def _watch(self) -> Json:
        """Until everybody has halted who must, and for a while longer."""
        system = self.system
        must = set(READERS_OF_DECISIONS if DECISIONS in self.cut else ("router",))
        deadline = time.monotonic() + HALT_S_MAX
        while time.monotonic() < deadline:
            halts = system.halts(self._logged)
            still = [one for one in self.readers if DECISIONS in self.cut and not one.halted]
            if not still and all(len(halts.get(name, [])) >= HALTS for name in must):
                break
            time.sleep(0.5)
        wrong = [f"{name} went on in silence" for name in sorted(must - halts.keys())]
        wrong += [f"{one.folder.name} went on in silence" for one in still]
        wrong += [
            f"{name} halted once, and went on when it was restarted"
            for name in sorted(must)
            if len(halts.get(name, [])) == 1
        ]
        wrong += [f"{one} is ready on a cut log" for one in sorted(must) if self._ready(one)]
        told = {name: list(dict.fromkeys(words)) for name, words in halts.items()}
        told |= {one.folder.name: [one.words] for one in self.readers if one.halted}
        said = {words for sentences in told.values() for words in sentences}
        wrong += [f"no runbook section for: {words}" for words in said if not _known(words)]
        return {"cut": " and ".join(self.cut), "told": told, "wrong": wrong}

    def _ready(self, service: str) -> bool:
        try:
            return self.system.is_ready(service)
        except (OSError, KeyError, ValueError):
            return False

    def _progress(self, records: int) -> None:
        def decided() -> int:
            rows = self.readers[0].rows().get(self._partition, [])
            return sum(bool(row["decisions"]) for row in rows)

        before = decided()
        until(lambda: decided() >= before + records, PATIENCE_S, lambda: "nothing is decided")


def _known(words: str) -> bool:
    """Whether the runbook has a row for a sentence, and the harness knows it for what it is."""
    page = (ROOT / "docs/runbook.md").read_text()
    phrases = re.findall(r"`([^`]+)`", page.partition("## Halts")[2].partition("\n## ")[0])
    return any(one in words for one in phrases) and any(one in words for one in CUT_WORDS)
