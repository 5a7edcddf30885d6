"""delivery: a notice, an offer by webhook, an answer; each must arrive, and no repeat go unsaid."""

from __future__ import annotations

import email
import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

from everycall import databases
from everycall.chained import Decider, name_log, parked
from everycall.far_sides import FakeHttp, FakeRelay
from everycall.sweep import Scenario, World

sys.path.insert(0, str(Path(__file__).parents[3] / "services/delivery/tests"))
import delivery_kit as kit

from vaxel_delivery import bootstrap
from vaxel_delivery.shell.guarded_http import TOTAL_TIMEOUT_S
from vaxel_shared.blobs import FolderBlobs
from vaxel_shared.crypto.keys import create_key
from vaxel_shared.kafka.topics import DECISIONS, INTERACTIONS, WORK, partition_for
from vaxel_shared.service import Service

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
HOOKS = """
webhooks:
  - {name: desk, url: 'http://127.0.0.1:9/hook', secret_file: desk, allow_private: true, events: [offer]}
"""
EXPIRES_MS = 4_000_000_000_000
EFFECTS = 3


class DeliveryScenario(Scenario):
    """The whole service but for its port; a decision and an interaction can't be read."""

    name = "delivery"

    def __init__(self, world: World) -> None:
        self.world = world
        self.settings = kit.make_settings_for(world.folder)
        self.settings.data_dir.mkdir(parents=True)
        connectors = self.settings.config_dir / "connectors.yaml"
        connectors.write_text(kit.CONNECTORS + HOOKS)
        databases.make(self.settings, "delivery", bootstrap.MIGRATIONS)
        self.relay = FakeRelay(world.plan)
        self.http = FakeHttp(world.plan, TOTAL_TIMEOUT_S)
        self.fed = False

    @classmethod
    def ready(cls) -> None:
        databases.empty("delivery", bootstrap.MIGRATIONS)

    def patches(self) -> ExitStack:
        stack = ExitStack()
        here = "vaxel_delivery"
        stack.enter_context(patch(f"{here}.bootstrap.migrate", databases.migrated))
        stack.enter_context(patch(f"{here}.shell.smtp.SMTP", self.relay.client))
        stack.enter_context(
            patch(f"{here}.shell.guarded_http.GuardedHttp._session", lambda *_: self.http)
        )
        return stack

    async def prepare(self) -> None:
        create_key(self.settings.secrets)
        (self.settings.secrets / "desk").write_text(SECRET + "\n")
        name_log(self.world.kafka)

    async def build(self) -> Service:
        return await bootstrap.build(self.settings)

    def _feed(self) -> None:
        kafka, blobs = self.world.kafka, FolderBlobs(self.settings.blobs)
        directory = blobs.put_now("roster", json.dumps(kit.DIRECTORY).encode())
        answer = blobs.put_now("body", b"Hei,\nkorjattu.\n")
        part = partition_for(kit.CONVERSATION.encode(), 4)
        for value in (b"{]", kit.interaction().to_json()):
            kafka.append(INTERACTIONS, part, kit.CONVERSATION.encode(), value)
        decider = Decider(kafka)
        decider.decide(kit.roster_adopted(directory), kit.case_opened(), kit.work_queued())
        decider.decide(kit.notice_due(), kit.offer_made(expires_ms=EXPIRES_MS))
        decider.decide(
            kit.case_replied(answer), kit.decision("case.opened", {"number": 7}, work_id="w")
        )

    async def drive(self, _service: Service) -> None:
        if not self.fed:
            self.fed = True
            self._feed()
        await self.world.until(lambda: len({one["id"] for one in self._results()}) == EFFECTS)
        await self.world.until(lambda: len(parked(self.world.kafka)) == 2)

    def _results(self) -> list[dict[str, object]]:
        rows = [json.loads(row.value or b"") for row in self.world.topic(WORK)]
        return [one for one in rows if one["type"] == "delivery.result"]

    def check(self) -> Iterator[str]:
        results = {str(one["id"]): one for one in self._results()}
        data = {one["data"]["effect"]: one["data"] for one in results.values()}  # type: ignore[index]
        if {kind: one["state"] for kind, one in data.items()} != dict.fromkeys(
            ("notice", "offer", "reply"), "sent"
        ):
            yield f"results: {data}"
            return
        mails = Counter(
            str(email.message_from_bytes(raw)["Message-ID"]) for _, raw in self.relay.mails
        )
        posts = Counter(headers["webhook-id"] for _, _, headers in self.http.posts)
        reached = {"notice": 0, "reply": 0, "offer": sum(posts.values())}
        for to, raw in self.relay.mails:
            mail = email.message_from_bytes(raw)
            reached["notice" if mail["Auto-Submitted"] == "auto-replied" else "reply"] += 1
            if to != "maija@customer.example":
                yield f"a mail went to {to}"
        if len(mails) != 2 or len(posts) != 1:
            yield f"repeats under other ids: {mails}, {posts}"
        for kind, times in reached.items():
            if times == 0:
                yield f"{kind} never arrived"
            if times > 2:
                yield f"{kind} arrived {times} times"
            if times == 2 and data[kind].get("code") != "possible_duplicate":
                yield f"{kind} arrived twice, and the router was told nothing of it"
        sent = {
            json.loads(r.value or b"")["id"]
            for r in self.world.topic(INTERACTIONS)
            if r.value != b"{]"
        }
        if len(sent) != 3:
            yield f"{len(sent) - 1} outbound interactions, not 2"
        letters = sorted(one["topic"] for one in parked(self.world.kafka).values())
        if letters != sorted([DECISIONS, INTERACTIONS]):
            yield f"parked: {letters}"
