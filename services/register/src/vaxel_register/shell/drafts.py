"""Drafts: an answer that is being written is kept with its case, not in a browser.

So it survives a reload and a reassignment, and nobody overwrites what they haven't seen: a draft
names the version that it follows.
"""

from __future__ import annotations

import hashlib

from aiohttp import web
from sqlalchemy import select

from vaxel_register.core import views
from vaxel_register.core.access import relation
from vaxel_register.core.changes import change_of
from vaxel_register.core.requests import Draft
from vaxel_register.shell.edge import Call, Refusal, answer_json
from vaxel_register.shell.feed import Feed
from vaxel_register.shell.queries import Queries, Row
from vaxel_register.shell.reads import find_case
from vaxel_register.shell.store import Store
from vaxel_register.shell.tables import DRAFTS, FEED
from vaxel_shared.clock import Clock


class Drafts:
    """Handlers by the name of their route."""

    def __init__(self, *, queries: Queries, store: Store, feed: Feed, clock: Clock) -> None:
        self._queries = queries
        self._store = store
        self._feed = feed
        self._clock = clock

    async def draft(self, call: Call) -> web.Response:
        """The draft of a case."""
        case = await find_case(self._queries, call)
        call.need(relation(call.principal, pool=case["pool"], owner=case["agent_id"]))
        return answer_json(_view(case["number"], await self._queries.draft(case["id"])))

    async def draft_put(self, call: Call) -> web.Response:
        """Keep a draft, or with an empty text none."""
        wanted = call.took(Draft)
        case = await find_case(self._queries, call)
        call.need(relation(call.principal, pool=case["pool"], owner=case["agent_id"]))
        kept = await self._keep(case, wanted, call.principal.subject)
        self._feed.grown()
        return answer_json(_view(case["number"], kept))

    async def _keep(self, case: Row, wanted: Draft, by: str) -> Row | None:
        """Store it. Raises Refusal (409) with the present one where it follows another."""
        async with self._store.writing() as connection:
            same = DRAFTS.c.case_id == case["id"]
            found = (await connection.execute(select(DRAFTS).where(same))).mappings().first()
            version = found["version"] if found is not None else 0
            if version != wanted.version:
                present = _view(case["number"], dict(found) if found is not None else None)
                raise Refusal(
                    409, "draft_changed",
                    "somebody else, or another tab, has written since; look at theirs first",
                    draft=present.model_dump(),
                )  # fmt: skip
            row = {
                "case_id": case["id"],
                "text": wanted.text,
                "text_sha256": hashlib.sha256(wanted.text.encode()).hexdigest(),
                "then": wanted.then,
                "based_on_seq": wanted.based_on_seq,
                "by": by,
                # Never a version that another draft of the case had.
                "version": max(version + 1, self._clock.wall_ms()),
            }
            await connection.execute(DRAFTS.delete().where(same))
            if wanted.text:
                await connection.execute(DRAFTS.insert().values(row))
            told = change_of(
                (), self._clock.wall_ms(), "draft.changed", case["pool"],
                case_id=case["id"], agent_id=by,
            )  # fmt: skip
            await connection.execute(FEED.insert().values(dict(told.values)))
        return row if wanted.text else None


def _view(number: str, row: Row | None) -> views.Draft:
    if row is None:
        return views.Draft(number=number, text="", then=None, based_on_seq=None, by=None, version=0)
    return views.Draft(
        number=number,
        text=row["text"],
        then=row["then"],
        based_on_seq=row["based_on_seq"],
        by=row["by"],
        version=row["version"],
    )
