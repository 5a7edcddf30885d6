"""Why the service isn't ready: looked at in the background, told when asked."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

from vaxel_shared.errors import Retryable
from vaxel_shared.kafka.client import wait_for_broker
from vaxel_shared.settings import Settings

POLL_S = 3.0
FREE_BYTES_MIN = 256 * 1024 * 1024
"""Seven of the largest mails; below it new ones would soon be refused for lack of space."""


class Health:
    """The broker and the blob folder, as last seen."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._reasons: list[str] = []

    def reasons(self) -> list[str]:
        """What is in the way, a line each."""
        return list(self._reasons)

    async def run(self, stop: asyncio.Event) -> None:
        """Look until asked to stop."""
        while not stop.is_set():
            found = await asyncio.to_thread(blob_problems, self._settings.blobs)
            try:
                await wait_for_broker(self._settings, 1_500)
            except Retryable as error:
                found.append(str(error))
            self._reasons = found
            try:
                await asyncio.wait_for(stop.wait(), POLL_S)
            except TimeoutError:
                continue


def blob_problems(folder: Path) -> list[str]:
    """Why blobs couldn't be stored in ``folder``."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not os.access(folder, os.W_OK):
            return ["the blob folder isn't writable; fix its rights"]
        if shutil.disk_usage(folder).free < FREE_BYTES_MIN:
            return ["the blob folder's disk is nearly full; free space"]
    except OSError as error:
        return [f"the blob folder: {error.strerror}"]
    return []
