"""Delivery in the simulated world: its real feed, dispatcher and publisher over a store in memory.

The store stands for the database: what is written in one call is written at once, or not at all,
and a kill comes before or after it. The relay stands for the world outside: what it got is what
people got.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import replace
from typing import Any

from simulation.world.broker import Client, Link
from simulation.world.checker import Violation
from simulation.world.house import reader_of
from simulation.world.sending import WorldProducer
from simulation.world.timeline import MS, Process

from vaxel_delivery.core.effects import Effect, Next, Outcome
from vaxel_delivery.core.project import NewEffect, OfferClosed, OfferOpened, Reported
from vaxel_delivery.shell.carriers import Carriers, Way
from vaxel_delivery.shell.dispatch import Dispatcher
from vaxel_delivery.shell.feed import DecisionsFeed
from vaxel_delivery.shell.gate import Gate
from vaxel_delivery.shell.publish import Publisher
from vaxel_delivery.shell.ready import Ready, Withheld
from vaxel_delivery.shell.waiters import Waiters
from vaxel_shared.errors import Retryable
from vaxel_shared.kafka.reader import ChainCursor


class Rows:
    """What delivery's database holds, whoever runs."""

    def __init__(self) -> None:
        self.effects: dict[str, Effect] = {}
        self.places: dict[str, tuple[int, int]] = {}
        self.at: dict[str, int] = {}
        """Effect → when it is to be tried."""
        self.by: dict[str, str | None] = {}
        """Effect → the run that sends it."""
        self.undone: dict[str, None] = {}
        """Effects that aren't done, in the order of the log."""
        self.offers: dict[str, str] = {}
        self.cursor: ChainCursor | None = None


class Store:
    """What the feed writes to, for one process; see :class:`vaxel_delivery.shell.store.Store`."""

    def __init__(self, client: Client, rows: Rows) -> None:
        self._client = client
        self._rows = rows

    async def fold(self, changes: list[Any], cursors: Any) -> None:
        """Changes and cursor, together or not at all."""
        await self._client.here()
        rows = self._rows
        for change in changes:
            self._apply(change)
        for row in cursors:
            if int(row["offset"]) >= 0:
                rows.cursor = ChainCursor.from_row(row)
        await self._client.here()

    def _apply(self, change: Any) -> None:
        rows = self._rows
        match change:
            case NewEffect():
                effect = change.effect
                if effect.effect_id not in rows.effects:
                    rows.effects[effect.effect_id] = effect
                    rows.places[effect.effect_id] = change.place[2:]
                    rows.at[effect.effect_id] = 0
                    rows.undone[effect.effect_id] = None
            case OfferOpened():
                rows.offers.setdefault(change.offer_id, "open")
            case OfferClosed():
                if rows.offers.get(change.offer_id) == "open":
                    rows.offers[change.offer_id] = change.outcome
                for effect in self._of(change.offer_id):
                    if effect.state in ("pending", "unknown") and not effect.final:
                        self._settle(effect, state="dropped", final=True, code="offer_ended")
            case Reported():
                known = rows.effects.get(change.effect_id)
                if known is not None and known.final:
                    rows.undone.pop(known.effect_id, None)
                elif known is not None and known.state in ("pending", "unknown"):
                    self._settle(known, state=change.state, final=True, code=change.code)

    def _of(self, offer_id: str) -> list[Effect]:
        undone = [self._rows.effects[name] for name in self._rows.undone]
        return [one for one in undone if one.offer_id == offer_id and one.kind == "offer"]

    def _settle(self, effect: Effect, **values: Any) -> None:
        self._rows.effects[effect.effect_id] = replace(effect, **values)
        self._rows.undone.pop(effect.effect_id, None)


class Outbox:
    """The rows as the dispatcher has them; see :class:`vaxel_delivery.shell.outbox.Outbox`."""

    def __init__(self, client: Client, rows: Rows, run_id: str) -> None:
        self._client = client
        self._rows = rows
        self._run_id = run_id

    async def recover(self, now_ms: int) -> int:
        """What another run was at may have happened, or not."""
        await self._client.here()
        rows, count = self._rows, 0
        for name in list(rows.undone):
            effect = rows.effects[name]
            if effect.state == "sending" and rows.by.get(name) != self._run_id:
                changed = {"state": "unknown", "code": "run_ended", "crashes": effect.crashes + 1}
                self._put(effect, repeats=effect.repeats + 1, **changed)
                rows.at[name] = now_ms
                count += 1
        return count

    async def due(self, now_ms: int) -> list[Effect]:
        """The first of each lane whose time has come."""
        rows, lanes, found = self._rows, set(), []
        for name in rows.undone:
            effect = rows.effects[name]
            if effect.lane in lanes:
                continue
            lanes.add(effect.lane)
            if rows.at[name] <= now_ms and effect.state != "sending":
                found.append((rows.at[name], len(found), effect))
        return [effect for _, _, effect in sorted(found, key=lambda item: item[:2])[:50]]

    async def waiting(self) -> tuple[int, int | None]:
        """How many aren't done."""
        return len(self._rows.undone), None

    async def claim(self, effect: Effect, now_ms: int, **_more: Any) -> Effect | None:
        """``sending``, before anything is sent."""
        await self._client.here()
        known = self._rows.effects[effect.effect_id]
        if known.final or known.state not in ("pending", "unknown"):
            return None
        first_ms = now_ms if known.first_ms is None else known.first_ms
        claimed = self._put(known, state="sending", attempt=known.attempt + 1, first_ms=first_ms)
        self._rows.by[effect.effect_id] = self._run_id
        await self._client.here()
        return claimed

    async def settle(self, effect: Effect, following: Next, now_ms: int) -> Effect:
        """What came of it."""
        await self._client.here()
        self._rows.at[effect.effect_id] = following.at_ms
        return self._put(
            effect,
            state=following.state,
            final=following.final,
            code=following.code,
            repeats=following.repeats,
            crashes=0,
            finished_ms=now_ms if following.final else None,
        )

    async def postpone(self, effect: Effect, at_ms: int, _since: int | None) -> None:
        """Later."""
        self._rows.at[effect.effect_id] = at_ms

    async def drop(self, effect: Effect, code: str) -> None:
        """It has ended."""
        self._put(effect, state="dropped", code=code, final=True)
        self._rows.undone.pop(effect.effect_id, None)

    async def done(self, effect: Effect) -> None:
        """It is known to the router."""
        await self._client.here()
        self._rows.undone.pop(effect.effect_id, None)

    async def crashed(self, effect: Effect) -> None:
        """A run ends over it: no such defect is expected here."""
        raise Violation(f"delivery broke over {effect.effect_id}")

    async def release(self) -> None:
        """A clean stop: there is none here."""

    async def speaks_for_offer(self, _effect: Effect) -> bool:
        """There is one carrier here."""
        return True

    def _put(self, effect: Effect, **values: Any) -> Effect:
        made = replace(effect, **values)
        self._rows.effects[effect.effect_id] = made
        return made


class Relay:
    """The world outside. An effect that is settled for good must never come here again."""

    def __init__(self, world: Any, rng: random.Random) -> None:
        self._world = world
        self._rng = rng
        self.got: Counter[str] = Counter()
        self.tried: Counter[str] = Counter()

    async def send(self, process: Process, effect: Effect) -> Outcome:
        """One attempt: done, refused, later, or lost on the way there or back."""
        name = effect.effect_id
        self._judge(name)
        self.tried[name] += 1
        point = self._rng.random() if not self._world.calm else 1.0
        await self._pass(process, self._rng.randrange(1, 300))
        if point < 0.03:
            return Outcome("later", "4xx")
        if point < 0.05:
            return Outcome("refused", "550")
        if point < 0.07:
            return Outcome("lost", "timeout", trouble=True)
        self.got[name] += 1
        self._world.dies(process)
        await self._pass(process, self._rng.randrange(1, 300))
        if point < 0.09:
            return Outcome("lost", "timeout")
        return Outcome("done")

    def _judge(self, name: str) -> None:
        """Only for what stands in a record that counts, and not after it was settled."""
        delivery, checker = self._world.delivery, self._world.checker
        seq, index = delivery.rows.places[name]
        if name != f"{checker.log_id.hex()}:0:{seq}:{index}" or seq >= len(checker.valid):
            raise Violation(f"effect {name} was carried out, and no record that counts asks for it")
        if delivery.rows.effects[name].final:
            raise Violation(f"effect {name} was carried out after it was settled")

    async def _pass(self, process: Process, ms: int) -> None:
        future = process.loop.create_future()
        self._world.timeline.after(ms * MS, _wake, future)
        await future


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class Delivery:
    """One process after the other, over the same rows."""

    def __init__(self, world: Any, rng: random.Random) -> None:
        self._world = world
        self.rows = Rows()
        self.relay = Relay(world, rng)
        self._rng = rng
        self._runs = 0

    async def main(self, process: Process, link: Link) -> None:
        world = self._world
        self._runs += 1
        client = Client(process, link, world.dies)
        reader = reader_of(world, "delivery", client, self.rows.cursor)
        outbox: Any = Outbox(client, self.rows, f"run-{self._runs}")
        store: Any = Store(client, self.rows)
        way = Way(_Sender(self.relay, process), Gate(_quiet, chance=self._rng.random))
        dispatcher = Dispatcher(
            outbox=outbox,
            preparer=Preparer(self.rows),  # type: ignore[arg-type]
            carriers=Carriers(mail=way, log=way, hooks=lambda _name: way),
            publisher=Publisher(WorldProducer(client), process),
            clock=process,
            ready=lambda: feed.caught_up,
        )
        feed = DecisionsFeed(reader, store, Waiters(), _park, dispatcher.wake.set)
        await feed.begin()
        working = asyncio.ensure_future(dispatcher.run(asyncio.Event()))
        while True:
            try:
                await feed._round()
            except Retryable:
                await asyncio.sleep(0.5)
            if working.done():
                working.result()


class Preparer:
    """Every effect can be carried out, until what it announces has ended."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    async def prepare(self, effect: Effect, _now_ms: int) -> Any:
        message: Any = effect
        state = self._rows.offers.get(effect.offer_id or "", "open")
        if effect.kind == "offer" and state != "open":
            return Withheld(f"offer_{state}", dropped=True)
        if effect.kind in ("offer", "reply", "notice"):
            return Ready(message)
        return Withheld("channel_unsupported")


class _Sender:
    def __init__(self, relay: Relay, process: Process) -> None:
        self._relay = relay
        self._process = process

    async def send(self, message: Any) -> Outcome:
        return await self._relay.send(self._process, message)


def _quiet(_open: bool, _outcome: Outcome | None, _failures: int) -> None:
    return


async def _park(_record: Any, reason: str) -> None:
    raise Violation(f"delivery can't read a decision: {reason}")


def judge(world: Any) -> None:
    """Every effect that was asked for ended, is known to the router, and came at most so often."""
    delivery: Delivery = world.delivery
    rows = delivery.rows
    for name, effect in rows.effects.items():
        got = delivery.relay.got[name]
        if effect.state == "sent" and not got:
            raise Violation(f"effect {name} counts as sent, and nobody got it")
        if got > 1 and effect.repeats == 0:
            raise Violation(f"effect {name} came {got} times, and delivery knows of no repeat")
        if effect.kind != "offer" and effect.state not in ("sent", "failed", "unknown"):
            raise Violation(f"effect {name} ended as {effect.state}")


def is_done(world: Any) -> bool:
    """Whether nothing is left to deliver or to report."""
    rows, valid = world.delivery.rows, world.checker.valid
    return not rows.undone and rows.cursor is not None and rows.cursor.seq == valid[-1].seq
