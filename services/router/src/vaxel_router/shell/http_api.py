"""Live questions that only the router's memory can answer; register and CLI pass them on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from vaxel_router.core import views
from vaxel_router.core.state import World
from vaxel_router.shell.partition import Partition
from vaxel_shared.errors import Retryable
from vaxel_shared.http.problems import problem

Rows = list[dict[str, Any]]


class LiveApi:
    """GETs over the partitions that this instance owns; nothing here changes anything.

    Answers are of confirmed state; while a partition is restored, they are 503.
    """

    def __init__(self, partitions: Mapping[int, Partition]) -> None:
        self._partitions = partitions

    def routes(self) -> list[web.RouteDef]:
        """What to serve."""
        return [
            web.get("/v1/cases/{case_id}", self._case),
            web.get("/v1/queues", self._queues),
            web.get("/v1/agents", self._agents),
            web.get("/v1/switches", self._switches),
        ]

    async def _case(self, request: web.Request) -> web.Response:
        away: Retryable | None = None
        for partition in self._partitions.values():
            try:
                async with partition.confirmed() as world:
                    found = views.case(world, request.match_info["case_id"])
                    if found is not None:
                        return web.json_response({**found, "as_of": partition.as_of})
            except Retryable as error:
                away = error
        if away is not None:
            return problem(503, "restoring", str(away))
        detail = "no such case here; it may be closed, or another router's: ask the register"
        return problem(404, "unknown_case", detail)

    async def _queues(self, _request: web.Request) -> web.Response:
        return await self._rows("queues", views.queues)

    async def _agents(self, _request: web.Request) -> web.Response:
        return await self._rows("agents", views.agents)

    async def _switches(self, _request: web.Request) -> web.Response:
        return await self._rows("switches", views.switches)

    async def _rows(self, name: str, view: Callable[[World], Rows]) -> web.Response:
        rows: Rows = []
        as_of: list[dict[str, int]] = []
        try:
            for partition in self._partitions.values():
                async with partition.confirmed() as world:
                    rows += view(world)
                    as_of.append(partition.as_of)
        except Retryable as error:
            return problem(503, "restoring", str(error))
        return web.json_response({name: rows, "as_of": as_of})
