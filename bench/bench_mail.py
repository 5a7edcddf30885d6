"""How many mails a second the mail parser understands, beside the standard library's."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from random import Random

from kit import ROOT, Report, Table, percentile, rate, ratio, run

from vaxel_ingest_email.core.normalize import AccountRef, normalize
from vaxel_shared.crypto.keys import Keyring

ACCOUNT = AccountRef("support", "support@vaxel.example", "support")
KEYRING = Keyring(b"k" * 32)
NOW_MS = 1_700_000_000_000

METHOD = (
    "The same mails through `vaxel_ingest_email.core.normalize` and through the standard library's"
    " `email` with `policy.default`, in turn, in one process. The library parses; a second column"
    " has it also read what any user of it reads: addresses, subject, body and attachments. Ours"
    " does that and finds threads, automatic mail, bounces, quotes and signatures, cleans HTML, and"
    " hashes every part."
)
NOT_COVERED = [
    "SMTP, fsync, Kafka, and the parser's own processes (it runs in as many as are configured).",
    "Hostile mail: the tests hold the limits, and each has a deadline.",
]


@dataclass
class Kind:
    """Mails of one kind, and seconds of each way through them."""

    name: str
    mails: list[bytes]
    spent: dict[str, list[float]] = field(default_factory=dict)


def ours(raw: bytes) -> None:
    found = normalize(raw, None, ACCOUNT, KEYRING, NOW_MS)
    if found.interaction.kind != "message":
        raise AssertionError(f"not understood: {found.interaction.status}")


def parse_only(raw: bytes) -> EmailMessage:
    return message_from_bytes(raw, policy=policy.default)


def parse_and_read(raw: bytes) -> None:
    message = parse_only(raw)
    for name in ("from", "to", "subject", "date", "message-id", "references"):
        str(message[name])
    body = message.get_body(("plain", "html"))
    if body is not None:
        body.get_content()
    for part in message.iter_attachments():
        part.get_content()


WAYS: dict[str, Callable[[bytes], object]] = {
    "ours": ours,
    "parse": parse_only,
    "read": parse_and_read,
}


def main(seconds: float) -> Report:
    """Measure every kind of mail."""
    table = Table(
        "Mails a second, and milliseconds a mail of ours",
        ["mail", "bytes", "ours/s", "parse/s", "parse and read/s", "ours/read", "p50 ms", "p99 ms"],
    )
    for kind in kinds():
        measure(kind, seconds)
        table.rows.append(_row(kind))
    return Report("mail", "The mail parser", METHOD, NOT_COVERED, ["nh3"], [table])


def measure(kind: Kind, seconds: float) -> None:
    """Each way through each mail, in turn, after one round to warm up."""
    kind.spent = {name: [] for name in WAYS}
    end = time.perf_counter() + seconds
    warm = False
    while not warm or time.perf_counter() < end:
        for raw in kind.mails:
            for name, way in WAYS.items():
                begin = time.perf_counter()
                way(raw)
                if warm:
                    kind.spent[name].append(time.perf_counter() - begin)
        warm = True


def _row(kind: Kind) -> list[str]:
    def per_s(name: str) -> float:
        return len(kind.spent[name]) / sum(kind.spent[name])

    return [
        kind.name,
        f"{sum(map(len, kind.mails)) // len(kind.mails):,}",
        *(rate(per_s(name), 1) for name in WAYS),
        ratio(per_s("ours"), per_s("read")),
        *(f"{percentile(kind.spent['ours'], share) * 1000:.2f}" for share in (0.5, 0.99)),
    ]


def kinds() -> list[Kind]:
    """The examples that come along, a long HTML thread, and one with files."""
    folder = ROOT / "cli/src/vaxel_cli/examples"
    examples = [path.read_bytes() for path in sorted(folder.glob("*.eml"))]
    return [
        Kind("the 12 examples", examples),
        Kind("HTML thread of 12 answers", [html_thread(12)]),
        Kind("two files, 0.5 MB", [with_files(2, 190_000)]),
    ]


HEAD = (
    "From: =?utf-8?Q?J=C3=B6rg?= Test <customer@customers.example>\r\n"
    "To: Support <support@vaxel.example>\r\nSubject: Re: My order\r\n"
    "Date: Tue, 14 Nov 2023 22:13:20 +0200\r\nMessage-ID: <{name}@customers.example>\r\n"
    "In-Reply-To: <1@vaxel.example>\r\nReferences: <0@vaxel.example> <1@vaxel.example>\r\n"
    "MIME-Version: 1.0\r\n"
)


def html_thread(depth: int) -> bytes:
    """Text and HTML, each answer quoting the one before."""
    words = "The parcel hasn't come and the invoice is wrong; please look at both. " * 4
    html = text = ""
    for level in range(depth):
        quoted = "".join(f"> {line}\r\n" for line in text.splitlines())
        intro = f"On Tue, {level + 1} Nov 2023 at 10:00, A <a@x.example> wrote:"
        text = f"{words}\r\n\r\n{intro}\r\n{quoted}"
        html = (
            f'<div dir="ltr"><p style="color:#222">{words}</p><ul><li>1</li><li>2</li></ul></div>'
            f'<div class="gmail_quote"><div>{intro}</div><blockquote>{html}</blockquote></div>'
        )
    parts = (("plain", text), ("html", f"<html><body>{html}</body></html>"))
    lines = [HEAD.format(name="thread"), "Content-Type: multipart/alternative; boundary=b\r\n\r\n"]
    for kind, content in parts:
        encoded = base64.encodebytes(content.encode()).decode().replace("\n", "\r\n")
        lines.append(f"--b\r\nContent-Type: text/{kind}; charset=utf-8\r\n")
        lines.append(f"Content-Transfer-Encoding: base64\r\n\r\n{encoded}")
    return "".join([*lines, "--b--\r\n"]).encode()


def with_files(count: int, size: int) -> bytes:
    """A short text and files of noise."""
    noise = Random(1)
    lines = [HEAD.format(name="files"), "Content-Type: multipart/mixed; boundary=m\r\n\r\n"]
    lines.append("--m\r\nContent-Type: text/plain\r\n\r\nPhotos attached.\r\n")
    for number in range(count):
        data = base64.encodebytes(noise.randbytes(size)).decode().replace("\n", "\r\n")
        lines.append(f'--m\r\nContent-Type: image/jpeg; name="photo {number}.jpg"\r\n')
        lines.append("Content-Disposition: attachment\r\nContent-Transfer-Encoding: base64\r\n\r\n")
        lines.append(data)
    return "".join([*lines, "--m--\r\n"]).encode()


if __name__ == "__main__":
    run(main, seconds=4)
