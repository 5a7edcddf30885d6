"""The receiver over real sockets: what it accepts, what it refuses, what it puts off."""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import Callable
from typing import Any

import pytest

from vaxel_shared.errors import Retryable
from vaxel_shared.obs.logging import configure

MAIL = (
    b"From: Jane <jane@customer.example>\r\nTo: support@vaxel.example\r\n"
    b"Subject: A bill\r\nMessage-ID: <1@customer.example>\r\n\r\nHello.\r\n"
)
House = Callable[..., Any]


async def test_a_mail_is_accepted_with_the_id_of_its_interaction(house: House) -> None:
    async with house() as here:
        wire = await here.greeted()
        reply = await wire.send(MAIL)
        (told,) = here.told
        assert reply == f"250 2.0.0 Accepted as {told['id']}"
        assert told["text"] == "Hello.\n\n"
        assert told["recipients"][-1] == {
            "role": "envelope",
            "external_id": "support@vaxel.example",
        }
        assert await here.blobs.get(told["raw_ref"]) == MAIL + b"\r\n"


async def test_the_record_carries_its_key_and_its_headers(house: House) -> None:
    async with house() as here:
        await (await here.greeted()).send(MAIL)
        (record,) = here.sender.records
        headers = dict(record.event.headers())
        assert record.key == here.told[0]["conversation_key"]
        assert record.key.startswith("main|email|support|")
        assert headers["ce_id"].decode() == here.told[0]["id"]
        assert headers["ce_type"] == b"vaxel.interaction.received.v1"
        assert headers["traceparent"].startswith(b"00-")


async def test_a_mail_to_two_of_ours_is_one_interaction_for_each(house: House) -> None:
    async with house() as here:
        await (await here.greeted()).send(
            MAIL, "support@vaxel.example", "Billing@vaxel.example", "support+tag@vaxel.example"
        )
        assert [one["account"] for one in here.told] == [
            "support@vaxel.example",
            "billing@vaxel.example",
        ]
        assert len({one["id"] for one in here.told}) == 2


async def test_a_retry_of_the_same_bytes_has_the_same_id_and_other_words_have_another(
    house: House,
) -> None:
    async with house() as here:
        wire = await here.greeted()
        for content in (
            MAIL,
            MAIL,
            MAIL.replace(b"Hello", b"Hullo"),
            b"Received: by x; y\r\n" + MAIL,
        ):
            await wire.send(content)
        first, again, other, relayed = [one["id"] for one in here.told]
        assert first == again == relayed
        assert other != first


async def test_what_is_not_ours_is_refused_by_name(house: House) -> None:
    async with house() as here:
        wire = await here.greeted()
        await wire.envelope()
        reply = await wire.say("RCPT TO:<someone@elsewhere.example>")
        assert reply == "550 5.1.1 <someone@elsewhere.example> is no mailbox of ours"


async def test_the_null_sender_is_accepted_and_told(house: House) -> None:
    async with house() as here:
        assert (await (await here.greeted()).send(MAIL, sender="")).startswith("250")
        assert "return-path:null" in here.told[0]["flags"]["auto_reply"]["evidence"]


async def test_the_greeting_and_ehlo_say_what_is_offered_and_no_version(house: House) -> None:
    async with house() as here:
        wire = await here.connect()
        assert (await wire.reply()) == "220 vaxel.local ESMTP"
        offered = await wire.say("EHLO client.example")
        for name in ("PIPELINING", "ENHANCEDSTATUSCODES", "8BITMIME", "SMTPUTF8", "SIZE 36700160"):
            assert name in offered
        assert "AUTH" not in offered
        assert offered.splitlines()[-1] == "250 HELP"


async def test_a_broker_away_is_451_and_nothing_is_told_then_the_retry_gets_in(
    house: House,
) -> None:
    async with house() as here:
        here.sender.away = True
        wire = await here.greeted()
        assert (await wire.send(MAIL)).startswith("451 4.3.0")
        assert here.told == []
        here.sender.away = False
        assert (await wire.send(MAIL)).startswith("250")


async def test_a_broker_that_stalls_is_451_at_the_deadline(house: House) -> None:
    async with house(accept_timeout_ms=200) as here:
        here.sender.gate = asyncio.Event()
        assert (await (await here.greeted()).send(MAIL)).startswith("451")


@pytest.mark.parametrize("error", [Retryable("disk"), RuntimeError("a bug"), OSError(28, "full")])
async def test_any_trouble_of_ours_is_451_never_5xx(house: House, error: Exception) -> None:
    async with house() as here:

        async def broken(_kind: str, _data: bytes) -> str:
            raise error

        here.blobs.put = broken
        assert (await (await here.greeted()).send(MAIL)).startswith("451")
        assert here.told == []


async def test_an_exception_in_a_command_is_451(house: House) -> None:
    async with house() as here:
        wire = await here.greeted()
        await wire.say("EHLO client.example")
        await wire.say("MAIL FROM:<a@b.example>")
        here.accounts.find = None
        assert (await wire.say("RCPT TO:<support@vaxel.example>")).startswith("451 4.3.0")


async def test_a_declared_size_too_large_is_refused_before_it_is_sent(house: House) -> None:
    async with house(smtp_mail_bytes_max=100_000) as here:
        wire = await here.greeted()
        await wire.say("EHLO client.example")
        reply = await wire.say("MAIL FROM:<a@b.example> SIZE=100001")
        assert reply.startswith("552 5.3.4")


async def test_a_mail_too_large_is_read_to_its_end_and_refused(house: House) -> None:
    async with house(smtp_mail_bytes_max=100_000) as here:
        wire = await here.greeted()
        assert (await wire.send(b"x" * 100_010)).startswith("552 5.3.4")
        assert (await wire.send(MAIL)).startswith("250")
        assert here.receiver.budget.used == 0


async def test_one_line_of_any_length_is_accepted(house: House) -> None:
    async with house() as here:
        line = b"<p>" + b"word " * 60_000
        assert (await (await here.greeted()).send(MAIL + line)).startswith("250")
        assert (await here.blobs.get(here.told[0]["raw_ref"])) == MAIL + line + b"\r\n"


async def test_doubled_dots_are_single_again_and_a_mail_can_be_empty(house: House) -> None:
    async with house() as here:
        wire = await here.greeted()
        await wire.send(MAIL + b"..\r\n..two\r\n.one")
        assert (await here.blobs.get(here.told[0]["raw_ref"])) == MAIL + b".\r\n.two\r\none\r\n"
        await wire.envelope()
        await wire.say("DATA")
        assert (await wire.say(b".\r\n")).startswith("250")
        assert (await here.blobs.get(here.told[1]["raw_ref"])) == b""


async def test_too_many_recipients_are_put_off_and_the_rest_is_kept(house: House) -> None:
    async with house() as here:
        wire = await here.greeted()
        await wire.envelope(*(f"support+{n}@vaxel.example" for n in range(100)))
        assert (await wire.say("RCPT TO:<support@vaxel.example>")).startswith("452 4.5.3")
        await wire.say("DATA")
        assert (await wire.say(MAIL + b"\r\n.\r\n")).startswith("250")


async def test_harvesting_addresses_ends_the_connection(house: House) -> None:
    async with house(smtp_unknown_recipients_max=2) as here:
        wire = await here.greeted()
        await wire.envelope()
        replies = [await wire.say(f"RCPT TO:<x{n}@vaxel.example>") for n in range(3)]
        assert [reply[:9] for reply in replies] == ["550 5.1.1", "550 5.1.1", "421 4.7.0"]
        assert await wire.reader.read() == b""


async def test_connections_beyond_the_limit_are_told_and_closed(house: House) -> None:
    async with house(smtp_connections_max=1) as here:
        first = await here.greeted()
        second = await here.connect()
        assert (await second.reply()).startswith("421 4.7.0")
        assert await second.reader.read() == b""
        first.writer.close()
        await first.writer.wait_closed()
        await asyncio.sleep(0.05)
        assert (await (await here.connect()).reply()).startswith("220")


async def test_no_room_in_memory_is_452_before_data_and_the_room_comes_back(house: House) -> None:
    async with house(smtp_inflight_bytes_max=100_000) as here:
        here.sender.gate = asyncio.Event()
        first, second = await here.greeted(), await here.greeted()
        await first.envelope()
        await first.say("DATA")
        first.writer.write(MAIL + b"\r\n.\r\n")
        await second.envelope()
        await here.until(lambda: here.receiver.budget.used)
        assert (await second.say("DATA")).startswith("452 4.3.1")
        here.sender.gate.set()
        assert (await first.reply()).startswith("250")
        assert (await second.say("DATA")).startswith("354")


async def test_a_mail_that_outgrows_the_memory_left_is_452_and_kept_by_its_sender(
    house: House,
) -> None:
    async with house(smtp_inflight_bytes_max=70_000) as here:
        assert (await (await here.greeted()).send(b"x" * 200_000)).startswith("452 4.3.1")
        assert here.receiver.budget.used == 0


async def test_a_sender_who_hangs_up_after_the_dot_is_still_heard(house: House) -> None:
    async with house() as here:
        here.sender.gate = asyncio.Event()
        wire = await here.greeted()
        await wire.envelope()
        await wire.say("DATA")
        wire.writer.write(MAIL + b"\r\n.\r\n")
        await wire.writer.drain()
        await here.until(lambda: here.receiver._under_way)
        wire.writer.close()
        await asyncio.sleep(0.05)
        here.sender.gate.set()
        await here.until(lambda: not here.receiver._under_way)
        assert len(here.told) == 1
        assert here.receiver.budget.used == 0


async def test_a_sender_who_hangs_up_in_the_middle_leaves_nothing_behind(house: House) -> None:
    async with house() as here:
        wire = await here.greeted()
        await wire.envelope()
        await wire.say("DATA")
        wire.writer.write(MAIL[:40])
        await wire.writer.drain()
        wire.writer.close()
        await wire.writer.wait_closed()
        await here.until(lambda: not here.receiver._connections.count)
        assert here.told == []
        assert here.receiver.budget.used == 0


async def test_slow_data_is_cut_and_silence_is_closed(house: House) -> None:
    async with house(smtp_data_grace_ms=100, smtp_idle_timeout_ms=600) as here:
        wire = await here.greeted()
        await wire.envelope()
        await wire.say("DATA")
        for _ in range(3):
            wire.writer.write(b"x")
            await asyncio.sleep(0.1)
        assert (await wire.reply()).startswith("421 4.4.2")
        silent = await here.greeted()
        await silent.envelope()
        await silent.say("DATA")
        assert await asyncio.wait_for(silent.reader.read(), 5) == b""


async def test_a_mail_going_in_circles_is_refused(house: House) -> None:
    async with house() as here:
        looped = b"Received: from a by b\r\n" * 51 + MAIL
        assert (await (await here.greeted()).send(looped)).startswith("554 5.4.6")


async def test_stopping_answers_421_and_finishes_what_was_begun(house: House) -> None:
    async with house() as here:
        here.sender.gate = asyncio.Event()
        wire, other = await here.greeted(), await here.greeted()
        await other.say("EHLO x")
        await wire.envelope()
        await wire.say("DATA")
        wire.writer.write(MAIL + b"\r\n.\r\n")
        await here.until(lambda: here.receiver._under_way)
        here.stop.set()
        await asyncio.sleep(0.05)
        assert (await other.say("MAIL FROM:<a@b.example>")).startswith("421 4.3.2")
        here.sender.gate.set()
        assert (await wire.reply()).startswith("250")


async def test_mails_too_many_a_minute_are_put_off(house: House, monkeypatch: Any) -> None:
    async with house(smtp_mails_per_peer_per_minute_max=1) as here:
        wire = await here.greeted()
        monkeypatch.setattr("vaxel_ingest_email.shell.session.Session.peer", "203.0.113.0/24")
        await wire.say("EHLO x")
        assert (await wire.say("MAIL FROM:<a@b.example>")).startswith("250")
        await wire.say("RSET")
        assert (await wire.say("MAIL FROM:<a@b.example>")).startswith("451 4.7.1")


SMUGGLED = [
    b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\n\r.\n\r", b"\r\n\x00.\r\n",
    b"\r\n.\x00\r\n", b"\r\r\n.\r\r\n", b"\n.\r", b"\r.\n",
]  # fmt: skip


@pytest.mark.parametrize("end", SMUGGLED, ids=repr)
async def test_only_one_end_of_data_is_one(house: House, end: bytes) -> None:
    async with house() as here:
        wire = await here.greeted()
        await wire.envelope()
        await wire.say("DATA")
        inner = (
            b"MAIL FROM:<evil@x.example>\r\nRCPT TO:<support@vaxel.example>\r\nDATA\r\nFrom: x\r\n"
        )
        assert (await wire.say(MAIL + end + inner + b"\r\n.\r\n")).startswith("250")
        assert len(here.told) == 1
        assert (await wire.say("NOOP")).startswith("250")


async def test_commands_sent_with_the_data_are_not_run_before_its_end(house: House) -> None:
    async with house() as here:
        wire = await here.greeted()
        await wire.envelope()
        await wire.say("DATA")
        reply = await wire.say(MAIL + b"\r\n.\r\nNOOP\r\nQUIT\r\n")
        assert reply.startswith("250 2.0.0 Accepted")
        assert (await wire.reply()).startswith("250")
        assert (await wire.reply()).startswith("221")


async def test_pythons_own_client_gets_a_mail_in(house: House) -> None:
    async with house() as here:

        def send() -> dict[str, Any]:
            with smtplib.SMTP("127.0.0.1", here.settings.port("smtp")) as client:
                return client.sendmail(
                    "jörg@c.example", ["support@vaxel.example"], MAIL, ["SMTPUTF8"]
                )

        assert await asyncio.to_thread(send) == {}
        assert len(here.told) == 1


@pytest.mark.parametrize(
    "command",
    [b"\xff\xfe\r\n", b"\r\n", b"MAIL\r\n", b"MAIL FROM:<<<>\r\n", b"RCPT TO:\r\n", b"DATA now\r\n",
     b"VRFY \xed\xa0\x80\r\n", b"EXPN x\r\n", b"X" * 3_000 + b"\r\n", b"MAIL FROM:<a@[\r\n",
     b"AUTH PLAIN AAAA\r\n", b"STARTTLS\r\n", b"HELP \x00\r\n", b"MAIL FROM:<a@b> SIZE=x\r\n"],
)  # fmt: skip
async def test_nonsense_gets_a_reply_with_an_enhanced_code_and_harms_nobody(
    house: House, command: bytes
) -> None:
    async with house() as here:
        wire = await here.greeted()
        await wire.say("EHLO x")
        reply = await wire.say(command)
        assert reply[4:5] in "245"
        assert reply[5:6] == "."
        assert (await wire.send(MAIL)).startswith("250")


async def test_channels_are_read_again_and_a_broken_file_keeps_the_old(house: House) -> None:
    async with house() as here:
        path = here.settings.config_dir / "channels.yaml"
        good = path.read_text()
        path.write_text("accounts: [oops")
        assert here.accounts.reload() is False
        assert here.accounts.find("support@vaxel.example") is not None
        path.write_text(good.replace("billing@", "invoices@"))
        assert here.accounts.reload() is True
        assert here.accounts.find("billing@vaxel.example") is None
        assert here.accounts.find("invoices@vaxel.example").id == "billing"


async def test_the_line_about_a_mail_names_nobody(house: House, capsys: Any) -> None:
    configure("ingest-email")
    async with house() as here:
        await (await here.greeted()).send(MAIL)
    out = capsys.readouterr().out
    assert '"event": "mail"' in out
    for secret in ("jane", "Jane", "bill", "customer.example", "dropped"):
        assert secret not in out
