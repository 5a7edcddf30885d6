"""Two or three pools and what carries their hand-overs, over logs in memory.

Each pool is the real engine on a partition of its own; what delivery makes of its decisions is
delivery's own code. The outbox stands for the database: rows and cursor are written together, and
a process may be killed before and after every step, or do a step whose answer gets lost.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "services/router/tests"))

from router_harness import ROSTER, ROUTING, Router  # noqa: E402 - the router's own tests have it

from vaxel_delivery.core.effects import Effect  # noqa: E402
from vaxel_delivery.core.project import NewEffect, Place, Reported, changes  # noqa: E402
from vaxel_delivery.core.relays import command_of  # noqa: E402
from vaxel_shared.contracts import wire  # noqa: E402
from vaxel_shared.ids import event_id  # noqa: E402

from router_harness import LOG_ID  # noqa: E402  # isort: skip


class Killed(Exception):
    """The relay's process is gone."""


@dataclass
class Row:
    """An effect of the outbox."""

    effect: Effect
    sent: bool = False
    done: bool = False


@dataclass
class Pools:
    """Some pools, and one delivery between them."""

    names: tuple[str, ...] = ("support", "sales")
    kill: Callable[[str], bool] = lambda _step: False
    """Whether the process dies at this step."""
    routers: dict[str, Router] = field(default_factory=dict)
    rows: dict[str, Row] = field(default_factory=dict)
    cursors: dict[str, int] = field(default_factory=dict)
    appended: int = 0

    def __post_init__(self) -> None:
        for partition, name in enumerate(self.names):
            routing = ROUTING.replace("name: support", f"name: {name}").replace(
                "letter: S", f"letter: {name[1].upper()}"
            )
            roster = ROSTER.replace("pool: support", f"pool: {name}")
            roster = roster.replace("id: a0", f"id: {name[1]}0")
            self.routers[name] = Router(routing, roster, name=name, partition=partition)

    def __getitem__(self, name: str) -> Router:
        return self.routers[name]

    def work(self) -> None:
        """One life of the relay: until nothing is left to do, or it is killed."""
        while self._read() or self._send():
            pass

    def live(self) -> int:
        """As many lives as it takes; answers how many were cut short."""
        deaths = 0
        while True:
            try:
                self.work()
            except Killed:
                deaths += 1
            else:
                return deaths

    def _step(self, name: str) -> None:
        if self.kill(name):
            raise Killed

    def _read(self) -> bool:
        """Fold one record of somebody's decisions: rows and cursor at once."""
        for name, router in self.routers.items():
            at = self.cursors.get(name, 0)
            if at >= len(router.records):
                continue
            record = router.records[at]
            place = Place(LOG_ID, router.partition, record.seq)
            found = changes(place, wire.decode_batch(record.body))
            self._step("before reading")
            for change in found:
                if isinstance(change, NewEffect) and change.effect.kind == "relay":
                    self.rows.setdefault(change.effect.effect_id, Row(change.effect))
                elif isinstance(change, Reported) and change.effect_id in self.rows:
                    self.rows[change.effect_id].done = True
            self.cursors[name] = at + 1
            self._step("after reading")
            return True
        return False

    def _send(self) -> bool:
        """Do what is first in a lane, and say so."""
        lanes: set[str] = set()
        for row in self.rows.values():
            if row.done or row.effect.lane in lanes:
                lanes.add(row.effect.lane) if not row.done else None
                continue
            lanes.add(row.effect.lane)
            effect = row.effect
            if not row.sent:
                self._step("before sending")
                self._append(wire.decode_command(command_of(effect).to_json()))
                self._step("sent, unsaid")
                row.sent = True
            self._step("before reporting")
            self._append(_result(effect))
            self._step("reported, unsaid")
            row.done = True
            return True
        return False

    def _append(self, command: wire.Command) -> None:
        self.appended += 1
        router = self.routers.get(command.pool)
        if router is None:  # a pool that nobody set up: a partition knows of it by this alone
            router = Router(publish=False, name=command.pool, partition=len(self.routers))
            self.routers[command.pool] = router
        router.now_ms = max(one.now_ms for one in self.routers.values())
        router.feed(wire.encode(command))

    # What tests do

    def case(self, name: str) -> Any:
        """The last case of a pool."""
        return list(self[name].pool().cases.values())[-1]

    def hand_over(self, name: str, to: str, **data: Any) -> list[wire.Decision]:
        """A supervisor hands a pool's last case over."""
        note = {"note_ref": "note/" + "0" * 64, "note_sha256": "0" * 64, "note_size": 3}
        case = data.pop("case", None) or self.case(name)
        said = {"to_pool": to, **note, **data}
        return self[name].send("case.transfer", kind="supervisor", case=case.id, data=said)


def _result(effect: Effect) -> wire.Command:
    return wire.Command(
        id=event_id("delivery.result", effect.effect_id, "sent"),
        type="delivery.result",
        pool=effect.pool,
        actor=wire.Actor("system", "delivery"),
        via="delivery",
        case_id=effect.case_id,
        data={"effect_id": effect.effect_id, "effect": "relay", "state": "sent"},
    )
