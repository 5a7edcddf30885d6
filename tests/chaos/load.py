"""Customers and agents for a run: mails over real SMTP with a journal, answers through the API.

A customer's mail server behaves as one should: what wasn't acknowledged is sent again, the same
bytes, until it is. Agents accept most of what they are offered, answer it and resolve
it; some offers they decline, some they let pass, so that time has something to decide.
"""

from __future__ import annotations

import json
import random
import smtplib
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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
IGNORED, DECLINED = 0.10, 0.05
"""The share of offers that an agent lets pass, and of those that one declines."""


@dataclass
class Load:
    """Sends ``rate`` mails a second until :meth:`stop`; the journal stands in ``journal``."""

    run: dict[str, Any]
    journal: Path
    rate: float
    seed: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    sent: int = 0
    acknowledged: int = 0

    def __post_init__(self) -> None:
        self._stopping = threading.Event()
        self._giving_up = threading.Event()
        self._pool = ThreadPoolExecutor(32)
        self._lock = threading.Lock()
        self._file = self.journal.open("a")
        self._random = random.Random(self.seed)
        self._thread = threading.Thread(target=self._pace, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, patience_s: float = 60) -> None:
        """Send no new mail; let what is under way be acknowledged, as a mail server would."""
        self._stopping.set()
        self._thread.join()
        timer = threading.Timer(patience_s, self._giving_up.set)
        timer.start()
        self._pool.shutdown(wait=True)
        timer.cancel()
        self._file.close()

    def _pace(self) -> None:
        due = time.monotonic()
        while not self._stopping.is_set():
            self._pool.submit(self._one, self._random.choice(TEXTS), self._random.random())
            due += 1 / self.rate
            time.sleep(max(0.0, due - time.monotonic()))

    def _one(self, text: tuple[str, str, str], number: float) -> None:
        message_id = f"{uuid.uuid4().hex}@load.example"
        sender = f"customer{int(number * 500)}@load.example"
        recipient = self.run["mailboxes"][0]
        mail = (
            f"From: Customer <{sender}>\r\nTo: {recipient}\r\nSubject: {text[1]}\r\n"
            f"Message-ID: <{message_id}>\r\nDate: Sun, 22 Nov 2026 12:00:00 +0000\r\n"
            f"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{text[2]}\r\n"
        ).encode()
        with self._lock:
            self.sent += 1
        acknowledged, sent_ms = False, int(time.time() * 1000)
        while not acknowledged and not self._giving_up.is_set():
            acknowledged = self._attempt(sender, recipient, mail)
            if not acknowledged:
                self._giving_up.wait(ATTEMPT_PAUSE_S)
        with self._lock:
            self.acknowledged += acknowledged
            line = {
                "message_id": message_id,
                "acknowledged": acknowledged,
                "sent_ms": sent_ms,
                "done_ms": int(time.time() * 1000),
            }
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()

    def _attempt(self, sender: str, recipient: str, mail: bytes) -> bool:
        smtp = self.run["smtp"]
        try:
            with smtplib.SMTP(smtp["host"], smtp["port"], timeout=40) as client:
                client.sendmail(sender, [recipient], mail)
        except smtplib.SMTPResponseException as error:
            self._refused(str(error.smtp_code))
        except smtplib.SMTPRecipientsRefused as error:
            self._refused(str(next(iter(error.recipients.values()))[0]))
        except (OSError, smtplib.SMTPException) as error:
            self._refused(type(error).__name__)
        else:
            return True
        return False

    def _refused(self, code: str) -> None:
        with self._lock:
            self.refusals[code] += 1


@dataclass
class Agents:
    """Simulated agents: one thread each, working through their inboxes."""

    run: dict[str, Any]
    seed: int = 0
    done: Counter[str] = field(default_factory=Counter)

    def start(self) -> None:
        """Begin."""
        self._stop = threading.Event()
        self._last_call = threading.Event()
        tokens = self.run["tokens"]["agents"]
        self._idle = dict.fromkeys(tokens, False)
        self._threads = [
            threading.Thread(target=self._work, args=item, daemon=True) for item in tokens.items()
        ]
        for thread in self._threads:
            thread.start()

    def finish(self, patience_s: float) -> None:
        """Let no offer pass any more; go home when nothing is left to do, or after so long."""
        self._last_call.set()
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline and not all(self._idle.values()):
            time.sleep(0.5)
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _work(self, agent: str, token: str) -> None:
        choose = random.Random(f"{self.seed} {agent}")
        ignored: set[str] = set()
        while not self._stop.wait(0.5):
            inbox = self._call("GET", f"/agents/{agent}/inbox", token)
            if inbox is None:
                continue
            self._idle[agent] = not (inbox["offers"] or inbox["works"])
            for offer in inbox["offers"]:
                if offer["id"] not in ignored or self._last_call.is_set():
                    self._answer(offer["id"], token, choose.random(), ignored)
            for work in inbox["works"]:
                body = {"text": "Thank you, done.", "then": "resolved"}
                key = f"reply-{work.get('work_id') or work.get('id')}"
                self._call("POST", f"/cases/{work['number']}/reply", token, body, key)

    def _answer(self, offer: str, token: str, mood: float, ignored: set[str]) -> None:
        if self._last_call.is_set():
            mood = 1.0
        if mood < IGNORED:
            ignored.add(offer)
            return
        what = "decline" if mood < IGNORED + DECLINED else "accept"
        self._call("POST", f"/offers/{offer}/{what}", token, {}, f"{what}-{offer}")

    def _call(
        self, method: str, path: str, token: str, body: Any = None, key: str = ""
    ) -> dict[str, Any] | None:
        url = f"{self.run['services']['register']['url']}/api/v1{path}"
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        if key:
            headers["Idempotency-Key"] = key
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(url, data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                self.done[f"{method} {answer.status}"] += 1
                return json.load(answer)
        except urllib.error.HTTPError as error:
            self.done[f"{method} {error.code}"] += 1
        except (OSError, ValueError) as error:
            self.done[f"{method} {type(error).__name__}"] += 1
        return None
