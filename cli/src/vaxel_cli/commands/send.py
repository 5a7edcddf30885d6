"""``vaxel send``: one contact in, the way a customer would, and what became of it."""

from __future__ import annotations

import smtplib
import sys
import time
from dataclasses import asdict
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

import click

from vaxel_cli import runinfo
from vaxel_cli.commands import mail, routed
from vaxel_cli.commands.api import Api
from vaxel_cli.console import answer_is_no, err, out, print_json, unreachable, wrong_use

SMTP_TIMEOUT_S = 30
WAIT_S = 15.0


@click.group()
def send() -> None:
    """Send one contact in, for trying things out."""


@send.command("email")
@click.option("--list", "list_examples", is_flag=True, help="Show the examples and stop.")
@click.option("--example", metavar="NAME", help="A mail that comes along; see --list.")
@click.option("--from", "sender", metavar="ADDRESS", help="Who writes.")
@click.option("--to", metavar="ADDRESS", help="Which of our mailboxes.")
@click.option("--subject", metavar="TEXT")
@click.option("--text", metavar="TEXT", help="The body; - reads it from standard input.")
@click.option("--in-reply-to", metavar="MESSAGE-ID", help="Continue this thread.")
@click.option("--reply", is_flag=True, help="Answer the newest mail that we sent to --from.")
@click.option(
    "--wait/--no-wait", default=True, help="Follow it until it is offered. [default: wait]"
)
@click.option("--timeout", "timeout_s", default=WAIT_S, show_default=True, metavar="SECONDS")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@runinfo.data_dir_option
def send_email(
    *,
    list_examples: bool,
    example: str | None,
    sender: str | None,
    to: str | None,
    subject: str | None,
    text: str | None,
    in_reply_to: str | None,
    reply: bool,
    wait: bool,
    timeout_s: float,
    as_json: bool,
    data_dir: Path | None,
) -> None:
    r"""Send a mail in over SMTP, and say which case it became and who was offered it.

    \b
    vaxel send email --example fi-billing
    vaxel send email --from me@customer.example --subject Hello --text "How are you?"
    vaxel send email --example en-thread-followup      (answers our last mail to that customer)
    """
    if list_examples:
        _show_examples(as_json)
        return
    if example is None and text is None:
        raise wrong_use("say what to send: --example NAME (see --list), or --subject and --text")
    run = runinfo.load(data_dir)
    body = sys.stdin.read() if text == "-" else text
    message = mail.example(example) if example is not None else EmailMessage(policy=SMTP)
    answers = reply or mail.is_reply(message)
    fields = mail.Fields(sender, to, subject, body, in_reply_to)
    message = mail.prepare(message, fields, run.mailboxes)
    if answers and in_reply_to is None:
        mail.answer(message, _newest_of_ours(run, mail.address_of(message["From"])))
    begun = routed.Begun.now(mail.address_of(message["From"]))
    said = deliver(run.smtp, message)
    begun = begun.taken(said)
    result: dict[str, Any] = {
        "message_id": message["Message-ID"],
        "from": mail.address_of(message["From"]),
        "to": mail.address_of(message["To"]),
        "subject": message["Subject"],
        "smtp": said,
        "taken_ms": begun.elapsed_ms(),
    }
    if not as_json:
        out.print(f"taken by {result['to']} after {result['taken_ms']} ms: {said}", markup=False)
    if wait:
        found = follow(Api.register(run), begun, timeout_s)
        result |= asdict(found)
        if not as_json:
            tell(found)
    if as_json:
        print_json(result)


def _show_examples(as_json: bool) -> None:
    items = []
    for name in mail.example_names():
        message = mail.example(name)
        items.append({
            "name": name,
            "from": message["From"],
            "to": message["To"],
            "subject": message["Subject"],
        })  # fmt: skip
    if as_json:
        print_json(items)
        return
    width = max(len(item["name"]) for item in items)
    for item in items:
        out.print(f"{item['name']:{width}}  to {item['to']}  {item['subject']}", markup=False)


def deliver(smtp: runinfo.Listener, message: EmailMessage) -> str:
    """Send it; the server's last words. Raises exit 1 if it is refused, 3 for anything passing."""
    sender = mail.address_of(message["From"])
    to = mail.address_of(message["To"])
    try:
        with smtplib.SMTP(smtp.host, smtp.port, timeout=SMTP_TIMEOUT_S) as client:
            client.ehlo()
            _step(client.mail(sender, ["BODY=8BITMIME"]), f"the sender {sender}")
            _step(client.rcpt(to), f"the recipient {to}")
            return _step(client.data(bytes(message)), "the mail")
    except smtplib.SMTPResponseException as error:
        raise _refused((error.smtp_code, _bytes(error.smtp_error)), "the mail") from error
    except (OSError, smtplib.SMTPException) as error:
        raise unreachable(
            f"no SMTP at {smtp.host}:{smtp.port} ({type(error).__name__}): is `vaxel up` running?"
        ) from error


def _step(reply: tuple[int, bytes], what: str) -> str:
    """The server's words, if it said yes."""
    if reply[0] >= 400:
        raise _refused(reply, what)
    return f"{reply[0]} {reply[1].decode(errors='replace')}"


def _refused(reply: tuple[int, bytes], what: str) -> Exception:
    said = f"{what} was refused: {reply[0]} {' '.join(reply[1].decode(errors='replace').split())}"
    return unreachable(f"{said}; try again") if reply[0] < 500 else answer_is_no(said)


def _bytes(text: bytes | str) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


def _newest_of_ours(run: runinfo.RunInfo, customer: str) -> dict[str, Any]:
    """The newest mail in the sink to a customer. Raises (exit 1) where there is none."""
    sink = run.sink.url or f"http://{run.sink.host}:{run.sink.port}"
    found = Api(sink, name="sink").get("/api/mails", to=customer)["mails"]
    if not found:
        raise answer_is_no(f"nothing to answer: no mail of ours to {customer} yet; send one first")
    newest: dict[str, Any] = max(found, key=lambda item: str(item.get("received_at", "")))
    return newest


def follow(api: Api, begun: routed.Begun, timeout_s: float) -> routed.Routed:
    """Ask the register until it is offered or waits, showing that we are waiting."""
    with err.status("waiting for the case"):
        deadline = time.monotonic() + timeout_s
        found: routed.Routed | None = None
        while found is None or not found.settled:
            found = routed.look(api, begun, found)
            if time.monotonic() > deadline:
                break
            time.sleep(routed.PAUSE_S)
    if found is None:
        raise answer_is_no(f"it is taken, but it is no case after {timeout_s:g} s: `vaxel status`")
    return found


def tell(found: routed.Routed) -> None:
    """What became of it, for a person."""
    line = f"case {found.case} in {found.queue} after {found.case_after_ms} ms"
    out.print(f"{line} ({found.what})", markup=False)
    if found.offered_to is not None:
        name = (
            f"{found.offered_name} ({found.offered_to})" if found.offered_name else found.offered_to
        )
        when = "before" if found.offered_after_ms is None else f"after {found.offered_after_ms} ms"
        out.print(f"offered to {name} {when}", markup=False)
    elif found.agent is not None:
        out.print(f"with {found.agent}", markup=False)
    else:
        out.print(f"waits: nobody could be offered it; `vaxel explain {found.case}` says why")
