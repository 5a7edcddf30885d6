"""One seed, one history: a world is built, troubled, healed, and judged all the while.

Safety first: while faults come, nothing that must never be may be. Then liveness: with the faults
off, everything there is to do gets done in bounded time. Then the whole log is judged once more.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
from collections import Counter
from dataclasses import replace
from typing import Any, NoReturn
from unittest.mock import patch

import msgspec
from simulation.world import clocks, delivering, house, people, plan, timeline, verdict
from simulation.world.broker import Broker, Link
from simulation.world.checker import Checker, Violation
from simulation.world.disk import Disk
from simulation.world.faults import Faults
from simulation.world.routing import LOG_ID
from simulation.world.timeline import MS, SECOND, Process, Timeline

from vaxel_router.core import engine, step
from vaxel_shared.errors import Fatal, Retryable
from vaxel_shared.kafka.chain import ChainHalt
from vaxel_shared.kafka.log import Acknowledged, OffsetGone, RawRecord
from vaxel_shared.kafka.topics import CLOCKS, DEADLETTERS, DECISIONS, INTERACTIONS, WORK

LIVENESS = 7_200 * SECOND
"""Longer than any bar, pause and moved clock; what isn't done by then never will be."""


class Failed(AssertionError):
    """A history that broke a promise, with all that is needed to look at it."""

    def __init__(self, seed: int, error: BaseException, story: str) -> None:
        super().__init__(f"seed {seed}: {type(error).__name__}: {error}\n{story}")
        self.seed = seed
        self.error = error


def _break(*_given: Any) -> NoReturn:
    raise ZeroDivisionError


class History:
    """The world of one seed."""

    def __init__(
        self, seed: int, *, contacts: int | None = None, services: tuple[str, ...] | None = None
    ) -> None:
        self.seed = seed
        self.plan = plan.make(seed, contacts=contacts)
        if services is not None:
            self.plan = replace(self.plan, services=services)
        self.timeline = Timeline()
        self.broker = Broker(self.timeline, self._rng("broker"))
        self.broker.latency_us = self.plan.latency_us
        self.disk = Disk(self.timeline, self._rng("disk"))
        self.checker = Checker(LOG_ID)
        self.people = people.People(self.broker, self._edge(), self._rng("people"), self.plan)
        self.runs = 0
        self.routers: dict[str, Any] = {}
        self.ends: Counter[str] = Counter()
        self.log: list[str] = []
        """What was done to the world."""
        self.triage = house.Triage(self)
        self.register = house.Register(self)
        self.services: dict[str, house.Service] = {}
        self._service("triage", self.triage.main)
        self._service("register", self.register.main)
        self.delivery = delivering.Delivery(self, self._rng("relay"))
        self.clocks = clocks.Clocks(self, self._rng("faust"))
        if "delivery" in self.plan.services:
            self._service("delivery", self.delivery.main)
        if "clocks" in self.plan.services:
            self._service("sla-projector", self.clocks.project)
            self._service("sla-clocks", self.clocks.fold)
        for number in range(self.plan.routers):
            self._service(f"router-{number}", house.router_main(self, f"router-{number}"))
        self.broker.partition(WORK).watch = self._work
        self.broker.partition(DECISIONS).watch = self._decided
        self._customers = self._rng("customers")
        self._ingest = Link(self.broker, self._rng("ingest"))
        self.broker.partition(INTERACTIONS).watch = self._came
        self.first_offset: dict[str, int] = {}
        self.accepted: set[str] = set()
        self.sent: dict[str, bytes] = {}
        self.faults = Faults(self, self._rng("faults"))
        self.calm = False
        self.copies = 0
        """Inputs that were delivered once more where that was tried at the end."""

    def _rng(self, name: str) -> random.Random:
        return random.Random(f"{self.seed} {name}")

    def _edge(self) -> people.Edge:
        self.edge = people.Edge(
            self.broker, Link(self.broker, self._rng("edge link")), self._rng("edge"), self.plan
        )
        return self.edge

    def _service(self, name: str, main: house.Main) -> None:
        self.services[name] = house.Service(self, name, main, self._rng(name))

    # --- what happens

    def run(self) -> History:
        """Play it. Raises :class:`Failed`."""
        try:
            with self._rigged():
                self._safety()
                self._liveness()
                verdict.judge(self)
        except Exception as error:
            raise Failed(self.seed, error, self._tell()) from error
        finally:
            self._end()
            timeline.bury()
        return self

    def _rigged(self) -> contextlib.ExitStack:
        """Within it records are as small as planned, and one type of command is a defect."""
        rigged = contextlib.ExitStack()
        rigged.enter_context(patch.object(step, "DECISIONS_MAX", self.plan.decisions_max))
        rigged.enter_context(patch.dict(engine.HANDLERS, {people.DEFECT: _break}))
        return rigged

    def cursors(self) -> list[Any]:
        """How far each reader of the decisions has stored that it read."""
        known: dict[str, Any] = {"register": self.register.cursor}
        known |= {"delivery": self.delivery.rows.cursor, "sla-projector": self.clocks.cursor}
        return [cursor for name, cursor in known.items() if name in self.services]

    def _end(self) -> None:
        for service in self.services.values():
            for process in [*service.olds, service.process]:
                if process is not None and process.alive:
                    process.kill()

    def _safety(self) -> None:
        self.broker.partition(DEADLETTERS).watch = self._parked
        for blob in self.plan.policies:
            self.disk.blobs[f"policy/{hashlib.sha256(blob).hexdigest()}"] = blob
        self.people.roster(self.plan.agents)
        self.people.publish(self.plan.policies[0])
        for service in self.services.values():
            service.start()
        self.broker.weights = {f: weight for f, weight in self.plan.fates.items() if weight}
        rng, when = self._customers, SECOND
        left = list(range(self.plan.contacts))
        while left:
            when += int(rng.expovariate(1) * self.plan.spacing_ms * MS)
            for number in left[: rng.randint(1, self.plan.burst)]:
                self.timeline.at(when + rng.randrange(10 * MS), self._write, number)
                left.remove(number)
        for _ in range(self.plan.stirs):
            self.timeline.at(rng.randrange(when + 1), self.people.stir)
        self.faults.start(when)
        self.timeline.run(when + 3 * SECOND)

    def _liveness(self) -> None:
        self.calm = self.people.calm = self.edge.calm = True
        self.note("faults off")
        self.faults.heal()
        self._rescue()
        # Again: what somebody sent before, and again until it was acknowledged, may have come since.
        self.timeline.after(15 * SECOND, self._rescue)
        self.timeline.after(90 * SECOND, self._rescue)
        begun = self.timeline.now
        self.timeline.after(2 * SECOND, self._sweep)
        self.timeline.after(SECOND, self._look)
        self.timeline.run(begun + LIVENESS)
        if not self._is_done():
            raise Violation(f"not done after {LIVENESS // SECOND} s without faults: {self.left()}")

    def _rescue(self) -> None:
        self.people.publish(self.plan.policies[0])
        self.people.roster(plan.rescuers())

    def _look(self) -> None:
        if self._is_done():
            self.timeline.stop()
        else:
            self.timeline.after(700 * MS, self._look)

    def _sweep(self) -> None:
        self.people.sweep()
        self.faults.operate()
        self.timeline.after(5 * SECOND, self._sweep)

    def _is_done(self) -> bool:
        checker = self.checker
        return (
            bool(checker.valid)
            and not self.edge.unacked
            and len(self.accepted) == self.plan.contacts
            and self.triage.committed == self.broker.partition(INTERACTIONS).end
            and checker.valid[-1].through == len(checker.work) - 1
            and not checker.facts.open_cases
            and self.register.cursor is not None
            and self.register.cursor.seq == checker.valid[-1].seq
            and ("delivery" not in self.plan.services or delivering.is_done(self))
            and ("clocks" not in self.plan.services or clocks.is_done(self))
        )

    def left(self) -> str:
        """What isn't done."""
        checker = self.checker
        rows = self.delivery.rows
        effects = [rows.effects[name] for name in list(rows.undone)[:3]]
        return (
            f"effects {effects}, clocks {self.clocks.folded} of"
            f" {self.broker.partition(CLOCKS).end} known {self.clocks.known_ms}, unacked {len(self.edge.unacked)}, accepted {len(self.accepted)} of"
            f" {self.plan.contacts}, triaged {self.triage.committed} of"
            f" {self.broker.partition(INTERACTIONS).end}, folded {checker.valid[-1].through + 1} of"
            f" {len(checker.work)}, cases {checker.facts.open_cases}, register"
            f" {self.register.cursor and self.register.cursor.seq} of {checker.valid[-1].seq},"
            f" reasons {[r.owner.reasons for r in self.routers.values()]},"
            f" works {list(checker.facts.works.items())[:3]}"
        )

    def _write(self, number: int) -> None:
        """A customer writes; the sender comes again until it was told that we have it."""
        rng = self._customers
        contact = f"m{self.seed}-{number}"
        conversation = rng.randrange(self.plan.contacts // 3)
        data = {
            "contact_id": contact,
            "conversation_key": f"{plan.POOL}|email|support|{conversation}",
            "customer_id": f"c{conversation}",
            "channel": "chat" if conversation % 5 == 0 else "email",
            "account": "support",
            "language": rng.choice(["fi", "en", "sv"]),
            "queue": rng.choice(plan.QUEUES),
            "priority": rng.choice([0, 0, 0, 5]),
            "requires": {"skills": {}, "languages": rng.choice([[], ["fi"], ["sv"]])},
            "received_at_ms": self.timeline.wall_ms,
        }
        self.sent[contact] = msgspec.json.encode(data)
        self._offer(contact)

    def _offer(self, contact: str) -> None:
        if contact in self.accepted:
            return
        over: list[bool] = []

        def done(answer: Acknowledged | None) -> None:
            if over:
                return
            over.append(True)
            if answer is not None:
                self.accepted.add(contact)
            else:
                self.timeline.after(SECOND, self._offer, contact)

        source = self.broker.partition(INTERACTIONS)
        self.broker.submit(source, b"c", self.sent[contact], self._ingest, done)
        self.timeline.after(5 * SECOND, done, None)

    # --- what is seen

    def dies(self, process: Process) -> bool:
        """Whether a process is killed here, at one of its calls."""
        if self.calm or not self.faults.dies():
            return False
        self.note(f"{process.name} dies at a call")
        service = self.services.get(process.name)
        process.kill()
        if service is not None and service.process is process:
            service.again()
        return True

    def ended(self, service: house.Service, error: BaseException | None) -> None:
        """A process ended by itself."""
        name = "stopped" if error is None else type(error).__name__
        self.ends[name] += 1
        self.note(f"{service.name} ended: {error!r}")
        behind = "too old" in str(error) or isinstance(error, OffsetGone)
        if behind and self.faults.counts["trim"]:
            return  # it slept while what it had read last, or was to read next, was taken away
        if isinstance(error, ChainHalt | OffsetGone) or not (
            error is None or isinstance(error, Fatal | Retryable)
        ):
            raise error

    def note(self, what: str) -> None:
        """Something was done to the world."""
        self.log.append(f"{self.timeline.now / SECOND:.3f} {what}")

    def _came(self, record: RawRecord) -> None:
        contact = msgspec.json.decode(record.value)["contact_id"]
        self.first_offset.setdefault(contact, record.offset)

    def _work(self, record: RawRecord) -> None:
        self.checker.input(record.offset, record.key or b"", record.value)

    def _parked(self, record: RawRecord) -> None:
        self.checker.parked(record.value)

    def _decided(self, record: RawRecord) -> None:
        self.checker.record(record.offset, record.value)

    def digest(self) -> str:
        """The hash of everything on the logs, times and all."""
        found = hashlib.sha256()
        for name in (WORK, DECISIONS):
            for record in self.broker.partition(name).archive:
                found.update(f"{record.offset} {record.timestamp_ms} ".encode() + record.value)
        return found.hexdigest()

    def _tell(self) -> str:
        return verdict.tell(self)
