"""The local mailbox, over a real socket and on odd mail."""

from __future__ import annotations

import asyncio
import smtplib
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import given
from hypothesis import strategies as st

from vaxel_cli.sink import page
from vaxel_cli.sink.mailbox import Mailbox
from vaxel_cli.sink.parse import parse
from vaxel_cli.sink.smtp import serve
from vaxel_cli.sink.web import routes
from vaxel_shared.http.app import make_app

ODD = {
    "nothing at all": b"",
    "no header": b"\r\n\r\nhello",
    "no body": b"Subject: x",
    "broken encoded word": b"Subject: =?utf-8?b?!!!?=\r\n\r\nx",
    "unknown charset": b"Content-Type: text/plain; charset=klingon\r\n\r\nx\xff",
    "raw eight-bit header": b"Subject: \xe5\xe4\xf6\r\n\r\nx",
    "multipart without boundary": b"Content-Type: multipart/mixed\r\n\r\nx",
    "base64 that is none": b"Content-Transfer-Encoding: base64\r\n\r\n*\x00*",
    "bare line feeds": b"From: a@example.com\nSubject: x\n\ny\n",
    "null bytes": b"Subject: a\x00b\r\n\r\n\x00",
    "a very long header": b"Subject: " + b"a" * 300_000 + b"\r\n\r\nx",
    "a broken date and address": b"Date: yesterday\r\nFrom: <<>>@,\r\n\r\nx",
    "deep nesting": b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(150)
    ),
}


@pytest.mark.parametrize("raw", ODD.values(), ids=ODD.keys())
def test_odd_mail_is_shown_somehow(raw: bytes) -> None:
    mail = parse(raw)
    mail.text.encode()
    mail.subject.encode()
    [value.encode() for value in mail.headers.values()]


@given(st.binary(max_size=2_000))
def test_no_bytes_break_the_parser(raw: bytes) -> None:
    parse(raw).text.encode()


def test_headers_text_and_html_are_decoded() -> None:
    mail = parse(
        b"From: =?utf-8?q?J=C3=B6rg?= <jorg@example.com>\r\n"
        b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n aus Wien\r\n"
        b"In-Reply-To: <a@b>\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: multipart/alternative; boundary=q\r\n\r\n"
        b"--q\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\r\nGr\xfc\xdfe\r\n"
        b"--q\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<b>x</b>\r\n--q--\r\n"
    )
    assert mail.sender == "jorg@example.com"
    assert mail.subject == "Grüße aus Wien"
    assert mail.headers["In-Reply-To"] == "<a@b>"
    assert mail.text.strip() == "Grüße"
    assert mail.html is not None
    assert mail.html.strip() == "<b>x</b>"


def test_html_alone_is_shown_as_text() -> None:
    mail = parse(b"Content-Type: text/html\r\n\r\n<p>Hi &amp; bye</p><script>alert(1)</script>")
    assert "Hi & bye" in mail.text
    assert "<" not in mail.text


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("see http://127.0.0.1:8086/offers/v1.a-b_c.", ["http://127.0.0.1:8086/offers/v1.a-b_c"]),
        ("(https://example.com/a?b=c&d)", ["https://example.com/a?b=c&d"]),
        ("javascript:alert(1) data:text/html,x ftp://a file:///etc/passwd", []),
        ('"https://example.com/"><script>', ["https://example.com/"]),
    ],
)
def test_only_http_addresses_become_links(text: str, links: list[str]) -> None:
    found = page.pieces(text)
    assert [piece for piece, is_link in found if is_link] == links
    assert "".join(piece for piece, _ in found) == text


def test_mails_survive_a_restart_and_a_torn_index(tmp_path: Path) -> None:
    async def fill() -> None:
        box = Mailbox(tmp_path, mails_max=100)
        for number in range(3):
            await box.add("a@example.com", ["b@example.com"], b"Subject: %d\r\n\r\n" % number, 1)

    asyncio.run(fill())
    with (tmp_path / "index.jsonl").open("ab") as index:
        index.write(b'{"id": 4, "envel')
    (tmp_path / "00000004.eml").write_bytes(b"never acknowledged")
    again = Mailbox(tmp_path, mails_max=100)
    assert [entry.id for entry in again.entries] == [1, 2, 3]
    assert again.raw(2) == b"Subject: 1\r\n\r\n"
    assert not (tmp_path / "00000004.eml").exists()


def _mails_on_disk(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.eml"))


async def test_the_oldest_mails_make_room(tmp_path: Path) -> None:
    box = Mailbox(tmp_path, mails_max=3)
    for number in range(10):
        await box.add("", ["b@example.com"], b"%d" % number, number)
    assert [entry.id for entry in box.entries] == [8, 9, 10]
    assert _mails_on_disk(tmp_path) == ["00000008.eml", "00000009.eml", "00000010.eml"]
    assert len((tmp_path / "index.jsonl").read_bytes().splitlines()) <= 7
    assert [entry.id for entry in Mailbox(tmp_path, mails_max=3).entries] == [8, 9, 10]


@pytest.fixture
async def sink(tmp_path: Path, unused_tcp_port: int):
    box = Mailbox(tmp_path / "sink", mails_max=100)
    listening, stop = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(serve(box, "127.0.0.1", unused_tcp_port, listening, stop))
    await listening.wait()
    async with TestClient(TestServer(make_app(list, routes(box)))) as web:
        yield web, unused_tcp_port
    stop.set()
    await task


def _send(port: int, sender: str, to: list[str], raw: bytes) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
        client.sendmail(sender, to, raw)


async def test_a_mail_sent_by_smtp_is_listed_by_its_recipients(sink) -> None:
    web, port = sink
    raw = b"From: Desk <desk@example.com>\r\nSubject: one\r\nMessage-ID: <1@x>\r\n\r\nhello\r\n"
    await asyncio.to_thread(_send, port, "bounce@example.com", ["Ann@example.com"], raw)
    await asyncio.to_thread(_send, port, "", ["bo@example.com", "cy@example.com"], raw)
    mails = (await (await web.get("/api/mails", params={"to": "ann@EXAMPLE.com"})).json())["mails"]
    assert [(m["id"], m["from"], m["to"], m["subject"]) for m in mails] == [
        (1, "desk@example.com", ["Ann@example.com"], "one")
    ]
    assert mails[0]["headers"]["Message-ID"] == "<1@x>"
    assert mails[0]["text"].strip() == "hello"
    assert mails[0]["envelope_from"] == "bounce@example.com"
    later = (await (await web.get("/api/mails?since=1")).json())["mails"]
    assert [m["to"] for m in later] == [["bo@example.com", "cy@example.com"]]
    assert await (await web.get("/api/mails/2/raw")).read() == raw
    assert (await web.get("/api/mails/3/raw")).status == 404
    assert (await web.get("/mails/999999999")).status == 404
    assert (await web.get("/api/mails?since=x")).status == 400


async def test_nothing_of_a_mail_runs_in_the_page(sink) -> None:
    web, port = sink
    evil = b"From: <script>alert(1)</script>\r\nSubject: <img src=x onerror=a()>\r\n\r\n"
    evil += b'<script>x</script> https://example.com/"onmouseover="a()\r\n'
    await asyncio.to_thread(_send, port, "a@example.com", ['"<b>"@example.com'], evil)
    for path in ("/", "/mails/1", "/?to=%3Cscript%3E"):
        answer = await web.get(path)
        text = await answer.text()
        assert answer.status == 200
        assert "<script" not in text
        assert "<img" not in text
        assert 'onmouseover="' not in text
        assert "script-src" not in answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


async def test_the_style_is_the_one_that_the_policy_allows(sink) -> None:
    web, _ = sink
    answer = await web.get("/")
    assert f"<style>{page.STYLE}</style>" in await answer.text()
    assert page.STYLE_SHA256 in answer.headers["Content-Security-Policy"]


async def test_odd_mail_by_smtp_keeps_the_pages_working(sink) -> None:
    web, port = sink
    for raw in ODD.values():
        if len(raw) < 60_000:
            await asyncio.to_thread(_send, port, "a@example.com", ["b@example.com"], raw)
    mails = (await (await web.get("/api/mails?to=b@example.com")).json())["mails"]
    assert len(mails) >= 10
    for mail in mails:
        assert (await web.get(f"/mails/{mail['id']}")).status == 200
    assert (await web.get("/?to=b@example.com")).status == 200
