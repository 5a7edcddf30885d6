"""A corpus of small mails as they really come, and what must be understood of each."""

# ruff: noqa: RUF001, ISC004 - other alphabets, and long lines cut where a mail cuts them

from __future__ import annotations

import base64
from typing import Any, NamedTuple

import pytest

from vaxel_ingest_email.core.normalize import AccountRef, Normalized, normalize
from vaxel_shared.crypto.keys import Keyring

KEYRING = Keyring(b"k" * 32)
ACCOUNT = AccountRef("support", "support@vaxel.example", "main")


class Case(NamedTuple):
    name: str
    raw: bytes
    expect: dict[str, Any]


def understood(raw: bytes) -> Normalized:
    return normalize(raw, None, ACCOUNT, KEYRING, 1_700_000_000_000)


def mail(headers: str | bytes, body: str | bytes = b"Hello\n", charset: str = "utf-8") -> bytes:
    head = headers.encode(charset) if isinstance(headers, str) else headers
    content = body.encode(charset) if isinstance(body, str) else body
    lines = head.strip(b"\n") + b"\n\n" + content
    return lines.replace(b"\n", b"\r\n")


def b64(data: bytes) -> str:
    return base64.encodebytes(data).decode()


FROM = "From: Jane Doe <jane@customer.example>\n"
ALT = (
    FROM + "MIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=b\n",
    "--b\nContent-Type: text/plain; charset=utf-8\n\nplain wörds\n--b\n"
    "Content-Type: text/html; charset=utf-8\n\n<p>rich <b>wörds</b></p>\n--b--\n",
)
MIXED = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=m\n"


def file_part(disposition: str, kind: str = "application/pdf", data: bytes = b"%PDF") -> str:
    return (
        f"--m\nContent-Type: text/plain\n\nsee file\n--m\nContent-Type: {kind}\n"
        f"Content-Disposition: {disposition}\nContent-Transfer-Encoding: base64\n\n{b64(data)}--m--\n"
    )


HEADERS = [
    Case("plain name", mail(FROM), {"from": "jane@customer.example", "name": "Jane Doe"}),
    Case("quoted name with a comma", mail('From: "Doe, Jane" <j@x.example>\n'), {"name": "Doe, Jane"}),
    Case("unquoted name with a comma", mail("From: Doe, Jane <j@x.example>\n"), {"from": "j@x.example", "name": "Doe, Jane"}),
    Case("comment as a name", mail("From: j@x.example (Jane Doe)\n"), {"from": "j@x.example", "name": "Jane Doe"}),
    Case("bare address", mail("From: j@x.example\n"), {"from": "j@x.example", "name": None}),
    Case("address without brackets after a name", mail("From: Jane j@x.example\n"), {"from": "j@x.example", "name": "Jane"}),
    Case("doubled brackets", mail("From: Jane <<j@x.example>>\n"), {"from": "j@x.example", "name": "Jane"}),
    Case("address as its own name", mail('From: "j@x.example" <j@x.example>\n'), {"from": "j@x.example", "name": None}),
    Case("encoded name hides the address", mail("From: =?utf-8?Q?Jane_<j=40x.example>?=\n"), {"from": "j@x.example", "name": "Jane"}),
    Case("encoded name in quotes", mail('From: "=?utf-8?B?SsO2cmc=?=" <j@x.example>\n'), {"name": "Jörg"}),
    Case("encoded name with a comma", mail("From: =?utf-8?Q?Doe,_J=C3=B6rg?= <j@x.example>\n"), {"name": "Doe, Jörg"}),
    Case("raw utf-8 name", mail("From: Jörg <j@x.example>\n"), {"name": "Jörg"}),
    Case("raw latin-1 name", mail("From: Jörg <j@x.example>\n", charset="latin-1"), {"name": "Jörg"}),
    Case("no from, reply-to instead", mail("Reply-To: R <r@x.example>\nSender: s@x.example\n"), {"from": "r@x.example", "name": "R"}),
    Case("from without an address", mail("From: Jane\nReturn-Path: <p@x.example>\n"), {"from": "p@x.example", "name": "Jane"}),
    Case("sender only", mail("Sender: Desk <s@x.example>\n"), {"from": "s@x.example", "name": "Desk"}),
    Case("nobody at all", mail("Subject: x\n"), {"from": "", "suppress": True}),
    Case("source route", mail("From: <@a.example,@b.example:j@x.example>\n"), {"from": "j@x.example"}),
    Case("idn domain", mail("From: <j@köln.example>\n"), {"from": "j@köln.example"}),
    Case("group", mail(FROM + "To: Team: a@x.example, B <b@x.example>;, c@x.example\n"), {"to": ["a@x.example", "b@x.example", "c@x.example"]}),
    Case("undisclosed", mail(FROM + "To: undisclosed-recipients:;\n"), {"to": []}),
    Case("repeated to", mail(FROM + "To: a@x.example\nTo: b@x.example, A@x.example\n"), {"to": ["a@x.example", "b@x.example"]}),
    Case("semicolons between addresses", mail(FROM + "To: a@x.example; B <b@x.example>\n"), {"to": ["a@x.example", "b@x.example"]}),
    Case("folded subject", mail(FROM + "Subject: one\n two\n\tthree\n"), {"subject": "one two three"}),
    Case("encoded words side by side", mail(FROM + "Subject: =?utf-8?Q?caf?= =?utf-8?Q?=C3=A9?=\n"), {"subject": "café"}),
    Case("a character split between words", mail(FROM + "Subject: =?utf-8?B?w6==?=\n =?utf-8?B?qQ==?=\n"), {"subject": "é"}),
    Case("encoded word with spaces inside", mail(FROM + "Subject: =?utf-8?Q?gr=C3=BC=C3=9F dich?=\n"), {"subject": "grüß dich"}),
    Case("encoded word glued to text", mail(FROM + "Subject: Re:=?utf-8?Q?=C3=A4?=x\n"), {"subject": "Re:äx"}),
    Case("encoded word without an end", mail(FROM + "Subject: =?utf-8?B?SGVsbG8=\n"), {"subject": "Hello"}),
    Case("encoded word of an unknown charset", mail(FROM + "Subject: =?x-nobody?Q?caf=E9?=\n"), {"subject": "café"}),
    Case("encoded word with a language", mail(FROM + "Subject: =?utf-8*fr?Q?=C3=A9t=C3=A9?=\n"), {"subject": "été"}),
    Case("line ends in an encoded word", mail(FROM + "Subject: =?utf-8?Q?a=0D=0ABcc:_x=40y.example?=\n"), {"subject": "a Bcc: x@y.example", "bcc": []}),
    Case("iso-2022-jp subject", mail(FROM.encode() + b"Subject: =?iso-2022-jp?B?" + base64.b64encode("請求書".encode("iso2022_jp")) + b"?=\n"), {"subject": "請求書"}),
    Case("iso-2022-jp raw, with a windows row", mail(FROM.encode() + b"Subject: \x1b$B-!\x1b(B ok\n"), {"subject": "① ok"}),
    Case("shift_jis subject", mail(FROM.encode() + b"Subject: =?shift_jis?B?" + base64.b64encode("①請求".encode("cp932")) + b"?=\n"), {"subject": "①請求"}),
    Case("gb2312 that is gbk", mail(FROM.encode() + b"Subject: =?gb2312?B?" + base64.b64encode("發票".encode("gbk")) + b"?=\n"), {"subject": "發票"}),
    Case("koi8-r subject", mail(FROM.encode() + b"Subject: =?koi8-r?B?" + base64.b64encode("Счёт".encode("koi8-r")) + b"?=\n"), {"subject": "Счёт"}),
    Case("ks_c_5601", mail(FROM.encode() + b"Subject: =?ks_c_5601-1987?B?" + base64.b64encode("청구서".encode("cp949")) + b"?=\n"), {"subject": "청구서"}),
    Case("bare cr starts no header", mail(FROM).replace(b"\r\n\r\n", b"\r\nSubject: hi\rBcc: evil@x.example\r\n\r\n", 1), {"subject": "hi Bcc: evil@x.example", "bcc": []}),
    Case("nul in a header", mail(FROM.encode() + b"Subject: a\x00b\n"), {"subject": "a b"}),
    Case("junk line between headers", mail(FROM + "oops no colon\nSubject: x\n"), {"subject": "x"}),
    Case("mbox line first", mail("From jane Mon Nov 23 10:00:00 2026\n" + FROM + "Subject: x\n"), {"subject": "x"}),
    Case("no blank line before the body", mail(FROM.strip() + "\nSubject: x", b"").rstrip() + b"\r\nHello there\r\nand more", {"subject": "x", "text": "Hello there\nand more"}),
    Case("only headers", FROM.strip().encode(), {"from": "jane@customer.example", "text": ""}),
    Case("only a body", b"just words\n", {"text": "just words\n"}),
    Case("date with a zone", mail(FROM + "Date: Mon, 23 Nov 2026 10:00:00 +0200\n"), {"occurred_at": "2026-11-23T08:00:00.000Z"}),
    Case("date with a comment", mail(FROM + "Date: 23 Nov 26 10:00 +0100 (CET)\n"), {"occurred_at": "2026-11-23T09:00:00.000Z"}),
    Case("date of a named zone", mail(FROM + "Date: Mon, 23 Nov 2026 10:00:00 CEST\n"), {"occurred_at": "2026-11-23T08:00:00.000Z"}),
    Case("iso date", mail(FROM + "Date: 2026-11-23T10:00:00Z\n"), {"occurred_at": "2026-11-23T10:00:00.000Z"}),
    Case("date that is none", mail("Received: from a by b; Mon, 23 Nov 2026 10:00:00 +0000\n" + FROM + "Date: soon\n"), {"occurred_at": "2026-11-23T10:00:00.000Z"}),
    Case("impossible date", mail(FROM + "Date: Mon, 99 Foo 99999 77:00:00 +9999\n"), {"occurred_at": None}),
    Case("thread", mail(FROM + "Message-ID: <3@x>\nIn-Reply-To: <2@x>\nReferences: <1@x>\n <2@x>\n"), {"root": "1@x", "in_reply_to": "2@x", "references": ["1@x", "2@x"]}),
    Case("folded message id", mail(FROM + "In-Reply-To: <abc\n def@x>\n"), {"in_reply_to": "abcdef@x", "root": "abcdef@x"}),
    Case("in-reply-to in prose", mail(FROM + 'In-Reply-To: Your message of "Mon" <9@x>\n'), {"in_reply_to": "9@x"}),
    Case("brackets in a message id", mail(FROM + "Message-ID: <[1]@[x]>\n"), {"message_id": "[1]@[x]"}),
    Case("reply goes elsewhere", mail(FROM + "Reply-To: Desk <desk@customer.example>\n"), {"reply_to": "desk@customer.example"}),
]  # fmt: skip

BODIES = [
    Case("alternative", mail(*ALT), {"text": "plain wörds", "html": "<p>rich <b>wörds</b></p>"}),
    Case("html only", mail(FROM + "Content-Type: text/html; charset=utf-8\n", "<html><head><style>x{}</style><title>t</title></head><body><p>One &amp; two</p><div>three<br>four</div></body>"), {"text": "One & two\n\nthree\nfour"}),
    Case("quoted-printable", mail(FROM + "Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n", "caf=E9 au=\n lait=80\n"), {"text": "café au lait€\n"}),
    Case("base64 with junk and no padding", mail(FROM + "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: BASE64\n", "SGVs!!bG8\n"), {"text": "Hello"}),
    Case("latin-1 label on utf-8", mail(FROM + "Content-Type: text/plain; charset=iso-8859-1\n", "Grüße\n"), {"text": "Grüße\n"}),
    Case("no label, windows-1252", mail(FROM.encode(), "Gr\xfc\xdfe \x80\n".encode("latin-1")), {"text": "Grüße €\n"}),
    Case("no label, long cyrillic", mail(FROM.encode(), ("Здравствуйте, прошу прислать счёт за октябрь. " * 8).encode("cp1251")), {"has": "прошу прислать счёт"}),
    Case("utf-8 cut in the middle", mail(FROM.encode() + b"Content-Type: text/plain; charset=utf-8\n", "Grüß".encode()[:-1]), {"has": "Grü"}),
    Case("unknown charset", mail(FROM + "Content-Type: text/plain; charset=foo-8\n", "ok\n"), {"text": "ok\n"}),
    Case("a codec that is no charset", mail(FROM + "Content-Type: text/plain; charset=unicode_escape\n", "a\\ud800b\n"), {"text": "a\\ud800b\n"}),
    Case("utf-16", mail(FROM.encode() + b"Content-Type: text/plain; charset=utf-16\nContent-Transfer-Encoding: base64\n", base64.b64encode("hej då".encode("utf-16"))), {"text": "hej då"}),
    Case("iso-2022-jp body", mail(FROM.encode() + b"Content-Type: text/plain; charset=iso-2022-jp\n", "こんにちは。\n".encode("iso2022_jp")), {"text": "こんにちは。\n"}),
    Case("bare cr in a body", mail(FROM).replace(b"Hello", b"one\rtwo\x00"), {"text": "one\ntwo\n"}),
    Case("attachment", mail(FROM + MIXED, file_part('attachment; filename="bill.pdf"')), {"text": "see file", "files": [("bill.pdf", "application/pdf", 4, False)]}),
    Case("name by rfc 2231", mail(FROM + MIXED, file_part("attachment; filename*=utf-8''L%C3%A5n.pdf")), {"files": [("Lån.pdf", "application/pdf", 4, False)]}),
    Case("name in pieces", mail(FROM + MIXED, file_part("attachment;\n filename*0*=utf-8''L%C3%A5;\n filename*1=\"n 1\";\n filename*2*=%20x.pdf")), {"files": [("Lån 1 x.pdf", "application/pdf", 4, False)]}),
    Case("name as an encoded word", mail(FROM + MIXED, file_part('attachment; filename="=?utf-8?Q?L=C3=A5n.pdf?="')), {"files": [("Lån.pdf", "application/pdf", 4, False)]}),
    Case("unquoted name with spaces", mail(FROM + MIXED, file_part("attachment; filename=my bill.pdf")), {"files": [("my bill.pdf", "application/pdf", 4, False)]}),
    Case("windows path", mail(FROM + MIXED, file_part('attachment; filename="C:\\Users\\me\\bill.pdf"')), {"files": [("bill.pdf", "application/pdf", 4, False)]}),
    Case("name with a semicolon", mail(FROM + MIXED, file_part('attachment; filename="a;b.pdf"')), {"files": [("a;b.pdf", "application/pdf", 4, False)]}),
    Case("quotes inside quotes", mail(FROM + MIXED, file_part('attachment; filename="my "best" bill.pdf"')), {"files": [('my "best" bill.pdf', "application/pdf", 4, False)]}),
    Case("name on the type only", mail(FROM + MIXED, file_part("inline", 'image/png; name="logo.png"')), {"files": [("logo.png", "image/png", 4, True)]}),
    Case("text file", mail(FROM + MIXED, file_part('attachment; filename="a.txt"', "text/plain", b"abc")), {"text": "see file", "files": [("a.txt", "text/plain", 3, False)]}),
    Case("related image", mail(FROM + "Content-Type: multipart/related; boundary=r\n", '--r\nContent-Type: text/html\n\n<p>hi<img src="cid:1"></p>\n--r\nContent-Type: image/gif; name=x.gif\nContent-ID: <1>\nContent-Transfer-Encoding: base64\n\nR0lG\n--r--\n'), {"text": "hi", "files": [("x.gif", "image/gif", 3, True)], "html": "<p>hi</p>"}),
    Case("related, image first", mail(FROM + "Content-Type: multipart/related; boundary=r\n", "--r\nContent-Type: image/gif; name=x.gif\nContent-ID: <1>\n\nGIF\n--r\nContent-Type: text/html\n\n<p>hi</p>\n--r--\n"), {"text": "hi", "files": [("x.gif", "image/gif", 3, True)]}),
    Case("a lone file", mail(FROM + "Content-Type: application/pdf; name=a.pdf\nContent-Transfer-Encoding: base64\n", "JVBERg==\n"), {"text": "", "files": [("a.pdf", "application/pdf", 4, False)]}),
    Case("invitation among alternatives", mail(FROM + "Content-Type: multipart/alternative; boundary=b\n", "--b\n\nmeet\n--b\nContent-Type: text/calendar; method=REQUEST\n\nBEGIN:VCALENDAR\n--b--\n"), {"text": "meet", "files": [(None, "text/calendar", 15, False)]}),
    Case("mail in a mail", mail(FROM + MIXED, "--m\n\nsee below\n--m\nContent-Type: message/rfc822\n\nFrom: x@y.example\nSubject: Inner\n\ninner text\n--m--\n"), {"text": "see below", "files": [("Inner.eml", "message/rfc822", 47, False)]}),
    Case("text after the attachment", mail(FROM + MIXED, "--m\n\none\n--m\nContent-Type: image/png; name=p.png\n\nx\n--m\nContent-Type: text/plain\n\ntwo\n--m--\n"), {"text": "one\ntwo"}),
    Case("missing last boundary", mail(FROM + MIXED, "--m\nContent-Type: text/plain\n\nstill here\n"), {"text": "still here\n"}),
    Case("boundary missing", mail(FROM + "Content-Type: multipart/mixed\n", "--zz\nContent-Type: text/plain\n\nguessed\n--zz--\n"), {"text": "guessed"}),
    Case("multipart without parts", mail(FROM + MIXED, "no delimiter at all\n"), {"text": "no delimiter at all\n"}),
    Case("boundary that begins like another", mail(FROM + "Content-Type: multipart/mixed; boundary=b\n", "--b\nContent-Type: multipart/alternative; boundary=bb\n\n--bb\n\ninner\n--bb--\n--b--\n"), {"text": "inner"}),
    Case("type that is none", mail(FROM + "Content-Type: text\n", "words\n"), {"text": "words\n"}),
    Case("uuencoded part", mail(FROM + MIXED, "--m\nContent-Type: application/x-foo; name=a.txt\nContent-Transfer-Encoding: x-uuencode\n\nbegin 644 a.txt\n#0V%T\n`\nend\n--m--\n"), {"files": [("a.txt", "application/x-foo", 3, False)]}),
    Case("list items and cells", mail(FROM + "Content-Type: text/html\n", "<ul><li>one<li>two</ul><table><tr><td>a</td><td>b</td></tr></table>"), {"text": "- one\n- two\n\na b"}),
    Case("script is not text and not html", mail(FROM + "Content-Type: text/html\n", "<script>alert(1)</script><p onclick=x>hi</p><img src=http://x.example/t.gif>"), {"text": "hi", "html": "<p>hi</p>"}),
]  # fmt: skip

VERDICTS = [
    Case("a plain mail", mail(FROM + "Subject: My bill\nMessage-ID: <1@x>\n"), {"auto": False, "suppress": False, "is_bounce": False, "list": False, "spam": False}),
    Case("vacation by rfc 3834", mail(FROM + "Auto-Submitted: auto-replied (vacation)\n"), {"auto": True, "suppress": True}),
    Case("auto-submitted no", mail(FROM + "Auto-Submitted: no\n"), {"auto": False, "suppress": False}),
    Case("exchange out of office", mail(FROM + "Subject: Automatic reply: My bill\nX-Auto-Response-Suppress: All\n"), {"auto": True, "suppress": True}),
    Case("exchange user who only suppresses", mail(FROM + "X-Auto-Response-Suppress: DR, OOF, AutoReply\n"), {"auto": False, "suppress": True}),
    Case("suppresses receipts only", mail(FROM + "X-Auto-Response-Suppress: DR, RN\n"), {"auto": False, "suppress": False}),
    Case("newsletter", mail("From: News <no-reply@shop.example>\nList-Unsubscribe: <https://x.example>\nPrecedence: bulk\n"), {"auto": False, "suppress": True, "list": False}),
    Case("mailing list", mail(FROM + "List-Id: <l.x.example>\nList-Post: <mailto:l@x.example>\nPrecedence: list\n"), {"auto": False, "suppress": True, "list": True}),
    Case("x-autoreply", mail(FROM + "X-Autoreply: yes\n"), {"auto": True}),
    Case("x-autoreply no", mail(FROM + "X-Autoreply: no\n"), {"auto": False}),
    Case("precedence auto_reply", mail(FROM + "Precedence: auto_reply\n"), {"auto": True, "suppress": True}),
    Case("inbox rules loop", mail(FROM + "X-MS-Exchange-Inbox-Rules-Loop: jane@customer.example\n"), {"auto": True}),
    *[
        Case(f"absence subject: {subject}", mail(FROM + f"Subject: {subject}\n"), {"auto": True})
        for subject in ("Out of Office: back on Monday", "Abwesenheitsnotiz: Ihre Rechnung", "Re: Automatische Antwort: x",
                        "Réponse automatique : facture", "Respuesta automática: factura", "Risposta automatica: x",
                        "Automatisch antwoord: x", "Autosvar: x", "Automaattinen vastaus: x", "自動返信：x", "自动回复: x",
                        "Automatická odpověď: x", "Automatyczna odpowiedź: x", "Автоответ: x", "Auto: Out of office", "Abwesend: Re: Rechnung", "Afwezig", "On vacation until Monday")
    ],
    *[
        Case(f"words about absence: {subject}", mail(FROM + f"Subject: {subject}\n"), {"auto": False, "is_bounce": False})
        for subject in ("My automatic reply does not work", "Question about out of office replies", "Vacation rental booking 4711",
                        "Automatic gate broken", "Delivery of my order", "Failure of the machine", "I am out of toner", "Out of office hours support?", "Absent parts in my parcel", "Undelivered parcel?")
    ],
    Case("null return path", mail("Return-Path: <>\n" + FROM), {"auto": True, "suppress": True}),
    Case("read receipt", mail(FROM + "Subject: Read: x\nContent-Type: multipart/report; report-type=disposition-notification; boundary=b\n", "--b\n\nread\n--b\nContent-Type: message/disposition-notification\n\nDisposition: x\n--b--\n"), {"auto": True, "is_bounce": False, "suppress": True}),
    Case("spam flag", mail(FROM + "X-Spam-Flag: YES\n"), {"spam": True, "auto": False}),
    Case("spam status no", mail(FROM + "X-Spam-Status: No, score=1\n"), {"spam": False}),
    Case("robot sender", mail("From: noreply@x.example\n"), {"auto": False, "suppress": True}),
]  # fmt: skip


def dsn(action: str, status: str, extra: str = "") -> bytes:
    return mail(
        "Return-Path: <>\nFrom: Mail Delivery System <MAILER-DAEMON@mx.example>\nSubject: Undelivered Mail\n"
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n",
        "--b\n\nIt failed.\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example\n\n"
        f"Final-Recipient: rfc822; gone@x.example\nAction: {action}\nStatus: {status}\n{extra}\n--b\n"
        "Content-Type: message/rfc822\n\nMessage-ID: <orig@vaxel.example>\nSubject: x\n\nhi\n--b--\n",
    )


BOUNCES = [
    Case("hard", dsn("failed", "5.1.1"), {"is_bounce": True, "auto": False, "class": "hard", "status": ["5.1.1"], "failed": ["gone@x.example"], "original": "orig@vaxel.example"}),
    Case("mailbox full is soft", dsn("failed", "5.2.2"), {"is_bounce": True, "class": "soft"}),
    Case("given up after delays", dsn("failed", "4.4.1"), {"is_bounce": True, "class": "soft"}),
    Case("diagnosis more precise than the status", dsn("failed", "5.0.0", "Diagnostic-Code: smtp; 550 5.1.1 unknown\n"), {"status": ["5.1.1"]}),
    Case("delayed is no bounce", dsn("delayed", "4.4.1"), {"is_bounce": False, "suppress": True}),
    Case("delivered is no bounce", dsn("relayed", "2.0.0"), {"is_bounce": False}),
    Case("qmail", mail("Return-Path: <>\nFrom: MAILER-DAEMON@mx.example\nSubject: failure notice\n", "Hi. This is the qmail-send program at mx.example.\nI wasn't able to deliver your message.\n\n<gone@x.example>:\n550 5.1.1 User unknown\n\n--- Below this line is a copy of the message.\n\nMessage-ID: <orig@vaxel.example>\n"), {"is_bounce": True, "status": ["5.1.1"], "failed": ["gone@x.example"], "original": "orig@vaxel.example"}),
    Case("exim", mail("Return-Path: <>\nFrom: Mail Delivery System <Mailer-Daemon@mx.example>\nX-Failed-Recipients: gone@x.example\nSubject: Mail delivery failed: returning message to sender\n", "A message that you sent could not be delivered:\n\n  gone@x.example\n    550 no such user\n"), {"is_bounce": True, "failed": ["gone@x.example"], "class": "hard"}),
    Case("a customer who quotes a bounce", mail(FROM + "Subject: delivery failed?\n", "My friend's mail says: user unknown, mailbox is full. What now?\n"), {"is_bounce": False, "auto": False}),
]  # fmt: skip

REPLIES = [
    Case("gmail", mail(FROM, "Thanks!\n\nOn Mon, Nov 23, 2026 at 10:00 AM Vaxel <support@vaxel.example> wrote:\n\n> Hello\n> there\n"), {"reply": "Thanks!", "kinds": ["new", "quote"]}),
    Case("gmail, attribution on two lines", mail(FROM, "Thanks!\n\nOn Mon, Nov 23, 2026 at 10:00 AM Vaxel Support Team\n<support@vaxel.example> wrote:\n\n> Hello\n"), {"reply": "Thanks!"}),
    Case("answers in between", mail(FROM, "Hi,\n\nOn 23.11.2026 10:00, Vaxel wrote:\n> Which order?\n\n4711\n\n> And when?\n\nYesterday.\n"), {"reply": "Hi,\n4711\nYesterday.", "kinds": ["new", "quote", "new", "quote", "new"]}),
    Case("answer below", mail(FROM, "Am 23.11.2026 um 10:00 schrieb Vaxel:\n> Welche?\n\nDie blaue.\n"), {"reply": "Die blaue."}),
    Case("outlook", mail(FROM, "Please see below.\n\n________________________________\nFrom: Vaxel <support@vaxel.example>\nSent: Monday, November 23, 2026 10:00 AM\nTo: Jane\nSubject: RE: Bill\n\nOld words\n"), {"reply": "Please see below."}),
    Case("outlook, german", mail(FROM, "Danke.\n\n-----Ursprüngliche Nachricht-----\nVon: Vaxel\nGesendet: Montag\nAn: Jane\nBetreff: x\n\nAlt\n"), {"reply": "Danke."}),
    Case("outlook, french, bold labels", mail(FROM, "Merci\n\n*De :* Vaxel\n*Envoyé :* lundi 23 novembre 2026\n*À :* Jane\n*Objet :* x\n\nAncien\n"), {"reply": "Merci"}),
    Case("original message", mail(FROM, "Yes\n\n-----Original Message-----\nFrom: x\n\nold\n"), {"reply": "Yes"}),
    Case("signature", mail(FROM, "Hello\n\n-- \nJane\nCEO\n"), {"reply": "Hello", "kinds": ["new", "signature"]}),
    Case("signature above a quote", mail(FROM, "Hello\n\n-- \nJane\n\nOn 23 Nov 2026, Vaxel wrote:\n> old\n"), {"reply": "Hello", "kinds": ["new", "signature", "quote"]}),
    Case("phone", mail(FROM, "Ok\n\nSent from my iPhone\n"), {"reply": "Ok"}),
    Case("phone and a quote", mail(FROM, "Ok\n\nVon meinem iPhone gesendet\n\n> Am 23.11.2026 um 10:00 schrieb V <v@x.example>:\n> \n> alt\n"), {"reply": "Ok"}),
    Case("a dash in a sentence is no signature", mail(FROM, "I have two problems\n- the bill\n- the phone\n"), {"reply": "I have two problems\n- the bill\n- the phone"}),
    Case("a colon is no attribution", mail(FROM, "My numbers on 23.11.2026 are:\n10\n20\n"), {"reply": "My numbers on 23.11.2026 are:\n10\n20"}),
    Case("a customer's own sentence about writing", mail(FROM, "Hello,\n\nOn 12.10.2026 I wrote to you:\nplease cancel\n"), {"reply": "Hello,\n\nOn 12.10.2026 I wrote to you:\nplease cancel"}),
    Case("attribution without quote signs", mail(FROM, "Yes.\n\nOn Mon, 23 Nov 2026 at 10:00, V <v@x.example> wrote:\n\nold words\n"), {"reply": "Yes."}),
    Case("a list of fields is no header", mail(FROM, "To: the point\n\nDate: tomorrow please\n"), {"reply": "To: the point\n\nDate: tomorrow please"}),
    Case("forward without words", mail(FROM, "---------- Forwarded message ---------\nFrom: Bob <bob@x.example>\nDate: Mon, Nov 23, 2026\nSubject: Bill\nTo: Jane\n\nPlease pay.\n"), {"reply": "", "kinds": ["forward_header", "quote"]}),
    Case("forward with words", mail(FROM, "What is this?\n\nBegin forwarded message:\n\nFrom: Bob\nSubject: Bill\nDate: x\n\nPlease pay.\n"), {"reply": "What is this?", "kinds": ["new", "forward_header", "quote"]}),
    Case("disclaimer", mail(FROM, "Pay me.\n\nThis e-mail and any attachments are confidential and intended solely for the addressee.\nDelete it.\n"), {"reply": "Pay me.", "kinds": ["new", "disclaimer"]}),
    Case("everything quoted", mail(FROM, "> all\n> quoted\n"), {"reply": ""}),
    Case("html of gmail", mail(FROM + "Content-Type: text/html; charset=utf-8\n", '<div dir="ltr">Merci !</div><br><div class="gmail_quote"><div dir="ltr" class="gmail_attr">Le lun. 23 nov., V a écrit :<br></div><blockquote class="gmail_quote">Ancien</blockquote></div>'), {"reply": "Merci !"}),
    Case("html of outlook", mail(FROM + "Content-Type: text/html; charset=utf-8\n", '<div>Tak</div><hr><div id="divRplyFwdMsg"><b>Fra:</b> V<br><b>Sendt:</b> x</div><div>gammelt</div>'), {"reply": "Tak"}),
    Case("html of outlook for windows", mail(FROM + "Content-Type: text/html; charset=utf-8\n", "<p>New</p><div style='border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt'><p><b>From:</b> V<br><b>Sent:</b> x<br><b>Subject:</b> y</p></div><p>old</p>"), {"reply": "New"}),
    Case("html of apple mail", mail(FROM + "Content-Type: text/html; charset=utf-8\n", '<body>Kiitos<br><div><blockquote type="cite"><div>On 23 Nov 2026, at 10:00, V wrote:</div><div>vanha</div></blockquote></div></body>'), {"reply": "Kiitos"}),
    Case("html with a signature", mail(FROM + "Content-Type: text/html; charset=utf-8\n", '<p>New</p><div class="gmail_signature">Jane<br>CEO</div>'), {"reply": "New", "kinds": ["new", "signature"]}),
    Case("words below an html quote", mail(FROM + "Content-Type: text/html; charset=utf-8\n", '<blockquote type="cite">old</blockquote><p>below</p>'), {"reply": "below"}),
    *[
        Case(f"attribution: {line}", mail(FROM, f"Words\n\n{line}\n> old\n"), {"reply": "Words", "kinds": ["new", "quote"]})
        for line in ("Le lun. 23 nov. 2026 à 10:00, V <v@x.example> a écrit :", "El lun, 23 nov 2026 a las 10:00, V (<v@x.example>) escribió:",
                     "Il giorno lun 23 nov 2026 alle ore 10:00 V <v@x.example> ha scritto:", "Em seg., 23 de nov. de 2026 às 10:00, V <v@x.example> escreveu:",
                     "Op ma 23 nov. 2026 om 10:00 schreef V <v@x.example>:", "Den mån 23 nov. 2026 kl 10:00 skrev V <v@x.example>:",
                     "Den man. 23. nov. 2026 kl. 10.00 skrev V <v@x.example>:", "ma 23. marrask. 2026 klo 10.00 V (v@x.example) kirjoitti:",
                     "pon., 23 lis 2026 o 10:00 V <v@x.example> napisał(a):", "po 23. 11. 2026 v 10:00 odesílatel V <v@x.example> napsal:",
                     "пн, 23 нояб. 2026 г. в 10:00, V <v@x.example>:", "23 Kas 2026 Pzt 10:00 tarihinde V <v@x.example> şunu yazdı:",
                     "2026年11月23日(月) 10:00 V <v@x.example>:", "V <v@x.example> 于2026年11月23日周一 10:00写道：", "2026/11/23 V <v@x.example>")
    ],
]  # fmt: skip


def seen(result: Normalized) -> dict[str, Any]:
    """What the cases speak of, by their short names."""
    told = result.interaction
    flags, relations, bounce = told.flags, told.relations, told.bounce
    blobs = {part.ref: part.data for part in result.parts}
    recipients = {
        role: [one.external_id for one in told.recipients if one.role == role]
        for role in ("to", "bcc")
    }
    return {
        "from": told.sender.external_id,
        "name": told.sender.name,
        "to": recipients["to"],
        "bcc": recipients["bcc"],
        "subject": told.subject,
        "text": told.text,
        "html": blobs[told.html_ref].decode().strip() if told.html_ref else None,
        "files": [(f.name, f.mime, f.size, f.inline) for f in told.attachments],
        "occurred_at": told.occurred_at,
        "message_id": told.provider.message_id if told.provider else None,
        "root": relations.thread_root if relations else None,
        "in_reply_to": relations.in_reply_to if relations else None,
        "references": relations.references if relations else None,
        "reply_to": (told.reply_context or {}).get("reply_to"),
        "auto": flags.auto_reply.value if flags and flags.auto_reply else None,
        "suppress": flags.no_auto_response.value if flags and flags.no_auto_response else None,
        "is_bounce": flags.bounce.value if flags and flags.bounce else None,
        "list": flags.list.value if flags and flags.list else None,
        "spam": flags.spam.value if flags and flags.spam else None,
        "class": bounce.class_ if bounce else None,
        "status": bounce.status if bounce else None,
        "failed": bounce.recipients if bounce else None,
        "original": bounce.original_message_id if bounce else None,
        "reply": told.reply_text,
        "kinds": [part.kind for part in told.segments],
    }


CASES = [*HEADERS, *BODIES, *VERDICTS, *BOUNCES, *REPLIES]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_it_is_understood(case: Case) -> None:
    result = understood(case.raw)
    assert result.interaction.kind == "message"
    expect = dict(case.expect)
    if "has" in expect:
        assert expect.pop("has") in (result.interaction.text or "")
    found = seen(result)
    assert {name: found[name] for name in expect} == expect


def test_every_verdict_that_is_yes_says_why() -> None:
    for case in CASES:
        flags = understood(case.raw).interaction.flags
        assert flags is not None
        for flag in (
            flags.auto_reply,
            flags.no_auto_response,
            flags.bounce,
            flags.list,
            flags.spam,
        ):
            assert flag is not None
            assert flag.value == bool(flag.evidence)


def test_the_stored_files_are_what_the_record_names() -> None:
    for case in BODIES:
        result = understood(case.raw)
        stored = {part.ref for part in result.parts}
        assert {one.ref for one in result.interaction.attachments} <= stored
        assert result.interaction.raw_ref in stored
