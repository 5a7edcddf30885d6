"""A demo from its first contact to its last answer; bounded in count, in time and in flight."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aiohttp import ClientSession, TCPConnector

from vaxel_cli.commands.demo_agents import Agents
from vaxel_cli.commands.demo_plan import Contact, Way, plan
from vaxel_cli.commands.demo_tally import Tally
from vaxel_cli.commands.demo_ways import NotTaken, Ways
from vaxel_cli.console import unreachable
from vaxel_cli.runinfo import RunInfo

IN_FLIGHT_MAX = 400
"""Contacts that aren't acknowledged yet; beyond them the customers wait."""
PAUSE_S_MIN, PAUSE_S_MAX = 0.5, 5.0
GIVE_UP_S = 60.0
"""After the last contact is due: what isn't acknowledged by then is given up."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the demo shall be."""

    rate: float
    seconds: float
    seed: int
    agents: bool
    ways: Sequence[Way]
    settle_s: float
    """How long to wait for the last answers."""


class Demo:
    """One demo."""

    def __init__(self, run: RunInfo, wanted: Wanted, shown: Callable[[Tally], None]) -> None:
        self.tally = Tally()
        self.planned = 0
        self._run = run
        self._wanted = wanted
        self._shown = shown
        self._room = asyncio.Semaphore(IN_FLIGHT_MAX)

    async def play(self) -> None:
        """From beginning to end. Raises (exit 3) where there is no way in."""
        stop = asyncio.Event()
        async with ClientSession(connector=TCPConnector(limit=0)) as http:
            ways = Ways(self._run, http, self._on_heard)
            usable = [way for way in self._wanted.ways if way in ways.there]
            if not usable:
                raise unreachable("no way in runs here; start ingest-email or ingest-chat")
            watching = asyncio.ensure_future(self._show(stop))
            working = asyncio.ensure_future(self._agents(http, stop))
            try:
                await self._customers(ways, usable)
                await self._settle()
            finally:
                stop.set()
                await asyncio.gather(watching, working, return_exceptions=True)
                await ways.close()
            working.result()

    def _on_heard(self) -> None:
        self.tally.heard += 1

    async def _agents(self, http: ClientSession, stop: asyncio.Event) -> None:
        if self._wanted.agents:
            await Agents(self._run, http, self.tally, stop).work()

    async def _show(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            self._shown(self.tally)
            await asyncio.sleep(0.25)

    async def _customers(self, ways: Ways, usable: Sequence[Way]) -> None:
        """Send everything at its time, and wait until it is acknowledged or given up."""
        wanted, begun = self._wanted, time.monotonic()
        give_up = begun + wanted.seconds + GIVE_UP_S
        run_id = secrets.token_hex(5)
        under_way: set[asyncio.Task[None]] = set()
        contacts = plan(wanted.rate, wanted.seconds, run=run_id, seed=wanted.seed, ways=usable)
        for contact in contacts:
            self.planned += 1
            await asyncio.sleep(max(0.0, begun + contact.due_s - time.monotonic()))
            await self._room.acquire()
            task = asyncio.ensure_future(self._one(ways, contact, give_up))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        while under_way:
            done, _ = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()

    async def _one(self, ways: Ways, contact: Contact, give_up: float) -> None:
        """Send one contact again and again until it is taken."""
        tally, pause_s = self.tally, PAUSE_S_MIN
        tally.sent[contact.way] += 1
        sent_ms = _now_ms()
        try:
            while True:
                try:
                    interaction_id = await ways.send(contact)
                except NotTaken as error:
                    tally.refusals[f"{contact.way} {error.code}"] += 1
                else:
                    tally.acknowledged(contact.way, interaction_id, sent_ms, _now_ms())
                    return
                if time.monotonic() + pause_s > give_up:
                    tally.given_up[contact.way] += 1
                    return
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, PAUSE_S_MAX)
        finally:
            self._room.release()

    async def _settle(self) -> None:
        """Wait for the last answers."""
        if not self._wanted.agents:
            return
        until = time.monotonic() + self._wanted.settle_s
        while self.tally.open and time.monotonic() < until:  # noqa: ASYNC110 - counted in many places
            await asyncio.sleep(0.1)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
