"""Policies by version, fetched from the blob store before anything is stepped with them."""

from __future__ import annotations

import msgspec

from vaxel_router.core.policy import Policy, decode
from vaxel_shared.blobs import BlobStore
from vaxel_shared.errors import Poison
from vaxel_shared.obs.logging import get_logger

BLOB_KIND = "policy"


class PolicyLibrary(dict[str, Policy]):
    """A version is the sha256 of its blob, so a reference says which version it must be."""

    def __init__(self, blobs: BlobStore) -> None:
        super().__init__()
        self._blobs = blobs

    async def fetch(self, version: str) -> None:
        """Have ``version`` ready. Raises Retryable while its blob is missing: never skipped.

        A blob that is no policy is left out; the engine then refuses what names it.
        """
        if version in self:
            return
        try:
            blob = await self._blobs.get(f"{BLOB_KIND}/{version}")
            self[version] = decode(blob)
        except (Poison, msgspec.MsgspecError) as error:
            kind = type(error).__name__
            get_logger().error("policy_unreadable", version=version, exception_type=kind)
