"""One batch: inputs and a clock reading in, the body of one record of decisions out.

A batch is a function of (state, inputs, ``tick_ms``, ``wall_ms``) and of nothing else, all of which
stands in the log: a replay gives the same bytes. Now of an input is max(now, its append time);
timers due by then fire before it, ordered by (due, key). A batch ends after the input that fills
it; an input too large for one batch stays open (``Batch.open``) and goes on in the next.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from vaxel_router.core import (
    alerts,
    cases,
    consulting,
    handing,
    leaving,
    merging,
    offers,
    presence,
    roster,
    suspending,
    switches,
    timers,
    tools,
)
from vaxel_router.core.apply import UNREMEMBERED, finish_batch, is_kept, remember
from vaxel_router.core.authority import check
from vaxel_router.core.limits import BODY_BYTES_MAX, DAY_MS, MEMORY_DAYS
from vaxel_router.core.policy import Library
from vaxel_router.core.state import Pool, World
from vaxel_router.core.step import Refused, Step
from vaxel_shared.contracts import wire

Handler = Callable[[Step, wire.Command], None]

HANDLERS: dict[str, Handler] = {
    "contact.add": handing.add,
    "contact.end": leaving.end,
    "offer.accept": offers.accept,
    "offer.decline": offers.decline,
    "case.reply": cases.reply,
    "case.note": cases.note,
    "case.resolve": cases.resolve,
    "case.cancel": leaving.cancel,
    "case.reopen": cases.reopen,
    "case.wait": cases.wait,
    "case.transfer": handing.transfer,
    "case.handed": handing.answered,
    "case.consult": consulting.consult,
    "case.answer": consulting.answer,
    "case.escalate": cases.escalate,
    "case.assign": cases.assign,
    "case.merge": merging.merge,
    "case.split": merging.split,
    "case.suspend": suspending.suspend,
    "case.resume": suspending.resume,
    "agent.presence": presence.presence,
    "agent.elsewhere": tools.elsewhere,
    "roster.set": roster.set_roster,
    "policy.publish": roster.publish_policy,
    "switch.set": switches.set_switch,
    "sla.alert": alerts.sla_alert,
    "delivery.result": handing.delivery_result,
}


class Input(NamedTuple):
    """One record of ``vaxel.work``: its offset, append time and command.

    ``command`` is None, with ``error`` a code, where the record is no valid command.
    """

    offset: int
    append_ms: int
    command: wire.Command | None
    error: str | None = None


class InputTooLarge(Exception):
    """What came of one input is more than a record takes: it must be set aside."""


class TimerFailed(Exception):
    """A timer could not be fired: no input's fault, and no way around it."""


class Batch:
    """Collects one record. Use: ``add`` inputs while ``has_room``, perhaps ``tick``, ``close``."""

    def __init__(self, world: World, library: Library, *, seq: int, wall_ms: int) -> None:
        self._world = world
        self._step = Step(world, library, seq=seq, wall_ms=wall_ms)
        self._tick_ms: int | None = None
        self._open: str | None = None

    @property
    def has_room(self) -> bool:
        """Whether another input may be added."""
        return self._open is None and self._step.has_room

    @property
    def decisions(self) -> list[wire.Decision]:
        """What was decided so far."""
        return self._step.decisions

    def add(self, item: Input) -> bool:
        """Fold an input; False: it isn't finished, and the batch must be closed.

        The timers that are due at its time fire first. An input that isn't finished must be given
        again to the next batch: what was done of it is done. Raises :class:`InputTooLarge` and
        :class:`TimerFailed`; then, as after any error, the state must be thrown away.
        """
        step, command, now_ms = self._step, item.command, self._world.state.now_ms
        now_ms = max(now_ms, item.append_ms)
        if not self._fire(now_ms):
            return False
        if not step.has_room:  # the timers took it all
            self._tick_ms = self._world.state.now_ms
            return False
        begin = len(step.decisions)
        cause = command.id if command is not None else f"offset:{item.offset}"
        step.begin(cause, now_ms, command)
        finished = self._fold(item)
        assert len(step.decisions) > begin, "every input yields a decision"
        if step.bytes > BODY_BYTES_MAX:
            raise InputTooLarge(f"{step.bytes} bytes of decisions")
        if not finished:
            self._open = cause
            return False
        if step.decisions[-1].type not in UNREMEMBERED:
            remember(self._world, cause, now_ms)
        return True

    def reject(self, item: Input, error: str) -> None:
        """Set an input aside that the engine could not fold; the only one of its batch.

        ``error`` starts with ``raised:``. Its id isn't remembered: it may be sent again. No timer
        is passed by: time stops before one that is due, which fires before the next input.
        """
        before_ms = self._world.state.now_ms
        now_ms = max(before_ms, item.append_ms)
        timer = self._world.next_timer()
        if timer is not None and timer[0] <= now_ms:
            now_ms = max(before_ms, timer[0] - 1)
        self._step.begin(f"offset:{item.offset}", now_ms, item.command)
        self._step.pool = Pool(item.command.pool if item.command is not None else "-")
        self._step.emit("input.rejected", offset=item.offset, error=error)

    def tick(self, tick_ms: int) -> bool:
        """Let the clock's reading pass; False: more timers are due than this batch could fire."""
        now_ms = max(self._world.state.now_ms, tick_ms)
        done = self._fire(now_ms)
        if done:
            self._tick_ms = now_ms
        return done

    def close(
        self, *, engine: str, state_digest: str | None = None, claim: dict[str, str] | None = None
    ) -> wire.Batch:
        """The body of the record. ``state_digest`` is that of the state before the batch."""
        head = wire.Batch(
            engine=engine,
            wall_ms=self._step.wall_ms,
            tick_ms=self._tick_ms,
            state_digest=state_digest,
            claim=claim,
            open=self._open,
        )
        batch = wire.batch_of(head, self._step.decisions, self._step.encoded)
        finish_batch(self._world, batch)
        return batch

    def _fire(self, now_ms: int) -> bool:
        """Fire what is due by ``now_ms``; False where the batch is full before that."""
        while (timer := self._world.next_timer()) is not None and timer[0] <= now_ms:
            if not self._step.has_room:
                # How far it came stands in the record, so that a replay stops at the same timer.
                self._tick_ms = self._world.state.now_ms
                return False
            try:
                self._fire_one(*timer)
            except Exception as error:
                raise TimerFailed(timer[1]) from error
        return True

    def _fire_one(self, due_ms: int, key: str) -> None:
        kind, _, rest = key.partition(":")
        pool_name, _, name = rest.partition(":")
        # A timer fires at its own instant, however late it is seen.
        self._step.begin(f"timer:{kind}:{name}", max(self._world.state.now_ms, due_ms), None)
        self._step.pool = self._world.pool(pool_name)
        timers.fire(self._step, kind, name)
        cleared = self._world.state.timers.get(key) != due_ms
        assert cleared or not self._step.has_room, (
            "a fired timer is cleared, or goes on in the next"
        )

    def _fold(self, item: Input) -> bool:
        step, command = self._step, item.command
        if command is None:
            step.pool = Pool("-")
            step.emit("input.rejected", offset=item.offset, error=item.error or "unreadable")
            return True
        known = command.pool in self._world.state.pools
        step.pool = self._world.pool(command.pool)
        begin = len(step.decisions)
        finished = self._handle(command)
        if not known and not any(is_kept(made.type) for made in step.decisions[begin:]):
            self._world.forget_pool(command.pool)  # as in a restore, which never hears of it
        return finished

    def _handle(self, command: wire.Command) -> bool:
        step = self._step
        if self._world.remembers(command.id) or _is_old_contact(self._world, command):
            step.emit("command.repeated", case_id=command.case_id)
            return True
        try:
            check(command)
            HANDLERS.get(command.type, _unsupported)(step, command)
        except Refused as refusal:
            step.emit(
                "command.refused",
                case_id=command.case_id,
                agent_id=command.agent_id,
                code=refusal.code,
                params=refusal.params,
            )
        return not step.unfinished


def _unsupported(_step: Step, command: wire.Command) -> None:
    raise Refused("not_supported", {"type": command.type})


def _is_old_contact(world: World, command: wire.Command) -> bool:
    """A contact older than the memory, from an offset that was passed: it was applied once."""
    if command.type != "contact.add":
        return False
    data: dict[str, Any] = command.data
    if "handed" in data or "forwarded" in data:  # not of our own input
        return False
    age_ms = world.state.now_ms - int(data.get("received_at_ms", world.state.now_ms))
    partition, offset = data["src"]
    return age_ms > MEMORY_DAYS * DAY_MS and offset <= world.state.sources.get(str(partition), -1)
