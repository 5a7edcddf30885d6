"""What the console asks besides cases: who am I, the words, and the clocks at risk."""

from __future__ import annotations

from aiohttp import web

from vaxel_register.core import present, requests, views
from vaxel_register.core.access import TABLE, relation
from vaxel_register.core.words import NAMES, Words
from vaxel_register.shell.directory import Directory
from vaxel_register.shell.edge import Call, answer_json
from vaxel_register.shell.queries import Queries
from vaxel_register.shell.reads import bound
from vaxel_register.shell.sessions import Sessions


class Desk:
    """Handlers by the name of their route."""

    def __init__(
        self, *, queries: Queries, directory: Directory, sessions: Sessions, words: Words,
        demo: bool,
    ) -> None:  # fmt: skip
        self._queries = queries
        self._directory = directory
        self._sessions = sessions
        self._words = words
        self._demo = demo

    async def session(self, call: Call) -> web.Response:
        """Who asks, and what is for them."""
        who = call.principal
        people = await self._directory.people()
        view = views.Session(
            role=who.role,
            subject=who.subject,
            name=people.get(who.subject, {}).get("name"),
            pool=who.pool,
            is_agent=who.pool is not None,
            actions=sorted(action for action, how in TABLE[who.role].items() if how),
            demo=self._demo,
        )
        return answer_json(view)

    async def session_end(self, call: Call) -> web.Response:
        """Log out."""
        await self._sessions.end(call.request, call.principal.subject)
        answer = answer_json(views.Done(status="done"))
        self._sessions.take_back(answer, call.principal.subject)
        return answer

    async def texts(self, call: Call) -> web.Response:
        """The words in a language."""
        language = self._words.best(call.took(requests.TextsQuery).language)
        view = views.Texts(language=language, languages=NAMES, texts=self._words.texts(language))
        return answer_json(view)

    async def sla(self, call: Call) -> web.Response:
        """Clocks at risk."""
        call.need(relation(call.principal, pool=call.principal.pool))
        query = call.took(requests.SlaQuery)
        rows = await self._queries.sla(query.risk, query.limit, bound(call.principal))
        return answer_json(views.SlaList(items=[present.sla_item(row) for row in rows]))
