"""Eight days of repeats, by every way in: the same interaction, and the router ends it.

The real cores one after the other, from the bytes that arrive to the decision, with a clock that
can be moved and a router that restarts from its snapshot after every record. What the processes
add stands in ``test_intake.py``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest
from chaos.chaos import ROOT

from vaxel_ingest_chat.core.cursor import Cursor
from vaxel_ingest_chat.core.interactions import of_message
from vaxel_ingest_chat.core.protocol import Message
from vaxel_ingest_chat.core.visitor import Visitor
from vaxel_ingest_email.core.fields import Envelope
from vaxel_ingest_email.core.normalize import AccountRef, address, parse
from vaxel_shared.channels.platform import Request
from vaxel_shared.channels.receive import Place, receive
from vaxel_shared.channels.standard import PLATFORM, sign
from vaxel_shared.contracts.interaction import Interaction
from vaxel_shared.crypto.keys import Keyring
from vaxel_triage.core.contact import Tools, to_command
from vaxel_triage.shell.deployment import load_view

sys.path.insert(0, str(ROOT / "services/router/tests"))

from router_harness import Router, types

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
KEYRING = Keyring(b"k" * 32)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class NoLanguage:
    """A guesser that knows nothing; what language it is doesn't matter here."""

    def among_ours(self, _text: str) -> tuple[str, float]:
        return "en", 0.0

    def among_all(self, _text: str) -> tuple[str, float]:
        return "en", 0.0


def mail(now_ms: int, text: str = "My invoice is wrong.") -> Interaction:
    """As a relay sends it again: other trace lines on top, the rest as it was."""
    raw = (
        f"Received: from relay{now_ms}.example by mx.example\r\n"
        "From: Customer <customer@load.example>\r\nTo: support@vaxel.example\r\nSubject: Invoice\r\n"
        "Message-ID: <one@load.example>\r\nDate: Sun, 22 Nov 2026 12:00:00 +0000\r\n\r\n"
        f"{text}\r\n"
    ).encode()
    envelope = Envelope("customer@load.example", ("support@vaxel.example",))
    account = AccountRef("support", "support@vaxel.example", "support")
    return address(parse(raw, envelope, now_ms), account, KEYRING)


def webhook(now_ms: int, text: str = "My invoice is wrong.") -> Interaction:
    """As a provider delivers it again: the same id and body, signed anew at the new time."""
    data = {"conversation_id": "t", "message_id": "m1", "sender": {"id": "u1"}, "text": text}
    body = json.dumps({"type": "message.received", "data": data}).encode()
    seconds = now_ms // 1000
    headers = {
        "content-type": "application/json",
        "webhook-id": "event-1",
        "webhook-timestamp": str(seconds),
        "webhook-signature": sign(SECRET, "event-1", seconds, body),
    }
    place = Place("partner", "support", KEYRING.pseudonym)
    got = receive(PLATFORM, Request("POST", "", headers, body), [SECRET], place, now_ms)
    assert got.answer.status == 204
    return got.interactions[0]


def chat(now_ms: int, text: str = "My invoice is wrong.") -> Interaction:
    """As a widget says it again that never saw the acknowledgement."""
    visitor = Visitor("web", "visitor", "conversation", Cursor(0, -1), 0)
    key = visitor.conversation_key("support", KEYRING)
    return of_message(visitor, Message("message-0001", text), key, now_ms)


WAYS: list[Callable[..., Interaction]] = [mail, webhook, chat]


class House:
    """Triage and router behind one partition of interactions."""

    def __init__(self) -> None:
        self.router = Router(restarts=True)
        self._view = load_view(ROOT / "config")
        self._offset = 0

    def take(self, interaction: Interaction, offset: int | None = None) -> list[Any]:
        """The decisions about a record; ``offset`` where it was read before."""
        if offset is None:
            self._offset += 1
        command = to_command(
            interaction,
            src=(0, self._offset if offset is None else offset),
            view=self._view,
            tools=Tools(KEYRING.pseudonym, NoLanguage()),
            lacking=[],
        )
        return self.router.feed(command.to_json())


@pytest.mark.parametrize("way", WAYS)
def test_what_comes_again_within_eight_days_is_ended_by_the_router(
    way: Callable[..., Interaction],
) -> None:
    house = House()
    router = house.router
    begin_ms = router.now_ms
    first = way(begin_ms)
    assert types(house.take(first))[0] == "case.opened"
    for after_ms in (1, HOUR_MS, DAY_MS, 3 * DAY_MS, 7 * DAY_MS, 8 * DAY_MS - 1, 8 * DAY_MS):
        router.wait(begin_ms + after_ms - router.now_ms)
        again = way(router.now_ms)
        assert (again.id, again.conversation_key) == (first.id, first.conversation_key)
        assert types(house.take(again)) == ["command.repeated"]
    assert len(router.pool().cases) == 1
    router.replay()


@pytest.mark.parametrize("way", WAYS)
def test_a_record_that_triage_reads_again_is_a_repeat_however_old(
    way: Callable[..., Interaction],
) -> None:
    house = House()
    first = way(house.router.now_ms)
    house.take(first, offset=1)
    house.router.wait(25 * DAY_MS)
    assert types(house.take(first, offset=1)) == ["command.repeated"]


def test_the_same_message_id_with_other_words_is_another_mail() -> None:
    house = House()
    now_ms = house.router.now_ms
    first, second = mail(now_ms), mail(now_ms, "Another matter altogether.")
    assert first.id != second.id
    assert types(house.take(first))[0] == "case.opened"
    assert types(house.take(second))[0] == "case.joined"
