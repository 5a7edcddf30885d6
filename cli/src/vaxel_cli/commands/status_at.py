"""``vaxel status --at``: how it stood at a past instant, by folding the log up to then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from rich.table import Table

from vaxel_cli.commands import tables
from vaxel_cli.commands.policy_explain import open_log
from vaxel_cli.commands.recorded import Recorded
from vaxel_cli.commands.times import in_words
from vaxel_cli.console import answer_is_no, err, out, wrong_use
from vaxel_cli.policy import past as pasts
from vaxel_cli.policy.past import Past
from vaxel_router.core import views
from vaxel_router.core.policy import decode as decode_policy
from vaxel_router.core.state import Pool
from vaxel_shared import reasons
from vaxel_shared.calendars.instants import parse_instant, show_instant
from vaxel_shared.config.source import hint

AGENTS_MAX = 40
"""Of a pool, in words; ``--json`` has all."""


def status_at(
    when: str, queue: str | None, first: int, *, folder: Path | None, broker: str | None,
    data_dir: Path | None,
) -> dict[str, Any]:  # fmt: skip
    """The answer as ``--json`` prints it. Raises (exit 1) before the log, (exit 2) for nonsense."""
    try:
        at_ms = parse_instant(when)
    except ValueError as error:
        raise wrong_use(f"--at: {error}") from error
    recorded = open_log(folder, broker, data_dir)
    found = [pasts.at(recorded, partition, at_ms) for partition in recorded.partitions]
    there = [one for one in found if one is not None]
    if not there:
        raise answer_is_no(f"the log begins after {show_instant(at_ms)}")
    end_ms = max(one.end_ms for one in there)
    if end_ms < at_ms:
        err.print(f"vaxel: the log ends at {show_instant(end_ms)}; as it stood then", markup=False)
    rows = [row for one in there for row in pasts.queues(one)]
    return {
        "at": show_instant(at_ms),
        "at_ms": at_ms,
        "log_end_ms": end_ms if end_ms < at_ms else None,
        "queues": sorted(rows, key=lambda row: (row["pool"], row["queue"])),
        "switches": [row for one in there for row in views.switches(one.world)],
        **_pools(recorded, there, queue, first),
    }


def _pools(recorded: Recorded, there: list[Past], wanted: str | None, first: int) -> dict[str, Any]:
    """The queue that was asked for and its pool's agents; or everybody."""
    pools = {pool.name: (one, pool) for one in there for pool in one.world.state.pools.values()}
    if wanted is None:
        everybody = {name: pasts.agents(*pair) for name, pair in sorted(pools.items())}
        return {"agents": everybody}
    pool_name, _, queue = wanted.rpartition("/")
    known = {
        name: _queues_of(recorded, pool)
        for name, (_, pool) in sorted(pools.items())
        if pool_name in ("", name)
    }
    having = [name for name, names in known.items() if queue in names]
    if not having:
        names = sorted(set().union(*known.values()))
        raise answer_is_no(f"there was no queue {wanted!r} then; {hint(queue, names)}")
    if len(having) > 1:
        raise wrong_use(f"{queue} is in {' and '.join(having)}; write {having[0]}/{queue}")
    one, pool = pools[having[0]]
    return {
        "pool": pool.name,
        "queue": queue,
        "waiting": pasts.line(one, pool, queue, first),
        "on_their_way": pasts.on_their_way(one, pool, queue),
        "agents": {pool.name: pasts.agents(one, pool)},
    }


def _queues_of(recorded: Recorded, pool: Pool) -> set[str]:
    """The queues that a pool had: by its policy of then, and wherever work was."""
    found = {work.queue for work in pool.works.values()} | {*pool.paces} | {*pool.shut}
    try:
        policy = decode_policy(recorded.policies[pool.policy or ""])
    except (KeyError, msgspec.MsgspecError):
        return found
    return found | {queue.name for queue in policy.queues}


def show(found: dict[str, Any]) -> None:
    """The answer in words."""
    out.print(found["at"], markup=False, style="bold")
    table = Table("queue", "waiting", "offered", "assigned", "wrapping", "suspended", "", box=None)
    for row in found["queues"]:
        states = ("waiting", "offered", "assigned", "wrapping", "suspended")
        until = row["closed_until_ms"]
        closed = f"closed until {show_instant(until)}" if until is not None else ""
        table.add_row(f"{row['pool']}/{row['queue']}", *(str(row[key]) for key in states), closed)
    tables.show(table)
    for item in found["switches"]:
        said = f"{item['switch']} {item['queue'] or 'all queues'} ({item['reason']})"
        out.print(f"{said} until {show_instant(item['until_ms'])}", markup=False)
    if "queue" in found:
        _show_queue(found)
    for pool, rows in found["agents"].items():
        _show_agents(pool, rows, found["at_ms"])


def _show_queue(found: dict[str, Any]) -> None:
    out.print(f"\n{found['pool']}/{found['queue']}, in line", markup=False, style="bold")
    if not found["waiting"]:
        out.print("nothing waited")
    for row in found["waiting"]:
        told = row["why_not_yet"]
        priority = f", priority {row['priority']}" if row["priority"] else ""
        waited = in_words(row["waited_ms"])
        head = f"{row['position']:4}  {row['number']}  waited {waited}{priority}"
        out.print(f"{head}, step {row['step']['id']}", markup=False)
        if row["held"] is not None:
            out.print(f"        {reasons.held(row['held'])}", markup=False, style="dim")
        if row["kept_for"] is not None:
            out.print(f"        kept for {row['kept_for']}", markup=False, style="dim")
        for code, count in told["by_code"].items():
            out.print(f"        {count:4}  {reasons.rejection(code)}", markup=False, style="dim")
    for row in found["on_their_way"]:
        who = row["agent_id"] or ", ".join(row["offered_to"]) or "nobody"
        ago = _ago(row["since_ms"], found["at_ms"])
        out.print(f"      {row['number']}  {row['state']}  {who}{ago}", markup=False)


def _show_agents(pool: str, rows: list[dict[str, Any]], at_ms: int) -> None:
    out.print(f"\n{pool}, people", markup=False, style="bold")
    table = Table("agent", "presence", "tier", "capacity", "doing", box=None)
    for row in rows[:AGENTS_MAX]:
        standing = row["name"] or row["standing"]
        stop = f", {reasons.rejection(row['stop'])}" if row["stop"] else ""
        doing = [
            f"{one['number']} {one['queue']} {one['state']}{_ago(one['since_ms'], at_ms)}"
            for one in row["doing"]
        ]
        table.add_row(
            row["agent_id"], f"{standing}{_ago(row['since_ms'], at_ms)}{stop}", str(row["tier"]),
            f"{row['used']}/{row['capacity']}", "; ".join(doing) or "-",
        )  # fmt: skip
    tables.show(table)
    if len(rows) > AGENTS_MAX:
        out.print(f"and {len(rows) - AGENTS_MAX} more; --json has all")


def _ago(since_ms: int | None, at_ms: int) -> str:
    return "" if since_ms is None else f" for {in_words(at_ms - since_ms)}"
