"""Names of agents and queues, out of the blobs that rosters and policies name.

Read when asked and kept by reference, which never means anything else. A blob that can't be read
costs the names, not the answer: ids stand everywhere.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from typing import Any

from vaxel_register.core.limits import DIRECTORIES_MAX
from vaxel_register.shell.queries import Queries
from vaxel_shared.blobs import BlobStore
from vaxel_shared.errors import Poison, Retryable
from vaxel_shared.obs.logging import get_logger


class Directory:
    """What is called what."""

    def __init__(self, queries: Queries, blobs: BlobStore) -> None:
        self._queries = queries
        self._blobs = blobs
        self._kept: OrderedDict[str, Any] = OrderedDict()

    async def people(self) -> dict[str, dict[str, str]]:
        """Agent id → name, email and role, over all pools."""
        found: dict[str, dict[str, str]] = {}
        for _, ref in await self._queries.directories():
            blob = await self._json(ref)
            if isinstance(blob, dict):
                found |= {name: item for name, item in blob.items() if isinstance(item, dict)}
        return found

    async def queues(self, only: str | None) -> dict[str, list[str]]:
        """Pool → its queues in the order of the policy."""
        found: dict[str, list[str]] = {}
        for pool, ref in await self._queries.policies():
            if only in (None, pool):
                blob = await self._json(ref)
                listed = blob.get("queues", []) if isinstance(blob, dict) else []
                found[pool] = [item["name"] for item in listed]
        return found

    async def _json(self, ref: str) -> Any:
        if ref in self._kept:
            self._kept.move_to_end(ref)
            return self._kept[ref]
        try:
            value = json.loads(await self._blobs.get(ref))
        except (Poison, Retryable, ValueError) as error:
            get_logger().warning(
                "blob_unreadable", blob_ref=ref, exception_type=type(error).__name__
            )
            return None
        self._kept[ref] = value
        while len(self._kept) > DIRECTORIES_MAX:
            self._kept.popitem(last=False)
        return value
