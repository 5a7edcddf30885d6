"""The pages behind offers' links: a GET shows and changes nothing, a POST asks the router.

Mail scanners open every link, so only the buttons act. A link says who may answer what; whether
there is still something to answer is what the log says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from aiohttp import web

from vaxel_delivery.core import pages
from vaxel_delivery.core.links import DECLINE_REASONS, PURPOSE, Link, parse
from vaxel_delivery.core.mails import OfferFacts
from vaxel_delivery.core.texts import texts
from vaxel_delivery.core.texts.shape import Texts
from vaxel_delivery.shell.publish import answer_id
from vaxel_delivery.shell.waiters import Verdict, Waiters
from vaxel_shared.clock import Clock
from vaxel_shared.crypto.keys import Keyring
from vaxel_shared.crypto.tokens import verify
from vaxel_shared.errors import Retryable
from vaxel_shared.obs import metrics
from vaxel_shared.obs.logging import get_logger

WAIT_S = 2.0
"""How long a page waits for the decision before it says that it isn't here yet."""

RETRY_AFTER_S = "5"


class Answers(Protocol):
    """Whoever passes an agent's answer to the router; raises ``Retryable``."""

    async def answer(self, link: Link, verb: str, reason: str | None) -> str:
        """Answers the command's id."""
        ...


@dataclass(frozen=True, slots=True)
class Pages:
    """What the pages need."""

    offer: Callable[[str], Awaitable[Mapping[str, Any] | None]]
    facts: Callable[[str], Awaitable[OfferFacts | None]]
    answers: Answers
    waiters: Waiters
    keyring: Keyring
    language: Callable[[], str]
    clock: Clock

    def routes(self) -> list[web.RouteDef]:
        """The routes to serve."""
        return [
            web.get("/offers/{token}", self.show),
            web.post("/offers/{token}/{verb:accept|decline}", self.act),
        ]

    async def show(self, request: web.Request) -> web.Response:
        """The offer, or what has become of it."""
        words = self._words()
        link = self._link(request)
        status, body = 404, pages.message(words, words.not_found)
        if link is not None:
            status, body = await self._view(link, words, f"/offers/{request.match_info['token']}")
        return _answer("GET /offers/{token}", status, body, link)

    async def act(self, request: web.Request) -> web.Response:
        """Accept or decline, and say what came of it."""
        words, verb = self._words(), request.match_info["verb"]
        link = self._link(request)
        status, body = 404, pages.message(words, words.not_found)
        if link is not None:
            status, body = await self._ended(link, words) or await self._ask(
                link, verb, await _reason(request), words
            )
        return _answer(f"POST /offers/{{token}}/{verb}", status, body, link)

    async def _view(self, link: Link, words: Texts, path: str) -> tuple[int, str]:
        ended = await self._ended(link, words)
        if ended is not None:
            return ended
        facts = await self.facts(link.offer_id)
        if facts is None:
            return 503, pages.message(words, words.try_again)
        return 200, pages.open_offer(words, facts, path, self.clock.wall_ms())

    async def _ended(self, link: Link, words: Texts) -> tuple[int, str] | None:
        """What to say of an offer that can't be answered (any more); None for an open one."""
        offer = await self.offer(link.offer_id)
        now_ms = self.clock.wall_ms()
        if offer is None:
            if now_ms > link.expires_ms:
                return 410, pages.message(words, words.expired, words.nothing_changed)
            return 503, pages.message(words, words.try_again)
        if (offer["agent_id"], offer["token"]) != (link.agent_id, link.token):
            return 404, pages.message(words, words.not_found)
        if offer["state"] != "open":
            return _outcome(words, str(offer["state"]))
        if now_ms > offer["expires_ms"]:
            return 410, pages.message(words, words.expired, words.nothing_changed)
        return None

    async def _ask(
        self, link: Link, verb: str, reason: str | None, words: Texts
    ) -> tuple[int, str]:
        """Pass the answer on and wait for the decision that it leads to."""
        with self.waiters.waiting(link.offer_id, answer_id(link, verb)) as decided:
            try:
                await self.answers.answer(link, verb, reason)
            except Retryable:
                return 503, pages.message(words, words.try_again)
            try:
                verdict = await asyncio.wait_for(decided, WAIT_S)
            except TimeoutError:
                return 202, pages.message(words, words.pending)
        return await self._judged(link, verdict, words)

    async def _judged(self, link: Link, verdict: Verdict, words: Texts) -> tuple[int, str]:
        if verdict.ended is not None:
            return _outcome(words, verdict.ended)
        ended = await self._ended(link, words)
        if ended is not None:
            return ended
        if verdict.code is None:
            return 202, pages.message(words, words.pending)
        refused = words.refused.format(code=verdict.code)
        return 409, pages.message(words, refused, words.nothing_changed)

    def _link(self, request: web.Request) -> Link | None:
        return parse(verify(self.keyring, PURPOSE, request.match_info["token"]))

    def _words(self) -> Texts:
        return texts(None, self.language())


def _outcome(words: Texts, outcome: str) -> tuple[int, str]:
    """What to say of an offer that ended: 200 where it ended as its agent wanted, else 410."""
    if outcome == "accepted":
        return 200, pages.message(words, words.accepted)
    if outcome == "declined":
        return 200, pages.message(words, words.declined)
    said = words.withdrawn if outcome == "withdrawn" else words.expired
    return 410, pages.message(words, said, words.nothing_changed)


async def _reason(request: web.Request) -> str | None:
    """The chosen code; anything else is no reason, because free text must not travel on."""
    form = await request.post()
    reason = form.get("reason")
    return reason if isinstance(reason, str) and reason in DECLINE_REASONS else None


def _answer(route: str, status: int, body: str, link: Link | None) -> web.Response:
    metrics.API_REQUESTS.labels(route, str(status)).inc()
    get_logger().info(
        "offer_link",
        route=route,
        status=status,
        offer_id=link.offer_id if link else None,
        agent_id=link.agent_id if link else None,
    )
    headers = dict(pages.HEADERS)
    if status == 503:
        headers["Retry-After"] = RETRY_AFTER_S
    return web.Response(
        status=status, text=body, content_type="text/html", charset="utf-8", headers=headers
    )
