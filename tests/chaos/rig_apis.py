"""R5: requests of five APIs are lost, held back or land late, one by one, by order to the proxy.

Four owners with a partition each and two triages; whatever they ask of the broker passes through the
proxy. Several orders are under way at once, on different connections. Producers are born at starts
and after failed appends; where too few are, an owner is killed. Triage commits group offsets.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from chaos.proxy import APIS, NEW_CONNECTION, Fate
from chaos.rig_check import Judgement
from chaos.rig_process import Process
from chaos.rig_session import Bench, Session

INSTANCES = 4
TRIAGES = 2
PER_ROUND = 50
RATE = 60.0
AT_ONCE = 2
"""Orders of one API that are under way at the same time."""
FATES = (
    Fate.CUT, Fate.SILENT, Fate.DELAYED, Fate.LATE, Fate.STALE,
    Fate.ANSWER_CUT, Fate.ANSWER_SILENT, Fate.ANSWER_DELAYED, Fate.SLOW,
)  # fmt: skip
OF_CONNECTIONS = (Fate.CUT, Fate.HALF_OPEN)
GIVEN_UP_S = {"Produce": 6.0, "InitProducerId": 6.0, "Fetch": 11.0, "ListOffsets": 11.0,
              "OffsetCommit": 11.0}  # fmt: skip
"""After so long the client has given a request up: an append after 5 s, the others after 10."""
SILENT_S = 15.0
"""Longer than any client waits; most of them go sooner."""
NUDGE_S = 6.0
"""So long an order may wait for its request; then an owner is killed, so that a start brings one."""
ORDER_S_MAX = 180.0
SPANS_S = ((0.8, (1.0, 3.0)), (0.96, (3.0, 12.0)), (1.0, (12.0, 60.0)))
"""How long something is held back, by share: mostly short."""
FEW = 20
"""Up to so many of an API a round waits for none of the long ones."""
SETTLE_S_MAX = 90.0


@dataclass
class Harm:
    """What was done."""

    done: Counter[str] = field(default_factory=Counter)
    longest_s: float = 0.0
    restarts: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    judgement: Judgement = field(default_factory=Judgement)

    def figures(self) -> dict[str, object]:
        """For the document."""
        found = self.judgement
        by_api = {
            api: {f.value: self.done[f"{api} {f.value}"] for f in (*FATES, Fate.HALF_OPEN)
                  if self.done[f"{api} {f.value}"]}
            for api in (*APIS.values(), NEW_CONNECTION)
        }  # fmt: skip
        return {
            **{
                f"{api}, harmed": f"{sum(fates.values())}: "
                + ", ".join(f"{name} {count}" for name, count in fates.items())
                for api, fates in by_api.items()
            },
            "longest delay": f"{self.longest_s:.0f} s",
            "owners killed so that producers are born": self.restarts,
            "owners that ended by themselves and were started again": sum(self.ended.values()),
            "records that landed after another producer's": found.late_landings,
            "interactions": found.interactions,
            "inputs": found.inputs,
            "records": found.records,
            "decisions": found.decisions,
        }


class ProxyControl:
    """The proxy in its own process, and the orders given to it."""

    def __init__(self, bench: Bench, seed: int) -> None:
        self._bench, self._seed = bench, seed
        self._numbers = itertools.count()
        self._hit: dict[int, asyncio.Event] = {}
        self._over: dict[int, asyncio.Event] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._listening: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen where the broker's side door says that it is."""
        place = self._bench.place
        script = Path(__file__).with_name("proxy.py")
        words = ["--listen", place.proxy_port, "--upstream", place.side_port, "--seed", self._seed]
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(script),
            *map(str, words),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        self._listening = asyncio.create_task(self._listen())

    async def harm(
        self, api: str, fate: Fate, delay_s: float
    ) -> tuple[asyncio.Event, asyncio.Event]:
        """Order it; answers what is set when it has begun and when it is past."""
        assert self._process is not None
        assert self._process.stdin is not None
        number = next(self._numbers)
        order = {"order": number, "api": api, "fate": fate.name, "delay_s": delay_s}
        self._hit[number], self._over[number] = asyncio.Event(), asyncio.Event()
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        await self._process.stdin.drain()
        return self._hit[number], self._over[number]

    async def _listen(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            said = json.loads(line)
            if "hit" in said:
                self._hit[said["hit"]].set()
            elif "over" in said:
                self._over[said["over"]].set()

    async def close(self) -> None:
        """It goes."""
        if self._process is not None:
            self._process.kill()
            await self._process.wait()
        if self._listening is not None:
            await self._listening


async def run(bench: Bench, count: int, seed: int) -> Harm:
    """So many of each API, in rounds with a log each."""
    harm, done = Harm(), 0
    proxy = ProxyControl(bench, seed)
    await proxy.start()
    try:
        while done < count and not harm.judgement.wrong:
            some = min(PER_ROUND, count - done)
            session = Session(
                bench, seed + done, RATE, INSTANCES, proxied=True, by_triage=True,
                snapshot_records=10,
            )  # fmt: skip
            async with session:
                judgement = await _Round(session, proxy, harm, some).run()
            harm.judgement.add(judgement)
            done += some
            bench.say(
                f"apis {done} of {count} each; {judgement.inputs} inputs,"
                f" {judgement.late_landings} landed late; {judgement.violations} violations"
            )
    finally:
        await proxy.close()
    return harm


class _Round:
    """One log's share of the harm."""

    def __init__(self, session: Session, proxy: ProxyControl, harm: Harm, count: int) -> None:
        self._session, self._proxy, self._harm, self._count = session, proxy, harm, count
        self._draw: random.Random = session.random
        self._owners: list[Process] = []
        self._triages: list[Process] = []
        self._killed = 0.0

    async def run(self) -> Judgement:
        session = self._session
        keeping = [asyncio.create_task(self._keep(i)) for i in range(INSTANCES)]
        keeping += [asyncio.create_task(self._keep_triage(i)) for i in range(TRIAGES)]
        at_once = AT_ONCE if self._count > FEW else 2 * AT_ONCE
        lanes = [
            _Lane(self, api, (self._count + lane) // at_once).run()
            for api in APIS.values()
            for lane in range(at_once)
        ]
        lanes.append(_Lane(self, NEW_CONNECTION, self._count).run())
        await asyncio.gather(*lanes)
        # Interactions that triage has not handed over yet come before the end of all inputs.
        if not await session.handed_over(SETTLE_S_MAX):
            session.misbehaved.append(f"{len(session.feeder.awaited)} interactions never arrived")
        judgement = await session.judged()
        for task in keeping:
            task.cancel()
        await asyncio.gather(*keeping, return_exceptions=True)
        return judgement

    async def _keep(self, instance: int) -> None:
        """An owner of this instance, whenever there is none."""
        while True:
            owner = await self._session.owner(instance)
            self._owners.append(owner)
            code = await asyncio.shield(owner.exited)
            self._owners.remove(owner)
            if not owner.asked_to_end:
                self._harm.ended[f"{code}"] += 1
            if self._session.over:
                return
            await asyncio.sleep(0.2)

    async def _keep_triage(self, instance: int) -> None:
        while True:
            triage = await self._session.triage(instance, TRIAGES)
            self._triages.append(triage)
            code = await asyncio.shield(triage.exited)
            self._triages.remove(triage)
            if not triage.asked_to_end:
                self._harm.ended[f"triage {code}"] += 1
            if self._session.over:
                return
            await asyncio.sleep(0.2)

    def nudge(self, api: str) -> None:
        """Bring about a request of this API: whoever starts makes producers, asks, and connects."""
        if time.monotonic() - self._killed < NUDGE_S / 3:
            return
        self._killed = time.monotonic()
        victims = self._triages if api == "OffsetCommit" else self._owners
        if victims:
            self._draw.choice(victims).signal(signal.SIGKILL)
            self._harm.restarts += 1

    def delay_s(self, api: str, fate: Fate) -> float:
        """Mostly short, some of them longer than any client waits, few up to a minute."""
        if fate in (Fate.SILENT, Fate.ANSWER_SILENT, Fate.HALF_OPEN):
            return SILENT_S
        if fate is Fate.STALE:
            return GIVEN_UP_S[api] + self._draw.uniform(0, 2)
        if fate in (Fate.CUT, Fate.ANSWER_CUT, Fate.SLOW):
            return 0.0
        drawn = self._draw.random()
        for share, span in SPANS_S if self._count > FEW else SPANS_S[:1]:
            if drawn < share:
                return self._draw.uniform(*span)
        return SPANS_S[0][1][1]

    async def one(self, api: str, fate: Fate) -> None:
        """One harm, from the order to its end."""
        delay_s = self.delay_s(api, fate)
        hit, over = await self._proxy.harm(api, fate, delay_s)
        deadline = time.monotonic() + ORDER_S_MAX
        while not hit.is_set():
            if time.monotonic() > deadline:
                self._session.misbehaved.append(f"no {api} came in {ORDER_S_MAX:.0f} s")
                return
            try:
                await asyncio.wait_for(hit.wait(), NUDGE_S)
            except TimeoutError:
                self.nudge(api)
        self._harm.done[f"{api} {fate.value}"] += 1
        self._harm.longest_s = max(self._harm.longest_s, delay_s)
        try:
            await asyncio.wait_for(over.wait(), delay_s + ORDER_S_MAX)
        except TimeoutError:
            self._session.misbehaved.append(f"the proxy didn't finish {api} {fate.value}")


class _Lane:
    """Harm to one API, one after another, its fates in turn."""

    def __init__(self, round_: _Round, api: str, count: int) -> None:
        self._round, self._api, self._count = round_, api, count

    async def run(self) -> None:
        fates = OF_CONNECTIONS if self._api == NEW_CONNECTION else FATES
        first = self._round._draw.randrange(len(fates))
        for number in range(self._count):
            await self._round.one(self._api, fates[(first + number) % len(fates)])
