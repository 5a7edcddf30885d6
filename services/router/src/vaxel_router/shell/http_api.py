"""Live questions that only the router's memory can answer; register and CLI pass them on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from vaxel_router.core import views
from vaxel_router.shell.partition import Partition
from vaxel_shared.http.problems import problem
from vaxel_shared.obs import metrics


class LiveApi:
    """GETs over the partitions that this instance owns; nothing here changes anything."""

    def __init__(self, partitions: Mapping[int, Partition]) -> None:
        self._partitions = partitions

    def routes(self) -> list[web.RouteDef]:
        """What to serve."""
        return [
            web.get("/v1/cases/{case_id}", self._case),
            web.get("/v1/queues", self._queues),
            web.get("/v1/agents", self._agents),
        ]

    async def _case(self, request: web.Request) -> web.Response:
        for partition in self._partitions.values():
            async with partition.lock:
                found = views.case(partition.world, request.match_info["case_id"])
                if found is not None:
                    return web.json_response({**found, "as_of": partition.as_of})
        detail = "no such case here; it may be closed, or another router's: ask the register"
        return problem(404, "unknown_case", detail)

    async def _queues(self, _request: web.Request) -> web.Response:
        rows: list[dict[str, Any]] = []
        for partition in self._partitions.values():
            async with partition.lock:
                rows += views.queues(partition.world)
        for row in rows:
            metrics.QUEUED.labels(row["pool"], row["queue"]).set(row["waiting"])
        return web.json_response({"queues": rows, "as_of": self._as_of()})

    async def _agents(self, _request: web.Request) -> web.Response:
        rows: list[dict[str, Any]] = []
        for partition in self._partitions.values():
            async with partition.lock:
                rows += views.agents(partition.world)
        return web.json_response({"agents": rows, "as_of": self._as_of()})

    def _as_of(self) -> list[dict[str, int]]:
        return [partition.as_of for partition in self._partitions.values()]
