"""The router's real core and triage's real rules in virtual time, with nothing running.

One input is one batch, as live. Offers are reported as sent at once, so that one which nobody
answers counts as missed.
"""

from __future__ import annotations

import hashlib
from typing import Any

from vaxel_cli.publish.publications import publications
from vaxel_router.core.engine import Batch
from vaxel_router.core.inputs import decode
from vaxel_router.core.policy import Policy
from vaxel_router.core.policy import decode as decode_policy
from vaxel_router.core.state import Pool, State, World
from vaxel_shared import ids
from vaxel_shared.config.deployment import Deployment
from vaxel_shared.contracts import wire
from vaxel_shared.contracts.commands import Actor, Command
from vaxel_shared.version import ENGINE

LOG_ID = hashlib.md5(b"vaxel policy test", usedforsecurity=False).hexdigest()
PARTITION = 0
SYSTEM = Actor(kind="system", id="scenario")


class Stage:
    """A deployment in force from ``start_ms`` on; ``decisions`` holds all that was decided."""

    def __init__(self, loaded: Deployment, start_ms: int) -> None:
        self.now_ms = start_ms
        self.decisions: list[wire.Decision] = []
        self.world = World(State(LOG_ID, PARTITION))
        self._library: dict[str, Policy] = {}
        self._seq = -1
        self._offset = -1
        self._serial = 0
        for item in publications(loaded):
            if item.kind == "policy":
                self._library[item.version] = decode_policy(item.blob)
            self.send(item.command(0))

    def pool(self, name: str) -> Pool:
        """A pool's state."""
        return self.world.pool(name)

    def send(self, command: Command) -> list[wire.Decision]:
        """Let a command arrive now; answers what came of it (not of what it set off later)."""
        self._offset += 1
        item = decode(self._offset, self.now_ms, command.to_json())
        made: list[wire.Decision] = []
        while True:  # more than a record takes goes on in the next
            batch = self._batch()
            finished = batch.add(item)
            made += self._close(batch)
            if finished:
                break
        self._deliver()
        return made

    def ask(self, type_: str, pool: str, **given: Any) -> list[wire.Decision]:
        """Send a command of this type; ``actor`` is the system's where none is given."""
        self._serial += 1
        given.setdefault("actor", SYSTEM)
        name = f"scenario-{self._serial}"
        return self.send(Command(id=name, type=type_, pool=pool, via="scenario", **given))

    def wait(self, ms: int) -> None:
        """Let time pass; every timer fires at its own instant."""
        end_ms = self.now_ms + ms
        while (timer := self.world.next_timer()) is not None and timer[0] <= end_ms:
            self.now_ms = max(self.now_ms, timer[0])
            self._tick()
            self._deliver()
        self.now_ms = end_ms
        self._tick()

    def _tick(self) -> None:
        while True:
            batch = self._batch()
            done = batch.tick(self.now_ms)
            self._close(batch)
            if done:
                return

    def _batch(self) -> Batch:
        self._seq += 1
        return Batch(self.world, self._library, seq=self._seq, wall_ms=self.now_ms)

    def _close(self, batch: Batch) -> list[wire.Decision]:
        made = batch.close(engine=ENGINE).decisions
        self.decisions += made
        return made

    def _deliver(self) -> None:
        """Say of each offer that it was sent."""
        while unsent := [
            (pool.name, offer)
            for pool in self.world.state.pools.values()
            for offer in pool.offers.values()
            if offer.sent_ms is None
        ]:
            for pool_name, offer in unsent:
                if offer.id not in self.world.pool(pool_name).offers:
                    continue
                seq, _, index = offer.token.partition(".")
                effect = ids.effect_id(LOG_ID, PARTITION, int(seq), int(index))
                data = {"effect_id": effect, "effect": "offer", "state": "sent"}
                self._offset += 1
                self._serial += 1
                command = Command(
                    id=f"sent-{self._serial}", type="delivery.result", pool=pool_name,
                    actor=SYSTEM, via="scenario", data={**data, "offer_id": offer.id},
                )  # fmt: skip
                batch = self._batch()
                batch.add(decode(self._offset, self.now_ms, command.to_json()))
                self._close(batch)
