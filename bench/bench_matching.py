"""How fast the matcher answers who takes what next, beside two ways of looking, and an optimum."""

from __future__ import annotations

import gc
import time
import tracemalloc
from dataclasses import dataclass, field, replace

from kit import Report, Table, percentile, rate, ratio, run
from large_site import Site, Size, Thing
from looking import Looker
from together import windows

from vaxel_router.core.matching import Matcher

SITE = Size(agents=10_000, skills=200, profiles=500, kinds=783, waiting=100_000)
SITES = (
    replace(SITE, waiting=10_000),
    SITE,
    replace(SITE, waiting=1_000_000),
    replace(SITE, profiles=2_000, kinds=1_528),
    replace(SITE, profiles=8_000, kinds=9_191, waiting=30_000),
)
MEMORY_ITEMS, MEMORY_AGENTS = 50_000, 10_000

METHOD = (
    "One decision: an agent has room again and takes the first item of all that the agent may have,"
    " and another arrives, so that as much waits as before. Two channels, three"
    " tiers, levels of skills, languages, five priorities; one arrival in twenty is kept for one"
    " agent for a while, one decision in thirty is turned down (the item goes back, that agent is"
    " barred). The peers are told the same, and each of their decisions is compared with the"
    " matcher's. Times are the processor's, one thread: the machine is shared."
)
NOT_COVERED = [
    "Cases, offers, reasons and records: see the router's core, which has the matcher inside.",
    "Profiles that are new each time: one costs about a millisecond among 800 kinds, a kind 20 us.",
]


@dataclass
class Desk:
    """A site at work, on a matcher or a peer; the same seed draws the same day for each."""

    size: Size
    matcher: Matcher | Looker
    now: int = 1
    things: dict[str, Thing] = field(default_factory=dict)
    taken: list[str | None] = field(default_factory=list)

    def open(self) -> None:
        """Everybody is there with full hands, and so much waits."""
        self.site = Site(self.size)
        for number, (name, profile) in enumerate(self.site.people.items()):
            self.matcher.join(name, profile, idle=number)
            for _ in range(profile.capacity):
                self.matcher.hold(name, "email", 1)
        for _ in range(self.size.waiting):
            self._put(self.site.arrival(self.now))

    def _put(self, thing: Thing) -> None:
        self.things[thing.id] = thing
        self.matcher.put(
            thing.id, thing.asks, key=thing.key, now=self.now, barred=thing.barred,
            prefer=thing.prefer, until=thing.until,
        )  # fmt: skip

    def work(self, seconds: float, most: int = 10**9) -> list[float]:
        """The processor's time of each decision, in seconds."""
        clock, spent, total = time.thread_time, list[float](), 0.0
        matcher, draw = self.matcher, self.site.random
        while total < seconds and len(spent) < most:
            self.now += 1
            name, thing = draw.choice(self.site.names), self.site.arrival(self.now)
            declined = draw.random() < 1 / 30
            begin = clock()
            matcher.free(name, "email", 1, idle=self.now)
            taken = matcher.next_item(name, self.now)
            if taken is not None:
                matcher.drop(taken)
                if declined:
                    self._put(replace(self.things[taken], barred={name: self.now + 500}))
            matcher.hold(name, "email", 1, idle=self.now)
            self._put(thing)
            each = clock() - begin
            spent.append(each)
            total += each
            self.taken.append(taken)
            if taken is not None and not declined:
                del self.things[taken]
        return spent


def main(seconds: float) -> Report:
    """Every size, the peers, batches beside the optimum, and memory."""
    report = Report("matching", "The matcher", METHOD, NOT_COVERED, [])
    sizes = Table(
        "Decisions a second and the time of one, in microseconds",
        ["agents", "profiles", "kinds", "waiting", "decisions/s", "p50", "p99"],
    )
    peers = Table(
        "The same decisions by looking",
        ["waiting", "matcher/s", "looks at all/s", "matcher/all", "stops at the first/s",
         "matcher/first", "alike"],
    )  # fmt: skip
    for size in SITES:
        desk = Desk(size, Matcher())
        desk.open()
        gc.collect()
        gc.freeze()  # as a process does that has just restored
        desk.work(seconds / 5)
        spent = desk.work(seconds)
        sizes.rows.append(_size_row(size, spent))
        if size.profiles == SITE.profiles:
            peers.rows.append(_peer_row(size, desk, rate_of(spent), seconds))
        gc.unfreeze()
    report.tables = [sizes, peers, windows(), _memory()]
    return report


def rate_of(spent: list[float]) -> float:
    return len(spent) / sum(spent)


def _size_row(size: Size, spent: list[float]) -> list[str]:
    return [
        *(f"{count:,}" for count in (size.agents, size.profiles, size.kinds, size.waiting)),
        rate(len(spent), sum(spent)),
        *(f"{percentile(spent, share) * 1e6:.1f}" for share in (0.5, 0.99)),
    ]


def _peer_row(size: Size, desk: Desk, matcher: float, seconds: float) -> list[str]:
    """Each peer has as much time; all that it decided must be what the matcher did."""
    rates, alike = [], 0
    for sorted_ in (False, True):
        peer = Desk(size, Looker(sorted_=sorted_))
        peer.open()
        rates.append(rate_of(peer.work(seconds, most=len(desk.taken))))
        if peer.taken != desk.taken[: len(peer.taken)]:
            raise AssertionError("the matcher and a peer differ: one of them is wrong")
        alike += len(peer.taken)
    every, first = rates
    return [
        f"{size.waiting:,}", f"{matcher:,.0f}", f"{every:,.1f}", ratio(matcher, every),
        f"{first:,.0f}", ratio(matcher, first), f"{alike:,}",
    ]  # fmt: skip


def _memory() -> Table:
    """What one more item and one more agent take."""
    size = replace(SITE, agents=1_000, waiting=1_000)
    desk = Desk(size, Matcher())
    desk.open()
    things = [desk.site.arrival(1) for _ in range(MEMORY_ITEMS)]
    gc.collect()
    tracemalloc.start()
    for thing in things:
        desk._put(thing)  # noqa: SLF001 - the desk's own way, without its own list
    desk.things.clear()
    gc.collect()
    item = tracemalloc.get_traced_memory()[0] / MEMORY_ITEMS
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    for number in range(MEMORY_AGENTS):
        name = f"b{number:05}"
        desk.matcher.join(name, desk.site.profiles[number % len(desk.site.profiles)], idle=1)
        desk.matcher.hold(name, "email", 1)
    agent = (tracemalloc.get_traced_memory()[0] - before) / MEMORY_AGENTS
    tracemalloc.stop()
    row = [f"{item:,.0f} bytes", f"{agent:,.0f} bytes"]
    return Table("What the matcher keeps", ["of an item that waits", "of an agent"], [row])


if __name__ == "__main__":
    run(main, seconds=4)
