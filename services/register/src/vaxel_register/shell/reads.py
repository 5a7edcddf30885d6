"""The API's reads, and what several handlers need of the database."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from aiohttp import web

from vaxel_register.core import present, requests, views
from vaxel_register.core.access import Principal, Role, relation
from vaxel_register.core.limits import TEXT_FETCHES_MAX, TIMELINE_ENTRIES_MAX
from vaxel_register.core.openapi import describe
from vaxel_register.core.paging import encode_cursor
from vaxel_register.core.timeline import merge, own_reasons, refs
from vaxel_register.shell.directory import Directory
from vaxel_register.shell.edge import Call, Refusal, answer_json
from vaxel_register.shell.live import RouterLive
from vaxel_register.shell.queries import Queries, Row
from vaxel_shared.blobs import BlobStore
from vaxel_shared.errors import Poison, Retryable
from vaxel_shared.obs.logging import get_logger
from vaxel_shared.version import CODE_VERSION


def bound(principal: Principal) -> str | None:
    """The pool that lists are cut to; None: all. An agent of no pool matches no pool's name."""
    if principal.everywhere:
        return None
    return principal.pool if principal.pool is not None else ""


async def find_case(queries: Queries, call: Call) -> Row:
    """The case that the path names. Raises Refusal (404)."""
    number = call.name("number")
    row = await queries.case(number)
    if row is None:
        raise Refusal(
            404, "unknown_case", "there is no case of this number (yet); look it up in GET /cases"
        )
    return row


class Reads:
    """Handlers by the name of their route."""

    def __init__(
        self, *, queries: Queries, directory: Directory, blobs: BlobStore, live: RouterLive,
        agents_see_reasons: str,
    ) -> None:  # fmt: skip
        self._queries = queries
        self._directory = directory
        self._blobs = blobs
        self._live = live
        self._all_reasons = agents_see_reasons == "all"

    async def cases(self, call: Call) -> web.Response:
        """A page of cases."""
        query = call.took(requests.CasesQuery)
        try:
            rows = await self._queries.cases(query, bound(call.principal))
        except ValueError as error:
            raise Refusal(
                422, "invalid_cursor", "begin again without a cursor",
                errors=[{"field": "cursor", "message": "not a cursor of this list"}],
            ) from error  # fmt: skip
        page, more = rows[: query.limit], len(rows) > query.limit
        following = encode_cursor(page[-1]["opened_ms"], page[-1]["id"]) if more else None
        clocks: dict[str, list[Row]] = {row["id"]: [] for row in page}
        for clock in await self._queries.clocks(list(clocks)):
            clocks[clock["case_id"]].append(clock)
        items = [present.case_item(row, clocks[row["id"]]) for row in page]
        return answer_json(views.CaseList(items=items, next=following))

    async def case(self, call: Call) -> web.Response:
        """A case with everything."""
        row = await self._readable_case(call)
        messages, decisions = await self._queries.history(row["id"])
        texts = await self._texts(refs(messages, decisions))
        if not self._sees_all(call.principal):
            subject = call.principal.subject
            decisions = [{**item, "data": own_reasons(item["data"], subject)} for item in decisions]
        entries = merge(messages, decisions, texts)
        draft = await self._queries.draft(row["id"])
        detail = present.case_detail(
            row,
            works=await self._queries.works(row["id"]),
            offers=await self._queries.offers(row["id"]),
            timeline=entries[-TIMELINE_ENTRIES_MAX:],
            truncated=len(entries) > TIMELINE_ENTRIES_MAX,
            clocks=await self._queries.clocks([row["id"]]),
            draft_by=draft["by"] if draft is not None else None,
        )
        return answer_json(detail)

    async def case_live(self, call: Call) -> web.Response:
        """The router's view of a case."""
        row = await self._readable_case(call)
        body = await self._live.get(f"cases/{row['id']}")
        if body is None:
            raise Refusal(404, "unknown_case", "the router keeps this case no more; it is closed")
        if not self._sees_all(call.principal):
            body = own_reasons(body, call.principal.subject)
        return web.json_response(body)

    async def queues(self, call: Call) -> web.Response:
        """Queues, from the register's own tables."""
        call.need(relation(call.principal, pool=call.principal.pool))
        pool = bound(call.principal)
        counts = await self._queries.queue_counts(pool)
        return answer_json(present.queues(await self._directory.queues(pool), counts))

    async def queues_live(self, call: Call) -> web.Response:
        """Queues, from the router's memory."""
        return await self._live_list(call, "queues")

    async def agents_live(self, call: Call) -> web.Response:
        """Agents, from the router's memory."""
        return await self._live_list(call, "agents")

    async def agents(self, call: Call) -> web.Response:
        """Agents, from the register's own tables."""
        call.need(relation(call.principal, pool=call.principal.pool))
        rows = await self._queries.agents(bound(call.principal))
        offers, works = await self._queries.loads()
        people = await self._directory.people()
        tools = await self._queries.tools()
        items = [
            present.agent(
                row, people, offers.get(row["id"], 0), works.get(row["id"], 0),
                tools.get(row["id"], ()),
            )
            for row in rows
        ]  # fmt: skip
        return answer_json(views.AgentList(items=items))

    async def inbox(self, call: Call) -> web.Response:
        """What an agent has before them."""
        agent_id = call.name("id")
        row = await self._queries.agent(agent_id)
        how = relation(call.principal, pool=row["pool"] if row else None, owner=agent_id)
        call.need(how)
        if row is None:
            raise Refusal(404, "unknown_agent", "no roster has this agent; see GET /agents")
        offers, works = await self._queries.inbox(agent_id)
        return answer_json(present.inbox(agent_id, offers, works))

    async def command(self, call: Call) -> web.Response:
        """What became of a command."""
        command_id = call.name("id")
        asked = await self._queries.command(command_id)
        rows = await self._queries.caused(command_id)
        if asked is None and not rows:
            raise Refusal(
                404, "unknown_command", "no such command was asked here; check its Location"
            )
        pool = asked["pool"] if asked is not None else rows[0]["pool"]
        owner = asked["actor_id"] if asked is not None else None
        call.need(relation(call.principal, pool=pool, owner=owner))
        return answer_json(present.command_result(command_id, self._shown(call, rows)))

    async def deadletters(self, call: Call) -> web.Response:
        """Dead letters, without their bytes."""
        call.need(relation(call.principal, pool=call.principal.pool))
        rows = await self._queries.deadletters(call.took(requests.LettersQuery).limit)
        return answer_json(views.LetterList(items=[present.letter(row) for row in rows]))

    async def openapi(self, _call: Call) -> web.Response:
        """The description of the API."""
        return web.json_response(describe(CODE_VERSION))

    def _sees_all(self, principal: Principal) -> bool:
        return self._all_reasons or principal.role is not Role.AGENT

    def _shown(self, call: Call, rows: list[Row]) -> list[Row]:
        if self._sees_all(call.principal):
            return rows
        subject = call.principal.subject
        return [{**row, "data": own_reasons(row["data"], subject)} for row in rows]

    async def _readable_case(self, call: Call) -> Row:
        row = await find_case(self._queries, call)
        how = relation(call.principal, pool=row["pool"], owner=row["agent_id"])
        call.need(how)
        return row

    async def switches_live(self, call: Call) -> web.Response:
        """What is switched on."""
        return await self._live_list(call, "switches")

    async def _live_list(self, call: Call, what: str) -> web.Response:
        call.need(relation(call.principal, pool=call.principal.pool))
        body = await self._live.get(what)
        if body is None:
            raise Retryable("the router has no such view; is it of another version?")
        pool = bound(call.principal)
        if pool is not None:
            body[what] = [item for item in body.get(what, []) if item.get("pool") == pool]
        return web.json_response(body)

    async def _texts(self, wanted: Sequence[str]) -> dict[str, str]:
        """The blobs' texts by reference; one that can't be read is left out, and logged."""
        gate = asyncio.Semaphore(TEXT_FETCHES_MAX)
        found: dict[str, str] = {}

        async def fetch(ref: str) -> None:
            async with gate:
                try:
                    raw: Any = await self._blobs.get(ref)
                except (Poison, Retryable) as error:
                    get_logger().warning(
                        "blob_unreadable", blob_ref=ref, exception_type=type(error).__name__
                    )
                    return
            found[ref] = raw.decode(errors="replace")

        await asyncio.gather(*(fetch(ref) for ref in wanted))
        return found
