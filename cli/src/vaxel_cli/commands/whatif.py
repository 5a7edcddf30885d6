"""``vaxel whatif``: a recorded log happens again, under another policy or with other people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.table import Table

from vaxel_cli.commands import tables
from vaxel_cli.commands.options import json_option
from vaxel_cli.commands.progress import progress
from vaxel_cli.commands.recorded import FromExport
from vaxel_cli.commands.times import in_words
from vaxel_cli.console import DONE, answer_is_no, out, print_json, unreachable, wrong_use
from vaxel_cli.policy.interactions import Interactions
from vaxel_cli.simulate import plot
from vaxel_cli.whatif import changes as changing
from vaxel_cli.whatif.changes import Changes
from vaxel_cli.whatif.compared import ASSUMES, Outcome, Past, load, play
from vaxel_cli.whatif.figures import alike
from vaxel_shared.calendars.instants import parse_instant
from vaxel_shared.config import deployment as deployment_files
from vaxel_shared.config import source
from vaxel_shared.config.base import duration_ms
from vaxel_shared.config.roster import Roster
from vaxel_shared.contracts.cloudevents import iso_ms

_LEFT_OUT = {
    "was_refused": "commands that changed nothing then",
    "input_missing": "decisions whose input isn't in the export",
    "pool_unknown": "pools that the other policy hasn't: they keep their own",
    "message_gone": "contacts whose message is gone: queue and skills as the rules of then said",
    "no_end_possible": "works that end like none of those like them could: they stay in hand",
    "no_end_known": "works without any like them that ended: they stay in hand",
    "otherwise": "left out, since the case stood otherwise",
    "refused": "refused here",
}


@click.command()
@click.option(
    "--log", "folder", required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="An export of `vaxel log export`.",
)  # fmt: skip
@click.option(
    "--config", "config_dir", type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Another policy: a folder with a deployment's files. People stay as recorded.",
)  # fmt: skip
@click.option(
    "--roster", "roster_file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Other people: a roster.yaml.",
)  # fmt: skip
@click.option(
    "--staff", "ranges", metavar="GROUP=LOW..HIGH", multiple=True,
    help="Other numbers of agents: fi=6..12, support.tier1=8, all=10..30:5; a group is `all`, "
    "`tierN`, a language or a skill. Several give every combination.",
)  # fmt: skip
@click.option(
    "--since", metavar="INSTANT",
    help="Up to then all is as recorded; changes hold, and figures count, from then on.",
)  # fmt: skip
@click.option("--until", metavar="INSTANT", help="The end; left out, the log's.")
@click.option(
    "--within", default="1h", show_default=True, metavar="DURATION",
    help="A first answer within this counts as in time.",
)  # fmt: skip
@click.option(
    "--plot", "picture", metavar="FILE.svg",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="With one --staff: draw the share in time against staff.",
)  # fmt: skip
@json_option
def whatif(
    *, folder: Path, config_dir: Path | None, roster_file: Path | None, ranges: tuple[str, ...],
    since: str | None, until: str | None, within: str, picture: Path | None, as_json: bool,
) -> int:  # fmt: skip
    """Play a recorded log again through this router, with another policy or other people.

    What came from outside comes again: contacts, presence, how long each work took, how agents
    answered. Beside it stand the recorded figures, and those of playing it again unchanged, which
    say how far to trust the rest. docs/whatif.md tells what is assumed.
    """
    if picture is not None and len(ranges) != 1:
        raise wrong_use(
            "--plot draws answers in time against staff; give it one --staff GROUP=LOW..HIGH"
        )
    within_ms = _within(within)
    changes = Changes(
        roster=source.validate(Roster, source.read(roster_file)) if roster_file else None,
        policy=deployment_files.load(config_dir) if config_dir else None,
        since_ms=_instant("--since", since),
    )
    past = _load(folder)
    past.since_ms, past.until_ms = changes.since_ms, _instant("--until", until)
    tried = _tried(past, ranges, changes.roster)
    messages = Interactions(folder)
    rows: list[tuple[dict[str, int], Outcome]] = []
    with progress() as shown:
        task = shown.add_task("playing it again", total=len(tried) + 1)
        unchanged = play(past, Changes())
        shown.advance(task)
        for staff in tried:
            one = changing.with_staff(changes, staff)
            if not one.none:
                done = play(past, one, messages)
                rows.append(({item.label: count for item, count in staff}, done))
            shown.advance(task)
    told = _document(past, unchanged, rows, within_ms)
    if picture is not None:
        _draw(picture, told["rows"], within)
    if as_json:
        print_json(told)
    else:
        _show(told, within)
        if picture is not None:
            out.print(f"drawn: {picture}", markup=False)
    return DONE


def _within(text: str) -> int:
    try:
        return duration_ms(text)
    except ValueError as error:
        raise wrong_use(f"--within: {error}") from error


def _instant(option: str, text: str | None) -> int | None:
    try:
        return parse_instant(text) if text is not None else None
    except ValueError as error:
        raise wrong_use(f"{option}: {error}") from error


def _load(folder: Path) -> Past:
    try:
        past = load(FromExport(folder))
    except KeyError as error:
        raise unreachable(f"{folder} lacks {error.args[0]!r}; export all topics again") from error
    if not past.parts:
        raise answer_is_no(f"{folder} holds no decisions")
    return past


def _tried(
    past: Past, texts: tuple[str, ...], roster: Roster | None
) -> list[tuple[tuple[changing.Range, int], ...]]:
    try:
        ranges = [changing.parse(text) for text in texts]
        changing.check(ranges, changing.groups(past.stories, roster))
        return changing.combinations(ranges)
    except ValueError as error:
        raise wrong_use(f"--staff: {error}") from error


def _document(
    past: Past, unchanged: Outcome, rows: list[tuple[dict[str, int], Outcome]], within_ms: int
) -> dict[str, Any]:
    recorded = past.recorded()
    stories = past.stories
    return {
        "log": {
            "begin": iso_ms(past.since_ms or min(one.begin_ms for one in stories)),
            "end": iso_ms(past.until_ms or max(one.end_ms for one in stories)),
            "contacts": past.contacts(),
            "left_out": past.missing(),
        },
        "within_ms": within_ms,
        "recorded": recorded.plain(within_ms),
        "unchanged": unchanged.plain(within_ms) | {"alike": alike(recorded, unchanged.figures)},
        "rows": [
            {"staff": staff, **one.plain(within_ms), "alike": alike(unchanged.figures, one.figures)}
            for staff, one in rows
        ],
        "assumes": list(ASSUMES),
    }  # fmt: skip


def _draw(picture: Path, rows: list[dict[str, Any]], within: str) -> None:
    def figure(one: dict[str, Any]) -> dict[str, Any]:
        return {"service_level": {"value": one["in_time_share"], "ci95": 0.0}}

    shaped = [
        {
            "staff": row["staff"],
            "result": {
                "all": figure(row["result"]["all"]),
                "classes": {one["queue"]: figure(one) for one in row["result"]["queues"]},
            },
        }
        for row in rows
    ]
    names = {name for row in shaped for name in row["result"]["classes"]}
    for row in shaped:
        for name in names:
            row["result"]["classes"].setdefault(name, figure({"in_time_share": None}))
    drawn = plot.service_level(shaped, next(iter(rows[0]["staff"])), within, "answered")
    try:
        picture.write_text(drawn, encoding="utf-8")
    except OSError as error:
        raise wrong_use(f"{picture}: {error.strerror}; name a file that can be written") from error


def _show(told: dict[str, Any], within: str) -> None:
    log = told["log"]
    out.print(f"{log['contacts']} contacts, {log['begin']} to {log['end']}", markup=False)
    sides = [("recorded", told["recorded"]), ("played again", told["unchanged"]["result"])]
    sides += [(_label(row["staff"]), row["result"]) for row in told["rows"]]
    _queues(sides, within)
    _rest(sides)
    if len(told["rows"]) == 1:
        _agents(told["recorded"], told["rows"][0]["result"])
    same = told["unchanged"]["alike"]
    out.print(
        f"played again unchanged, {same['same_agent']} of {same['cases']} cases go to the same "
        f"agent first, half of them within {in_words(same['off_ms']['p50'])} of when they did",
        markup=False,
    )
    for row in told["rows"]:
        _tell_left_out(_label(row["staff"]), row["left_out"])
    out.print("assumed:", markup=False, style="dim")
    for line in told["assumes"]:
        out.print(f"  {line}", markup=False, style="dim")


def _label(staff: dict[str, int]) -> str:
    return ", ".join(f"{name}={count}" for name, count in staff.items()) or "what if"


def _queues(sides: list[tuple[str, dict[str, Any]]], within: str) -> None:
    table = Table("queue", "", "works", "wait p50", "p90", "p99", "waiting", f"in {within}", "late")
    keys = sorted({(one["pool"], one["queue"]) for _, side in sides for one in side["queues"]})
    for key in [*keys, None] if len(keys) != 1 else keys:
        for number, (label, side) in enumerate(sides):
            found = side["all"] if key is None else _of(side, key)
            if found is None:
                continue
            name = "all" if key is None else key[1]
            share = found["in_time_share"]
            table.add_row(
                name if number == 0 else "", label, str(found["works"]),
                *(in_words(found["wait_ms"][part]) for part in ("p50", "p90", "p99")),
                str(found["waiting"]), "-" if share is None else f"{share:.1%}", str(found["late"]),
                end_section=number == len(sides) - 1,
            )  # fmt: skip
    tables.show(table)


def _of(side: dict[str, Any], key: tuple[str, str]) -> dict[str, Any] | None:
    return next((one for one in side["queues"] if (one["pool"], one["queue"]) == key), None)


def _rest(sides: list[tuple[str, dict[str, Any]]]) -> None:
    table = Table(
        "", "offers", "declined", "missed", "escalated", "moved", "came back", "Gini of load"
    )
    for label, side in sides:
        even = ", ".join(f"{one['load']:.2f}" for one in side["gini"].values())
        table.add_row(
            label,
            *(str(side["offers"].get(name, 0)) for name in ("made", "declined", "expired")),
            str(sum(side["escalations"].values())), str(side["moved"]),
            str(sum(side["returned"].values())), even or "-",
        )  # fmt: skip
    tables.show(table)


def _agents(recorded: dict[str, Any], other: dict[str, Any]) -> None:
    table = Table("agent", "works", "recorded", "idle", "recorded")
    sides = [{one["agent"]: one for one in side["agents"]} for side in (other, recorded)]
    for name in sorted(sides[0].keys() | sides[1].keys()):
        found = [side.get(name) for side in sides]
        table.add_row(
            name,
            *("-" if one is None else str(one["works"]) for one in found),
            *("-" if one is None else f"{one['idle']:.0%}" for one in found),
        )
    tables.show(table)


def _tell_left_out(label: str, left_out: dict[str, int]) -> None:
    for code, count in left_out.items():
        kind, _, about = code.partition(":")
        name = f"{about.replace(':', ' (')}{')' if ':' in about else ''}: " if about else ""
        out.print(f"{label}: {count} {name}{_LEFT_OUT.get(kind, kind)}", markup=False)
