"""Answers from tools, remembered by webhook-id: what comes again is the same answer."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, select

from vaxel_delivery.shell.store import Store
from vaxel_delivery.shell.tables import ANSWERS


@dataclass(frozen=True, slots=True)
class Told:
    """An answer as it is remembered; ``status`` is what its sender was told of the decision."""

    connector: str
    webhook_sha256: str
    body_sha256: str
    command_id: str
    acknowledged: bool = False
    status: str | None = None
    code: str | None = None


class AnswerBook:
    """Remembers answers for as long as the topics keep the commands made of them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def known(self, connector: str, webhook_id: str) -> Told | None:
        """The answer that came with this webhook-id before."""
        where = _at(connector, hashlib.sha256(webhook_id.encode()).hexdigest())
        return await self._store.read(lambda connection: _told(connection, where))

    async def begin(self, told: Told, now_ms: int) -> Told:
        """Remember an answer before it is passed on; the first of an id wins, and is answered."""
        where = _at(told.connector, told.webhook_sha256)
        values: dict[str, Any] = {name: getattr(told, name) for name in _FIELDS}

        def unit(connection: Connection) -> Told:
            before = _told(connection, where)
            if before is not None:
                return before
            connection.execute(ANSWERS.insert().values(received_ms=now_ms, **values))
            return told

        return await self._store.write(unit)

    async def settle(self, told: Told) -> None:
        """Remember that the broker has it, and what was decided, if that is known."""
        values = {name: getattr(told, name) for name in ("acknowledged", "status", "code")}
        where = _at(told.connector, told.webhook_sha256)
        statement = ANSWERS.update().where(where).values(values)
        await self._store.write(lambda connection: connection.execute(statement).rowcount)


def told_of(connector: str, webhook_id: str, body: bytes, command_id: str) -> Told:
    """A new answer."""
    return Told(
        connector=connector,
        webhook_sha256=hashlib.sha256(webhook_id.encode()).hexdigest(),
        body_sha256=hashlib.sha256(body).hexdigest(),
        command_id=command_id,
    )


_FIELDS = tuple(Told.__dataclass_fields__)


def _told(connection: Connection, where: ColumnElement[bool]) -> Told | None:
    row = connection.execute(select(ANSWERS).where(where)).mappings().first()
    return None if row is None else Told(**{name: row[name] for name in _FIELDS})


def _at(connector: str, webhook_sha256: str) -> ColumnElement[bool]:
    return (ANSWERS.c.connector == connector) & (ANSWERS.c.webhook_sha256 == webhook_sha256)
