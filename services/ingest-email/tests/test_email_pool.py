"""Worker processes: a stuck or dying one costs one mail's parse, never the mail and never the loop."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from vaxel_ingest_email.core.fields import Envelope
from vaxel_ingest_email.core.normalize import parse
from vaxel_ingest_email.shell.parsing import ParsePool
from vaxel_shared.errors import Fatal, Retryable

MAIL = b"From: Jane <jane@x.example>\r\nSubject: %s\r\n\r\nHello\r\n"
ODD_WORKER = """
import os, time
from vaxel_ingest_email.shell import worker
real = worker.parse
def parse(raw, envelope, received_at_ms):
    if b"stuck" in raw:
        time.sleep(600)
    if b"dies" in raw:
        os._exit(9)
    if b"hungry" in raw:
        bytearray(3 * 1024**3)
    return real(raw, envelope, received_at_ms)
worker.parse = parse
worker.main()
"""
MEMORY = 1024**3


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    (tmp_path / "odd_worker.py").write_text(ODD_WORKER)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    @asynccontextmanager
    async def make(module: str = "odd_worker") -> AsyncIterator[ParsePool]:
        made = ParsePool(1, 1_500, MEMORY, module)
        await made.start()
        try:
            yield made
        finally:
            await made.close()

    return make


async def test_a_worker_answers_what_parsing_in_place_does(pool: Callable[..., Any]) -> None:
    async with pool() as here:
        envelope = Envelope("jane@x.example", ("support@vaxel.example",))
        raw = MAIL % b"=?utf-8?Q?caf=C3=A9?="
        assert await here.parse(raw, envelope, 7) == parse(raw, envelope, 7)


@pytest.mark.parametrize(
    ("word", "reason"),
    [(b"stuck", "parser:late"), (b"dies", "parser:died"), (b"hungry", "parser:died")],
)
async def test_a_worker_that_fails_is_replaced_and_its_mail_is_kept(
    pool: Callable[..., Any], word: bytes, reason: str
) -> None:
    async with pool() as here:
        told = (await here.parse(MAIL % word, Envelope(), 0)).interaction
        assert (told.kind, told.status) == ("unsupported", {"reason": reason})
        assert told.sender.external_id == "jane@x.example"
        assert (await here.parse(MAIL % b"next", Envelope(), 0)).interaction.kind == "message"


async def test_a_parse_that_is_cancelled_leaves_no_answer_for_the_next_mail(
    pool: Callable[..., Any],
) -> None:
    async with pool() as here:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await here.parse(MAIL % b"stuck", Envelope(), 0)
        assert (await here.parse(MAIL % b"next", Envelope(), 0)).interaction.subject == "next"


async def test_workers_end_with_the_pool(pool: Callable[..., Any]) -> None:
    async with pool() as here:
        (worker,) = here._all
        pid = worker._process.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(Retryable, match="stopping"):
        await here.parse(MAIL % b"late", Envelope(), 0)


async def test_a_worker_killed_by_somebody_costs_nothing(pool: Callable[..., Any]) -> None:
    async with pool() as here:
        (worker,) = here._all
        os.kill(worker._process.pid, signal.SIGKILL)
        assert (await here.parse(MAIL % b"x", Envelope(), 0)).interaction.kind == "message"


async def test_a_worker_that_does_not_start_is_said(pool: Callable[..., Any]) -> None:
    with pytest.raises(Fatal, match="didn't start"):
        async with pool("no_such_module_anywhere"):
            pass


def test_a_worker_ends_when_its_service_is_gone(tmp_path: Path) -> None:
    code = subprocess.run(
        [sys.executable, "-m", "vaxel_ingest_email.shell.worker", str(MEMORY)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=30, check=False,
    )  # fmt: skip
    assert code.returncode == 0
    assert code.stdout == b"\x00\x00\x00\x05ready"
