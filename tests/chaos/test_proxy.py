"""The proxy does to Kafka's requests what it says, and nothing while the network is good."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from chaos import proxy as proxies
from chaos.proxy import APIS, Fate, Proxy, read_frame, write_frame

PRODUCE, METADATA = 0, 3


class Broker:
    """Answers every frame with its first eight bytes; ``got`` keeps what arrived."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.arrived = asyncio.Event()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (frame := await read_frame(reader)) is not None:
            self.got.append(frame)
            self.arrived.set()
            await write_frame(writer, frame[:8])
        writer.close()


@asynccontextmanager
async def between() -> AsyncIterator[tuple[Proxy, Broker, int]]:
    broker = Broker()
    async with await asyncio.start_server(broker.connected, "127.0.0.1", 0) as upstream:
        proxy = Proxy(upstream.sockets[0].getsockname()[1], seed=1)
        async with await proxy.serve(0) as front:
            yield proxy, broker, front.sockets[0].getsockname()[1]


def request(api_key: int, number: int = 7) -> bytes:
    return struct.pack(">hhi", api_key, 9, number) + b"payload"


async def ask(port: int, frame: bytes) -> bytes | None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await write_frame(writer, frame)
    answer = await read_frame(reader)
    writer.close()
    return answer


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxies, "DELAY_S", (0.01, 0.02))
    monkeypatch.setattr(proxies, "SILENCE_S", 0.05)


async def test_a_good_network_forwards_everything() -> None:
    async with between() as (proxy, broker, port):
        for api_key in (*APIS, METADATA):
            assert await ask(port, request(api_key)) == request(api_key)[:8]
    assert len(broker.got) == len(APIS) + 1
    assert not proxy.done


async def test_only_the_five_apis_meet_a_fate(quick: None) -> None:
    async with between() as (proxy, _, port):
        proxy.probability = 1.0
        assert await ask(port, request(METADATA)) == request(METADATA)[:8]
    assert not proxy.done


@pytest.mark.parametrize(
    ("fate", "arrives", "answered"),
    [
        (Fate.CUT, False, False),
        (Fate.SILENT, False, False),
        (Fate.DELAYED, True, True),
        (Fate.LATE, True, False),
        (Fate.ANSWER_CUT, True, False),
        (Fate.ANSWER_DELAYED, True, True),
    ],
)
async def test_each_fate_is_what_it_says(
    quick: None, monkeypatch: pytest.MonkeyPatch, fate: Fate, arrives: bool, answered: bool
) -> None:
    monkeypatch.setattr(proxies, "TROUBLE", (fate,))
    async with between() as (proxy, broker, port):
        proxy.probability = 1.0
        answer = await ask(port, request(PRODUCE))
        assert (answer is not None) == answered
        if arrives:
            await asyncio.wait_for(broker.arrived.wait(), 5)
        assert broker.got == ([request(PRODUCE)] if arrives else [])
    assert proxy.done == {f"Produce {fate.value}": 1}


@pytest.mark.parametrize(
    ("fate", "arrives", "answered"),
    [
        (Fate.STALE, True, False),
        (Fate.ANSWER_SILENT, True, False),
        (Fate.SLOW, True, True),
    ],
)
async def test_an_order_is_carried_out_once_and_told_of(
    fate: Fate, arrives: bool, answered: bool
) -> None:
    async with between() as (proxy, broker, port):
        told: asyncio.Queue[str] = asyncio.Queue()
        proxy.orders.say = told.put_nowait
        proxy.order(json.dumps({"order": 3, "api": "Fetch", "fate": fate.name, "delay_s": 0.05}))
        assert await ask(port, request(PRODUCE)) is not None, "meant for another API"
        broker.arrived.clear()
        assert (await ask(port, request(1)) is not None) == answered
        if arrives:
            await asyncio.wait_for(broker.arrived.wait(), 5)
        async with asyncio.timeout(5):
            assert json.loads(await told.get()) == {"hit": 3}
            assert json.loads(await told.get()) == {"over": 3}
        assert await ask(port, request(1)) is not None, "one order, one harm"
    assert proxy.done == {f"Fetch {fate.value}": 1}


async def test_a_half_open_connection_never_answers() -> None:
    async with between() as (proxy, broker, port):
        order = {"order": 1, "api": "connection", "fate": "HALF_OPEN", "delay_s": 0.1}
        proxy.order(json.dumps(order))
        assert await ask(port, request(METADATA)) is None
        assert not broker.got
        assert await ask(port, request(METADATA)) is not None


def test_one_seed_is_one_history() -> None:
    histories = []
    for _ in range(2):
        proxy = Proxy(1, seed=5)
        proxy.probability = 0.5
        histories.append([proxy.draw(key).fate for key in (0, 1, 2, 8, 22) * 20])
    assert histories[0] == histories[1]
    assert set(histories[0]) == {Fate.PASS, *proxies.TROUBLE}
