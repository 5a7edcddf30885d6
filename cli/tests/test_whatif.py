"""`vaxel whatif`: a recorded log again, as it was, with other people, under another policy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from policy_kit import deployment
from whatif_history import BEGIN_MS, Days, drawn

from vaxel_cli.commands.recorded import FromExport
from vaxel_cli.main import run
from vaxel_cli.whatif import changes as changing
from vaxel_cli.whatif.compared import load
from vaxel_cli.whatif.figures import quantile
from vaxel_cli.whatif.replayed import Replay
from vaxel_cli.whatif.told import Story, read
from vaxel_shared.calendars.instants import show_instant
from vaxel_shared.contracts import wire
from vaxel_shared.version import ENGINE_VERSION

HOUR_MS = 3_600_000


def plain(decisions: list[wire.Decision]) -> list[tuple[Any, ...]]:
    """All of each but the ids of effects, which name a place in the log."""
    return [
        msgspec.structs.astuple(one)
        for one in decisions
        if one.type != "effect.reported"
    ]  # fmt: skip


@settings(max_examples=6, deadline=None)
@given(
    st.integers(0, 10**9),
    st.integers(1, 120),
    st.sampled_from((1, 3, 14)),
    st.sampled_from((0, 0, 200, 90_000)),
)
@example(65520, 31, 3, 0)  # an explanation that never arrived
@example(556926566, 100, 14, 0)  # what was cancelled has ended
@example(469406834, 65, 14, 200)  # the customer left whoever had it
@example(893734297, 88, 3, 0)  # the log ends at the very instant of a timer
def test_unchanged_it_comes_out_as_recorded_to_the_last_decision(
    seed: int, commands: int, agents: int, late_ms: int
) -> None:
    """However late the router was."""
    history = drawn(seed, commands, agents, late_ms)
    story = read(history.moments(), history.inputs)
    again = Replay(story, story.outside, history.library, (history.log_id, 0)).run()
    assert plain(again.decisions) == plain(story.decisions)
    assert +again.left_out == {}


GOLDEN = Path(__file__).parents[2] / "tests" / "replay" / "golden" / ENGINE_VERSION


@pytest.mark.parametrize("folder", sorted(GOLDEN.glob("*/")), ids=lambda folder: folder.name)
def test_golden_histories_come_out_as_recorded(folder: Path) -> None:
    past = load(FromExport(folder))
    for part in past.parts:
        place = (past.log_id, part.number)
        again = Replay(part.story, part.story.outside, part.library, place).run()
        assert plain(again.decisions) == plain(part.story.decisions)


@settings(max_examples=4, deadline=None)
@given(
    st.integers(0, 10**9),
    st.sampled_from(("all", "tier1", "billing", "fi")),
    st.integers(1, 12),
    st.booleans(),
)
@example(4952, "all", 10, True)  # a complaint that none of the recorded endings could end
def test_whoever_is_there_everything_is_still_accounted_for(
    seed: int, group: str, count: int, late: bool
) -> None:
    """Every contact comes or says why not, no work is held by whoever isn't there.

    ``late``: the change holds from the middle on, and nothing is otherwise before.
    """
    history = drawn(seed, 80, 6)
    story = read(history.moments(), history.inputs)
    item = changing.Range(group, None, group, (count,))
    since_ms = (story.begin_ms + story.end_ms) // 2 if late else None
    wanted = changing.Changes(staff=((item, count),), since_ms=since_ms)
    other = changing.changed(story, history.library, wanted)
    again = Replay(
        story, other.outside, other.library, (history.log_id, 0), cast=other.cast
    ).run()  # fmt: skip
    sides = [
        plain([one for one in made if one.at_ms < (since_ms or 0)])
        for made in (story.decisions, again.decisions)
    ]
    assert sides[0] == sides[1]
    given_ = [one for one in again.decisions if one.type in ("offer.made", "work.assigned")]
    after = [one for one in given_ if one.at_ms > (since_ms or 0)]
    assert not {one.agent_id for one in after} & other.cast.gone
    first = {act.command.id for act in story.outside if act.command.type == "contact.add"}
    came = {one.cause for one in again.decisions}
    refused = sum(n for code, n in again.left_out.items() if code.startswith("refused:contact.add"))
    assert len(first - came) <= refused


PROFILES = [
    {"id": "a1", "tier": 1, "languages": {"fi": 9}, "skills": {"billing": 3}},
    {"id": "a2", "tier": 1, "languages": {"en": 9}, "skills": {}},
    {"id": "a3", "tier": 2, "languages": {"fi": 4}, "skills": {}},
]


@pytest.mark.parametrize(
    ("name", "count", "ids"),
    [
        ("fi", 2, ["a1", "a2", "a3"]),
        ("fi", 1, ["a1", "a2"]),
        ("fi", 0, ["a2"]),
        ("fi", 5, ["a1", "a2", "a3", "a1+1", "a3+1", "a1+2"]),
        ("tier2", 2, ["a1", "a2", "a3", "a3+1"]),
        ("billing", 2, ["a1", "a2", "a3", "a1+1"]),
        ("all", 1, ["a1"]),
        ("sv", 4, ["a1", "a2", "a3"]),
    ],
)
def test_staff_leaves_from_the_end_and_comes_as_copies_in_turn(
    name: str, count: int, ids: list[str]
) -> None:
    like: dict[str, str] = {}
    found = changing.staffed(PROFILES, name, count, like)
    assert [one["id"] for one in found] == ids
    assert like == {one: one.partition("+")[0] for one in ids if "+" in one}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("fi", "no range"),
        ("fi=9..3", "goes nowhere"),
        ("sv=3", "nobody of 'sv'"),
        ("nowhere.fi=3", "no pool 'nowhere'"),
        ("fi=1..900", "at most"),
    ],
)
def test_a_group_that_makes_no_sense_is_named(
    tmp_path: Path, text: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Days(tmp_path).write()
    assert run(["whatif", "--log", str(folder), "--staff", text]) == 2
    assert says in capsys.readouterr().err


def test_quantiles_are_values_that_were_seen() -> None:
    assert [quantile(range(1, 101), share) for share in (0.5, 0.9, 0.99, 1.0)] == [50, 90, 99, 100]
    assert quantile([], 0.5) is None


@pytest.fixture
def asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """A morning in which one agent serves twelve mails, each in ten minutes, asked about."""
    folder = Days(tmp_path).morning(12).write()

    def ask(*options: str) -> Any:
        assert run(["whatif", "--log", str(folder), "--json", *options]) == 0
        return json.loads(capsys.readouterr().out)

    return ask


def test_a_recorded_morning_with_other_staff(asked: Any) -> None:
    told = asked("--staff", "tier1=1..3", "--within", "30m")
    recorded = told["recorded"]["all"]
    assert told["unchanged"]["result"]["all"] == recorded
    assert told["unchanged"]["alike"]["same_agent"] == told["unchanged"]["alike"]["cases"] == 12
    rows = {row["staff"]["tier1"]: row["result"]["all"] for row in told["rows"]}
    assert rows[1] == recorded
    waits = [rows[count]["wait_ms"]["p90"] for count in (1, 2, 3)]
    assert waits[0] > waits[1] > waits[2]
    assert rows[3]["in_time_share"] > rows[1]["in_time_share"]
    shared = {one["agent"]: one["works"] for one in told["rows"][2]["result"]["agents"]}
    assert set(shared) == {"a01", "a01+1", "a01+2", "a02"}
    assert max(shared.values()) - min(shared[name] for name in ("a01", "a01+1", "a01+2")) <= 2


def test_a_recorded_morning_under_another_policy(asked: Any, tmp_path: Path) -> None:
    new = deployment(tmp_path / "new", {"routing": [
        ("- {after: 0s, tiers: [1]}\n          - {after: 10m, tiers: [1, 2]}", "- {after: 0s, tiers: [1, 2]}"),
    ]})  # fmt: skip
    told = asked("--config", str(new))
    (row,) = told["rows"]
    assert row["result"]["all"]["wait_ms"]["p90"] < told["recorded"]["all"]["wait_ms"]["p90"]
    assert {one["agent"] for one in row["result"]["agents"] if one["works"]} == {"a01", "a02"}
    assert row["result"]["escalations"].get("wait", 0) == 0
    assert told["recorded"]["escalations"]["wait"] > 0


def test_the_rules_of_the_other_policy_look_at_the_messages_again(
    asked: Any, tmp_path: Path
) -> None:
    new = deployment(tmp_path / "new", {"routing": [('["bill*"]', '["question*"]')]})
    told = asked("--config", str(new))
    assert [one["queue"] for one in told["recorded"]["queues"]] == ["general"]
    assert [one["queue"] for one in told["rows"][0]["result"]["queues"]] == ["billing"]


def test_other_people_by_a_file(asked: Any, tmp_path: Path) -> None:
    folder = deployment(tmp_path / "new", {"roster": [("id: a01", "id: a09")]})
    told = asked("--roster", str(folder / "roster.yaml"))
    shared = {one["agent"] for one in told["rows"][0]["result"]["agents"]}
    assert shared == {"a02", "a09"}


def test_up_to_an_instant_it_is_as_recorded_and_only_what_came_after_counts(
    asked: Any, tmp_path: Path
) -> None:
    since = show_instant(BEGIN_MS + 25 * 60_000)
    told = asked("--since", since, "--staff", "tier1=3")
    assert told["log"]["contacts"] == 5
    assert told["recorded"]["all"]["works"] == 5
    (row,) = told["rows"]
    assert row["result"]["all"]["wait_ms"]["p90"] < told["recorded"]["all"]["wait_ms"]["p90"]
    assert {one["agent"] for one in row["result"]["agents"]} == {"a01", "a01+1", "a01+2", "a02"}

    past = load(FromExport(tmp_path / "export"))
    story, at_ms = past.stories[0], BEGIN_MS + 25 * 60_000
    item = changing.Range("tier1", None, "tier1", (3,))
    some = changing.Changes(staff=((item, 3),), since_ms=at_ms)
    other = changing.changed(story, past.parts[0].library, some)
    again = Replay(story, other.outside, other.library, (past.log_id, 0), cast=other.cast).run()
    both = [
        plain([one for one in some_ if one.at_ms < at_ms])
        for some_ in (story.decisions, again.decisions)
    ]
    assert both[0] == both[1]
    assert len(both[0]) > 20


def test_until_an_instant_it_is_as_if_the_log_ended_there(asked: Any) -> None:
    told = asked("--until", show_instant(BEGIN_MS + 9 * 60_000), "--staff", "tier1=2")
    assert told["log"]["contacts"] == 3
    assert told["recorded"]["all"]["waiting"] == 2
    assert told["unchanged"]["result"] == told["recorded"]
    assert told["rows"][0]["result"]["all"]["waiting"] == 1


def test_a_policy_from_an_instant_on_leaves_what_was_before(asked: Any, tmp_path: Path) -> None:
    new = deployment(tmp_path / "new", {"routing": [('["bill*"]', '["question*"]')]})
    told = asked("--config", str(new), "--since", show_instant(BEGIN_MS + 25 * 60_000))
    queues = {one["queue"]: one["works"] for one in told["rows"][0]["result"]["queues"]}
    assert queues == {"billing": 5}


def test_staff_against_answers_in_time_is_drawn(asked: Any, tmp_path: Path) -> None:
    asked("--staff", "tier1=1..3", "--plot", str(tmp_path / "staff.svg"))
    drawn_ = (tmp_path / "staff.svg").read_text()
    assert "answered within 1h" in drawn_
    assert drawn_.count("<circle") >= 3


def test_in_words_with_what_is_assumed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = Days(tmp_path).morning(6).write()
    assert run(["whatif", "--log", str(folder), "--staff", "tier1=2"]) == 0
    said = capsys.readouterr().out
    assert "6 contacts" in said
    assert "played again unchanged, 6 of 6 cases go to the same agent first" in said
    assert "tier1=2" in said
    assert "work takes as long as it took" in said


def test_a_story_knows_what_hangs_on_what(tmp_path: Path) -> None:
    days = Days(tmp_path).morning(2)
    story: Story = days.story()
    assert sorted(len(stints) for stints in story.stints.values()) == [1, 1]
    (first, *_) = story.stints.values()
    assert first[0].took_ms == 600_000
    assert all(shown.outcome == "accepted" for shown in story.offers.values())
