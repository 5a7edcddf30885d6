"""What comes in again and again, or while Kafka is away: kept once, in order, whoever was killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import smtplib
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from e2e.house import House, eventually

from vaxel_shared.channels.standard import sign

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A deployment of its own: its broker is going to be frozen."""
    house = House(tmp_path_factory.mktemp("intake"), 18_000 + os.getpid() % 1_500)
    house.system.start()
    yield house
    house.system.end()


def mail(house: House, name: str) -> str:
    """Send a mail; the same bytes for the same name. The reply."""
    run = house.system.run
    raw = (
        f"From: Customer <customer@load.example>\r\nTo: {run['mailboxes'][0]}\r\nSubject: {name}\r\n"
        f"Message-ID: <{name}@load.example>\r\nDate: Sun, 22 Nov 2026 12:00:00 +0000\r\n\r\n"
        "My invoice is wrong.\r\n"
    )
    with smtplib.SMTP(run["smtp"]["host"], run["smtp"]["port"], timeout=40) as client:
        client.ehlo()
        client.mail("customer@load.example")
        client.rcpt(run["mailboxes"][0])
        code, reply = client.data(raw)
    assert code == 250
    return reply.decode()


def webhook(house: House, name: str, patience_s: float = 10) -> int:
    """Post a signed webhook; the status."""
    run = house.system.run
    account = run["webhooks"][0]
    secret = (house.system.data_dir / "secrets" / f"{account}-webhook").read_text().split()[0]
    data = {
        "conversation_id": "thread-1",
        "message_id": name,
        "sender": {"id": "u1"},
        "text": f"My invoice is wrong, says {name}.",
    }
    body = json.dumps({"type": "message.received", "data": data}).encode()
    seconds = int(time.time())
    request = urllib.request.Request(
        f"{run['services']['ingest-chat']['url']}/hooks/{account}",
        body,
        {
            "Content-Type": "application/json",
            "Webhook-Id": name,
            "Webhook-Timestamp": str(seconds),
            "Webhook-Signature": sign(secret, name, seconds, body),
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=patience_s) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


class Visitor:
    """Somebody at the chat, who comes back with the token."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._token: str | None = None

    def say(self, name: str) -> dict[str, Any]:
        """Say something under the id ``name``; the answer to it."""
        return asyncio.run(self._say(name))

    async def _say(self, name: str) -> dict[str, Any]:
        url = self._house.system.run["services"]["ingest-chat"]["url"]
        where = f"{url.replace('http', 'ws', 1)}/chat/web/ws"
        async with ClientSession() as http, http.ws_connect(where, origin=url) as socket:
            await socket.send_json({"type": "hello", "token": self._token})
            await socket.send_json({"type": "message", "id": name, "text": f"Hello, {name}."})
            while True:
                frame: dict[str, Any] = await asyncio.wait_for(socket.receive_json(), 20)
                self._token = frame.get("token", self._token)
                if frame["type"] in ("ack", "not_sent"):
                    return frame


def log(house: House, name: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What came in and what was decided, as they stand on the topics."""
    folder = house.folder / name
    house.vaxel("log", "export", "--to", str(folder))
    records = [
        json.loads(line)
        for path in sorted(folder.glob("vaxel.interactions-*.jsonl"))
        for line in path.read_text().splitlines()
    ]
    came = [one["value"] for one in records if one["value"]["direction"] == "inbound"]
    decided = [
        decision
        for path in sorted(folder.glob("vaxel.decisions-*.jsonl"))
        for line in path.read_text().splitlines()
        for decision in _body(json.loads(line)).get("decisions", [])
    ]
    return came, decided


def _body(record: dict[str, Any]) -> dict[str, Any]:
    """What the router wrote; nothing where the record is void."""
    return dict((record.get("value") or {}).get("body") or {})


def restarted(house: House, name: str) -> None:
    """Kill it and wait for the next one."""
    pid = house.system.pid(name)
    assert house.system.kill(name)
    eventually(lambda: house.system.is_back(name, not_pid=pid), 60)
    url = house.system.run["services"][name]["url"]
    eventually(lambda: _answers(f"{url}/healthz"), 60)


def _tried(house: House, name: str) -> int | None:
    """The status of a webhook; None where nobody listens."""
    try:
        return webhook(house, name)
    except OSError:
        return None


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_what_is_sent_again_after_a_restart_is_the_same_interaction_and_one_case(
    running: House,
) -> None:
    visitor = Visitor(running)
    first = [mail(running, "again"), webhook(running, "hook-again"), visitor.say("chat-again-1")]
    for service in ("ingest-email", "ingest-chat", "triage", "router"):
        restarted(running, service)
    eventually(lambda: running.system.is_ready("ingest-chat"), 60)
    eventually(lambda: running.system.is_ready("router"), 60)
    second = [mail(running, "again"), webhook(running, "hook-again"), visitor.say("chat-again-1")]
    assert second == first

    def decided() -> Any:
        came, decisions = log(running, f"again-{time.monotonic_ns()}")
        repeats = [one["cause"] for one in decisions if one["type"] == "command.repeated"]
        ids = {one["id"] for one in came}
        return (came, decisions, ids) if len(ids & set(repeats)) == 3 else None

    came, decisions, ids = eventually(decided, 60)
    assert Counter(one["id"] for one in came) == dict.fromkeys(ids, 2)
    assert Counter(one["type"] for one in decisions)["case.opened"] == 3
    _, page = running.api("GET", "/cases?limit=100", "supervisor")
    assert len(page["items"]) == 3
    for item in page["items"]:
        timeline = running.case(item["number"])["timeline"]
        messages = [one["message"] for one in timeline if one.get("message")]
        assert [one["direction"] for one in messages].count("inbound") == 1


def test_whoever_does_not_wait_is_acknowledged_while_kafka_is_frozen_and_comes_in_order(
    running: House,
) -> None:
    visitor = Visitor(running)
    assert visitor.say("chat-before")["type"] == "ack"
    assert running.system.signal("broker", signal.SIGSTOP)
    try:
        took = []
        for number in range(5):
            began = time.monotonic()
            assert webhook(running, f"frozen-{number}") == 204
            took.append(time.monotonic() - began)
        print("acknowledged after", [round(one, 2) for one in took], "s")
        assert visitor.say("chat-frozen")["type"] == "ack"
        running.system.kill("ingest-chat")  # the next one never saw a broker
        for number in range(5, 10):
            eventually(lambda name=f"frozen-{number}": _tried(running, name) == 204, 60)
        spool = running.system.data_dir / "spool" / "ingest-chat-0"
        assert list(spool.glob("*.spool"))
    finally:
        running.system.signal("broker", signal.SIGCONT)
    eventually(lambda: not list(spool.glob("*.spool")), 60)
    assert not Path(spool / "corrupt").exists()

    def decided() -> Any:
        came, decisions = log(running, f"frozen-{time.monotonic_ns()}")
        names = [(one.get("provider") or {}).get("message_id", "") for one in came]
        done = {one["data"].get("contact_id") for one in decisions if "data" in one}
        wanted = {one["id"] for one, n in zip(came, names, strict=True) if "frozen" in n}
        return names if len(wanted) == 11 and wanted <= done else None

    names = eventually(decided, 60)
    order = list(dict.fromkeys(name for name in names if name.startswith("frozen-")))
    assert order == [f"frozen-{number}" for number in range(10)]
    assert "chat-frozen" in names
