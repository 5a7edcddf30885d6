"""The outbox: effects as rows, claimed before acting and judged after, one at a time a lane."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, bindparam, case, func, select

from vaxel_delivery.core.automatic import suppressed_by_history
from vaxel_delivery.core.effects import Effect, Next
from vaxel_delivery.shell.store import Store
from vaxel_delivery.shell.tables import AUTOMATIC, EFFECTS, OFFERS
from vaxel_shared.config.connectors import AutomaticMail

DUE_MAX = 50
"""Effects fetched at once: enough to keep every worker busy."""


@dataclass(frozen=True, slots=True)
class AutomaticTo:
    """An acknowledgement that is about to be counted: to whom, where, under which limits."""

    sender: str
    conversation_key: str
    limits: AutomaticMail


@dataclass(frozen=True, slots=True)
class Refused:
    """A claim that was not granted: the effect was dropped, or ends with ``code``."""

    code: str


class Outbox:
    """What is to be done, by whom it is being done, and what came of it."""

    def __init__(self, store: Store, run_id: str) -> None:
        self._store = store
        self._run_id = run_id

    async def recover(self, now_ms: int) -> int:
        """A ``sending`` of an earlier run may or may not have happened: it becomes ``unknown``.

        Answers how many there were.
        """
        statement = (
            EFFECTS.update()
            .where(EFFECTS.c.state == "sending", EFFECTS.c.run_id != self._run_id)
            .values(
                state="unknown",
                code="run_ended",
                repeats=EFFECTS.c.repeats + 1,
                crashes=EFFECTS.c.crashes + 1,
                next_ms=now_ms,
                run_id=None,
            )
        )
        return await self._store.write(
            lambda connection: int(connection.execute(statement).rowcount)
        )

    async def release(self) -> None:
        """What this run cut off when it was asked to stop: lost, but no sign of a defect."""
        statement = (
            EFFECTS.update()
            .where(EFFECTS.c.state == "sending", EFFECTS.c.run_id == self._run_id)
            .values(state="unknown", code="cut_off", repeats=EFFECTS.c.repeats + 1, run_id=None)
        )
        await self._store.write(lambda connection: connection.execute(statement).rowcount)

    async def crashed(self, effect: Effect) -> None:
        """This run ends because of it; the next ones count how often that happened."""
        sending = EFFECTS.c.state == "sending"
        statement = (
            EFFECTS.update()
            .where(EFFECTS.c.effect_id == effect.effect_id)
            .values(
                crashes=EFFECTS.c.crashes + 1,
                repeats=case((sending, EFFECTS.c.repeats + 1), else_=EFFECTS.c.repeats),
                state=case((sending, "unknown"), else_=EFFECTS.c.state),
                run_id=None,
            )
        )
        await self._store.write(lambda connection: connection.execute(statement).rowcount)

    async def due(self, now_ms: int) -> list[Effect]:
        """The first effect of each lane, where its time has come; the longest due first."""
        rows = await self._store.read(
            lambda connection: connection.execute(_DUE, {"now_ms": now_ms}).mappings().all()
        )
        return [effect_of(dict(row)) for row in rows]

    async def waiting(self) -> tuple[int, int | None]:
        """How many effects aren't done, and the earliest instant at which one is to be tried."""
        count, next_ms = await self._store.read(
            lambda connection: connection.execute(_WAITING).one()
        )
        return int(count), next_ms

    async def effect(self, effect_id: str) -> Effect | None:
        """One effect as it stands now."""
        row = await self._store.read(lambda connection: _row(connection, effect_id))
        return None if row is None else effect_of(row)

    async def claim(
        self,
        effect: Effect,
        now_ms: int,
        *,
        outbound: str | None = None,
        automatic: AutomaticTo | None = None,
    ) -> Effect | Refused | None:
        """Write ``sending`` before acting. None: it has ended meanwhile, nothing is to be done.

        An acknowledgement is counted in the same transaction, so that no restart forgets it; one
        beyond its limits is :class:`Refused`.
        """
        return await self._store.write(
            lambda connection: self._claim(connection, effect, now_ms, outbound, automatic)
        )

    def _claim(
        self,
        connection: Connection,
        effect: Effect,
        now_ms: int,
        outbound: str | None,
        automatic: AutomaticTo | None,
    ) -> Effect | Refused | None:
        row = _row(connection, effect.effect_id)
        if row is None or row["final"] or row["state"] not in {"pending", "unknown"}:
            return None
        values = {
            "state": "sending",
            "run_id": self._run_id,
            "attempt": row["attempt"] + 1,
            "first_ms": now_ms if row["first_ms"] is None else row["first_ms"],
            "missing_since_ms": None,
            "outbound": outbound,
        }
        # Whoever else read the same row, in the seconds in which a lost lock goes unnoticed,
        # finds it changed.
        was = {"of": effect.effect_id, "was_attempt": row["attempt"], "was_state": row["state"]}
        if connection.execute(_UNCLAIMED, {**was, **values}).rowcount == 0:
            return None
        if automatic is not None:
            code = _count(connection, effect.effect_id, automatic, now_ms)
            if code is not None:
                before = {name: row[name] for name in values}
                connection.execute(_EFFECT, {"of": effect.effect_id, **before})
                return Refused(code)
        return effect_of({**row, **values})

    async def settle(self, effect: Effect, following: Next, now_ms: int) -> Effect:
        """Write what came of an attempt, or of one that must not be made."""
        settled = replace(
            effect,
            state=following.state,
            final=following.final,
            code=following.code,
            repeats=following.repeats,
            crashes=0,  # it was judged: nothing of ours broke over it
            finished_ms=now_ms if following.final else None,
        )
        written = ("state", "final", "code", "repeats", "crashes", "finished_ms")
        values = {name: getattr(settled, name) for name in written}
        await self._update(effect, {**values, "next_ms": following.at_ms, "run_id": None})
        return settled

    async def postpone(self, effect: Effect, at_ms: int, missing_since_ms: int | None) -> None:
        """Look again at ``at_ms``; nothing was tried."""
        await self._update(effect, {"next_ms": at_ms, "missing_since_ms": missing_since_ms})

    async def drop(self, effect: Effect, code: str) -> None:
        """What it announces has ended: nothing is sent, nothing is reported."""
        await self._update(effect, {"state": "dropped", "code": code, "final": True, "done": True})

    async def done(self, effect: Effect) -> None:
        """The router's log has the outcome: what was kept for it goes."""
        await self._update(effect, {"done": True, "outbound": None})

    async def offer_is_open(self, offer_id: str) -> bool:
        """Whether an offer can still be accepted, as far as the log is read."""
        query = select(OFFERS.c.state).where(OFFERS.c.offer_id == offer_id)
        return await self._store.read(
            lambda connection: connection.execute(query).scalar() == "open"
        )

    async def speaks_for_offer(self, effect: Effect) -> bool:
        """Whether the outcome of one carrier is the offer's.

        One that arrived is enough, so the first says it arrived; that it didn't, the last says.
        """
        if effect.kind != "offer" or effect.offer_id is None:
            return True
        of = {"offer_id": effect.offer_id, "effect_id": effect.effect_id}
        others = await self._store.read(
            lambda connection: connection.execute(_OTHER_NEWS, of).all()
        )
        if effect.state == "sent":
            return not any(final and state == "sent" for state, final in others)
        return all(final and state == "failed" for state, final in others)

    async def _update(self, effect: Effect, values: dict[str, Any]) -> None:
        of = {"of": effect.effect_id, **values}
        await self._store.write(lambda connection: connection.execute(_EFFECT, of).rowcount)


def effect_of(row: Mapping[str, Any]) -> Effect:
    """A row of ``effects``."""
    return Effect(**{name: row[name] for name in _FIELDS})


_FIELDS = frozenset(Effect.__dataclass_fields__)

_EFFECT = EFFECTS.update().where(EFFECTS.c.effect_id == bindparam("of"))
_UNCLAIMED = _EFFECT.where(
    EFFECTS.c.attempt == bindparam("was_attempt"),
    EFFECTS.c.state == bindparam("was_state"),
    EFFECTS.c.final.is_(False),
)
_ROW = select(EFFECTS).where(EFFECTS.c.effect_id == bindparam("of"))
_WAITING = select(func.count(), func.min(EFFECTS.c.next_ms)).where(EFFECTS.c.done.is_(False))
_OTHER_NEWS = select(EFFECTS.c.state, EFFECTS.c.final).where(
    EFFECTS.c.offer_id == bindparam("offer_id"),
    EFFECTS.c.kind == "offer",
    EFFECTS.c.effect_id != bindparam("effect_id"),
)


def _due() -> Select[Any]:
    before = EFFECTS.alias("before")
    earlier = (
        select(before.c.id)
        .where(
            before.c.done.is_(False),
            before.c.lane == EFFECTS.c.lane,
            before.c.id < EFFECTS.c.id,
        )
        .exists()
    )
    return (
        select(EFFECTS)
        .where(
            EFFECTS.c.done.is_(False),
            EFFECTS.c.next_ms <= bindparam("now_ms"),
            EFFECTS.c.state != "sending",
            ~earlier,
        )
        .order_by(EFFECTS.c.next_ms, EFFECTS.c.id)
        .limit(DUE_MAX)
    )


_DUE = _due()


def _row(connection: Connection, effect_id: str) -> dict[str, Any] | None:
    row = connection.execute(_ROW, {"of": effect_id}).mappings().first()
    return None if row is None else dict(row)


def _count(connection: Connection, effect_id: str, to: AutomaticTo, now_ms: int) -> str | None:
    """Count an acknowledgement, unless it was counted before; a code where it is one too many."""
    known = select(AUTOMATIC.c.effect_id).where(AUTOMATIC.c.effect_id == effect_id)
    if connection.execute(known).first() is not None:
        return None
    in_conversation = _sent(
        connection,
        (AUTOMATIC.c.conversation_key == to.conversation_key)
        & (AUTOMATIC.c.at_ms > now_ms - to.limits.per_conversation_window_ms),
    )
    to_sender = _sent(
        connection,
        (AUTOMATIC.c.sender == to.sender)
        & (AUTOMATIC.c.at_ms > now_ms - to.limits.per_sender_window_ms),
    )
    code = suppressed_by_history(in_conversation, to_sender, to.limits)
    if code is None:
        row = {
            "effect_id": effect_id,
            "sender": to.sender,
            "conversation_key": to.conversation_key,
            "at_ms": now_ms,
        }
        connection.execute(AUTOMATIC.insert().values(row))
    return code


def _sent(connection: Connection, where: ColumnElement[bool]) -> int:
    query = select(func.count()).select_from(AUTOMATIC).where(where)
    return int(connection.execute(query).scalar_one())
