"""A TCP proxy that understands Kafka's requests: it loses, delays and lets land late by API key.

``python tests/chaos/proxy.py --listen P --upstream Q --seed S``. Each line on its standard input is
either the probability (0 to 1) with which a request of the APIs below meets a fate from then on; the
answer to it is one JSON line that counts what happened so far. Or an *order*, a JSON object
``{"order": id, "api", "fate", "delay_s"}``: the next request of this API that would pass meets this
fate; ``{"hit": id}`` says that it did, ``{"over": id}`` that it is past. The frames are those of
Kafka's protocol guide: four bytes of length, then api_key, api_version (two bytes each),
correlation_id (four); a connection's answers come in the order of its requests.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import enum
import json
import os
import random
import struct
import sys
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

APIS = {0: "Produce", 1: "Fetch", 2: "ListOffsets", 8: "OffsetCommit", 22: "InitProducerId"}
WEIGHTS = {0: 1.0, 1: 0.15, 2: 1.0, 8: 1.0, 22: 4.0}
"""Fetches are many and long, producers' births few: so that each of the five gets its share."""
DELAY_S = (0.1, 3.0)
SILENCE_S = 7.0
"""How long a connection may be half open before it is cut: longer than an append waits."""
LANDING_S = 7.0
"""How long the answer to a request that landed late is waited for."""
FRAME_BYTES_MAX = 64 * 1024 * 1024
SLOW_BYTES_A_SECOND = 2_000
SLOW_CHUNK_BYTES = 200
NEW_CONNECTION = "connection"
"""In an order, in the place of an API: the next connection that is opened."""


class Fate(enum.Enum):
    """What becomes of a request and its answer."""

    PASS = "passed"
    CUT = "request cut"
    """The connection breaks before the request reaches the broker."""
    SILENT = "request lost"
    """Nothing more comes or goes on a connection that looks open, until it is cut."""
    DELAYED = "request delayed"
    LATE = "request late"
    """The connection breaks, and the broker gets the request a while afterwards."""
    STALE = "request late after silence"
    """Nothing more comes or goes until the client has given up; then the broker gets it."""
    ANSWER_CUT = "answer lost"
    """The broker did it; the connection breaks instead of the answer."""
    ANSWER_SILENT = "answer lost in silence"
    """The broker did it; nothing more comes on a connection that looks open, until it is cut."""
    ANSWER_DELAYED = "answer delayed"
    SLOW = "answer slow"
    """It trickles, a few bytes at a time."""
    HALF_OPEN = "half open"
    """A connection that is accepted, and never answered until it is cut."""


TROUBLE = (
    Fate.CUT, Fate.SILENT, Fate.DELAYED, Fate.LATE, Fate.ANSWER_CUT, Fate.ANSWER_DELAYED,
)  # fmt: skip
"""What is drawn from where there is a probability; the others come by order only."""


@dataclass(slots=True)
class Doom:
    """A fate with how long it holds something back; ``order`` is whose it was."""

    fate: Fate
    delay_s: float
    order: int | None = None


PASSES = Doom(Fate.PASS, 0.0)


@dataclass(slots=True)
class Orders:
    """Dooms that wait for a request, by API, and what is told of them."""

    say: Callable[[str], object]
    waiting: dict[str, deque[Doom]] = field(default_factory=lambda: defaultdict(deque))

    def take(self, api: str) -> Doom | None:
        """The next one for this API."""
        queue = self.waiting[api]
        if not queue:
            return None
        doom = queue.popleft()
        self.say(json.dumps({"hit": doom.order}))
        return doom

    def over(self, doom: Doom) -> None:
        """It is past."""
        if doom.order is not None:
            self.say(json.dumps({"over": doom.order}))
            doom.order = None


class Proxy:
    """Listens, forwards, and counts in ``done`` what it did, by ``API fate``."""

    def __init__(
        self, upstream: int, seed: int, say: Callable[[str], object] = lambda _: None
    ) -> None:
        self.probability = 0.0
        self.done: Counter[str] = Counter()
        self.orders = Orders(say)
        self._upstream = upstream
        self._random = random.Random(seed)

    async def serve(self, port: int) -> asyncio.Server:
        """Listen on ``port`` of loopback."""
        return await asyncio.start_server(self._connected, "127.0.0.1", port)

    def draw(self, api_key: int) -> Doom:
        """What becomes of the next request of this API."""
        if api_key not in APIS:
            return PASSES
        doom = self.orders.take(APIS[api_key])
        if doom is None:
            if self._random.random() >= self.probability * WEIGHTS[api_key]:
                return PASSES
            fate, delay_s = self._random.choice(TROUBLE), self._random.uniform(*DELAY_S)
            silent = fate in (Fate.SILENT, Fate.HALF_OPEN)
            doom = Doom(fate, SILENCE_S if silent else delay_s)
        self.done[f"{APIS[api_key]} {doom.fate.value}"] += 1
        return doom

    def order(self, line: str) -> None:
        """Take an order."""
        said = json.loads(line)
        doom = Doom(Fate[said["fate"]], float(said["delay_s"]), said["order"])
        self.orders.waiting[said["api"]].append(doom)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        doom = self.orders.take(NEW_CONNECTION)
        if doom is not None:
            self.done[f"{NEW_CONNECTION} {doom.fate.value}"] += 1
            await _until_gone(reader, doom.delay_s)
            self.orders.over(doom)
            writer.close()
            return
        try:
            upstream = await asyncio.open_connection("127.0.0.1", self._upstream)
        except OSError:
            writer.close()
            return
        await _Connection(self, (reader, writer), upstream).run()


Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Connection:
    """One client's connection and its twin to the broker."""

    def __init__(self, proxy: Proxy, client: Stream, broker: Stream) -> None:
        self._proxy = proxy
        self._client_in, self._client_out = client
        self._broker_in, self._broker_out = broker
        self._dooms: deque[Doom] = deque()
        self._late: tuple[bytes, Doom, float] | None = None

    async def run(self) -> None:
        """Until either side, or fate, ends it."""
        ways = {asyncio.ensure_future(self._requests()), asyncio.ensure_future(self._answers())}
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            self._client_out.close()
            if self._late is not None:
                await self._land(*self._late)
            self._broker_out.close()
            for doom in self._dooms:
                self._proxy.orders.over(doom)

    async def _requests(self) -> None:
        while (frame := await read_frame(self._client_in)) is not None:
            doom = self._proxy.draw(struct.unpack_from(">h", frame)[0])
            if not await self._goes_on(frame, doom):
                self._proxy.orders.over(doom)
                return
            self._dooms.append(doom)
            if not await write_frame(self._broker_out, frame):
                return

    async def _goes_on(self, frame: bytes, doom: Doom) -> bool:
        """What befalls a request before the broker has it; False if the connection ends here."""
        if doom.fate is Fate.CUT:
            return False
        if doom.fate is Fate.SILENT:
            await _until_gone(self._client_in, doom.delay_s)
            return False
        if doom.fate in (Fate.LATE, Fate.STALE):
            late = Doom(doom.fate, doom.delay_s, doom.order)
            doom.order = None  # it isn't over when this connection is, but when it has landed
            self._late = frame, late, time.monotonic() + late.delay_s
            if doom.fate is Fate.STALE:
                await _until_gone(self._client_in, doom.delay_s)
            return False
        if doom.fate is Fate.DELAYED:
            await asyncio.sleep(doom.delay_s)
        return True

    async def _answers(self) -> None:
        while (frame := await read_frame(self._broker_in)) is not None:
            doom = self._dooms.popleft() if self._dooms else PASSES
            try:
                if doom.fate is Fate.ANSWER_CUT:
                    return
                if doom.fate is Fate.ANSWER_SILENT:
                    await asyncio.sleep(doom.delay_s)
                    return
                if doom.fate is Fate.ANSWER_DELAYED:
                    await asyncio.sleep(doom.delay_s)
                slow = SLOW_BYTES_A_SECOND if doom.fate is Fate.SLOW else 0
                if not await write_frame(self._client_out, frame, slow):
                    return
            finally:
                self._proxy.orders.over(doom)

    async def _land(self, frame: bytes, doom: Doom, at: float) -> None:
        """The client has gone; the broker gets its request all the same."""
        await asyncio.sleep(max(0.0, at - time.monotonic()))
        if await write_frame(self._broker_out, frame):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(read_frame(self._broker_in), LANDING_S)
        self._proxy.orders.over(doom)


async def read_frame(reader: asyncio.StreamReader) -> bytes | None:
    """The next frame without its length; None at the end of the connection."""
    try:
        (length,) = struct.unpack(">i", await reader.readexactly(4))
        if not 0 < length <= FRAME_BYTES_MAX:
            return None
        return await reader.readexactly(length)
    except (asyncio.IncompleteReadError, OSError):
        return None


async def write_frame(writer: asyncio.StreamWriter, frame: bytes, bytes_a_second: int = 0) -> bool:
    """Send a frame with its length, at this speed if one is given; False where nobody is there."""
    raw = struct.pack(">i", len(frame)) + frame
    step = SLOW_CHUNK_BYTES if bytes_a_second else len(raw)
    try:
        for at in range(0, len(raw), step):
            writer.write(raw[at : at + step])
            await writer.drain()
            if bytes_a_second:
                await asyncio.sleep(step / bytes_a_second)
    except OSError:
        return False
    return True


async def _until_gone(reader: asyncio.StreamReader, seconds: float) -> None:
    """Say nothing until the client has gone, or so long."""
    with contextlib.suppress(TimeoutError, OSError):
        async with asyncio.timeout(seconds):
            while await reader.read(65_536):
                pass


async def obey(proxy: Proxy, say: Callable[[str], object]) -> None:
    """Take orders from standard input until it ends."""
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        if line.startswith("{"):
            proxy.order(line)
            continue
        proxy.probability = float(line)
        say(json.dumps(proxy.done))


async def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name in ("listen", "upstream", "seed"):
        parser.add_argument(f"--{name}", type=int, required=True)
    options = parser.parse_args()

    def say(text: str) -> None:
        print(text, flush=True)

    proxy = Proxy(options.upstream, options.seed, say)
    async with await proxy.serve(options.listen):
        await obey(proxy, say)
        os._exit(0)  # whoever gave the orders has gone: connections needn't be ended in order


if __name__ == "__main__":
    asyncio.run(main())
