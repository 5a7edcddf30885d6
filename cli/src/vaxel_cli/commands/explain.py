"""``vaxel explain CASE``: why it went where it went, or what it waits for."""

from __future__ import annotations

import http.client
from pathlib import Path
from typing import Any
from uuid import UUID

import click
from rich.markup import escape

from vaxel_cli import runinfo
from vaxel_cli.commands.api import Api, segment
from vaxel_cli.commands.options import json_option
from vaxel_cli.commands.story import called, story
from vaxel_cli.console import answer_is_no, err, out, print_json

NAMES_MAX = 12
"""Of a group of rejected agents; more are counted."""


@click.command()
@click.argument("case")
@click.option(
    "--as", "viewer", metavar="AGENT", help="With this agent's eyes. [default: supervisor]"
)
@runinfo.data_dir_option
@json_option
def explain(*, case: str, viewer: str | None, data_dir: Path | None, as_json: bool) -> None:
    """Say why CASE (its number or id) went where it went, and what it waits for now.

    Names the rule and the queue's step with file and line, the agents by what ruled them out, and
    the winner with what decided it.
    """
    run = runinfo.load(data_dir)
    api = Api.register(run, run.agent_token(viewer) if viewer is not None else None)
    number = _number(run, case)
    detail = api.get(f"/api/v1/cases/{segment(number)}")
    live, missing = _live(run, api, detail)
    names = {
        item["id"]: item["name"] for item in api.get("/api/v1/agents")["items"] if item["name"]
    }
    told = story(detail, live, names)
    if as_json:
        print_json(told)
        return
    _show(told)
    if missing is not None:
        err.print(f"vaxel: {missing}", markup=False)


def _number(run: runinfo.RunInfo, case: str) -> str:
    """The number of a case that is given by number or id. The router knows ids of open cases."""
    try:
        case_id = str(UUID(case))
    except ValueError:
        return case.strip().upper()
    answer = Api.router(run).ask("GET", f"/v1/cases/{case_id}")
    if answer.status != http.client.OK:
        raise answer_is_no(f"the router holds no case {case_id}; give its number instead")
    return str(answer.body["case"]["number"])


def _live(
    run: runinfo.RunInfo, api: Api, detail: dict[str, Any]
) -> tuple[dict[str, Any] | None, str | None]:
    """The router's view through the register, else from the router itself; or why there is none."""
    answer = api.ask("GET", f"/api/v1/cases/{segment(detail['number'])}/live")
    if answer.status not in (http.client.OK, http.client.NOT_FOUND) and "router" in run.services:
        answer = Api.router(run).ask("GET", f"/v1/cases/{segment(detail['case_id'])}")
    if answer.status == http.client.OK:
        return answer.body, None
    if answer.status == http.client.NOT_FOUND:
        return None, None  # closed long ago: there is nothing live about it
    return None, "the router doesn't answer: what it waits for right now can't be told"


def _show(told: dict[str, Any]) -> None:
    head = [told["status"], told["queue"], told["language"], f"priority {told['priority']}"]
    out.print(f"[bold]{escape(told['case'])}[/]  {escape('  '.join(str(x) for x in head if x))}")
    if told["agent"] is not None:
        out.print(f"with {escape(called(told['agent']))}")
    for step in told["steps"]:
        place = f"  [dim]{escape(step['step']['at'])}[/]" if "step" in step else ""
        out.print(f"[dim]{_clock(step['at'])}[/]  {escape(step['text'])}{place}")
        if "explain" in step:
            _show_explain(step["explain"])
    if told["now"] is not None:
        _show_now(told["now"])


def _show_now(now: dict[str, Any]) -> None:
    out.print(f"[bold]now[/]  {escape(now['text'])}")
    if "why_not_yet" in now:
        _show_explain(now["why_not_yet"])
    if "next_at" in now:
        out.print(f"     widens at {_clock(now['next_at'])}, after {escape(now['step']['at'])}")


def _show_explain(explain: dict[str, Any]) -> None:
    """The table of candidates, and the winner's terms."""
    step = explain.get("step") or {}
    where = f", step {step.get('id')} ({step.get('at')})" if step else ""
    counts = f"{explain['candidates']} agents, {explain['eligible']} could take it{where}"
    out.print(f"     {escape(counts)}")
    for group in explain["rejected"]:
        out.print(f"     {group['count']:4}  {escape(group['text'])}")
        for agent in group["agents"][:NAMES_MAX]:
            detail = agent["text"].removeprefix(group["text"]).strip()
            out.print(f"           [dim]{escape(called(agent))}  {escape(detail)}[/]")
        more = group["count"] - len(group["agents"][:NAMES_MAX])
        if more > 0 and group["agents"]:
            out.print(f"           [dim]and {more} more[/]")
    if "terms" in explain:
        terms = "; ".join(term["text"] for term in explain["terms"])
        tie = explain["tie_break"]
        out.print(f"     chosen by {escape(terms)}" + (f"; tie broken by {tie}" if tie else ""))
    if "queue_order" in explain:
        out.print(f"     {escape(explain['queue_order']['text'])}")
    if "window" in explain:
        out.print(f"     {escape(explain['window']['text'])}")


def _clock(instant: str) -> str:
    """``2026-11-22T14:37:57.123Z`` as the day and the second."""
    return instant.replace("T", " ").partition(".")[0]
