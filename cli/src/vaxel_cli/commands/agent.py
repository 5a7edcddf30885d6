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
from vaxel_cli.commands.options import json_option
from vaxel_cli.console import out, print_json

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
    """Show every agent with presence and work in hand."""
    everybody = people.agents(Api.register(runinfo.load(data_dir)))
    if as_json:
        print_json(everybody)
        return
    table = Table("id", "name", "presence", "offers", "works", "capacity", box=None)
    for item in everybody:
        counts = (str(item["offers"]), str(item["works"]), str(item["capacity"]))
        table.add_row(item["id"], item["name"] or "-", item["presence"] or "-", *counts)
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


def _set(
    who: str,
    presence: str,
    data_dir: Path | None,
    *,
    as_json: bool,
    return_work: bool = False,
    **more: Any,
) -> None:
    """Ask for a presence and say what the router made of it. Raises (exit 1) where it refuses."""
    api = Api.register(runinfo.load(data_dir))
    meant = people.find(people.agents(api), who)
    body: dict[str, Any] = {"presence": presence}
    body |= {"mode": "return_work"} if return_work else {}
    body |= {key: value for key, value in more.items() if value is not None}
    answer = api.post(f"/api/v1/agents/{segment(meant['id'])}/presence", body, str(uuid.uuid4()))
    result = {"agent": meant["id"], "name": meant["name"], "presence": presence, **answer.body}
    if as_json:
        print_json(result)
        return
    label = people.label(meant)
    if answer.body["status"] == "pending":
        out.print(f"{label}: asked for, not decided yet; `vaxel agent list` shows it", markup=False)
        return
    out.print(f"{label} is {presence}" + besides(answer.body["decisions"]), markup=False)


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
