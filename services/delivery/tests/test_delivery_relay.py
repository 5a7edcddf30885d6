"""Real SMTP: what the relay does, and what is said of it."""

import asyncio
import socket

import pytest
from aiosmtpd.controller import Controller
from delivery_kit import interaction

from vaxel_delivery.core.effects import Next, Outcome
from vaxel_delivery.core.kept import keep
from vaxel_delivery.core.mails import Sender, Thread, acknowledgement, reply
from vaxel_delivery.core.texts import LANGUAGES
from vaxel_delivery.shell.gate import PAUSE_MS_MAX, Gate
from vaxel_delivery.shell.smtp import SmtpSender
from vaxel_shared.config.connectors import Relay
from vaxel_shared.settings import Settings


def mail(text="Hei,\n\n.\n..dots\nkiitos.\n", **changes):
    kept = keep(interaction(**changes))
    thread = Thread(
        effect_id="e", kept=kept, sender=Sender("support@vaxel.example", "S"), number="N", now_ms=0
    )
    return reply(thread, text)


class Far:
    """A server that answers as it is told."""

    def __init__(self, **answers):
        self.answers = answers
        self.got = []

    async def handle_MAIL(self, _server, _session, envelope, address, _options):  # noqa: N802
        envelope.mail_from = address
        return self.answers.get("mail", "250 OK")

    async def handle_RCPT(self, _server, _session, envelope, address, _options):  # noqa: N802
        answer = self.answers.get("rcpt", "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, _server, session, envelope):  # noqa: N802
        self.got.append(envelope)
        if self.answers.get("data") == "cut":
            session.loop.call_soon(_server.transport.abort)
            await asyncio.sleep(3600)
        return self.answers.get("data", "250 OK")


@pytest.fixture
def far():
    running = []

    def start(**answers):
        handler = Far(**answers)
        controller = Controller(handler, hostname="127.0.0.1", port=0)
        controller.port = free_port()
        controller.start()
        running.append(controller)
        relay = Relay(host="127.0.0.1", port=controller.port, tls="none")
        return handler, SmtpSender(Settings(), lambda: relay)

    yield start
    for controller in running:
        controller.stop()


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


async def test_a_mail_arrives_byte_for_byte(far):
    handler, sender = far()
    sent = mail()
    assert await sender.send(sent) == Outcome("done")
    (got,) = handler.got
    assert got.content == sent.raw
    assert (got.mail_from, got.rcpt_tos) == ("support@vaxel.example", ["maija@customer.example"])


async def test_an_acknowledgement_has_the_empty_return_path(far):
    handler, sender = far()
    kept = keep(interaction())
    thread = Thread(
        effect_id="e", kept=kept, sender=Sender("support@vaxel.example", "S"), number="N", now_ms=0
    )
    assert await sender.send(acknowledgement(thread, LANGUAGES["fi"])) == Outcome("done")
    assert handler.got[0].mail_from in {"", "<>"}


@pytest.mark.parametrize(
    ("answers", "outcome"),
    [
        ({"mail": "451 4.3.0 later"}, Outcome("later", "smtp_451")),
        ({"mail": "553 5.1.8 no"}, Outcome("refused", "smtp_553")),
        ({"rcpt": "450 4.2.1 greylisted"}, Outcome("later", "smtp_450")),
        ({"rcpt": "550 5.1.1 unknown"}, Outcome("refused", "smtp_550")),
        ({"data": "452 4.2.2 full"}, Outcome("later", "smtp_452")),
        ({"data": "554 5.6.0 no"}, Outcome("refused", "smtp_554")),
        ({"data": "cut"}, Outcome("lost", "connection_lost")),
    ],
)
async def test_what_the_relay_answers_is_what_is_said(far, answers, outcome):
    handler, sender = far(**answers)
    assert await sender.send(mail()) == outcome
    assert bool(handler.got) == ("data" in answers)


async def test_a_relay_that_is_not_there_is_unreachable():
    relay = Relay(host="127.0.0.1", port=free_port(), tls="none")
    assert await SmtpSender(Settings(), lambda: relay).send(mail()) == Outcome(
        "later", "relay_unreachable", trouble=True
    )


async def test_tls_that_was_asked_for_is_never_done_without(far):
    handler, sender = far()
    plain = sender._relay()
    for tls in ("starttls", "implicit"):
        relay = Relay(host=plain.host, port=plain.port, tls=tls)
        answer = await asyncio.wait_for(SmtpSender(Settings(), lambda r=relay: r).send(mail()), 40)
        assert answer == Outcome("later", "relay_unreachable", trouble=True)
    assert handler.got == []


async def test_a_login_without_its_password_file_says_so(far, tmp_path):
    handler, sender = far()
    plain = sender._relay()
    relay = Relay(host=plain.host, port=plain.port, tls="none", username="u", password_file="none")
    sender = SmtpSender(Settings(secrets_dir=tmp_path), lambda: relay)
    assert await sender.send(mail()) == Outcome("later", "relay_login", trouble=True)
    assert handler.got == []


async def test_odd_but_real_addresses_reach_the_relay_whole(far):
    handler, sender = far()
    for address in (
        "a..b@docomo.example",
        "o'hara+x=y@x.example",
        "a.@x.example",
        "{}~|@x.example",
    ):
        answer = await sender.send(mail(sender={"external_id": address}))
        assert answer == Outcome("done"), address
    assert [got.rcpt_tos[0] for got in handler.got] == [
        "a..b@docomo.example", "o'hara+x=y@x.example", "a.@x.example", "{}~|@x.example",
    ]  # fmt: skip


def test_a_gate_lets_one_through_a_pause_while_the_relay_is_away_and_all_when_it_is_back():
    gate, now_ms = Gate(lambda *_: None, chance=lambda: 0.0), 0
    down, up = Outcome("later", "relay_unreachable", trouble=True), Outcome("refused", "smtp_550")
    assert gate.admit(now_ms)
    gate.judge(down, now_ms)
    assert not gate.admit(now_ms)
    pauses = []
    for _ in range(12):
        pause = gate.again_ms(now_ms) - now_ms
        pauses.append(pause)
        now_ms += pause
        assert gate.admit(now_ms)
        assert not gate.admit(now_ms)
        gate.judge(down, now_ms)
    assert pauses == sorted(pauses)
    assert pauses[-1] == PAUSE_MS_MAX
    following = Next("pending", False, "relay_unreachable", now_ms + 1_000_000, 0)
    assert gate.adjust(following, now_ms).at_ms == now_ms + PAUSE_MS_MAX
    now_ms += PAUSE_MS_MAX
    assert gate.admit(now_ms)
    gate.release()
    assert gate.admit(now_ms)
    gate.judge(up, now_ms)
    assert gate.admit(now_ms)
    assert gate.admit(now_ms)
