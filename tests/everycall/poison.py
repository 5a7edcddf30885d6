"""Thousands of records that can't be handled, in a healthy stream, for each service that reads one.

    .venv/bin/python tests/everycall/poison.py                     # 300 broken records a stream
    .venv/bin/python tests/everycall/poison.py --full --json FILE  # 10,000

No service ends, every broken record is parked with a reason, every healthy one is handled.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from chaos import record
from everycall.chained import parked, valid
from everycall.faults import Plan
from everycall.interactions import mail
from everycall.malformed import Made, Malformed
from everycall.scenarios.delivery import DeliveryScenario
from everycall.scenarios.register import RegisterScenario
from everycall.scenarios.router import RouterScenario
from everycall.scenarios.sla import SlaScenario, breached
from everycall.scenarios.triage import TriageScenario
from everycall.sweep import Scenario, run_once

from vaxel_shared.crypto.keys import create_key
from vaxel_shared.kafka.topics import INTERACTIONS, SLA, WORK
from vaxel_shared.service import Service

SHARE = 0.35
"""Well below what halts a partition; a run of twenty-one doesn't come by chance."""
CI, FULL = 300, 10_000
MAIL_FIELDS = ("id", "conversation_key", "channel", "account", "direction", "kind", "received_at")
EVENT_FIELDS = ("id", "type", "case_id", "pool", "clock", "policy")
COMMAND_FIELDS = ("id", "type", "pool", "via")
PARTITIONS = 4


def _mail(number: int) -> dict[str, Any]:
    one = mail(f"m{number}", f"c{number % 50}").model_dump(mode="json", exclude_none=True)
    return dict(one)


class _Stream:
    """A scenario whose topic is full of what can't be handled."""

    broken = CI
    topic = INTERACTIONS
    fields = MAIL_FIELDS
    partitions = PARTITIONS
    records: list[Made]
    world: Any

    def healthy(self, number: int) -> dict[str, Any]:
        return _mail(number)

    def pour(self) -> None:
        """Write the stream."""
        made = Malformed(self.broken, self.fields)
        self.records = list(made.stream(self.healthy, self.broken, SHARE))
        for number, one in enumerate(self.records):
            self.world.kafka.append(
                self.topic, number % self.partitions, b"key", one.value, one.headers
            )

    @property
    def wanted(self) -> set[str]:
        return {one.id for one in self.records if one.id is not None}

    def judge(self, handled: set[str], service: str) -> Iterator[str]:
        """What is wrong with what was handled and parked."""
        if self.world.exits:
            yield f"it ended: {self.world.exits[:3]!r}"
        if missing := self.wanted - handled:
            yield f"{len(missing)} healthy ones weren't handled, e.g. {min(missing)}"
        if strange := handled - self.wanted:
            yield f"{len(strange)} were made up, e.g. {min(strange)}"
        letters = [one for one in parked(self.world.kafka).values() if one["service"] == service]
        places = {
            (one["partition"], one["offset"]) for one in letters if one["topic"] == self.topic
        }
        for number, one in enumerate(self.records):
            there = (number % self.partitions, number // self.partitions) in places
            if there != (one.id is None):
                yield f"a {one.how} record was {'parked' if there else 'not parked'}: {one.value!r:.80}"
                return
        if any(not one["reason"] or not one["error_class"] for one in letters):
            yield "a dead letter without a reason"

    def rows(self, query: str, service: str) -> set[str]:
        """The first column of what the service's database holds."""
        with sqlite3.connect(self.world.folder / f"{service}.db") as connection:
            return {str(row[0]) for row in connection.execute(query)}

    def at_end(self, service: str, folder: Path) -> bool:
        with sqlite3.connect(folder / f"{service}.db") as connection:
            query = "SELECT partition, offset FROM cursors WHERE topic = ?"
            found = dict(connection.execute(query, (self.topic,)).fetchall())
        logs = self.world.kafka.logs
        return all(
            found.get(part, -1) == len(logs[(self.topic, part)]) - 1
            for part in range(self.partitions)
        )


class TriageStream(_Stream, TriageScenario):
    """``vaxel.interactions`` into commands."""

    async def prepare(self) -> None:
        create_key(self.settings.secrets)
        self.pour()

    def check(self) -> Iterator[str]:
        sent = {json.loads(row.value or b"")["id"] for row in self.world.topic(WORK)}
        yield from self.judge(sent, "triage")


class DeliveryStream(_Stream, DeliveryScenario):
    """``vaxel.interactions`` into what answers quote."""

    async def drive(self, _service: Service) -> None:
        if not self.fed:
            self.fed = True
            self.pour()
        await self.world.until(lambda: self.at_end("delivery", self.settings.data_dir))

    def check(self) -> Iterator[str]:
        with sqlite3.connect(self.settings.data_dir / "delivery.db") as connection:
            kept = {
                str(row[0]) for row in connection.execute("SELECT contact_id FROM interactions")
            }
        yield from self.judge(kept, "delivery")


class RegisterStream(_Stream, RegisterScenario):
    """``vaxel.interactions`` into rows."""

    query = "SELECT id FROM interactions"

    async def drive(self, service: Service) -> None:
        await self.world.until(lambda: not service.not_ready())
        if not self.fed:
            self.fed = True
            self.pour()
        await self.world.until(lambda: self.at_end("register", self.world.folder))
        await self.world.until(lambda: self._count("deadletters") == len(parked(self.world.kafka)))

    def check(self) -> Iterator[str]:
        yield from self.judge(self.rows(self.query, "register"), "register")


class NoticesStream(_Stream, SlaScenario):
    """``vaxel.sla`` into notices."""

    topic, fields = SLA, EVENT_FIELDS

    def healthy(self, number: int) -> dict[str, Any]:
        return dict(json.loads(breached(f"event-{number}", f"case-{number}")))

    async def drive(self, _service: Service) -> None:
        if not self.fed:
            self.fed = True
            self.pour()
        await self.world.until(lambda: self.at_end("sla-monitor", self.world.folder))

    def check(self) -> Iterator[str]:
        query = "SELECT event FROM notices"
        told = {json.loads(one)["id"] for one in self.rows(query, "sla-monitor")}
        yield from self.judge(told, "sla-monitor")


class RouterStream(_Stream, RouterScenario):
    """``vaxel.work`` into decisions."""

    topic, fields, partitions = WORK, COMMAND_FIELDS, 1

    def healthy(self, number: int) -> dict[str, Any]:
        data = {
            "contact_id": f"m{number}", "conversation_key": f"c{number}", "customer_id": "c",
            "channel": "email", "account": "support", "language": "fi", "queue": "billing",
            "received_at_ms": 1, "src": [0, number],
        }  # fmt: skip
        return {
            "id": f"m{number}", "type": "contact.add", "pool": "support", "via": "test",
            "actor": {"kind": "customer", "id": "c"}, "data": data,
        }  # fmt: skip

    async def prepare(self) -> None:
        await super().prepare()
        self.world.kafka.logs[(WORK, 0)].clear()
        self.pour()

    async def drive(self, _service: Service) -> None:
        def folded() -> bool:
            found = valid(self.world.kafka)
            return bool(found) and found[-1].header.through == self._last

        await self.world.until(folded)

    def check(self) -> Iterator[str]:
        decisions = [d for r in valid(self.world.kafka) for d in r.batch.decisions]
        opened = {d.cause for d in decisions if d.type == "case.opened"}
        yield from self.judge(opened, "router")


STREAMS: dict[str, type[Any]] = {
    "triage": TriageStream, "delivery": DeliveryStream, "register": RegisterStream,
    "sla-monitor": NoticesStream, "router": RouterStream,
}  # fmt: skip


def pour(service: str, broken: int) -> tuple[list[str], int]:
    """What is wrong after a stream with so many broken records, and how many records it had."""
    kept: list[Any] = []

    def init(self: Any, world: Any) -> None:
        STREAMS[service].__init__(self, world)
        kept.append(self)

    made: type[Scenario] = type("Stream", (STREAMS[service],), {"broken": broken, "__init__": init})
    problems, _world = run_once(made, Plan())
    return problems, len(kept[0].records)


def main() -> int:
    """0 where nothing was lost and nobody ended."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--full", action="store_true", help=f"{FULL} broken records a stream")
    parser.add_argument("--broken", type=int, default=CI, help="broken records a stream")
    parser.add_argument("--only", choices=[*STREAMS], action="append")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    broken, begun = FULL if asked.full else asked.broken, record.begin()
    totals: Counter[str] = Counter()
    for service in asked.only or STREAMS:
        started = time.perf_counter()
        problems, count = pour(service, broken)
        totals.update(broken=broken, records=count, violations=len(problems))
        seconds = time.perf_counter() - started
        print(
            f"{service:12} {broken} broken of {count}: {len(problems)} violations, {seconds:.0f} s"
        )
        for problem in problems[:10]:
            print(f"  {problem}")
    if asked.json:
        size = " --full" if asked.full else f" --broken {broken}"
        command = f"python tests/everycall/poison.py{size}"
        record.write(asked.json, _figure(begun, totals, list(asked.only or STREAMS), command))
    print(
        "verdict:",
        "BROKEN" if totals["violations"] else "all parked with a reason, all else handled",
    )
    return 1 if totals["violations"] else 0


def _figure(
    begun: record.Begun, totals: Counter[str], services: list[str], command: str
) -> record.Figure:
    return record.figure(
        "R12",
        "Records that can't be handled, in a healthy stream",
        begun,
        n=totals["broken"],
        violations=totals["violations"],
        figures={
            "services": ", ".join(services),
            "records in all": totals["records"],
            "broken, and parked with a reason": totals["broken"],
            "processes that ended": 0 if not totals["violations"] else "see the run",
        },
        command=command,
        not_covered=(
            "latency of the healthy ones; ingest-chat's view of the log (triage parks for it) and the "
            "stream of clocks; decisions, whose records only the router writes"
        ),
        broker="clients in memory, virtual time",
    )


if __name__ == "__main__":
    sys.exit(main())
