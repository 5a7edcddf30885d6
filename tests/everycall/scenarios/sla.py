"""sla-monitor: decisions become moves and marks; an event becomes a mail and a webhook.

The stream of clocks between the two is Faust's, and is killed in tests of its own.
"""

from __future__ import annotations

import email
import json
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack
from typing import Any
from unittest.mock import patch

from everycall import databases
from everycall.chained import Decider, name_log, parked
from everycall.far_sides import FakeHttp, FakeRelay
from everycall.sweep import Scenario, World

from vaxel_shared.clock import SystemClock
from vaxel_shared.contracts.sla import SlaEvent
from vaxel_shared.contracts.wire import Decision
from vaxel_shared.kafka.deadletters import park
from vaxel_shared.kafka.producer import Producer
from vaxel_shared.kafka.topic_reader import Record
from vaxel_shared.kafka.topics import CLOCKS, SLA
from vaxel_shared.service import Service
from vaxel_sla_monitor import bootstrap
from vaxel_sla_monitor.config import LiveFiles, MonitorSettings
from vaxel_sla_monitor.shell.outlets import POST_TIMEOUT_S

FILES = {
    "sla": """
calendars: [{name: always, zone: UTC, hours: always}]
policies: [{name: all, calendar: always, first_response: 1h}]
notify:
  webhooks: [{url: "http://127.0.0.1:9/sla"}]
  email: [boss@vaxel.example]
""",
    "channels": """
deployment: test
languages: [en]
default_language: en
accounts: [{id: support, address: support@vaxel.example, pool: support, queue: general}]
""",
    "connectors": "mail: {relay: {host: sink, tls: none}}\n",
}
CASES = 3
_REST: Any = {
    "detected_ms": 3_600_500, "target_ms": 3_600_000, "elapsed_ms": 3_600_000, "due_ms": 3_600_000,
    "policy_version": "v", "calendar": "always", "tzdata": "2026a", "number": "S-0",
}  # fmt: skip


def breached(id_: str, case_id: str) -> bytes:
    """An event that a webhook and a mailbox are told of."""
    event = SlaEvent(
        id=id_, type="breached", clock="first_response", case_id=case_id, pool="support", cycle=0,
        at_ms=3_600_000, policy="all", **_REST,
    )  # fmt: skip
    return event.to_json()


class SlaScenario(Scenario):
    """Three cases opened, one deadline missed, one event that can't be read."""

    name = "sla-monitor"

    def __init__(self, world: World) -> None:
        self.world = world
        self.settings = MonitorSettings(data_dir=world.folder, config_dir=world.folder)
        databases.make(self.settings, "sla-monitor", bootstrap.MIGRATIONS)
        self.relay = FakeRelay(world.plan)
        self.http = FakeHttp(world.plan, POST_TIMEOUT_S)
        self.fed = False

    @classmethod
    def ready(cls) -> None:
        databases.empty("sla-monitor", bootstrap.MIGRATIONS)

    def patches(self) -> ExitStack:
        stack = ExitStack()
        stack.enter_context(patch("vaxel_sla_monitor.bootstrap.migrate", databases.migrated))
        here = "vaxel_sla_monitor.shell.outlets"
        stack.enter_context(patch(f"{here}.SMTP", self.relay.client))
        stack.enter_context(patch(f"{here}.aiohttp.ClientSession", lambda **_: self.http))
        return stack

    async def prepare(self) -> None:
        for name, text in FILES.items():
            (self.settings.config_dir / f"{name}.yaml").write_text(text)
        name_log(self.world.kafka)

    async def build(self) -> Service:
        clock = SystemClock()
        files = LiveFiles(self.settings, clock)
        async with AsyncExitStack() as opened:
            producer = await Producer.start(self.settings, "vaxel/sla-monitor")
            opened.push_async_callback(producer.close)

            async def parking(record: Record, reason: str) -> None:
                await park(
                    producer, self.settings, record,
                    service="sla-monitor", error_class="poison", reason=reason,
                )  # fmt: skip

            store, projector, notifier, outlets = await bootstrap._leading(
                self.settings, opened, producer=producer, files=files, clock=clock, parking=parking
            )
            opened.pop_all()
        tasks = {
            "projector": projector.run, "events": notifier.follow, "notices": notifier.dispatch,
        }  # fmt: skip
        closers = [producer.close, store.close, outlets.close]
        return Service("sla-monitor", self.settings, tasks, closers=closers)

    def _feed(self) -> None:
        decider = Decider(self.world.kafka)
        for number in range(CASES):
            data = {"number": f"S-{number}", "queue": "general", "priority": 0, "channel": "email"}
            decider.decide(
                Decision(
                    type="case.opened", at_ms=1, pool="support", cause="c",
                    case_id=f"case-{number}", data=data,
                )
            )  # fmt: skip
        for value in (b"{]", breached("event-1", "case-0")):
            self.world.kafka.append(SLA, 0, b"case-0", value)

    async def drive(self, _service: Service) -> None:
        if not self.fed:
            self.fed = True
            self._feed()
        await self.world.until(lambda: len(self._moves()) >= CASES)
        await self.world.until(lambda: self.relay.mails and self.http.posts)
        await self.world.until(lambda: parked(self.world.kafka))
        await self.world.until(self._settled)

    def _settled(self) -> bool:
        marks = [one for one in self._clocks() if one["kind"] == "mark" and one["known_ms"]]
        return bool(marks)

    def _clocks(self) -> list[dict[str, object]]:
        return [json.loads(row.value or b"") for row in self.world.topic(CLOCKS)]

    def _moves(self) -> set[str]:
        return {str(one["case_id"]) for one in self._clocks() if one["kind"] == "move"}

    def check(self) -> Iterator[str]:
        if self._moves() != {f"case-{number}" for number in range(CASES)}:
            yield f"moves of {self._moves()}"
        ids = {
            row.headers and dict(row.headers)["ce_id"]
            for row in self.world.topic(CLOCKS)
            if b'"move"' in (row.value or b"")
        }
        if len(ids) != CASES:
            yield f"{len(ids)} ids for {CASES} moves"
        if not 1 <= len(self.relay.mails) <= 2 or not 1 <= len(self.http.posts) <= 2:
            yield f"{len(self.relay.mails)} mails, {len(self.http.posts)} posts"
        if len({email.message_from_bytes(raw)["Message-ID"] for _, raw in self.relay.mails}) != 1:
            yield "a repeated mail has another Message-ID"
        if len({headers["webhook-id"] for _, _, headers in self.http.posts}) != 1:
            yield "a repeated post has another webhook-id"
        if len(parked(self.world.kafka)) != 1:
            yield f"parked: {parked(self.world.kafka)}"
