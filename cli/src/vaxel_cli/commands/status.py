"""``vaxel status``: the whole system at a glance.

Each part is asked on its own and with its own patience: what doesn't answer is said, and the rest
is shown all the same.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import urllib.parse
from collections import Counter
from pathlib import Path
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from vaxel_cli import runinfo
from vaxel_cli.commands import people, status_at, tables
from vaxel_cli.commands.api import Api
from vaxel_cli.commands.options import broker_option, json_option
from vaxel_cli.console import DONE, NO, err, out, print_json, wrong_use
from vaxel_shared.errors import VaxelError
from vaxel_shared.kafka.scan import bounds
from vaxel_shared.kafka.topics import TOPICS
from vaxel_shared.settings import Settings

METRICS_BYTES_MAX = 4 * 1024 * 1024
TIMEOUT_S = 3
_LAG = re.compile(r'^vaxel_lag_records\{partition="\d+",topic="([^"]+)"\} (\S+)$')


@click.command()
@click.option(
    "--at", "when", metavar="INSTANT",
    help="As it stood then, from the log: 2026-11-22T14:30:00+01:00.",
)  # fmt: skip
@click.option(
    "--queue", metavar="[POOL/]QUEUE", help="With --at: what waited in it, and why nobody had it."
)
@click.option(
    "--first", type=click.IntRange(1), default=20, show_default=True,
    help="With --queue: so many of those that waited.",
)  # fmt: skip
@click.option(
    "--from", "folder", type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="With --at: an export of `vaxel log export`; left out, the running system's log.",
)  # fmt: skip
@broker_option
@runinfo.data_dir_option
@json_option
def status(
    *, when: str | None, queue: str | None, first: int, folder: Path | None, broker: str | None,
    data_dir: Path | None, as_json: bool,
) -> int:  # fmt: skip
    """Services, topics and lag, queues and agents; exit 1 if something isn't well.

    With --at: queues, people and what each was doing at any past instant of a log.
    """
    if when is not None:
        then = status_at.status_at(
            when, queue, first, folder=folder, broker=broker, data_dir=data_dir
        )
        print_json(then) if as_json else status_at.show(then)
        return DONE
    if queue is not None or folder is not None or broker is not None:
        raise wrong_use("--queue, --from and --broker go with --at INSTANT")
    run = runinfo.load(data_dir)
    with err.status("asking"):
        found = _gather(run)
    if as_json:
        print_json(found)
    else:
        _show(found)
    return DONE if found["ok"] else NO


def _gather(run: runinfo.RunInfo) -> dict[str, Any]:
    """Everything, with a list of what could not be learned."""
    problems: list[str] = []
    services = {name: _service(info.url) for name, info in sorted(run.services.items())}
    for name, service in services.items():
        if service["state"] != "ready":
            problems.append(f"{name}: {'; '.join(service['reasons']) or service['state']}")
    topics: dict[str, Any] = {}
    try:
        topics = asyncio.run(_topics(run.settings()))
    except VaxelError as error:
        problems.append(str(error))
    queues, everybody, letters = _from_register(run, problems)
    presence = Counter(str(agent["presence"] or "unknown") for agent in everybody)
    return {
        "ok": not problems,
        "problems": problems,
        "services": services,
        "topics": topics,
        "queues": queues,
        "agents": {"total": len(everybody), "presence": dict(presence), "items": everybody},
        "deadletters": letters,
    }


def _service(url: str) -> dict[str, Any]:
    """A service's readiness, and how far it is behind on each topic that it reads."""
    ready = _fetch(url, "/readyz")
    if ready is None:
        return {"url": url, "state": "away", "reasons": ["doesn't answer"], "lag": {}}
    reasons = _reasons(ready[1])
    lag: Counter[str] = Counter()
    for line in (_fetch(url, "/metrics") or (0, ""))[1].splitlines():
        if found := _LAG.match(line):
            lag[found[1]] += int(float(found[2]))
    state = "ready" if ready[0] == http.client.OK else "not ready"
    return {"url": url, "state": state, "reasons": reasons, "lag": dict(lag)}


def _reasons(body: str) -> list[str]:
    """Why a service isn't ready, as it says itself."""
    try:
        found = json.loads(body).get("reasons", [])
    except (ValueError, AttributeError):
        return ["answers nonsense"]
    return [str(reason) for reason in found]


def _fetch(url: str, path: str) -> tuple[int, str] | None:
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read(METRICS_BYTES_MAX).decode(errors="replace")
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


async def _topics(settings: Settings) -> dict[str, Any]:
    found = {}
    for topic in TOPICS:
        within = await bounds(settings, topic.name)
        found[topic.name] = {
            "partitions": len(within),
            "records": sum(one.end - one.begin for one in within.values()),
            "ends": [within[number].end for number in sorted(within)],
        }
    return found


def _from_register(
    run: runinfo.RunInfo, problems: list[str]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], int | None]:
    """Queues, agents and the number of dead letters."""
    try:
        api = Api.register(run)
        queues: list[dict[str, Any]] = api.get("/api/v1/queues")["items"]
        everybody = people.agents(api)
        letters = len(Api.register(run, run.tokens.admin).get("/api/v1/deadletters")["items"])
    except VaxelError as error:
        problems.append(str(error))
        return [], [], None
    return queues, everybody, letters


def _show(found: dict[str, Any]) -> None:
    services = Table("service", "state", "behind by", box=None)
    for name, item in found["services"].items():
        lag = ", ".join(f"{topic} {count}" for topic, count in item["lag"].items() if count)
        colour = "green" if item["state"] == "ready" else "red"
        services.add_row(name, f"[{colour}]{item['state']}[/]", lag or "-")
    topics = Table("topic", "partitions", "records", box=None)
    for name, item in found["topics"].items():
        topics.add_row(name, str(item["partitions"]), str(item["records"]))
    queues = Table("queue", "waiting", "offered", "assigned", "oldest since", box=None)
    for item in found["queues"]:
        counts = (str(item["waiting"]), str(item["offered"]), str(item["assigned"]))
        queues.add_row(f"{item['pool']}/{item['queue']}", *counts, item["oldest_since"] or "-")
    for table in (services, topics, queues):
        if table.row_count:
            tables.show(table)
            out.print()
    presence = ", ".join(f"{count} {name}" for name, count in found["agents"]["presence"].items())
    works = sum(agent["works"] for agent in found["agents"]["items"])
    out.print(f"{found['agents']['total']} agents: {presence or 'none'}; {works} works in hand")
    if found["deadletters"]:
        out.print(f"{found['deadletters']} dead letters: `vaxel dlq list`")
    for problem in found["problems"]:
        out.print(f"[red]![/] {escape(problem)}")
