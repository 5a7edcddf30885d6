"""Simulated agents: they accept most of what they are offered, answer it and resolve it; some
offers they decline, some they let pass, some work they put aside or forget for a while, and at
times they go away: so that time has something to decide.

What the API answered to their writes is kept: it is an acknowledgement like a mail server's.
"""

from __future__ import annotations

import asyncio
import json
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout
from chaos.crew import Crew

LOOK_S = 1.0
TIMEOUT_S = 15.0
"""Above the register's own wait for a decision."""
IGNORED, DECLINED = 0.10, 0.05
"""The share of offers that an agent lets pass, and of those that one declines."""
AWAY = 0.004
"""How often an agent goes away, at each look, and comes back by itself after some seconds."""
FORGOTTEN_S = 40.0

Step = tuple[str, dict[str, Any]]


@dataclass
class Agents:
    """All agents of the roster, a task each; ``lively``: they do more than accept and resolve."""

    run: dict[str, Any]
    seed: int = 0
    lively: bool = False
    journal: Path | None = None
    """Where the ids of acknowledged commands are written."""
    done: Counter[str] = field(default_factory=Counter)

    def start(self) -> None:
        """Begin."""
        self._stop = threading.Event()
        self._last_call = threading.Event()
        self._idle = dict.fromkeys(self.run["tokens"]["agents"], False)
        self._plans: dict[str, list[Step]] = {}
        self._not_before: dict[str, float] = {}
        self._refused: Counter[str] = Counter()
        self._file = self.journal.open("a") if self.journal is not None else None
        self._thread = Crew(self._play)
        self._thread.start()

    def finish(self, patience_s: float) -> None:
        """Let no offer pass any more; go home when nothing is left to do, or after so long."""
        self._last_call.set()
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline and not all(self._idle.values()):
            time.sleep(0.5)
        self._stop.set()
        self._thread.finish()
        if self._file is not None:
            self._file.close()

    async def _play(self) -> None:
        timeout = ClientTimeout(total=TIMEOUT_S)
        async with ClientSession(timeout=timeout) as http, asyncio.TaskGroup() as shift:
            for agent, token in self.run["tokens"]["agents"].items():
                shift.create_task(self._work(http, agent, token))

    async def _work(self, http: ClientSession, agent: str, token: str) -> None:
        draw = random.Random(f"{self.seed} {agent}")
        ignored: set[str] = set()
        present = False  # until something was offered
        while not self._stop.is_set():
            await asyncio.sleep(LOOK_S)
            if not present and draw.random() > 0.2:  # the off-duty look in rarely
                continue
            inbox = await self._call(http, "GET", f"/agents/{agent}/inbox", token)
            if inbox is None:
                continue
            self._idle[agent] = not (inbox["offers"] or inbox["works"])
            present = present or not self._idle[agent]
            for offer in inbox["offers"]:
                if offer["id"] not in ignored or self._last_call.is_set():
                    await self._answer(http, offer["id"], token, draw.random(), ignored)
            for work in inbox["works"]:
                await self._do(http, work, token, draw)
            last = self._last_call.is_set()
            if self.lively and present and not last and draw.random() < AWAY:
                until = _instant(draw.uniform(3, 8))
                body = {"presence": "away", "mode": "keep_no_new", "until": until}
                await self._write(http, f"/agents/{agent}/presence", token, body, f"away-{until}")

    async def _answer(
        self, http: ClientSession, offer: str, token: str, mood: float, ignored: set[str]
    ) -> None:
        if self._last_call.is_set():
            mood = 1.0
        if mood < IGNORED:
            ignored.add(offer)
            return
        what = "decline" if mood < IGNORED + DECLINED else "accept"
        await self._write(http, f"/offers/{offer}/{what}", token, {}, f"{what}-{offer}")

    async def _do(
        self, http: ClientSession, work: dict[str, Any], token: str, draw: random.Random
    ) -> None:
        """The next step with a work in hand."""
        if work["number"] is None or work["state"] == "wrapping":
            return
        name = str(work["id"])
        if name not in self._plans:
            self._plans[name] = self._plan(work, draw)
        if self._last_call.is_set():
            self._plans[name] = self._plans[name][-1:]
            self._not_before.pop(name, None)
        if self._not_before.get(name, 0.0) > time.monotonic():
            return
        steps = self._plans[name]
        verb, body = steps[0]
        path = f"/cases/{work['number']}/{verb}"
        key = f"{verb}-{len(steps)}-{name}-{self._refused[name]}"
        taken = await self._write(http, path, token, body, key)
        if taken == "refused":
            self._refused[name] += 1
            self._plans[name] = [("resolve", {})]
        elif taken == "done" and len(steps) > 1:
            del steps[0]

    def _plan(self, work: dict[str, Any], draw: random.Random) -> list[Step]:
        """What becomes of it; the last step ends it."""
        answer = "Thank you, done."
        end: Step = ("reply", {"text": answer, "then": "resolved"})
        if work["channel"] not in ("email", "chat"):
            end = ("resolve", {})  # somebody's server hears of nothing yet
        if not self.lively:
            return [end]
        mood = draw.random()
        if mood < 0.05:
            self._not_before[work["id"]] = time.monotonic() + FORGOTTEN_S
        if mood < 0.70:
            return [end]
        if mood < 0.80 and end[0] == "reply":
            return [("reply", {"text": answer, "then": "waiting"})]
        if mood < 0.88 and end[0] == "reply":
            return [("reply", {"text": "We look into it.", "then": "open"}), end]
        if mood < 0.94:
            return [("wait", {"for": "internal", "wake_at": _instant(draw.uniform(4, 9))})]
        return [("note", {"text": "Called back."}), end]

    async def _write(
        self, http: ClientSession, path: str, token: str, body: dict[str, Any], key: str
    ) -> str:
        """A write; says what became of it: ``done``, ``refused``, or ``unknown``."""
        answer = await self._call(http, "POST", path, token, body, key)
        if answer is None:
            return "unknown"
        if self._file is not None and answer.get("command_id"):
            line = {"command_id": answer["command_id"], "path": path, "status": answer["status"]}
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()
        status = answer.get("status")
        return "refused" if isinstance(status, int) else "done" if status == "done" else "unknown"

    async def _call(
        self, http: ClientSession, method: str, path: str, token: str, body: Any = None,
        key: str = "",
    ) -> dict[str, Any] | None:  # fmt: skip
        """The answer's document; None where nobody answered, or with trouble of their own."""
        url = f"{self.run['services']['register']['url']}/api/v1{path}"
        headers = {"Authorization": f"Bearer {token}"}
        if key:
            headers["Idempotency-Key"] = key
        try:
            async with http.request(method, url, json=body, headers=headers) as answer:
                self.done[f"{method} {answer.status}"] += 1
                if answer.status >= 500 or answer.status == 429:
                    return None
                found: dict[str, Any] = await answer.json(content_type=None)
                return found if answer.status < 300 or method == "POST" else None
        except (ClientError, OSError, ValueError) as error:  # TimeoutError is an OSError
            self.done[f"{method} {type(error).__name__}"] += 1
            return None


def _instant(after_s: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=after_s)).isoformat()
