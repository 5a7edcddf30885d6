"""Every service's own port: ``/healthz`` alive, ``/readyz`` ready with reasons, ``/metrics``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiohttp import web
from prometheus_client import REGISTRY
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST, generate_latest

from vaxel_shared.obs import metrics

REQUEST_BYTES_MAX = 1024 * 1024
"""An API request holds at most one answer to a customer."""

NotReady = Callable[[], list[str]]
"""Why the service isn't ready, in one line each; empty when it is."""


def make_app(not_ready: NotReady, routes: list[web.RouteDef] | None = None) -> web.Application:
    """An application with the three standing routes and ``routes`` besides."""

    async def healthz(_request: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    def look() -> list[str]:
        reasons = not_ready()
        metrics.READY.set(0 if reasons else 1)
        return reasons

    async def readyz(_request: web.Request) -> web.Response:
        reasons = look()
        body = {"status": "not ready", "reasons": reasons} if reasons else {"status": "ready"}
        return web.json_response(body, status=503 if reasons else 200)

    async def show_metrics(_request: web.Request) -> web.Response:
        look()
        metrics.TASKS.set(len(asyncio.all_tasks()))
        return web.Response(
            body=generate_latest(REGISTRY),  # type: ignore[no-untyped-call]
            headers={"Content-Type": CONTENT_TYPE_LATEST},
        )

    app = web.Application(client_max_size=REQUEST_BYTES_MAX)
    app.add_routes(
        [
            web.get("/healthz", healthz),
            web.get("/readyz", readyz),
            web.get("/metrics", show_metrics),
            *(routes or []),
        ]
    )
    return app
