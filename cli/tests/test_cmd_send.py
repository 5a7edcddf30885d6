"""Sending a mail in: over a real SMTP socket, followed through a register that answers as told."""

import asyncio
import json
import threading
import time
from contextlib import contextmanager
from email import message_from_bytes, policy
from pathlib import Path

import fake_api
import pytest
from aiosmtpd.smtp import SMTP
from click.testing import CliRunner

from vaxel_cli.commands import mail, routed
from vaxel_cli.commands.send import send
from vaxel_cli.main import run
from vaxel_shared.config import source
from vaxel_shared.config.channels import Channels
from vaxel_shared.contracts.cloudevents import iso_ms


class Receiver:
    """Takes mail and keeps it; refuses recipients that aren't ours."""

    def __init__(self):
        self.mails = []
        self.data_answer = "250 2.6.0 taken"

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802 - aiosmtpd calls it so
        if not address.endswith("@vaxel.example"):
            return "550 5.1.1 no such mailbox here; write to support@vaxel.example"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - aiosmtpd calls it so
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return self.data_answer


@contextmanager
def smtp(receiver):
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(
        loop.create_server(lambda: SMTP(receiver, loop=loop), host="127.0.0.1", port=0)
    )
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.close()


@pytest.fixture
def receiver():
    return Receiver()


@pytest.fixture
def system(tmp_path, receiver):
    with fake_api.serving(fake_api.FakeApi()) as api, smtp(receiver) as port:
        fake_api.write_run(tmp_path, api, smtp={"host": "127.0.0.1", "port": port})
        yield api


def vaxel(tmp_path, *arguments):
    """(exit code, stdout, stderr) of a command."""
    return run([*arguments, "--data-dir", str(tmp_path)])


def routed_case(receiver, *more, contact="i1", **facts):
    """A register that knows the case as soon as the mail was taken."""
    now = iso_ms(time.time_ns() // 1_000_000)

    def detail(_request):
        sender = mail.address_of(receiver.mails[-1]["From"])
        timeline = [
            fake_api.message("i1", now, sender.upper()),
            fake_api.decision("case.opened", now, data={"contact_id": contact, "number": "S-1"}),
            *more,
        ]
        return 200, fake_api.case("S-1", timeline, **facts)

    def listed(_request):
        return 200, fake_api.case_list(*([fake_api.case("S-1", [])] if receiver.mails else []))

    return listed, detail


def serve_case(api, receiver, *more, **facts):
    listed, detail = routed_case(receiver, *more, **facts)
    api.on("GET", "/api/v1/cases", listed)
    api.on("GET", "/api/v1/cases/S-1", detail)
    api.on("GET", "/api/v1/agents", fake_api.agents(("a01", "Aino Koskela", "available")))


OFFER = fake_api.decision(
    "offer.made", "2026-11-22T14:37:57.200Z", agent="a01", data={"attempt": 1}
)


def test_an_example_is_sent_and_who_was_offered_it_is_said(tmp_path, system, receiver, capsys):
    serve_case(system, receiver, OFFER)
    assert vaxel(tmp_path, "send", "email", "--example", "fi-billing") == 0
    said = capsys.readouterr().out
    assert "case S-1 in billing" in said
    assert "offered to Aino Koskela (a01) after" in said
    sent = receiver.mails[0]
    assert sent["To"] == "support@vaxel.example"
    assert sent["Subject"] == "Lasku 20417 veloitettu kahdesti"
    assert "ylimääräinen" in sent.get_content()


def test_json_holds_the_same_in_one_document(tmp_path, system, receiver, capsys):
    serve_case(system, receiver, OFFER)
    assert vaxel(tmp_path, "send", "email", "--example", "fi-billing", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["case"] == "S-1"
    assert answer["offered_to"] == "a01"
    assert answer["offered_name"] == "Aino Koskela"
    assert answer["what"] == "opened"
    assert answer["offered_after_ms"] >= answer["case_after_ms"] >= 0
    assert answer["message_id"] == receiver.mails[0]["Message-ID"]
    assert answer["smtp"] == "250 2.6.0 taken"


def test_a_case_that_nobody_is_offered_is_said_to_wait(
    tmp_path, system, receiver, capsys, monkeypatch
):
    monkeypatch.setattr(routed, "SETTLE_MS", 0)
    serve_case(system, receiver)
    assert vaxel(tmp_path, "send", "email", "--example", "fi-billing") == 0
    assert "`vaxel explain S-1` says why" in capsys.readouterr().out


def test_an_interaction_that_the_router_has_not_decided_on_is_no_case_yet(
    tmp_path, system, receiver, capsys, monkeypatch
):
    serve_case(system, receiver, contact="another")
    code = vaxel(tmp_path, "send", "email", "--example", "fi-billing", "--timeout", "0.2")
    assert code == 1
    assert "it is no case after 0.2 s" in capsys.readouterr().err


def test_an_offer_made_before_the_mail_came_is_not_taken_for_its_own(
    tmp_path, system, receiver, capsys, monkeypatch
):
    monkeypatch.setattr(routed, "SETTLE_MS", 0)
    now = iso_ms(time.time_ns() // 1_000_000)

    def detail(_request):
        sender = mail.address_of(receiver.mails[-1]["From"])
        return 200, fake_api.case(
            "S-1",
            [
                OFFER,
                fake_api.message("i2", now, sender),
                fake_api.decision("case.joined", now, data={"contact_id": "i2", "number": "S-1"}),
            ],
        )

    serve_case(system, receiver)
    system.on("GET", "/api/v1/cases/S-1", detail)
    assert vaxel(tmp_path, "send", "email", "--example", "fi-billing", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["what"] == "joined"
    assert answer["offered_to"] is None


def test_a_mail_that_joins_a_case_on_offer_names_whose_it_is(tmp_path, system, receiver, capsys):
    offer = {
        "id": "o1", "case_id": "c", "work_id": "c.1", "agent": "a01", "state": "pending",
        "token": "4.0", "queue": "billing", "attempt": 1, "reason": None, "made_at": None,
        "expires_at": None, "ended_at": None,
    }  # fmt: skip
    serve_case(system, receiver, offers=[offer])
    assert vaxel(tmp_path, "send", "email", "--example", "fi-billing") == 0
    assert "offered to Aino Koskela (a01) before" in capsys.readouterr().out


def test_the_id_that_the_receiver_names_tells_two_mails_of_one_sender_apart(
    tmp_path, system, receiver, capsys
):
    receiver.data_answer = "250 2.0.0 Accepted as 6f0c3f0e-0000-5000-8000-000000000009"
    serve_case(system, receiver, OFFER)
    code = vaxel(tmp_path, "send", "email", "--example", "fi-billing", "--timeout", "0.2")
    assert code == 1
    receiver.data_answer = receiver.data_answer.replace("9", "1")
    _, detail = routed_case(receiver, OFFER)
    known = json.dumps(detail(None)[1]).replace('"i1"', f'"{receiver.data_answer[-36:]}"')
    system.on("GET", "/api/v1/cases/S-1", json.loads(known))
    assert vaxel(tmp_path, "send", "email", "--example", "fi-billing") == 0


def test_without_waiting_the_register_is_not_asked(tmp_path, system, receiver, capsys):
    assert vaxel(tmp_path, "send", "email", "--example", "fi-billing", "--no-wait") == 0
    assert system.asked == []
    assert len(receiver.mails) == 1


def test_what_the_caller_says_stands_in_the_mail(tmp_path, system, receiver):
    code = vaxel(
        tmp_path, "send", "email", "--from", "Ada <ada@x.example>", "--to", "billing@vaxel.example",
        "--subject", "Größe", "--text", "Hei ääkköset\n.\nlast", "--in-reply-to", "abc@x.example",
        "--no-wait",
    )  # fmt: skip
    assert code == 0
    sent = receiver.mails[0]
    assert sent["From"] == "Ada <ada@x.example>"
    assert sent["To"] == "billing@vaxel.example"
    assert sent["Subject"] == "Größe"
    assert sent["In-Reply-To"] == sent["References"] == "<abc@x.example>"
    assert sent.get_content().replace("\r\n", "\n") == "Hei ääkköset\n.\nlast\n"


def test_every_mail_is_a_new_one(tmp_path, system, receiver):
    for _ in range(2):
        vaxel(tmp_path, "send", "email", "--example", "fi-billing", "--no-wait")
    first, second = (item["Message-ID"] for item in receiver.mails)
    assert first != second


def test_a_followup_answers_our_newest_mail_to_that_customer(tmp_path, system, receiver):
    def ours(id_, at):
        headers = {
            "Message-ID": f"<{id_}@vaxel.example>",
            "References": "<root@customer.example> <mid@vaxel.example>",
            "From": "Support <billing@vaxel.example>",
        }
        return {"id": id_, "received_at": at, "subject": "[S-1] The app", "headers": headers}

    mails = [ours("new", "2026-11-22T15:00:00Z"), ours("old", "2026-11-22T14:00:00Z")]
    system.on("GET", "/api/mails", {"mails": mails})
    assert vaxel(tmp_path, "send", "email", "--example", "en-thread-followup", "--no-wait") == 0
    sent = receiver.mails[0]
    assert sent["In-Reply-To"] == "<new@vaxel.example>"
    assert sent["References"].split() == [
        "<root@customer.example>", "<mid@vaxel.example>", "<new@vaxel.example>",
    ]  # fmt: skip
    assert sent["To"] == "billing@vaxel.example"
    assert sent["Subject"] == "Re: [S-1] The app"
    assert mail.MARK not in sent
    assert system.asked[0][2]["query"] == {"to": "priya.raman@customer.example"}


def test_a_followup_without_anything_to_answer_says_so(tmp_path, system, receiver, capsys):
    system.on("GET", "/api/mails", {"mails": []})
    assert vaxel(tmp_path, "send", "email", "--example", "en-thread-followup") == 1
    assert "send one first" in capsys.readouterr().err
    assert receiver.mails == []


def test_a_refused_recipient_is_the_servers_word_and_exit_1(tmp_path, system, capsys):
    code = vaxel(tmp_path, "send", "email", "--example", "fi-billing", "--to", "x@other.example")
    assert code == 1
    error = capsys.readouterr().err
    assert "the recipient x@other.example was refused: 550 5.1.1" in error
    assert error.count("\n") == 1


def test_a_passing_refusal_is_exit_3(tmp_path, system, receiver, capsys):
    receiver.data_answer = "451 4.3.0 the broker is away"
    assert vaxel(tmp_path, "send", "email", "--example", "fi-billing") == 3
    assert "451 4.3.0 the broker is away; try again" in capsys.readouterr().err


def test_no_smtp_is_exit_3(tmp_path, capsys):
    api = fake_api.FakeApi()
    api.url = "http://127.0.0.1:1"
    fake_api.write_run(tmp_path, api)
    assert vaxel(tmp_path, "send", "email", "--example", "fi-billing") == 3
    assert "is `vaxel up` running?" in capsys.readouterr().err


def test_no_running_system_is_exit_3(tmp_path, capsys):
    assert vaxel(tmp_path, "send", "email", "--example", "fi-billing") == 3
    assert "`vaxel up` first" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "say what to send"),
        (["--example", "klingon"], "no example 'klingon'; there are"),
        (["--text", "x", "--from", "nobody"], "'nobody' is no mail address"),
    ],
)
def test_wrong_use_is_exit_2(tmp_path, system, capsys, arguments, said):
    assert vaxel(tmp_path, "send", "email", *arguments) == 2
    assert said in capsys.readouterr().err


def test_the_examples_are_listed_with_what_they_are():
    listed = json.loads(CliRunner().invoke(send, ["email", "--list", "--json"]).stdout)
    names = {item["name"] for item in listed}
    assert {"fi-billing", "sv-technical", "de-complaint", "fr-return", "et-billing"} <= names
    assert {"en-technical", "en-thread-followup", "auto-reply"} <= names


@pytest.mark.parametrize("name", mail.example_names())
def test_every_example_goes_to_a_mailbox_of_the_example_deployment(name):
    folder = Path(__file__).parents[2] / "config"
    channels = source.validate(Channels, source.read(folder / "channels.yaml"))
    message = mail.example(name)
    assert channels.account(mail.address_of(message["To"])) is not None
    assert message["Message-ID"]
    assert message.defects == []
    for part in message.walk():
        assert part.defects == []
        if part.get_content_type() == "text/plain":
            assert "\ufffd" not in part.get_content()
