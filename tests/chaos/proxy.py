"""A TCP proxy that understands Kafka's requests: it loses, delays and lets land late by API key.

``python tests/chaos/proxy.py --listen P --upstream Q --seed S``. Each line on its standard input is
the probability (0 to 1) with which a request of the APIs below meets a fate from then on; the
answer to it is one JSON line that counts what happened so far. The frames are those of Kafka's
protocol guide: four bytes of length, then api_key, api_version (two bytes each), correlation_id
(four); a connection's answers come in the order of its requests.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import enum
import json
import random
import struct
import sys
from collections import Counter, deque
from collections.abc import Callable

APIS = {0: "Produce", 1: "Fetch", 2: "ListOffsets", 8: "OffsetCommit", 22: "InitProducerId"}
WEIGHTS = {0: 1.0, 1: 0.15, 2: 1.0, 8: 1.0, 22: 4.0}
"""Fetches are many and long, producers' births few: so that each of the five gets its share."""
DELAY_S = (0.1, 3.0)
SILENCE_S = 7.0
"""How long a connection may be half open before it is cut: longer than an append waits."""
FRAME_BYTES_MAX = 64 * 1024 * 1024


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
    ANSWER_CUT = "answer lost"
    """The broker did it; the connection breaks instead of the answer."""
    ANSWER_DELAYED = "answer delayed"


TROUBLE = tuple(fate for fate in Fate if fate is not Fate.PASS)


class Proxy:
    """Listens, forwards, and counts in ``done`` what it did, by ``API fate``."""

    def __init__(self, upstream: int, seed: int) -> None:
        self.probability = 0.0
        self.done: Counter[str] = Counter()
        self._upstream = upstream
        self._random = random.Random(seed)

    async def serve(self, port: int) -> asyncio.Server:
        """Listen on ``port`` of loopback."""
        return await asyncio.start_server(self._connected, "127.0.0.1", port)

    def draw(self, api_key: int) -> Fate:
        """The fate of the next request of this API."""
        if api_key not in APIS:
            return Fate.PASS
        if self._random.random() >= self.probability * WEIGHTS[api_key]:
            return Fate.PASS
        fate = self._random.choice(TROUBLE)
        self.done[f"{APIS[api_key]} {fate.value}"] += 1
        return fate

    def delay_s(self) -> float:
        """How long something is held back."""
        return self._random.uniform(*DELAY_S)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
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
        self._fates: deque[Fate] = deque()
        self._late: asyncio.Task[None] | None = None

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
                await self._late
            self._broker_out.close()

    async def _requests(self) -> None:
        while (frame := await read_frame(self._client_in)) is not None:
            fate = self._proxy.draw(struct.unpack_from(">h", frame)[0])
            if fate is Fate.CUT:
                return
            if fate is Fate.SILENT:
                await asyncio.sleep(SILENCE_S)
                return
            if fate is Fate.LATE:
                self._late = asyncio.ensure_future(self._land(frame, self._proxy.delay_s()))
                return
            if fate is Fate.DELAYED:
                await asyncio.sleep(self._proxy.delay_s())
            self._fates.append(fate)
            if not await write_frame(self._broker_out, frame):
                return

    async def _answers(self) -> None:
        while (frame := await read_frame(self._broker_in)) is not None:
            fate = self._fates.popleft() if self._fates else Fate.PASS
            if fate is Fate.ANSWER_CUT:
                return
            if fate is Fate.ANSWER_DELAYED:
                await asyncio.sleep(self._proxy.delay_s())
            if not await write_frame(self._client_out, frame):
                return

    async def _land(self, frame: bytes, delay_s: float) -> None:
        """The client has gone; the broker gets its request all the same."""
        await asyncio.sleep(delay_s)
        if await write_frame(self._broker_out, frame):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(read_frame(self._broker_in), SILENCE_S)


async def read_frame(reader: asyncio.StreamReader) -> bytes | None:
    """The next frame without its length; None at the end of the connection."""
    try:
        (length,) = struct.unpack(">i", await reader.readexactly(4))
        if not 0 < length <= FRAME_BYTES_MAX:
            return None
        return await reader.readexactly(length)
    except (asyncio.IncompleteReadError, OSError):
        return None


async def write_frame(writer: asyncio.StreamWriter, frame: bytes) -> bool:
    """Send a frame with its length; False where nobody is there any more."""
    try:
        writer.write(struct.pack(">i", len(frame)) + frame)
        await writer.drain()
    except OSError:
        return False
    return True


async def obey(proxy: Proxy, say: Callable[[str], object]) -> None:
    """Take orders from standard input until it ends."""
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        proxy.probability = float(line)
        say(json.dumps(proxy.done))


async def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name in ("listen", "upstream", "seed"):
        parser.add_argument(f"--{name}", type=int, required=True)
    options = parser.parse_args()
    proxy = Proxy(options.upstream, options.seed)
    async with await proxy.serve(options.listen):
        await obey(proxy, lambda text: print(text, flush=True))


if __name__ == "__main__":
    asyncio.run(main())
