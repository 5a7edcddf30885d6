"""A power cut, and a broker that loses what it had acknowledged: nobody goes on as if it weren't so.

No replica is left to know better, so nothing can save what is lost; what must hold is that whoever
acted on it stops and says so, that nobody's trace forks, and that no input which fills a lost one's
place is passed over unseen.
"""

from __future__ import annotations

from typing import Any

from simulation.world import house, timeline
from simulation.world.checker import Violation
from simulation.world.history import Failed, History
from simulation.world.timeline import SECOND

from vaxel_shared.errors import Fatal
from vaxel_shared.kafka.topics import DECISIONS, WORK


class PowerCut(History):
    """Some traffic, a power cut, and what comes after."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed, contacts=40)
        self.halted: dict[str, str] = {}
        self.lost: dict[str, int] = {}
        self.must_halt: set[str] = set()

    def run(self) -> PowerCut:
        try:
            self._safety()
            self._cut()
            self.timeline.run(self.timeline.now + 60 * SECOND)
            self._judge()
        except Exception as error:
            raise Failed(self.seed, error, self._tell()) from error
        finally:
            self._end()
            timeline.bury()
        return self

    def ended(self, service: house.Service, error: BaseException | None) -> None:
        if isinstance(error, Fatal) and self.lost:
            self.halted[service.name] = str(error)
            self.ends[type(error).__name__] += 1
            self.note(f"{service.name} halted: {error}")
            return
        super().ended(service, error)

    def _cut(self) -> None:
        """The tail of one log or of both is gone; every process was somewhere before or after."""
        rng = self._rng("cut")
        checker = self.checker
        for topic in rng.choice([(WORK,), (DECISIONS,), (WORK, DECISIONS)]):
            log = self.broker.partition(topic)
            self.lost[topic] = min(rng.choice([1, 2, 5, 20]), len(log.records) - 1)
            log.cut_tail(self.lost[topic])
        self.broker.weights = {}
        read = {"register": self.register.cursor, "delivery": self.delivery.rows.cursor}
        read["sla-projector"] = self.clocks.cursor
        end = self.broker.partition(DECISIONS).end
        for name, cursor in read.items():
            if cursor is not None and cursor.offset >= end:
                self.must_halt.add(name)
        checker.cut(self.broker.partition(WORK).end, end)
        if checker.valid and checker.valid[-1].through >= len(checker.work):
            checker.halted = True
        for service in self.services.values():
            service.kill()
        self.faults.heal()
        self.note(f"power cut: lost {self.lost}")

    def _judge(self) -> None:
        if self.checker.halted:
            self.must_halt |= {name for name in self.services if name.startswith("router-")}
        here = {name for name in self.must_halt if name in self.services}
        alive = {name for name in here if self.services[name].wanted} - self.halted.keys()
        if alive:
            raise Violation(f"lost {self.lost}, and {sorted(alive)} went on")
        for name, said in self.halted.items():
            if not any(
                word in said
                for word in ("restore", "fold again", "stop all routers", "claimed it after us")
            ):
                raise Violation(f"{name} halted without saying what to do: {said}")


def play(seed: int) -> dict[str, Any]:
    """One power cut; what came of it. Raises ``Failed``."""
    one = PowerCut(seed).run()
    return {"lost": one.lost, "halted": one.halted, "must_halt": one.must_halt}
