"""``vaxel agent``: who is there, and saying so for somebody."""

from __future__ import annotations

import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from vaxel_cli import runinfo
from vaxel_cli.commands import people, tables
from vaxel_cli.commands.api import Api, segment
from vaxel_cli.commands.options import json_option, until
from vaxel_cli.console import out, print_json, wrong_use

_reason_option = click.option(
    "--reason", metavar="CODE", help="A short word such as lunch; no sentence, no name."
)

_channels_option = click.option(
    "--channel", "channels", multiple=True, help="Of this channel only; may be given again."
)


@click.group()
def agent() -> None:
    """Who is there; set somebody away, back or offline."""


@agent.command("list")
@runinfo.data_dir_option
@json_option
def list_agents(*, data_dir: Path | None, as_json: bool) -> None:
    """Show every agent with presence, work in hand and what they have in tools of their own."""
    everybody = people.agents(Api.register(runinfo.load(data_dir)))
    if as_json:
        print_json(everybody)
        return
    table = Table("id", "name", "presence", "offers", "works", "capacity", "elsewhere", box=None)
    for item in everybody:
        counts = (str(item["offers"]), str(item["works"]), str(item["capacity"]))
        about = (item["id"], item["name"] or "-", item["presence"] or "-")
        table.add_row(*about, *counts, people.elsewhere(item))
    tables.show(table)


@agent.command()
@click.argument("who", metavar="NAME_OR_ID")
@click.option("--return-work", is_flag=True, help="Give the work in hand back to the queue.")
@click.option("--as", "name", metavar="NAME", help="A presence of the policy's own, like lunch.")
@_channels_option
@_reason_option
@runinfo.data_dir_option
@json_option
def away(
    *,
    who: str,
    return_work: bool,
    name: str | None,
    channels: tuple[str, ...],
    reason: str | None,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Take no new work; work in hand is kept, or given back with --return-work."""
    more = {"name": name, "channels": list(channels) or None, "reason": reason}
    _set(who, "away", data_dir, as_json=as_json, return_work=return_work, **more)


@agent.command()
@click.argument("who", metavar="NAME_OR_ID")
@_channels_option
@runinfo.data_dir_option
@json_option
def back(*, who: str, channels: tuple[str, ...], data_dir: Path | None, as_json: bool) -> None:
    """Take work again."""
    _set(who, "available", data_dir, as_json=as_json, channels=list(channels) or None)


@agent.command()
@click.argument("who", metavar="NAME_OR_ID")
@click.option("--return-work", is_flag=True, help="Give the work in hand back to the queue.")
@_reason_option
@runinfo.data_dir_option
@json_option
def offline(
    *, who: str, return_work: bool, reason: str | None, data_dir: Path | None, as_json: bool
) -> None:
    """Gone for now; work in hand is kept, or given back with --return-work."""
    _set(who, "offline", data_dir, as_json=as_json, return_work=return_work, reason=reason)


@agent.command()
@click.argument("who", metavar="NAME_OR_ID")
@click.argument("channels", metavar="[CHANNEL=COUNT]...", nargs=-1)
@click.option(
    "--for", "duration", default="15m", show_default=True, metavar="DURATION",
    help="It counts for so long, unless it is said again.",
)  # fmt: skip
@click.option("--source", default="cli", show_default=True, help="Which tool it is about.")
@runinfo.data_dir_option
@json_option
def elsewhere(
    *,
    who: str,
    channels: tuple[str, ...],
    duration: str,
    source: str,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    r"""Say what an agent has in hand in another tool, all of it: it takes capacity.

    \b
    vaxel agent elsewhere anna email=3 chat=1 --for 30m
    vaxel agent elsewhere anna                 nothing any more
    """
    counts = _counts(channels)
    body = {"source": source, "channels": counts, "until": until(duration)}
    said = ", ".join(f"{count} {name}" for name, count in counts.items()) or "nothing"
    _ask(who, "elsewhere", body, data_dir, f"has {said} elsewhere", as_json=as_json)


def _counts(channels: tuple[str, ...]) -> dict[str, int]:
    found = {}
    for one in channels:
        name, _, count = one.partition("=")
        if not count.isascii() or not count.isdigit():
            raise wrong_use(f"{one!r} isn't like email=3")
        found[name] = int(count)
    return found


def _set(
    who: str,
    presence: str,
    data_dir: Path | None,
    *,
    as_json: bool,
    return_work: bool = False,
    **more: Any,
) -> None:
    """Ask for a presence."""
    body: dict[str, Any] = {"presence": presence}
    body |= {"mode": "return_work"} if return_work else {}
    body |= {key: value for key, value in more.items() if value is not None}
    _ask(who, "presence", body, data_dir, f"is {presence}", as_json=as_json)


def _ask(
    who: str,
    verb: str,
    body: dict[str, Any],
    data_dir: Path | None,
    done: str,
    *,
    as_json: bool,
) -> None:
    """Ask for it and say what the router made of it. Raises (exit 1) where it refuses."""
    api = Api.register(runinfo.load(data_dir))
    meant = people.find(people.agents(api), who)
    answer = api.post(f"/api/v1/agents/{segment(meant['id'])}/{verb}", body, str(uuid.uuid4()))
    told = {name: body[name] for name in ("presence", "channels") if name in body}
    result = {"agent": meant["id"], "name": meant["name"], **told, **answer.body}
    if as_json:
        print_json(result)
        return
    label = people.label(meant)
    if answer.body["status"] == "pending":
        out.print(f"{label}: asked for, not decided yet; `vaxel agent list` shows it", markup=False)
        return
    out.print(f"{label} {done}" + besides(answer.body["decisions"]), markup=False)


def besides(decisions: list[dict[str, Any]]) -> str:
    """What else the router decided because of it."""
    count = Counter(item["type"] for item in decisions)
    words = {
        "work.queued": "given back to the queue",
        "offer.ended": "offer taken back",
        "offer.made": "offered",
        "work.stepped": "moved on",
    }
    said = [f"{count[type_]} {word}" for type_, word in words.items() if count[type_]]
    return f"; {', '.join(said)}" if said else ""
