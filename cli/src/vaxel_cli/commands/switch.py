"""``vaxel switch``: close a queue, divert it, call all hands; each for a time and with a reason."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from vaxel_cli import runinfo
from vaxel_cli.commands import tables
from vaxel_cli.commands.agent import besides
from vaxel_cli.commands.api import Api
from vaxel_cli.commands.options import json_option, until
from vaxel_cli.console import out, print_json, wrong_use
from vaxel_shared.contracts.cloudevents import iso_ms

KINDS = {"close": "close", "divert": "divert", "all-hands": "all_hands"}

_for_option = click.option(
    "--for", "duration", required=True, metavar="DURATION", help="How long, e.g. 90m or 2h."
)
_reason_option = click.option(
    "--reason", required=True, metavar="CODE", help="A short word such as fire_drill; no sentence."
)
_pool_option = click.option(
    "--pool", help="Of which pool; may be left out where there is only one."
)


@click.group()
def switch() -> None:
    """Close a queue, divert it to another, call all hands; show and end what is on."""


@switch.command()
@click.argument("queue")
@_for_option
@_reason_option
@_pool_option
@runinfo.data_dir_option
@json_option
def close(
    *, queue: str, duration: str, reason: str, pool: str | None, data_dir: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Offer nothing of QUEUE: what waits there keeps its place until the queue opens."""
    on = {"switch": "close", "queue": queue, "reason": reason, "until": until(duration)}
    _ask(on, pool, data_dir, f"queue {queue} is closed for {duration}", as_json=as_json)


@switch.command()
@click.argument("queue")
@click.argument("to", metavar="OTHER_QUEUE")
@_for_option
@_reason_option
@_pool_option
@runinfo.data_dir_option
@json_option
def divert(
    *, queue: str, to: str, duration: str, reason: str, pool: str | None, data_dir: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Send what waits in QUEUE, and what comes, to OTHER_QUEUE; with its age."""
    on = {"switch": "divert", "queue": queue, "to": to, "reason": reason}
    on["until"] = until(duration)
    _ask(on, pool, data_dir, f"queue {queue} goes to {to} for {duration}", as_json=as_json)


@switch.command("all-hands")
@click.argument("queue", required=False)
@_for_option
@_reason_option
@_pool_option
@runinfo.data_dir_option
@json_option
def all_hands(
    *, queue: str | None, duration: str, reason: str, pool: str | None, data_dir: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Waive the skills of QUEUE, or of every queue, and let every tier in."""
    on: dict[str, Any] = {"switch": "all_hands", "reason": reason, "until": until(duration)}
    if queue is not None:
        on["queue"] = queue
    what = f"queue {queue}" if queue is not None else "every queue"
    _ask(on, pool, data_dir, f"all hands for {what} for {duration}", as_json=as_json)


@switch.command()
@click.argument("kind", type=click.Choice(list(KINDS)))
@click.argument("queue", required=False)
@_pool_option
@runinfo.data_dir_option
@json_option
def off(
    *, kind: str, queue: str | None, pool: str | None, data_dir: Path | None, as_json: bool
) -> None:
    """End a switch before its time."""
    body: dict[str, Any] = {"switch": KINDS[kind], "on": False}
    if queue is not None:
        body["queue"] = queue
    _ask(body, pool, data_dir, f"{kind} {queue or ''}".strip() + " is off", as_json=as_json)


@switch.command("list")
@runinfo.data_dir_option
@json_option
def list_switches(*, data_dir: Path | None, as_json: bool) -> None:
    """Show what is on, why, and until when."""
    rows = Api.register(runinfo.load(data_dir)).get("/api/v1/switches/live")["switches"]
    if as_json:
        print_json(rows)
        return
    if not rows:
        out.print("nothing is switched on")
        return
    table = Table("pool", "switch", "queue", "to", "reason", "until", box=None)
    for row in rows:
        words = (row["pool"], row["switch"], row["queue"] or "all", row["value"] or "")
        table.add_row(*words, row["reason"], iso_ms(row["until_ms"]))
    tables.show(table)


def _ask(
    body: dict[str, Any], pool: str | None, data_dir: Path | None, done: str, *, as_json: bool
) -> None:
    """Ask for it and say what the router made of it. Raises (exit 1) where it refuses."""
    api = Api.register(runinfo.load(data_dir))
    body["pool"] = pool or _only_pool(api)
    answer = api.post("/api/v1/switches", body, str(uuid.uuid4()))
    if as_json:
        print_json({**body, **answer.body})
    elif answer.body["status"] == "pending":
        out.print("asked for, not decided yet; `vaxel switch list` shows it", markup=False)
    else:
        out.print(done + besides(answer.body["decisions"]), markup=False)


def _only_pool(api: Api) -> str:
    """The pool, where the deployment has one."""
    pools = sorted({item["pool"] for item in api.get("/api/v1/agents")["items"]})
    if len(pools) != 1:
        raise wrong_use(f"there are {len(pools)} pools ({', '.join(pools)}); name one with --pool")
    return str(pools[0])
