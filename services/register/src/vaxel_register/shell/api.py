"""All routes with their handlers, and an answer for every other path under the API's root."""

from __future__ import annotations

import re
from dataclasses import dataclass

from aiohttp import web

from vaxel_register.core.routes import ROUTES
from vaxel_register.shell.demo import Demo
from vaxel_register.shell.desk import Desk
from vaxel_register.shell.drafts import Drafts
from vaxel_register.shell.edge import Edge, Handler
from vaxel_register.shell.posts import Posts
from vaxel_register.shell.reads import Reads
from vaxel_register.shell.streams import Streams
from vaxel_shared.http.problems import problem

_ON_CASES = (
    "reply", "note", "resolve", "cancel", "wait", "transfer", "consult", "approve", "answer",
    "escalate", "suspend", "resume", "merge", "split",
)  # fmt: skip
"""Routes that do something with a case."""


@dataclass(frozen=True, slots=True)
class Handlers:
    """All that answers."""

    reads: Reads
    posts: Posts
    drafts: Drafts
    desk: Desk
    streams: Streams
    demo: Demo


def api_routes(edge: Edge, by: Handlers) -> list[web.RouteDef]:
    """What the register serves besides the standing routes and the console's pages."""
    handlers: dict[str, Handler] = {
        "cases": by.reads.cases,
        "case": by.reads.case,
        "case_live": by.reads.case_live,
        "queues": by.reads.queues,
        "queues_live": by.reads.queues_live,
        "agents": by.reads.agents,
        "agents_live": by.reads.agents_live,
        "switches_live": by.reads.switches_live,
        "inbox": by.reads.inbox,
        "command": by.reads.command,
        "deadletters": by.reads.deadletters,
        "openapi": by.reads.openapi,
        "events": by.streams.events,
        "sla": by.desk.sla,
        "session": by.desk.session,
        "session_end": by.desk.session_end,
        "texts": by.desk.texts,
        "draft": by.drafts.draft,
        "draft_put": by.drafts.draft_put,
        "demo": by.demo.demo,
        "demo_send": by.demo.demo_send,
        "accept": by.posts.accept,
        "decline": by.posts.decline,
        **dict.fromkeys(_ON_CASES, by.posts.on_case),
        "presence": by.posts.presence,
        "elsewhere": by.posts.elsewhere,
        "switch": by.posts.switch,
    }
    served = [edge.serve(route, handlers[route.name]) for route in ROUTES]
    return [*served, web.route("*", "/api/{rest:.*}", _elsewhere)]


async def _elsewhere(request: web.Request) -> web.Response:
    """404, or 405 where only the method is wrong."""
    methods = sorted(
        {
            route.method
            for route in ROUTES
            if re.fullmatch(re.sub(r"{\w+}", "[^/]+", route.path), request.path)
        }
    )
    if methods:
        answer = problem(405, "method_not_allowed", f"use {' or '.join(methods)} here")
        answer.headers["Allow"] = ", ".join(methods)
        return answer
    return problem(404, "unknown_route", "nothing is here; see /api/v1/openapi.json")
