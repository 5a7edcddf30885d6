"""A real browser for tests: Chromium of the machine, driven by playwright, with nothing kept.

Tests that use it are marked ``browser``. Where there is no Chromium they are skipped with the
reason; in CI that is an error.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import BrowserContext, async_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")


def chromium() -> str:
    """The program; skips the test where there is none."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        reason = f"no browser: none of {', '.join(NAMES)} is installed (apt install chromium)"
        if os.environ.get("CI"):
            raise RuntimeError(reason)
        pytest.skip(reason)
    return found


@asynccontextmanager
async def browsing(locale: str = "en-GB") -> AsyncIterator[BrowserContext]:
    """A fresh profile that speaks ``locale``; its pages share storage, and it ends with them."""
    program = chromium()
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(
            executable_path=program,
            # As root there is no sandbox; what these pages load is our own.
            args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
        )
        try:
            yield await browser.new_context(locale=locale)
        finally:
            await browser.close()
