"""The whole way on a real Kafka: a mail by SMTP, killed in between, told once it is acknowledged."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import smtplib
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from vaxel_shared.blobs import FolderBlobs
from vaxel_shared.contracts.cloudevents import header
from vaxel_shared.crypto.keys import create_key
from vaxel_shared.kafka import topics
from vaxel_shared.kafka.topic_reader import Record, TopicReader
from vaxel_shared.settings import Settings

CHANNELS = """
deployment: test
languages: [en]
default_language: en
accounts:
  - {id: support, address: support@vaxel.example, pool: main, queue: general}
"""
MAIL = (
    b"From: Jane <jane@customer.example>\r\nTo: support@vaxel.example\r\nSubject: A bill\r\n"
    b"Message-ID: <%d@customer.example>\r\n\r\nHello.\r\n"
)
STALLED_WORKER = '''
"""Dies by its own hand in the middle of a mail, as often as the file says, and takes its parent."""
import os, signal, sys
from pathlib import Path
from vaxel_ingest_email.shell import worker

mark = Path(os.environ["DEATHS"])

def parse(raw, envelope, received_at_ms):
    left = int(mark.read_text())
    if left:
        mark.write_text(str(left - 1))
        os.kill(os.getppid(), signal.SIGKILL)
        sys.exit()
    return real(raw, envelope, received_at_ms)

real, worker.parse = worker.parse, parse
worker.main()
'''


@asynccontextmanager
async def service(settings: Settings, module: str | None = None, **env: str) -> AsyncIterator[Any]:
    """The service as its own process, listening."""
    variables = {
        "VAXEL_BROKER": settings.broker,
        "VAXEL_TOPIC_PREFIX": settings.topic_prefix,
        "VAXEL_DATA_DIR": str(settings.data_dir),
        "VAXEL_CONFIG_DIR": str(settings.config_dir),
        "VAXEL_PORT_OFFSET": str(settings.port_offset),
        **env,
    }
    program = ["-c", module] if module else ["-m", "vaxel_ingest_email"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *program, env=os.environ | variables, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        while not reachable(settings.port("smtp")):
            assert process.returncode is None, "the service ended while starting"
            await asyncio.sleep(0.1)
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), 20)


def reachable(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def deliver(port: int, number: int) -> str:
    """Send one mail; the reply's text."""
    with smtplib.SMTP("127.0.0.1", port, timeout=40) as client:
        client.ehlo()
        client.mail("jane@customer.example")
        client.rcpt("support@vaxel.example")
        code, text = client.data(MAIL % number)
        assert code == 250, text
        return text.decode().rsplit(" ", 1)[-1]


async def records(settings: Settings) -> list[Record]:
    reader = TopicReader(settings, topics.INTERACTIONS, {})
    await reader.start()
    found: list[Record] = []
    while not await reader.at_end():
        found += await reader.poll()
    await reader.close()
    return found


@pytest.fixture
def here(make_settings: Callable[..., Settings], tmp_path: Path) -> Settings:
    (tmp_path / "channels.yaml").write_text(CHANNELS)
    settings = make_settings(
        config_dir=tmp_path, port_offset=random.randrange(12_000, 20_000), cold_start="genesis"
    )
    create_key(settings.secrets)
    return settings


@pytest.mark.broker
async def test_a_mail_by_smtp_stands_on_the_topic_and_its_bytes_in_the_store(
    here: Settings,
) -> None:
    await topics.apply(here, local=True)
    async with service(here):
        told = await asyncio.to_thread(deliver, here.port("smtp"), 1)
    (record,) = await records(here)
    value = json.loads(record.value)
    assert value["id"] == told == header(record.headers, "ce_id")
    assert record.key == value["conversation_key"].encode()
    assert await FolderBlobs(here.blobs).get(value["raw_ref"]) == MAIL % 1


@pytest.mark.broker
async def test_killed_between_blob_and_record_the_retry_is_told_once(
    here: Settings, tmp_path: Path
) -> None:
    await topics.apply(here, local=True)
    (tmp_path / "killing_worker.py").write_text(STALLED_WORKER)
    deaths = tmp_path / "deaths"
    deaths.write_text("1")
    module = (
        "import vaxel_ingest_email.shell.parsing as p;"
        "p.ParsePool.__init__.__defaults__ = ('killing_worker',);"
        "import runpy; runpy.run_module('vaxel_ingest_email', run_name='__main__')"
    )
    env = {"PYTHONPATH": str(tmp_path), "DEATHS": str(deaths)}
    async with service(here, module, **env) as process:
        with pytest.raises((smtplib.SMTPException, OSError)):
            await asyncio.to_thread(deliver, here.port("smtp"), 1)
        assert await process.wait() == -signal.SIGKILL
    stored = list((here.blobs / "raw").rglob("*"))
    assert any(path.is_file() for path in stored), "the raw mail was stored before anything else"
    assert await records(here) == []
    async with service(here, module, **env):
        told = await asyncio.to_thread(deliver, here.port("smtp"), 1)
        again = await asyncio.to_thread(deliver, here.port("smtp"), 1)
    assert told == again
    assert {header(record.headers, "ce_id") for record in await records(here)} == {told}
