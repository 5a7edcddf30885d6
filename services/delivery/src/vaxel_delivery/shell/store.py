"""Delivery's database: what the logs said, written together with how far they were read.

Many changes are few statements: what is new is inserted first, as nothing speaks of an offer or an
effect before it is made. Raises ``Fatal`` where the database fails: the readers' places in memory
are then ahead of what is stored, and only a restart from the stored ones is right.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, bindparam, delete, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from vaxel_delivery.core.effects import Effect
from vaxel_delivery.core.kept import Kept
from vaxel_delivery.core.project import (
    CaseSeen,
    Change,
    NewEffect,
    OfferClosed,
    OfferOpened,
    Reported,
    RosterSeen,
)
from vaxel_delivery.shell.tables import (
    ANSWERS,
    AUTOMATIC,
    CASES,
    CURSORS,
    EFFECTS,
    INTERACTIONS,
    OFFERS,
    ROSTERS,
)
from vaxel_shared.errors import Fatal
from vaxel_shared.sql import insert_missing, load_cursors, save_cursor
from vaxel_shared.transactions import Transactions, Unit

KEEP_MS = 30 * 86_400_000
"""What is done with is kept as long as the topics keep it."""

KEEP_OPEN_MS = 400 * 86_400_000
"""What an open case was written about is kept until somebody answers, at most so long."""

Cursor = dict[str, object]
T = TypeVar("T")

IDS_PER_QUERY = 500
"""SQLite takes at most 999 parameters where it is old."""


@dataclass(frozen=True, slots=True)
class Told:
    """What is known around a case: rows as they are, None where there is none."""

    offer: Mapping[str, Any] | None
    case: Mapping[str, Any] | None
    kept: Kept | None


class Store:
    """Transactions, the folding of both logs, and what was folded."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._transactions = Transactions(engine)

    async def write(self, unit: Unit[T]) -> T:
        """See :meth:`Transactions.write`; raises ``Fatal`` where the database fails."""
        try:
            return await self._transactions.write(unit)
        except (SQLAlchemyError, OSError) as error:
            raise _broken(error) from error

    async def read(self, unit: Unit[T]) -> T:
        """See :meth:`Transactions.read`; raises ``Fatal`` where the database fails."""
        try:
            return await self._transactions.read(unit)
        except (SQLAlchemyError, OSError) as error:
            raise _broken(error) from error

    async def cursors(self, topic: str) -> dict[int, Cursor]:
        """Where the readers of a topic stand, by partition."""
        return await self.read(lambda connection: load_cursors(connection, CURSORS, topic))

    async def fold(self, changes: Sequence[Change], cursors: Iterable[Cursor]) -> None:
        """Write what decisions changed and how far they are read, together or not at all."""
        stands = list(cursors)

        def unit(connection: Connection) -> None:
            _fold(connection, changes)
            _save(connection, stands)

        await self.write(unit)

    async def keep(self, kept: Sequence[Kept], cursors: Iterable[Cursor], now_ms: int) -> None:
        """The same for interactions; the first of an id wins."""
        stands = list(cursors)
        rows = [
            {
                **{name: getattr(item, name) for name in _KEPT},
                "references": list(item.references),
                "stored_ms": now_ms,
            }
            for item in kept
        ]

        def unit(connection: Connection) -> None:
            insert_missing(connection, INTERACTIONS, "contact_id", rows)
            _save(connection, stands)

        await self.write(unit)

    async def kept(self, contact_id: str | None) -> Kept | None:
        """An interaction, if it has been read and is still kept."""
        return await self.read(lambda connection: _kept(connection, contact_id))

    async def case(self, case_id: str) -> Mapping[str, Any] | None:
        """What is known of a case: the columns of ``cases``."""
        return await self.read(lambda connection: _one(connection, _CASE, case_id))

    async def offer(self, offer_id: str) -> Mapping[str, Any] | None:
        """What is known of an offer: the columns of ``offers``."""
        return await self.read(lambda connection: _one(connection, _OFFER, offer_id))

    async def around_offer(self, offer_id: str) -> Told:
        """An offer, its case, and what its customer wrote."""

        def unit(connection: Connection) -> Told:
            offer = _one(connection, _OFFER, offer_id)
            return _told(connection, offer, None if offer is None else offer["case_id"])

        return await self.read(unit)

    async def around_case(self, case_id: str) -> Told:
        """A case, and what its customer wrote."""
        return await self.read(lambda connection: _told(connection, None, case_id))

    async def directory_ref(self, pool: str) -> str | None:
        """The blob with the names and addresses of a pool's agents."""
        row = await self.read(lambda connection: _one(connection, _ROSTER, pool))
        return None if row is None else str(row["directory_ref"])

    async def pools(self) -> list[str]:
        """The pools whose rosters were seen."""
        query = select(ROSTERS.c.pool).order_by(ROSTERS.c.pool)
        return await self.read(lambda connection: list(connection.execute(query).scalars()))

    async def forget(self, now_ms: int) -> None:
        """Delete what nobody will need again."""
        old, oldest = now_ms - KEEP_MS, now_ms - KEEP_OPEN_MS
        needed = (
            select(CASES.c.case_id)
            .where(CASES.c.contact_id == INTERACTIONS.c.contact_id, CASES.c.closed.is_(False))
            .exists()
        )
        stored = INTERACTIONS.c.stored_ms
        statements = (
            delete(EFFECTS).where(EFFECTS.c.done, EFFECTS.c.made_ms < old),
            delete(OFFERS).where(OFFERS.c.state != "open", OFFERS.c.made_ms < old),
            delete(CASES).where(CASES.c.closed, CASES.c.updated_ms < old),
            delete(CASES).where(CASES.c.updated_ms < oldest),
            delete(INTERACTIONS).where((stored < oldest) | and_(stored < old, ~needed)),
            delete(AUTOMATIC).where(AUTOMATIC.c.at_ms < old),
            delete(ANSWERS).where(ANSWERS.c.received_ms < old),
        )

        def unit(connection: Connection) -> None:
            for statement in statements:
                connection.execute(statement)

        await self.write(unit)

    async def close(self) -> None:
        """Let go of the database."""
        await self._transactions.close()


_KEPT = tuple(Kept.__dataclass_fields__)
_EFFECT = tuple(Effect.__dataclass_fields__)
_OPENED = tuple(OfferOpened.__dataclass_fields__)


def _broken(error: Exception) -> Fatal:
    # The driver's text can quote a row; its class can't.
    return Fatal(
        f"delivery's database failed ({type(error).__name__}); is it up, and is there room?"
    )


def _by(column: ColumnElement[Any], table: Table) -> Select[Any]:
    return select(table).where(column == bindparam("key"))


_CASE = _by(CASES.c.case_id, CASES)
_OFFER = _by(OFFERS.c.offer_id, OFFERS)
_ROSTER = _by(ROSTERS.c.pool, ROSTERS)
_INTERACTION = _by(INTERACTIONS.c.contact_id, INTERACTIONS)


def _one(connection: Connection, query: Select[Any], key: str | None) -> dict[str, Any] | None:
    row = connection.execute(query, {"key": key}).mappings().first()
    return None if row is None else dict(row)


def _kept(connection: Connection, contact_id: str | None) -> Kept | None:
    row = _one(connection, _INTERACTION, contact_id)
    if row is None:
        return None
    known = {name: row[name] for name in _KEPT}
    return Kept(**{**known, "references": tuple(row["references"])})


def _told(connection: Connection, offer: Mapping[str, Any] | None, case_id: str | None) -> Told:
    case = _one(connection, _CASE, case_id)
    return Told(offer, case, None if case is None else _kept(connection, case["contact_id"]))


def _save(connection: Connection, cursors: Iterable[Cursor]) -> None:
    for row in cursors:
        save_cursor(connection, CURSORS, row)


def _fold(connection: Connection, changes: Sequence[Change]) -> None:
    """What can't be read is parked by whoever read it; nothing of it is stored."""
    effects = [_effect_row(one) for one in changes if isinstance(one, NewEffect)]
    insert_missing(connection, EFFECTS, "effect_id", effects)
    offers = [_offer_row(one) for one in changes if isinstance(one, OfferOpened)]
    insert_missing(connection, OFFERS, "offer_id", offers)
    _see_cases(connection, [one for one in changes if isinstance(one, CaseSeen)])
    for change in changes:
        match change:
            case OfferClosed():
                _close_offer(connection, change)
            case Reported():
                _report(connection, change)
            case RosterSeen():
                _adopt(connection, change)
            case _:
                pass


def _effect_row(change: NewEffect) -> dict[str, Any]:
    log_id, partition, seq, index = change.place
    return {
        "log_id": log_id,
        "partition": partition,
        "seq": seq,
        "index": index,
        "done": False,
        "next_ms": 0,
        **{name: getattr(change.effect, name) for name in _EFFECT},
    }


def _offer_row(change: OfferOpened) -> dict[str, Any]:
    return {"state": "open", **{name: getattr(change, name) for name in _OPENED}}


_CLOSE_OFFER = (
    OFFERS.update()
    .where(OFFERS.c.offer_id == bindparam("of"), OFFERS.c.state == "open")
    .values(state=bindparam("outcome"), ended_ms=bindparam("at_ms"))
)
_DROP_NEWS = (
    EFFECTS.update()
    .where(
        EFFECTS.c.offer_id == bindparam("of"),
        EFFECTS.c.kind == "offer",
        EFFECTS.c.state.in_(("pending", "unknown")),
        EFFECTS.c.final.is_(False),
    )
    .values(state="dropped", final=True, done=True, code=bindparam("why"))
)


def _close_offer(connection: Connection, change: OfferClosed) -> None:
    """The offer ends, and with it the mail that was to announce it, unless that is under way."""
    connection.execute(
        _CLOSE_OFFER,
        {"of": change.offer_id, "outcome": change.outcome, "at_ms": change.at_ms},
    )
    connection.execute(_DROP_NEWS, {"of": change.offer_id, "why": f"offer_{change.outcome}"})


_REPORTED = (
    EFFECTS.update()
    .where(EFFECTS.c.effect_id == bindparam("of"), EFFECTS.c.final)
    .values(done=True, outbound=None)
)
_REPORTED_UNSENT = (
    EFFECTS.update()
    .where(
        EFFECTS.c.effect_id == bindparam("of"),
        EFFECTS.c.final.is_(False),
        EFFECTS.c.state.in_(("pending", "unknown")),
    )
    .values(state=bindparam("to"), code=bindparam("why"), final=True, done=True, outbound=None)
)
_EXPIRES = (
    OFFERS.update()
    .where(OFFERS.c.offer_id == bindparam("of"))
    .values(expires_ms=bindparam("at_ms"))
)


def _report(connection: Connection, change: Reported) -> None:
    """The router knows the outcome: whatever this database thought, there is nothing left to do."""
    of = {"of": change.effect_id}
    connection.execute(_REPORTED, of)
    connection.execute(_REPORTED_UNSENT, {**of, "to": change.state, "why": change.code})
    if change.offer_id is not None and change.expires_ms is not None:
        connection.execute(_EXPIRES, {"of": change.offer_id, "at_ms": change.expires_ms})


def _adopt(connection: Connection, change: RosterSeen) -> None:
    values = {"pool": change.pool, "directory_ref": change.directory_ref}
    updated = connection.execute(
        ROSTERS.update().where(ROSTERS.c.pool == change.pool).values(values)
    )
    if updated.rowcount == 0:
        connection.execute(ROSTERS.insert().values(values))


_SEEN = CASES.update().where(CASES.c.case_id == bindparam("of"))


def _see_cases(connection: Connection, seen: Sequence[CaseSeen]) -> None:
    """Later words of a case go over earlier ones; what they don't speak of stays."""
    words: dict[str, dict[str, Any]] = {}
    for change in seen:
        said = {**change.fields, "pool": change.pool, "updated_ms": change.at_ms}
        words[change.case_id] = words.get(change.case_id, {}) | said
    known = _known_cases(connection, list(words))
    alike: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    made = []
    for case_id, said in words.items():
        if case_id in known:
            alike[tuple(sorted(said))].append({"of": case_id, **said})
        else:
            made.append({**_NEW_CASE, **said, "case_id": case_id})
    for rows in alike.values():
        connection.execute(_SEEN, rows)
    insert_missing(connection, CASES, "case_id", made)


_NEW_CASE: dict[str, Any] = dict.fromkeys(CASES.c.keys()) | {"closed": False}


def _known_cases(connection: Connection, case_ids: list[str]) -> set[str]:
    known: set[str] = set()
    for at in range(0, len(case_ids), IDS_PER_QUERY):
        some = CASES.c.case_id.in_(case_ids[at : at + IDS_PER_QUERY])
        known |= set(connection.execute(select(CASES.c.case_id).where(some)).scalars())
    return known
