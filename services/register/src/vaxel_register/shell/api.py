"""All routes with their handlers, and an answer for every other path under the API's root."""

from __future__ import annotations

import re

from aiohttp import web

from vaxel_register.core.routes import ROUTES
from vaxel_register.shell.edge import Edge, Handler
from vaxel_register.shell.posts import Posts
from vaxel_register.shell.reads import Reads
from vaxel_shared.http.problems import problem


def api_routes(edge: Edge, reads: Reads, posts: Posts) -> list[web.RouteDef]:
    """What the register serves besides the standing routes."""
    handlers: dict[str, Handler] = {
        "cases": reads.cases,
        "case": reads.case,
        "case_live": reads.case_live,
        "queues": reads.queues,
        "queues_live": reads.queues_live,
        "agents": reads.agents,
        "agents_live": reads.agents_live,
        "inbox": reads.inbox,
        "command": reads.command,
        "deadletters": reads.deadletters,
        "openapi": reads.openapi,
        "accept": posts.accept,
        "decline": posts.decline,
        **dict.fromkeys(
            ("reply", "note", "resolve", "wait", "transfer", "escalate"), posts.on_case
        ),
        "presence": posts.presence,
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
