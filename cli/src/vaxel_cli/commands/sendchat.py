"""``vaxel send chat``: a visitor writes in a chat, and what became of it."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click

from vaxel_cli import runinfo
from vaxel_cli.commands import routed
from vaxel_cli.commands import send as mails
from vaxel_cli.commands.api import Api
from vaxel_cli.commands.chat import Visitor
from vaxel_cli.console import out, print_json, wrong_use

send = mails.send
"""The group with all its commands: this module adds one to it."""


@send.command("chat")
@click.option("--text", required=True, metavar="TEXT", help="What is said; - reads standard input.")
@click.option("--account", metavar="ID", help="Which chat. [default: the first]")
@click.option("--language", metavar="TAG", help="What the visitor chose, e.g. fi. [default: none]")
@click.option("--name", metavar="NAME", help="What the visitor is called.")
@click.option("--email", metavar="ADDRESS", help="Where the visitor can be reached.")
@click.option("--token", metavar="TOKEN", help="Continue the conversation of this token.")
@click.option(
    "--wait/--no-wait", default=True, help="Follow it until it is offered. [default: wait]"
)
@click.option("--timeout", "timeout_s", default=mails.WAIT_S, show_default=True, metavar="SECONDS")
@click.option(
    "--listen", "listen_s", default=0.0, metavar="SECONDS", help="Stay for an answer so long."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@runinfo.data_dir_option
def send_chat(
    *,
    text: str,
    account: str | None,
    language: str | None,
    name: str | None,
    email: str | None,
    token: str | None,
    wait: bool,
    timeout_s: float,
    listen_s: float,
    as_json: bool,
    data_dir: Path | None,
) -> None:
    r"""Say something in a chat over its WebSocket, as the widget does, and follow it.

    \b
    vaxel send chat --text "Hei, laskussani on virhe" --language fi
    vaxel send chat --text "My parcel is late" --listen 60      (waits for an answer)
    """
    run = runinfo.load(data_dir)
    chat = account or (run.chats[0] if run.chats else None)
    if chat is None:
        raise wrong_use("channels.yaml has no account with channel: chat; add one")
    body = sys.stdin.read() if text == "-" else text
    more = {"language": language, "name": name, "email": email}
    asyncio.run(_chat(run, chat, token, body, more, wait, timeout_s, listen_s, as_json))


async def _chat(  # noqa: PLR0917 - the command's options, in their order
    run: runinfo.RunInfo,
    chat: str,
    token: str | None,
    body: str,
    more: dict[str, str | None],
    wait: bool,
    timeout_s: float,
    listen_s: float,
    as_json: bool,
) -> None:
    begun = routed.Begun.now("")
    async with Visitor(run.url("ingest-chat"), chat, token=token) as visitor:
        told = len(visitor.messages)
        interaction_id = await visitor.say(body, **more)
        begun = replace(begun, sender=visitor.visitor_id, interaction_id=interaction_id)
        result: dict[str, Any] = {
            "account": chat,
            "interaction_id": interaction_id,
            "token": visitor.token,
            "taken_ms": begun.elapsed_ms(),
        }
        if not as_json:
            out.print(f"taken by {chat} after {result['taken_ms']} ms", markup=False)
        if wait:
            found = await asyncio.to_thread(mails.follow, Api.register(run), begun, timeout_s)
            result |= asdict(found)
            if not as_json:
                mails.tell(found)
        if listen_s > 0:
            await visitor.until(told + 2, listen_s)  # our own message, and an answer
            answers = [item for item in visitor.messages[told:] if item["from"] == "us"]
            result["answers"] = [item["text"] for item in answers]
            if not as_json:
                for item in answers:
                    out.print(f"{item.get('name') or 'answer'}: {item['text']}", markup=False)
    if as_json:
        print_json(result)
