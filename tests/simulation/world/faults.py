"""What goes wrong, when: drawn from the seed, undone when it is time for everything to get well."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
from simulation.world.timeline import MS, SECOND

from vaxel_shared.kafka.topics import DECISIONS, SNAPSHOTS, WORK


class Faults:
    """The troubles of one history; ``counts`` says how many of each kind there were."""

    def __init__(self, world: Any, rng: random.Random) -> None:
        self._world = world
        self._rng = rng
        self.counts: Counter[str] = Counter()
        self._on = False
        self._undo: list[Callable[[], None]] = []
        self._doubles = 0

    def start(self, until: int) -> None:
        """Begin; the last fault comes before ``until``."""
        self._on = True
        plan = self._world.plan
        for _ in range(plan.faults_count if plan.faults else 0):
            when = self._rng.randrange(until)
            self._world.timeline.at(when, self._strike, self._rng.choice(plan.faults))

    def dies(self) -> bool:
        """Whether a process is killed at this call of its."""
        if not self._on or self._rng.random() >= self._world.plan.dies:
            return False
        self.counts["kill_at_call"] += 1
        return True

    def heal(self) -> None:
        """Everything gets well."""
        self._on = False
        world = self._world
        world.broker.weights = {}
        world.broker.down = False
        world.broker.clock.offset_ms = 0
        for undo in self._undo:
            undo()
        for name, service in list(world.services.items()):
            for old in service.olds:
                old.kill()
            service.link.cut, service.link.slow = False, 1
            service.rate, service.wall_offset_ms = 1.0, 0
            service.wanted = name == "router-0" or not name.startswith("router-")
            if service.process is not None and service.process.alive:
                service.process.loop.resume()
                service.process.loop.drift(1.0)
                service.process.wall_offset_ms = 0
                if not service.wanted:
                    service.process.kill()
            service.start()
        world.disk.full, world.disk.slow = False, 1

    def operate(self) -> None:
        """What an operator does where a service says that it needs one."""
        world = self._world
        for name, router in list(world.routers.items()):
            service = world.services[name]
            reasons = router.owner.reasons if service.process is not None else []
            if any("ahead of the broker's clock" in reason for reason in reasons):
                service.kill()

    def _strike(self, kind: str) -> None:
        if not self._on:
            return
        if getattr(self, f"_{kind}")() is not False:
            self.counts[kind] += 1
            self._world.note(f"fault: {kind}")

    def _victim(self) -> Any:
        """Some service; every second time a router."""
        services = self._world.services
        names = sorted(services)
        routers = [name for name in names if name.startswith("router-")]
        return services[self._rng.choice(routers if self._rng.random() < 0.5 else names)]

    def _for(self, seconds: float, undo: Callable[[], None]) -> None:
        self._undo.append(undo)
        self._world.timeline.after(int(self._rng.random() * seconds * SECOND) + MS, undo)

    # --- processes

    def _kill(self) -> None:
        self._victim().kill()

    def _pause(self) -> bool | None:
        """Stopped and, later, going on as if nothing had been; another may have begun meanwhile."""
        service = self._victim()
        process = service.process
        if process is None or not process.alive or process.loop.paused:
            return False
        process.loop.pause()
        self._for(12, process.loop.resume)
        if service.name in ("router-0", "router-1", "triage") and self._rng.random() < 0.5:
            service.replace()
        return None

    def _double(self) -> None:
        """Somebody starts the same owner once more."""
        self._world.services[self._rng.choice(["router-0", "triage"])].replace()

    def _roll(self) -> bool | None:
        """A clean stop, and a start."""
        routers = self._world.routers
        name = self._rng.choice(sorted(routers)) if routers else None
        service = self._world.services.get(name)
        if service is None or service.process is None or not service.process.alive:
            return False
        service.process.loop.call_soon(routers[name].stop.set)
        return None

    # --- network and broker

    def _cut(self) -> None:
        link = self._victim().link
        link.cut = True
        self._for(15, lambda: setattr(link, "cut", False))

    def _slow(self) -> None:
        link = self._victim().link
        link.slow = self._rng.choice([10, 100, 1_000])
        self._for(15, lambda: setattr(link, "slow", 1))

    def _broker(self) -> None:
        """The broker restarts."""
        broker = self._world.broker
        broker.down = True
        self._for(8, lambda: setattr(broker, "down", False))

    def _outage(self, seconds: int = 3_600) -> bool | None:
        """Everything is down for an hour; nothing of what people do meanwhile gets anywhere."""
        world = self._world
        if self.counts["outage"] >= 2:
            return False
        for service in world.services.values():
            service.kill()
        world.timeline.skip(seconds * SECOND)
        return None

    def _long_outage(self) -> bool | None:
        """Longer than command ids are remembered."""
        if self.counts["long_outage"]:
            return False
        self._outage(9 * 86_400)
        return None

    # --- disk

    def _blobs_full(self) -> None:
        disk = self._world.disk
        disk.full = True
        self._for(10, lambda: setattr(disk, "full", False))

    def _blob_torn(self) -> bool | None:
        ref = self._some_state()
        if ref is None:
            return False
        self._world.disk.tear(ref)
        return None

    def _blob_lost(self) -> bool | None:
        ref = self._some_state()
        if ref is None:
            return False
        self._world.disk.lose(ref)
        return None

    def _policy_gone(self) -> None:
        """The policies' blobs can't be had for a while."""
        blobs = self._world.disk.blobs
        gone = {ref: blobs.pop(ref) for ref in list(blobs) if ref.startswith("policy/")}
        self._for(10, lambda: blobs.update(gone))

    def _trim(self) -> bool | None:
        """Retention takes what is older than the oldest snapshot and read by everybody."""
        world = self._world
        snapshots: dict[bytes | None, bytes] = {}
        for record in world.broker.partition(SNAPSHOTS).records:
            snapshots[record.key] = record.value
        if len(snapshots) < 3 or {"blob_torn", "blob_lost"} & set(world.plan.faults):
            return False
        oldest = min((msgspec.json.decode(value) for value in snapshots.values()), key=_seq)
        cursors = [cursor.offset if cursor is not None else -1 for cursor in world.cursors()]
        decisions, work = world.broker.partition(DECISIONS), world.broker.partition(WORK)
        before = min(oldest["offset"], *cursors)
        if before <= decisions.start:
            return False
        decisions.trim(before)
        work.trim(max(work.start, min(oldest["through"], work.end)))
        return None

    # --- inputs

    def _garbage(self) -> None:
        self._world.people.garbage()

    def _defect(self) -> bool | None:
        if self.counts["defect"] >= 2:  # more of them, and the router halts: it should
            return False
        self._world.people.defect()
        return None

    def _some_state(self) -> str | None:
        refs = sorted(ref for ref in self._world.disk.blobs if ref.startswith("state/"))
        records = self._world.broker.partition(SNAPSHOTS).records
        if not refs or not records:
            return None
        return self._rng.choice(refs)

    # --- clocks

    def _wall_jump(self) -> None:
        service = self._victim()
        service.wall_offset_ms += self._rng.choice(self._world.plan.wall_jumps)
        if service.process is not None:
            service.process.wall_offset_ms = service.wall_offset_ms

    def _drift(self) -> None:
        service = self._victim()
        service.rate = self._rng.choice([0.95, 0.99, 1.01, 1.05])
        if service.process is not None and service.process.alive:
            service.process.loop.drift(service.rate)

    def _broker_jump(self) -> None:
        self._world.broker.clock.offset_ms += self._rng.choice([-3_600_000, -4_000, 4_000, 60_000])


def _seq(snapshot: dict[str, Any]) -> int:
    return int(snapshot["seq"])
