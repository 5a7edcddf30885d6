"""Texts that were too long for a topic: fetched within a budget, or done without."""

from __future__ import annotations

import asyncio

from vaxel_shared.blobs import BlobStore
from vaxel_shared.contracts.interaction import Interaction
from vaxel_shared.errors import Poison, Retryable
from vaxel_triage.core.contact import TEXT_CHARS_MAX

LACKING = "text"
"""In ``missing``: rules and language saw less than the customer wrote."""


async def with_text(
    interaction: Interaction, blobs: BlobStore, budget_ms: int
) -> tuple[Interaction, list[str]]:
    """The interaction with its text where a blob holds it; second, what could not be had.

    Never raises: routing doesn't wait for a store.
    """
    if interaction.text is not None or interaction.text_ref is None:
        return interaction, []
    try:
        async with asyncio.timeout(budget_ms / 1000):
            raw = await blobs.get(interaction.text_ref)
    except (Poison, Retryable, TimeoutError):
        return interaction, [LACKING]
    # A code point takes at most four bytes; one that is cut in two is replaced.
    text = raw[: 4 * TEXT_CHARS_MAX].decode("utf-8", "replace")
    return interaction.model_copy(update={"text": text}), []
