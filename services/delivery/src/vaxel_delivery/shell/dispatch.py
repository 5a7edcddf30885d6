"""The loop that carries effects out: fetch what is due, a worker a lane, judge, report.

Order within an effect: claim (``sending``), send, judge, append what was sent, report, done. Each
step is written before the next begins; a kill between any two leaves a row that says how far it
came, and the next run goes on from there.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

from vaxel_delivery.core.effects import (
    CRASHES_ALONE,
    CRASHES_MAX,
    DEFECT,
    HOOK,
    LOG,
    Effect,
    Outcome,
    after,
    missing_pause_ms,
    withheld,
)
from vaxel_delivery.shell.carriers import Carriers
from vaxel_delivery.shell.lookups import Missing, Withheld
from vaxel_delivery.shell.outbox import Outbox, Refused
from vaxel_delivery.shell.prepare import Preparer
from vaxel_delivery.shell.publish import Publisher
from vaxel_delivery.shell.ready import Ready
from vaxel_shared.clock import Clock
from vaxel_shared.errors import Poison, Retryable, VaxelError
from vaxel_shared.obs import metrics, tracing
from vaxel_shared.obs.logging import get_logger

WORKERS_MAX = 8
"""Under way at once: a relay limits connections from one address, often to ten or twenty."""

IDLE_MS = 500
"""How long the loop sleeps when nothing wakes it: the grain of every pause."""

DRAIN_MS = 5_000
"""How long a stop waits for mails under way; what is cut off then is ``unknown`` and repeated."""

REPORT_PAUSE_MS = 1_000


class Dispatcher:
    """Carries effects out until it is asked to stop."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        preparer: Preparer,
        carriers: Carriers,
        publisher: Publisher,
        clock: Clock,
        ready: Callable[[], bool],
    ) -> None:
        self._outbox = outbox
        self._preparer = preparer
        self._carriers = carriers
        self._publisher = publisher
        self._clock = clock
        self._ready = ready
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._fetched: deque[Effect] = deque()
        self._alone = False
        self.wake = asyncio.Event()
        """Set by whoever has written new effects."""

    async def run(self, stop: asyncio.Event) -> None:
        """A task: acts only once both logs have been read to their ends."""
        recovered = await self._outbox.recover(self._clock.wall_ms())
        if recovered:
            get_logger().warning("effects_unknown", count=recovered, cause="run_ended")
        stopping = asyncio.ensure_future(stop.wait())
        try:
            while not stop.is_set():
                self.wake.clear()
                if self._ready():
                    await self._start_due()
                woken = asyncio.ensure_future(self.wake.wait())
                waits = {stopping, woken, *self._under_way.values()}
                await asyncio.wait(
                    waits, timeout=IDLE_MS / 1000, return_when=asyncio.FIRST_COMPLETED
                )
                woken.cancel()
                self._collect()
        finally:
            stopping.cancel()
            await self._drain()

    async def step(self) -> int:
        """Carry out all that is due now, one effect after the other; says how many."""
        due = await self._outbox.due(self._clock.wall_ms())
        for effect in due:
            await self.carry_out(effect)
        return len(due)

    async def _start_due(self) -> None:
        """Give free workers what is due; asks the database again only when all that was started.

        What was fetched may be out of date by now: a claim reads the row again.
        """
        if not self._fetched and len(self._under_way) < WORKERS_MAX:
            count, _ = await self._outbox.waiting()
            metrics.EFFECTS_PENDING.set(count)
            if count:
                self._fetched = deque(await self._outbox.due(self._clock.wall_ms()))
        while self._fetched and len(self._under_way) < WORKERS_MAX:
            suspect = self._fetched[0].crashes >= CRASHES_ALONE
            if self._under_way and (self._alone or suspect):
                return
            effect = self._fetched.popleft()
            if effect.effect_id not in self._under_way:
                self._alone = suspect
                task = asyncio.ensure_future(self.carry_out(effect))
                self._under_way[effect.effect_id] = task

    def _collect(self) -> None:
        """Let go of finished workers; an unforeseen error in one ends the loop, and the process."""
        for effect_id, task in list(self._under_way.items()):
            if task.done():
                del self._under_way[effect_id]
                task.result()

    async def _drain(self) -> None:
        if not self._under_way:
            return
        _, late = await asyncio.wait(self._under_way.values(), timeout=DRAIN_MS / 1000)
        for task in late:
            task.cancel()
        if late:
            get_logger().warning("drain_cut_off", count=len(late))
            await asyncio.wait(late, timeout=1)
            await self._outbox.release()

    async def carry_out(self, effect: Effect) -> None:
        """One effect as far as it goes now: attempt it, and report it once it is final."""
        started_ms = self._clock.monotonic_ms()
        try:
            judged = effect if effect.final else await self._attempt(effect)
            if judged is None:
                return
            reported = judged.final and await self._report(judged)
        except VaxelError:
            raise
        except Exception as error:
            await self._outbox.crashed(effect)
            _say_crash(effect, error)
            raise
        if reported or not judged.final:
            _say(judged, self._clock.monotonic_ms() - started_ms, self._clock.wall_ms())

    async def _attempt(self, effect: Effect) -> Effect | None:
        """The effect as it stands after an attempt; None where there was none to judge."""
        now_ms = self._clock.wall_ms()
        if effect.crashes >= CRASHES_MAX:
            _say_defect(effect)
            return await self._outbox.settle(effect, withheld(effect, DEFECT, now_ms), now_ms)
        prepared = await self._preparer.prepare(effect, now_ms)
        if isinstance(prepared, Missing):
            return await self._wait_for(effect, prepared, now_ms)
        if isinstance(prepared, Withheld):
            return await self._withhold(effect, prepared, now_ms)
        return await self._send(effect, prepared, now_ms)

    async def _send(self, effect: Effect, ready: Ready, now_ms: int) -> Effect | None:
        way = self._carriers.of(effect.carrier)
        if not way.gate.admit(now_ms):
            await self._outbox.postpone(effect, way.gate.again_ms(now_ms), None)
            return None
        claimed = await self._outbox.claim(
            effect, now_ms, outbound=ready.outbound, automatic=ready.automatic
        )
        if not isinstance(claimed, Effect):
            way.gate.release()
        if claimed is None:
            return None
        if isinstance(claimed, Refused):
            return await self._outbox.settle(effect, withheld(effect, claimed.code, now_ms), now_ms)
        outcome = Outcome("lost", "cut_off")
        try:
            outcome = await way.sender.send(ready.message)
        finally:
            way.gate.judge(outcome, self._clock.wall_ms())
        now_ms = self._clock.wall_ms()
        following = way.gate.adjust(after(claimed, outcome, now_ms), now_ms)
        if not following.final:
            metrics.RETRIES.labels(_what(effect)).inc()
        return await self._outbox.settle(claimed, following, now_ms)

    async def _wait_for(self, effect: Effect, missing: Missing, now_ms: int) -> Effect | None:
        since_ms = effect.missing_since_ms if effect.missing_since_ms is not None else now_ms
        if now_ms - since_ms >= missing.limit_ms:
            return await self._outbox.settle(effect, withheld(effect, missing.code, now_ms), now_ms)
        again_ms = now_ms + missing_pause_ms(since_ms, now_ms)
        await self._outbox.postpone(effect, again_ms, since_ms)
        return None

    async def _withhold(self, effect: Effect, why: Withheld, now_ms: int) -> Effect | None:
        if why.dropped:
            await self._outbox.drop(effect, why.code)
            return None
        return await self._outbox.settle(effect, withheld(effect, why.code, now_ms), now_ms)

    async def _report(self, effect: Effect) -> bool:
        """Say what came of it; the row is done only after the broker has acknowledged both."""
        if effect.crashes >= CRASHES_MAX:  # saying it is what breaks
            _say_defect(effect)
            await self._outbox.done(effect)
            return True
        try:
            if effect.state == "sent":
                await self._append_outbound(effect)
            decisive = await self._outbox.speaks_for_offer(effect)
            await self._publisher.result(effect, decisive=decisive)
        except Retryable:
            metrics.RETRIES.labels("report").inc()
            again_ms = self._clock.wall_ms() + REPORT_PAUSE_MS
            await self._outbox.postpone(effect, again_ms, effect.missing_since_ms)
            return False
        await self._outbox.done(effect)
        return True

    async def _append_outbound(self, effect: Effect) -> None:
        try:
            await self._publisher.outbound(effect)
        except Poison as error:
            # The mail is out: its result must not wait for a record that no topic takes.
            get_logger().error("outbound_refused", effect_id=effect.effect_id, code=error.code)


def _what(effect: Effect) -> str:
    """What failed, for the count of retries."""
    if effect.carrier.startswith(HOOK):
        return "webhook"
    return "chat" if effect.carrier == LOG else "relay"


def _say_crash(effect: Effect, error: Exception) -> None:
    """Which effect ends this run; the error's own text could quote somebody, its class can't."""
    get_logger().error(
        "effect_crashed",
        effect_id=effect.effect_id,
        kind=effect.kind,
        attempt=effect.crashes + 1,
        limit=CRASHES_MAX,
        exception_type=type(error).__name__,
    )


def _say_defect(effect: Effect) -> None:
    """In place of a dead letter: where what can't be carried out stands on the log."""
    get_logger().error(
        "effect_given_up",
        effect_id=effect.effect_id,
        kind=effect.kind,
        case_id=effect.case_id,
        code=DEFECT,
        attempt=effect.crashes,
        remedy="a defect of ours: report it with the lines effect_crashed before this one",
    )


def _say(effect: Effect, duration_ms: int, now_ms: int) -> None:
    """The canonical line of an effect, its count and its span."""
    metrics.EFFECTS.labels(effect.kind, effect.state).inc()
    end_ns = time.time_ns()
    tracing.record(
        f"delivery.{effect.kind}",
        tracing.effect(effect.case_id, effect.effect_id, effect.attempt),
        start_ns=end_ns - duration_ms * 1_000_000,
        end_ns=end_ns,
        parents=[tracing.by_effect(effect.case_id, effect.effect_id)],
        effect_id=effect.effect_id,
        state=effect.state,
        code=effect.code,
        attempt=effect.attempt,
        case_id=effect.case_id,
        agent_id=effect.agent_id,
    )
    get_logger().info(
        "effect",
        effect_id=effect.effect_id,
        kind=effect.kind,
        state=effect.state,
        code=effect.code,
        attempt=effect.attempt,
        pool=effect.pool,
        case_id=effect.case_id,
        offer_id=effect.offer_id,
        agent_id=effect.agent_id,
        duration_ms=duration_ms,
        wait_ms=now_ms - effect.made_ms,
    )
