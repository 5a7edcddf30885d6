"""Simulated agents: each accepts what is offered, answers it in its language, and resolves it.

Every write carries a key that follows from the offer or the work, so that an answer that got lost
can be asked for again; a service that is killed in between costs a moment and nothing else.
"""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from typing import Any
from urllib.parse import quote

from aiohttp import ClientError, ClientSession, ClientTimeout

from vaxel_cli.commands.demo_plan import ANSWERS
from vaxel_cli.commands.demo_tally import Tally
from vaxel_cli.runinfo import RunInfo

LOOK_S = 0.3
"""Between two looks at an inbox that was empty."""
AT_ONCE = 4
"""What one agent does at the same time."""
UNDECIDED_S = 60.0
"""How long a write without an outcome is asked for again: a register or a router that was killed
on a busy machine is back well before."""
TIMEOUT_S = 15.0
"""Above the register's own wait for a decision."""


class Agents:
    """All agents of the running system's roster; who isn't present is offered nothing."""

    def __init__(
        self, run: RunInfo, http: ClientSession, tally: Tally, stop: asyncio.Event
    ) -> None:
        self._run = run
        self._http = http
        self._tally = tally
        self._stop = stop
        self._busy = asyncio.Semaphore(AT_ONCE * max(1, len(run.tokens.agents)))

    async def work(self) -> None:
        """Work until ``stop``."""
        agents = self._run.tokens.agents.items()
        await asyncio.gather(*(self._shift(name, token) for name, token in agents))

    async def _shift(self, agent: str, token: str) -> None:
        while not self._stop.is_set():
            inbox = await self._ask("GET", f"/agents/{quote(agent)}/inbox", token)
            todo = [self._accept(offer, token) for offer in (inbox or {}).get("offers", [])]
            todo += [self._answer(work, token) for work in (inbox or {}).get("works", [])]
            if todo:
                await asyncio.gather(*todo[:AT_ONCE])
            else:
                await asyncio.sleep(LOOK_S)
            for rest in todo[AT_ONCE:]:
                rest.close()

    async def _accept(self, offer: dict[str, Any], token: str) -> None:
        if offer["case_id"] is not None and offer["made_at"] is not None:
            made_ms = round(datetime.fromisoformat(offer["made_at"]).timestamp() * 1000)
            self._tally.offered(offer["case_id"], made_ms)
        key = f"demo-accept-{offer['id']}"
        await self._ask("POST", f"/offers/{quote(offer['id'])}/accept", token, {}, key)

    async def _answer(self, work: dict[str, Any], token: str) -> None:
        if work["number"] is None or work["state"] == "wrapping":
            return
        text = ANSWERS.get(work["language"] or "", ANSWERS["en"])
        body = {"text": text, "then": "resolved"}
        path, key = f"/cases/{quote(work['number'])}/reply", f"demo-reply-{work['id']}"
        if await self._ask("POST", path, token, body, key) is not None:
            self._tally.answered(str(work["case_id"]), time.time_ns() // 1_000_000)

    async def _ask(
        self, method: str, path: str, token: str, body: Any = None, key: str | None = None
    ) -> Any:
        """The answer's body; None where there was none to use: the next look tries again.

        A write whose outcome nobody said (cut off, 5xx, 202) is asked for again: its key makes it
        the same one, and the work may be gone from the inbox by then.
        """
        until = time.monotonic() + UNDECIDED_S
        while not self._stop.is_set():
            status, found = await self._once(method, path, token, body, key)
            unknown = status is None or status == 202 or status >= 500
            if status is not None and status < 300 and not unknown:
                return found
            await asyncio.sleep(LOOK_S)
            if key is None or not unknown or time.monotonic() > until:
                break
        return None

    async def _once(
        self, method: str, path: str, token: str, body: Any, key: str | None
    ) -> tuple[int | None, Any]:
        """Status and body; no status where nobody answered."""
        headers = {"Authorization": f"Bearer {token}"}
        if key is not None:
            headers["Idempotency-Key"] = key
        what = "look" if method == "GET" else path.rpartition("/")[2]
        try:
            async with (
                self._busy,
                self._http.request(
                    method,
                    f"{self._run.url('register')}/api/v1{path}",
                    json=body,
                    headers=headers,
                    timeout=ClientTimeout(total=TIMEOUT_S),
                ) as answer,
            ):
                self._tally.agents[f"{what} {answer.status}"] += 1
                return answer.status, await answer.json()
        except (ClientError, OSError, ValueError) as error:  # TimeoutError is an OSError
            self._tally.agents[f"{what} {type(error).__name__}"] += 1
            return None, None
