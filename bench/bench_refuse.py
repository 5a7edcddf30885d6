"""What it costs to refuse a webhook of an account that sends too much, beside only answering."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import tempfile
import time
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path

from aiohttp import web
from kit import Report, Table, percentile, rate, ratio, run

from vaxel_ingest_chat.config import IngestChatSettings
from vaxel_ingest_chat.shell.accounts import Accounts
from vaxel_ingest_chat.shell.edge import Edge
from vaxel_ingest_chat.shell.hooks import Hooks
from vaxel_ingest_chat.shell.intake import Intake
from vaxel_shared.blobs import FolderBlobs
from vaxel_shared.channels.standard import sign
from vaxel_shared.clock import SystemClock
from vaxel_shared.crypto.keys import Keyring
from vaxel_shared.http.app import make_app
from vaxel_shared.kafka.producer import Ack, Outgoing
from vaxel_shared.obs.logging import configure

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
CONNECTIONS = 20
REQUESTS = 1_000
"""Of one turn; afterwards it is the other's."""
STATUS = {"only answers": "429", "refused": "429", "accepted": "204"}
CHANNELS = """
deployment: bench
languages: [en]
default_language: en
accounts:
  - {id: loud, channel: webhook, secret_file: loud, pool: main, queue: general}
"""
METHOD = (
    "Signed webhooks over 20 connections from another process, to three handlers of one server in"
    " turn: one that only answers, ours for an account whose budget is empty, and ours with the"
    " signature verified and the raw body on the disk (fsynced), with a log that acknowledges at"
    " once. Told is the processor time of the serving process, its threads included, in turns of"
    " 1,000 requests: the median and the best turn."
)
NOT_COVERED = [
    "Waiting: processor time doesn't tell how long the disk or another process took.",
    "What an accepted contact costs behind this service, which is many times as much.",
]


class Log:
    """Acknowledges at once."""

    async def send_many(self, records: list[Outgoing]) -> list[Ack]:
        """As the producer."""
        return [Ack(0, 0, 0) for _ in records]


def main(seconds: float) -> Report:
    """Measure each handler in turn."""
    with tempfile.TemporaryDirectory() as folder:
        spent = asyncio.run(measured(Path(folder), seconds))
    table = Table(
        "Microseconds of processor a webhook",
        ["handler", "median", "best", "of the least", "a second and core"],
    )
    for name, values in spent.items():
        median = percentile(values, 0.5)
        table.rows.append(
            [
                name,
                f"{median * 1e6:.0f}",
                f"{min(values) * 1e6:.0f}",
                ratio(median, percentile(spent["only answers"], 0.5)),
                rate(1, median),
            ]
        )
    return Report("refuse", "Refusing webhooks", METHOD, NOT_COVERED, ["aiohttp"], [table])


async def measured(folder: Path, seconds: float) -> dict[str, list[float]]:
    """Seconds of processor for one request, by handler and turn."""
    configure("bench", "critical")
    handlers = {
        "only answers": only_answers,
        "refused": hooks(folder / "refused", burst=1).handle,
        "accepted": hooks(folder / "accepted", burst=10**9).handle,
    }
    spent: dict[str, list[float]] = {name: [] for name in handlers}
    routes = [web.post(f"/{n}/{{account}}", one) for n, one in enumerate(handlers.values())]
    runner = web.AppRunner(make_app(list, routes), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    port = runner.addresses[0][1]
    sender = multiprocessing.get_context("spawn").Process(target=send, args=(theirs, port))
    sender.start()
    for number in range(len(handlers)):  # to warm up, and to empty the one's budget
        await turn(ours, number)
    end = time.perf_counter() + seconds * len(handlers)
    while time.perf_counter() < end or not spent["accepted"]:
        for number, name in enumerate(handlers):
            spent[name].append(await turn(ours, number, STATUS[name]) / REQUESTS)
    ours.send(None)
    await asyncio.to_thread(sender.join)
    await runner.cleanup()
    return spent


async def turn(sender: Connection, number: int, expected: str = "") -> float:
    """Let a handler be sent to; the seconds of processor that it took."""
    sender.send(number)
    await asyncio.to_thread(sender.recv)  # everything is signed
    began = time.process_time()
    sender.send(number)
    statuses = await asyncio.to_thread(sender.recv)
    spent = time.process_time() - began
    if expected and set(statuses) != {expected}:
        raise AssertionError(f"not answered as expected: {statuses}")
    return spent


async def only_answers(_request: web.Request) -> web.StreamResponse:
    """The least that a handler can do."""
    headers = {"Retry-After": "5", "Content-Type": "application/problem+json"}
    return web.Response(status=429, headers=headers, body=b"{}")


def hooks(folder: Path, burst: int) -> Hooks:
    """The service's own handler."""
    (folder / "secrets").mkdir(parents=True)
    (folder / "channels.yaml").write_text(CHANNELS)
    (folder / "secrets" / "loud").write_text(f"{SECRET}\n")
    settings = IngestChatSettings(
        config_dir=folder,
        data_dir=folder,
        hook_requests_burst_max=burst,
        hook_requests_per_second_max=1e-6 if burst == 1 else 1e9,
    )
    clock = SystemClock()
    intake = Intake(
        sender=Log(),  # type: ignore[arg-type] # all that is asked of it
        blobs=FolderBlobs(folder / "blobs"),
        clock=clock,
        send_timeout_ms=settings.chat_send_timeout_ms,
        storing_max=settings.hook_storing_max,
    )
    return Hooks(
        settings,
        accounts=Accounts(folder, folder / "secrets"),
        intake=intake,
        keyring=Keyring(b"k" * 32),
        clock=clock,
        edge=Edge(settings, lambda: clock.monotonic_ms() / 1000),
    )


def send(pipe: Connection, port: int) -> None:
    """The sending process: a turn for each number that it is told, until it is told None."""
    sent = 0
    while (handler := pipe.recv()) is not None:
        requests = [request(handler, sent + number) for number in range(REQUESTS)]
        sent += REQUESTS
        pipe.send("ready")
        pipe.recv()
        pipe.send(asyncio.run(all_sent(port, requests)))


def request(handler: int, number: int) -> bytes:
    """A signed webhook, as it goes over the wire."""
    data = {"message_id": f"m{number}", "sender": {"id": "u1"}, "text": "My invoice is wrong. " * 9}
    body = json.dumps({"type": "message.received", "data": data}).encode()
    now_s = int(time.time())
    return (
        f"POST /{handler}/loud HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nwebhook-id: m{number}\r\nwebhook-timestamp: {now_s}\r\n"
        f"webhook-signature: {sign(SECRET, f'm{number}', now_s, body)}\r\n\r\n"
    ).encode() + body


async def all_sent(port: int, requests: list[bytes]) -> Counter[str]:
    """Send all over a few connections, each waiting for its answers; how they were answered."""
    left = iter(requests)
    statuses: Counter[str] = Counter()

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for raw in left:
            writer.write(raw)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
            await reader.readexactly(int(fields.get("content-length", "0")))
            statuses[head.split(" ", 2)[1]] += 1
        writer.close()

    await asyncio.gather(*(one() for _ in range(CONNECTIONS)))
    return statuses


if __name__ == "__main__":
    run(main, seconds=5.0)
