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
from vaxel_shared import heap

SITE = Size(agents=10_000, skills=200, profiles=500, kinds=783, waiting=100_000)
SITES = (
    replace(SITE, waiting=10_000),
    SITE,
    replace(SITE, waiting=1_000_000),
    replace(SITE, profiles=2_000, kinds=1_528),
    replace(SITE, profiles=8_000, kinds=9_191, waiting=30_000),
)
MEMORY_ITEMS, MEMORY_AGENTS = 50_000, 10_000
AT_ONCE = 500
"""Decisions between two looks at the processor's clock, which takes as long as half of one."""
SINGLY = 20_000

METHOD = (
    "One decision: an agent has room again and takes the first item of all that the agent may have,"
    " and another arrives, so that as much waits as before. Two channels, three"
    " tiers, levels of skills, languages, five priorities; one arrival in twenty is kept for one"
    " agent for a while, one decision in thirty is turned down (the item goes back, that agent is"
    " barred). The peers are told the same, and each of their decisions is compared with the"
    " matcher's. Times are the processor's, one thread: the machine is shared. Rates are of many"
    " decisions at once; of single ones what asking for the time takes is taken off."
)
NOT_COVERED = [
    "Cases, offers, reasons and records: see the router's core, which has the matcher inside.",
    "Profiles that are new each time: one costs about a millisecond among 800 kinds, a kind 20 us.",
]


@dataclass
class Worked:
    """So many decisions, and the processor's time of all of them."""

    count: int = 0
    total_s: float = 0.0

    @property
    def rate(self) -> float:
        """Decisions a second of the processor."""
        return self.count / self.total_s


@dataclass
class Desk:
    """A site at work, on a matcher or a peer; the same seed draws the same day for each."""

    size: Size
    matcher: Matcher | Looker
    now: int = 1
    drawn_at: int = 1
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

    def work(self, seconds: float, most: int = 10**9) -> Worked:
        """Decisions for so long; what happens is drawn beforehand, some at a time."""
        worked, count = Worked(), 1
        while worked.total_s < seconds and worked.count < most:
            drawn = [self._draw() for _ in range(min(count, most - worked.count))]
            begin = time.thread_time()
            for event in drawn:
                self._decide(event)
            worked.total_s += time.thread_time() - begin
            worked.count += len(drawn)
            count = min(2 * count, AT_ONCE)
        return worked

    def work_singly(self, count: int) -> list[float]:
        """The processor's time of each of so many decisions, less what looking at it takes."""
        clock = time.thread_time
        looks = [-clock() + clock() for _ in range(count)]
        look_s, each_s = percentile(looks, 0.5), []
        for _ in range(count):
            event = self._draw()
            begin = clock()
            self._decide(event)
            each_s.append(clock() - begin - look_s)
        return each_s

    def _draw(self) -> tuple[int, str, Thing, bool]:
        """An instant, who has room then, what arrives, and whether what was taken is declined."""
        self.drawn_at += 1
        draw = self.site.random
        name, thing = draw.choice(self.site.names), self.site.arrival(self.drawn_at)
        return self.drawn_at, name, thing, draw.random() < 1 / 30

    def _decide(self, event: tuple[int, str, Thing, bool]) -> None:
        now, name, thing, declined = event
        self.now, matcher = now, self.matcher
        matcher.free(name, "email", 1, idle=now)
        taken = matcher.next_item(name, now)
        if taken is not None:
            matcher.drop(taken)
            if declined:
                self._put(replace(self.things[taken], barred={name: now + 500}))
        matcher.hold(name, "email", 1, idle=now)
        self._put(thing)
        self.taken.append(taken)
        if taken is not None and not declined:
            del self.things[taken]


def main(seconds: float) -> Report:
    """Every size, the peers, batches beside the optimum, and memory."""
    heap.expect_much()  # as the process that does this does
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
        desk.work(seconds / 5)
        spent = desk.work(seconds)
        sizes.rows.append(_size_row(size, spent, desk.work_singly(SINGLY)))
        if size.profiles == SITE.profiles:
            peers.rows.append(_peer_row(size, desk, spent.rate, seconds))
    report.tables = [sizes, peers, windows(), _memory()]
    return report


def _size_row(size: Size, spent: Worked, each_s: list[float]) -> list[str]:
    return [
        *(f"{count:,}" for count in (size.agents, size.profiles, size.kinds, size.waiting)),
        rate(spent.count, spent.total_s),
        *(f"{percentile(each_s, share) * 1e6:.1f}" for share in (0.5, 0.99)),
    ]


def _peer_row(size: Size, desk: Desk, matcher: float, seconds: float) -> list[str]:
    """Each peer has as much time; all that it decided must be what the matcher did."""
    rates, alike = [], 0
    for sorted_ in (False, True):
        peer = Desk(size, Looker(sorted_=sorted_))
        peer.open()
        rates.append(peer.work(seconds, most=len(desk.taken)).rate)
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
