"""Customers of a run: by mail, chat and webhook, with a journal of what was acknowledged.

A customer's mail server, browser and webhooks behave as they should: what wasn't acknowledged is
sent again, the same bytes, until it is. Some customers write a second time in their conversation,
and only after the first was acknowledged, so that its order is known.
"""

from __future__ import annotations

import asyncio
import json
import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import ClientSession
from chaos.agents import Agents
from chaos.crew import Crew
from chaos.senders import Message, Refused, Senders

__all__ = ["TEXTS", "Agents", "Load"]

TEXTS = (
    ("fi", "Lasku on väärin", "Hei, laskussa on virhe. Voisitteko tarkistaa laskun ja hyvittää?"),
    ("en", "My invoice is wrong", "Hello, I was charged twice on my invoice, please refund it."),
    ("sv", "Kan inte logga in", "Hej, jag kan inte logga in i appen sedan i går, felkod 500."),
    ("de", "Beschwerde", "Guten Tag, ich möchte mich über den Service beschweren, danke."),
    (
        "fr",
        "Retour de commande",
        "Bonjour, je voudrais retourner ma commande, elle est trop petite.",
    ),
    ("et", "Arve küsimus", "Tere, mul on küsimus oktoobri arve kohta, palun vastake."),
)
ATTEMPT_PAUSE_S = 1.0
SECOND_S = (1.0, 20.0)
"""After the first message's acknowledgement; cases are closed meanwhile or not."""
CUSTOMERS = 500
BRAKE_S = 1.0


@dataclass
class Load:
    """Begins ``rate`` conversations a second until :meth:`stop`; writes the ``journal``.

    ``ways`` are taken in turn. ``second``: the share of customers who write again. ``brake``, asked
    once a second, says that more would only wait: then nobody new comes.
    """

    run: dict[str, Any]
    journal: Path
    rate: float
    seed: int = 0
    ways: Sequence[str] = ("email",)
    second: float = 0.0
    brake: Callable[[], bool] | None = None
    refusals: Counter[str] = field(default_factory=Counter)
    sent: int = 0
    acknowledged: int = 0
    braked_s: float = 0.0

    def __post_init__(self) -> None:
        self._stopping = threading.Event()
        self._giving_up = threading.Event()
        self._file = self.journal.open("a")
        self._random = random.Random(self.seed)
        self._thread = Crew(self._play)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, patience_s: float = 60) -> None:
        """Send nothing new; let what is under way be acknowledged, as a mail server would."""
        self._stopping.set()
        timer = threading.Timer(patience_s, self._giving_up.set)
        timer.start()
        self._thread.finish()
        timer.cancel()
        self._file.close()

    async def _play(self) -> None:
        async with ClientSession() as http, asyncio.TaskGroup() as customers:
            senders = Senders(self.run, http)
            due, number = time.monotonic(), 0
            braking = 0.0
            while not self._stopping.is_set():
                now = time.monotonic()
                if self.brake is not None and now >= braking:
                    braking = now + BRAKE_S
                    if await asyncio.to_thread(self.brake):
                        self.braked_s += BRAKE_S
                        await asyncio.sleep(BRAKE_S)
                        due = time.monotonic()
                        continue
                way = self.ways[number % len(self.ways)]
                customers.create_task(self._converse(senders, way, self._random.getrandbits(64)))
                number += 1
                due += 1 / self.rate
                await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def _converse(self, senders: Senders, way: str, seed: int) -> None:
        """One customer: a message, and perhaps a second."""
        draw = random.Random(seed)
        language, subject, text = draw.choice(TEXTS)
        first = uuid.uuid4().hex
        sender = f"customer{draw.randrange(CUSTOMERS)}@load.example"
        message = Message(first, way, sender, language, subject, text, first)
        taken = await self._deliver(senders, message, 0)
        if not taken or draw.random() >= self.second:
            return
        end = time.monotonic() + draw.uniform(*SECOND_S)
        while time.monotonic() < end:
            if self._stopping.is_set():
                return
            await asyncio.sleep(0.5)
        again = Message(
            uuid.uuid4().hex, way, sender, language, f"Re: {subject}", text, first, message.state
        )
        await self._deliver(senders, again, 1)

    async def _deliver(self, senders: Senders, message: Message, number: int) -> bool:
        """Try until it is taken or all is over; says whether it was."""
        self.sent += 1
        sent_ms, taken = int(time.time() * 1000), False
        while not taken and not self._giving_up.is_set():
            try:
                await senders.send(message)
                taken = True
            except Refused as error:
                self.refusals[error.code] += 1
                await asyncio.sleep(ATTEMPT_PAUSE_S)
        self.acknowledged += taken
        ending = "@load.example" if message.way == "email" else ""
        line = {
            "message_id": message.id + ending,
            "way": message.way,
            "conversation": message.first,
            "number": number,
            "acknowledged": taken,
            "sent_ms": sent_ms,
            "done_ms": int(time.time() * 1000),
        }
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        return taken
