"""Reading the register's database. Each answer is one transaction, or one row of many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Select, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from vaxel_register.core.limits import INBOX_MAX, TIMELINE_ENTRIES_MAX
from vaxel_register.core.paging import decode_cursor
from vaxel_register.core.requests import CasesQuery
from vaxel_register.core.search import like, words
from vaxel_register.shell.tables import (
    AGENT_TOOLS,
    AGENTS,
    CASES,
    COMMANDS,
    CONTACTS,
    CONVERSATIONS,
    DEADLETTERS,
    DRAFTS,
    FEED,
    INTERACTIONS,
    OFFERS,
    POLICIES,
    ROSTERS,
    SLA_CLOCKS,
    TIMELINE,
    WORKS,
)
from vaxel_shared.sql import answering

Row = dict[str, Any]
HELD = ("assigned", "wrapping")
"""States of a work that is in somebody's hands."""

_FIRST = (INTERACTIONS.c.subject, INTERACTIONS.c.sender_id, INTERACTIONS.c.sender_name)
_LAST_OWNER = (
    CONVERSATIONS.c.from_ms.desc(),
    CONVERSATIONS.c.log_partition.desc(),
    CONVERSATIONS.c.log_place.desc(),
)
_WITH_FIRST = CASES.outerjoin(INTERACTIONS, INTERACTIONS.c.id == CASES.c.first_contact_id)


class Queries:
    """What the API asks of the database. ``pool`` None asks in all pools."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def cases(self, query: CasesQuery, pool: str | None) -> list[Row]:
        """One more than a page, so that one knows whether there is another.

        Raises ``ValueError`` for a cursor that isn't ours.
        """
        statement = select(CASES, *_FIRST).select_from(_WITH_FIRST)
        statement = statement.where(CASES.c.number.is_not(None), *_filters(query))
        if pool is not None:
            statement = statement.where(CASES.c.pool == pool)
        if query.cursor is not None:
            place = tuple_(CASES.c.opened_ms, CASES.c.id)
            statement = statement.where(place < tuple_(*decode_cursor(query.cursor)))
        statement = statement.order_by(CASES.c.opened_ms.desc(), CASES.c.id.desc())
        return await self._all(statement.limit(query.limit + 1))

    async def case(self, number: str) -> Row | None:
        """The case of this number, with its first message's subject and sender."""
        statement = select(CASES, *_FIRST).select_from(_WITH_FIRST)
        statement = statement.where(CASES.c.number == number.upper())
        return await self._one(statement.order_by(CASES.c.opened_ms.desc()).limit(1))

    async def works(self, case_id: str) -> list[Row]:
        """A case's works, the first one first."""
        return await self._all(
            select(WORKS)
            .where(WORKS.c.case_id == case_id)
            .order_by(WORKS.c.number)
            .limit(TIMELINE_ENTRIES_MAX)
        )

    async def offers(self, case_id: str) -> list[Row]:
        """A case's offers, in the order they were made."""
        statement = select(OFFERS).where(OFFERS.c.case_id == case_id)
        ordered = statement.order_by(OFFERS.c.made_ms, OFFERS.c.log_place)
        return await self._all(ordered.limit(TIMELINE_ENTRIES_MAX))

    async def offer(self, offer_id: str) -> Row | None:
        """One offer."""
        return await self._one(select(OFFERS).where(OFFERS.c.id == offer_id))

    async def held_work(self, case_id: str) -> Row | None:
        """The work of a case that is in somebody's hands."""
        statement = select(WORKS).where(WORKS.c.case_id == case_id, WORKS.c.state.in_(HELD))
        return await self._one(statement.order_by(WORKS.c.number.desc()).limit(1))

    async def was_assigned(self, case_id: str, agent_id: str) -> bool:
        """Whether any work of the case was ever this agent's."""
        statement = select(TIMELINE.c.at_ms).where(
            TIMELINE.c.case_id == case_id,
            TIMELINE.c.type == "work.assigned",
            TIMELINE.c.agent_id == agent_id,
        )
        return await self._one(statement.limit(1)) is not None

    async def history(self, case_id: str) -> tuple[list[Row], list[Row]]:
        """(messages, decisions) of a case: the newest, at most one more of each than is shown.

        A message belongs to the case that its contact went to; what we sent, to the case that the
        conversation then had.
        """
        most = TIMELINE_ENTRIES_MAX + 1
        contacts = select(CONTACTS.c.contact_id).where(CONTACTS.c.case_id == case_id)
        received = select(INTERACTIONS).where(INTERACTIONS.c.id.in_(contacts))
        decided = select(TIMELINE).where(TIMELINE.c.case_id == case_id)
        newest = (TIMELINE.c.at_ms.desc(), TIMELINE.c.offset.desc(), TIMELINE.c.index.desc())
        async with self._engine.connect() as connection:
            messages: dict[str, Row] = {}
            for statement in (received, _sent(case_id)):
                ordered = statement.order_by(INTERACTIONS.c.at_ms.desc()).limit(most)
                messages |= {row["id"]: row for row in await _rows(connection, ordered)}
            decisions = await _rows(connection, decided.order_by(*newest).limit(most))
        return list(messages.values()), decisions

    async def queue_counts(self, pool: str | None) -> list[tuple[str, str, str, int, int | None]]:
        """(pool, queue, state, how many, oldest since) of all work that is open."""
        statement = (
            select(
                WORKS.c.pool, WORKS.c.queue, WORKS.c.state, func.count(), func.min(WORKS.c.since_ms)
            )
            .where(WORKS.c.state.in_(("queued", "offered", *HELD)))
            .group_by(WORKS.c.pool, WORKS.c.queue, WORKS.c.state)
            .order_by(WORKS.c.pool, WORKS.c.queue, WORKS.c.state)
        )
        if pool is not None:
            statement = statement.where(WORKS.c.pool == pool)
        async with self._engine.connect() as connection:
            return [tuple(row) for row in await connection.execute(statement)]

    async def agents(self, pool: str | None) -> list[Row]:
        """Agents that are in a roster, by id."""
        statement = select(AGENTS).where(AGENTS.c.removed.is_(False)).order_by(AGENTS.c.id)
        if pool is not None:
            statement = statement.where(AGENTS.c.pool == pool)
        return await self._all(statement)

    async def tools(self) -> dict[str, list[Row]]:
        """By agent, what each of the agent's own tools said last, since the agent joined the pool.

        One that fell silent has nothing: the router says so when its time is over.
        """
        since_joined = func.coalesce(AGENTS.c.left_ms, -1) < AGENT_TOOLS.c.log_at_ms
        statement = (
            select(AGENT_TOOLS)
            .join(AGENTS, AGENTS.c.id == AGENT_TOOLS.c.agent_id)
            .where(since_joined, AGENT_TOOLS.c.log_partition == AGENTS.c.log_partition)
            .order_by(AGENT_TOOLS.c.agent_id, AGENT_TOOLS.c.source)
        )
        found: dict[str, list[Row]] = {}
        for row in await self._all(statement):
            if row["works"]:
                found.setdefault(row["agent_id"], []).append(row)
        return found

    async def agent(self, agent_id: str) -> Row | None:
        """One agent of a roster."""
        return await self._one(
            select(AGENTS).where(AGENTS.c.id == agent_id, AGENTS.c.removed.is_(False))
        )

    async def loads(self) -> tuple[Mapping[str, int], Mapping[str, int]]:
        """(pending offers, works in hand) by agent."""
        pending = select(OFFERS.c.agent_id, func.count()).where(OFFERS.c.state == "pending")
        held = select(WORKS.c.agent_id, func.count()).where(WORKS.c.state.in_(HELD))
        async with self._engine.connect() as connection:
            offers = await connection.execute(pending.group_by(OFFERS.c.agent_id))
            works = await connection.execute(held.group_by(WORKS.c.agent_id))
            return dict(map(tuple, offers)), dict(map(tuple, works))

    async def inbox(self, agent_id: str) -> tuple[list[Row], list[Row]]:
        """(pending offers, works in hand) of an agent with their cases, oldest first."""
        case = (
            CASES.c.number.label("case_number"),
            CASES.c.channel.label("case_channel"),
            CASES.c.language.label("case_language"),
            CASES.c.priority.label("case_priority"),
            CASES.c.status.label("case_status"),
            INTERACTIONS.c.subject,
        )
        offers = (
            select(OFFERS, *case)
            .select_from(_with_case(OFFERS))
            .where(OFFERS.c.agent_id == agent_id, OFFERS.c.state == "pending")
        )
        works = (
            select(WORKS, *case)
            .select_from(_with_case(WORKS))
            .where(WORKS.c.agent_id == agent_id, WORKS.c.state.in_(HELD))
        )
        async with self._engine.connect() as connection:
            return (
                await _rows(
                    connection, offers.order_by(OFFERS.c.made_ms, OFFERS.c.id).limit(INBOX_MAX)
                ),
                await _rows(
                    connection, works.order_by(WORKS.c.assigned_ms, WORKS.c.id).limit(INBOX_MAX)
                ),
            )

    async def caused(self, command_id: str) -> list[Row]:
        """The decisions that a command led to, in order."""
        statement = select(TIMELINE).where(TIMELINE.c.cause == command_id)
        return await self._all(
            statement.order_by(TIMELINE.c.partition, TIMELINE.c.offset, TIMELINE.c.index)
        )

    async def command(self, command_id: str) -> Row | None:
        """A command that was asked through this API."""
        return await self._one(select(COMMANDS).where(COMMANDS.c.id == command_id))

    async def deadletters(self, limit: int) -> list[Row]:
        """The newest dead letters."""
        newest = (DEADLETTERS.c.at_ms.desc(), DEADLETTERS.c.id)
        return await self._all(select(DEADLETTERS).order_by(*newest).limit(limit))

    async def directories(self) -> list[tuple[str, str]]:
        """(pool, reference of its roster's directory)."""
        return await self._pairs(select(ROSTERS.c.pool, ROSTERS.c.directory_ref))

    async def policies(self) -> list[tuple[str, str]]:
        """(pool, reference of its policy)."""
        return await self._pairs(select(POLICIES.c.pool, POLICIES.c.ref))

    async def clocks(self, case_ids: Sequence[str]) -> list[Row]:
        """The SLA clocks of some cases, of each clock its newest cycle last."""
        statement = select(SLA_CLOCKS).where(SLA_CLOCKS.c.case_id.in_(case_ids))
        return await self._all(statement.order_by(SLA_CLOCKS.c.clock, SLA_CLOCKS.c.cycle))

    async def sla(self, risk: str, limit: int, pool: str | None) -> list[Row]:
        """Running clocks with their cases, the one that is due first comes first."""
        case = (
            CASES.c.number, CASES.c.status, CASES.c.queue, CASES.c.agent_id, CASES.c.priority,
            CASES.c.tier, INTERACTIONS.c.subject,
        )  # fmt: skip
        statement = (
            select(SLA_CLOCKS, *case)
            .select_from(_with_case(SLA_CLOCKS))
            .where(SLA_CLOCKS.c.state == "running", CASES.c.number.is_not(None))
        )
        wanted = {"any": ("warned", "breached"), "warned": ("warned",), "breached": ("breached",)}
        if risk in wanted:
            statement = statement.where(SLA_CLOCKS.c.risk.in_(wanted[risk]))
        if pool is not None:
            statement = statement.where(CASES.c.pool == pool)
        return await self._all(
            statement.order_by(SLA_CLOCKS.c.due_ms, SLA_CLOCKS.c.id).limit(limit)
        )

    async def draft(self, case_id: str) -> Row | None:
        """The answer that is being written."""
        return await self._one(select(DRAFTS).where(DRAFTS.c.case_id == case_id))

    async def feed_span(self) -> tuple[int, int]:
        """(oldest, newest) id of the feed; (0, 0) where it is empty."""
        rows = await self._all(
            select(func.min(FEED.c.id).label("a"), func.max(FEED.c.id).label("z"))
        )
        return rows[0]["a"] or 0, rows[0]["z"] or 0

    async def feed(self, after: int, limit: int) -> list[Row]:
        """Rows of the feed after an id, with the number and pool of the case that they concern."""
        last = (
            select(CONVERSATIONS.c.case_id)
            .where(CONVERSATIONS.c.conversation_key == FEED.c.conversation_key)
            .order_by(*_LAST_OWNER)
            .limit(1)
            .scalar_subquery()
        )
        case_id = func.coalesce(FEED.c.case_id, last)
        statement = (
            select(FEED, CASES.c.number, CASES.c.pool.label("case_pool"))
            .select_from(FEED.outerjoin(CASES, CASES.c.id == case_id))
            .where(FEED.c.id > after)
            .order_by(FEED.c.id)
            .limit(limit)
        )
        rows = await self._all(statement)
        return [{**row, "pool": row["pool"] or row["case_pool"]} for row in rows]

    async def _pairs(self, statement: Select[Any]) -> list[tuple[str, str]]:
        async with self._engine.connect() as connection:
            return [(one, two) for one, two in await connection.execute(statement) if two]

    async def _all(self, statement: Select[Any]) -> list[Row]:
        with answering():
            async with self._engine.connect() as connection:
                return await _rows(connection, statement)

    async def _one(self, statement: Select[Any]) -> Row | None:
        rows = await self._all(statement)
        return rows[0] if rows else None


async def _rows(connection: AsyncConnection, statement: Select[Any]) -> list[Row]:
    answer = await connection.execute(statement)
    return [dict(row) for row in answer.mappings()]


def _with_case(table: Any) -> Any:
    first = INTERACTIONS.c.id == CASES.c.first_contact_id
    return table.outerjoin(CASES, CASES.c.id == table.c.case_id).outerjoin(INTERACTIONS, first)


def _filters(query: CasesQuery) -> list[Any]:
    found: list[Any] = []
    for column, wanted in (
        (CASES.c.status, query.status),
        (CASES.c.queue, query.queue),
        (CASES.c.agent_id, query.agent),
        (CASES.c.channel, query.channel),
    ):
        if wanted is not None:
            found.append(column == wanted)
    for word in words(query.q or ""):
        pattern = like(word)
        said = (
            select(CONTACTS.c.case_id)
            .join(INTERACTIONS, INTERACTIONS.c.id == CONTACTS.c.contact_id)
            .where(INTERACTIONS.c.search.like(pattern, escape="\\"))
        )
        number = func.lower(CASES.c.number).like(pattern, escape="\\")
        found.append(or_(number, CASES.c.id.in_(said)))
    return found


def _sent(case_id: str) -> Select[Any]:
    """What we sent in the case's conversations while they were the case's."""
    its = select(CONVERSATIONS.c.conversation_key).where(CONVERSATIONS.c.case_id == case_id)
    owner = (
        select(CONVERSATIONS.c.case_id)
        .where(
            CONVERSATIONS.c.conversation_key == INTERACTIONS.c.conversation_key,
            CONVERSATIONS.c.from_ms <= INTERACTIONS.c.at_ms,
        )
        .order_by(*_LAST_OWNER)
        .limit(1)
        .scalar_subquery()
    )
    return select(INTERACTIONS).where(
        INTERACTIONS.c.conversation_key.in_(its),
        INTERACTIONS.c.direction != "inbound",
        owner == case_id,
    )
