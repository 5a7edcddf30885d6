"""The demo's plan, its counting, and its limits; the whole of it runs in tests/e2e."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from aiosmtpd.smtp import SMTP
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from vaxel_cli import console, main
from vaxel_cli.commands import demo_agents, demo_ways
from vaxel_cli.commands.demo import demo
from vaxel_cli.commands.demo_agents import Agents
from vaxel_cli.commands.demo_plan import ANSWERS, TEXTS, WAYS, plan
from vaxel_cli.commands.demo_tally import Tally, percentiles
from vaxel_cli.runinfo import Listener, RunInfo, ServiceInfo, Tokens
from vaxel_shared import ids


def test_a_plan_is_the_same_for_its_seed_and_has_every_way_and_language() -> None:
    one = list(plan(20, 60, run="abc", seed=7))
    assert one == list(plan(20, 60, run="abc", seed=7))
    assert one != list(plan(20, 60, run="abc", seed=8))
    assert len({contact.key for contact in one}) == len(one)
    ways = Counter(contact.way for contact in one)
    assert ways["email"] > ways["chat"] > ways["webhook"] > 0
    assert {contact.language for contact in one} == set(ANSWERS)
    assert all(ANSWERS[language] for language, _, _ in TEXTS)


@given(st.floats(0.5, 50), st.floats(0.5, 30), st.integers(0, 1_000))
def test_contacts_come_in_order_and_none_too_late(rate: float, seconds: float, seed: int) -> None:
    due = [contact.due_s for contact in plan(rate, seconds, run="r", seed=seed, ways=["chat"])]
    assert due == sorted(due)
    assert all(0 < one < seconds for one in due)


def test_on_average_there_are_as_many_as_the_rate_says() -> None:
    counts = [sum(1 for _ in plan(10, 20, run="r", seed=seed)) for seed in range(50)]
    assert 190 < sum(counts) / len(counts) < 210


def test_a_case_is_followed_from_acknowledgement_to_answer() -> None:
    tally, mail = Tally(), "6f4a5d10-0a41-5d7e-8f0f-2a3d7b1c9e55"
    tally.sent["email"] += 1
    tally.acknowledged("email", mail, 1_000, 1_040)
    assert tally.open == 1
    tally.offered(ids.case_id(mail), 1_140)
    tally.offered(ids.case_id(mail), 9_999)
    tally.answered(ids.case_id(mail), 1_640)
    tally.answered("somebody else's", 1)
    found = tally.document(planned=1, took_s=2.04)
    assert found["acknowledged_ms"] == {"p50": 40, "p95": 40}
    assert found["offered_after_ms"] == {"p50": 100, "p95": 100}
    assert found["answered_after_ms"] == {"p50": 600, "p95": 600}
    assert (found["offered"], found["answered"], found["not_answered"]) == (1, 1, 0)


def test_an_offer_seen_before_the_acknowledgement_counts() -> None:
    tally, mail = Tally(), "6f4a5d10-0a41-5d7e-8f0f-2a3d7b1c9e55"
    tally.offered(ids.case_id(mail), 1_020)
    tally.acknowledged("email", mail, 1_000, 1_040)
    found = tally.document(planned=1, took_s=1)
    assert found["offered"] == 1
    assert found["offered_after_ms"]["p50"] == 0, "never negative"


def test_an_answer_given_before_the_acknowledgement_counts() -> None:
    tally, mail = Tally(), "6f4a5d10-0a41-5d7e-8f0f-2a3d7b1c9e55"
    case = ids.case_id(mail)
    tally.offered(case, 1_050)
    tally.answered(case, 1_200)
    tally.acknowledged("email", mail, 1_000, 13_000)  # the first one got lost on its way
    found = tally.document(planned=1, took_s=13)
    assert (found["answered"], found["not_answered"]) == (1, 0)
    assert found["answered_after_ms"] == {"p50": 0, "p95": 0}


def test_a_repeat_of_an_acknowledgement_counts_once() -> None:
    tally, mail = Tally(), "6f4a5d10-0a41-5d7e-8f0f-2a3d7b1c9e55"
    tally.acknowledged("chat", mail, 1_000, 1_040)
    tally.acknowledged("chat", mail, 1_000, 5_000)
    assert tally.document(planned=1, took_s=1)["acknowledged"] == {
        **dict.fromkeys(WAYS, 0),
        "chat": 1,
    }


@given(st.lists(st.integers(0, 10_000), min_size=1))
def test_percentiles_are_values_that_enough_stay_within(values: list[int]) -> None:
    found = percentiles(values)
    for name, share in (("p50", 50), ("p95", 95)):
        limit = found[name]
        assert limit in values
        assert sum(value <= limit for value in values) * 100 >= share * len(values)


def test_without_values_there_is_no_percentile() -> None:
    assert percentiles([]) == {"p50": None, "p95": None}


@pytest.mark.parametrize(
    "words",
    [
        ["--rate", "0"],
        ["--rate", "501"],
        ["--seconds", "3601"],
        ["--rate", "500", "--seconds", "500"],
    ],
)
def test_a_demo_without_bounds_is_refused(words: list[str]) -> None:
    result = CliRunner().invoke(demo, words, standalone_mode=False)
    assert isinstance(result.exception, console.CommandFailed)
    assert result.exception.exit_code == console.WRONG_USE


def test_without_a_system_it_says_what_to_do(tmp_path: Any, capsys: Any) -> None:
    assert main.run(["demo", "--data-dir", str(tmp_path)]) == console.UNREACHABLE
    assert "vaxel up" in capsys.readouterr().err


def _run(tmp_path: Path, **other: Any) -> RunInfo:
    nowhere = Listener(host="x", port=1)
    known = {
        "broker": "x",
        "smtp": nowhere,
        "mailboxes": [],
        "sink": nowhere,
        "services": {},
        "tokens": Tokens(admin="", supervisor="", agents={"a1": "token"}),
        "data_dir": tmp_path,
        "config_dir": tmp_path,
    }
    return RunInfo(**known | other)


async def test_a_mail_that_was_not_taken_is_sent_again_byte_for_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another ``Date`` would make it another mail, under an id that its case doesn't have."""
    seen: list[bytes] = []

    class Listening:
        async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
            seen.append(envelope.content)
            if len(seen) == 1:
                return "451 4.3.0 stored, and killed before saying so"
            return "250 6f4a5d10-0a41-5d7e-8f0f-2a3d7b1c9e55"

    server = await asyncio.get_running_loop().create_server(lambda: SMTP(Listening()), "127.0.0.1")
    port = server.sockets[0].getsockname()[1]
    run = _run(
        tmp_path,
        smtp=Listener(host="127.0.0.1", port=port),
        mailboxes=["a@b.example"],
        config_dir=Path(__file__).parents[2] / "config",
    )
    (contact, *_) = plan(5, 20, run="abc", seed=1, ways=["email"])
    hours = itertools.count(1_700_000_000, 3_600)
    monkeypatch.setattr(demo_ways, "formatdate", lambda _: formatdate(next(hours)))
    async with server, ClientSession() as http:
        ways = demo_ways.Ways(run, http, lambda: None)
        with pytest.raises(demo_ways.NotTaken, match="451"):
            await ways.send(contact)
        assert await ways.send(contact) == "6f4a5d10-0a41-5d7e-8f0f-2a3d7b1c9e55"
        await ways.close()
    assert seen[0] == seen[1]


async def test_agents_accept_answer_and_ask_again_for_what_is_not_decided(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A register that drops the line once, is away for long and says 202 still gets one answer."""
    monkeypatch.setattr(demo_agents, "LOOK_S", 0.01)
    away = 30
    case = "0c8cbb7d-0000-5000-8000-000000000001"
    log: list[tuple[str, str | None]] = []
    state = {"offered": True, "in_hand": False, "replies": 0}

    async def inbox(_request: web.Request) -> web.Response:
        offer = {"id": "o1", "case_id": case, "made_at": "2026-11-22T12:00:00.000Z"}
        work = {"id": "w1", "case_id": case, "number": "S1", "state": "assigned", "language": "fi"}
        offers, works = state["offered"] * [offer], state["in_hand"] * [work]
        return web.json_response({"offers": offers, "works": works})

    async def accept(request: web.Request) -> web.Response:
        log.append(("accept", request.headers["Idempotency-Key"]))
        state.update(offered=False, in_hand=True)
        return web.json_response({})

    async def reply(request: web.Request) -> web.Response:
        log.append(("reply", request.headers["Idempotency-Key"]))
        assert (await request.json())["text"] == ANSWERS["fi"]
        state["replies"] += 1
        state["in_hand"] = False
        if state["replies"] <= away:
            assert request.transport is not None
            request.transport.abort()  # the first was decided, and nobody was told
        return web.json_response({}, status=202 if state["replies"] == away + 1 else 200)

    app = web.Application()
    app.add_routes([
        web.get("/api/v1/agents/a1/inbox", inbox),
        web.post("/api/v1/offers/o1/accept", accept),
        web.post("/api/v1/cases/S1/reply", reply),
    ])  # fmt: skip
    tally, stop = Tally(), asyncio.Event()
    tally.acknowledged("email", "x", 0, 0)
    tally.cases[case] = next(iter(tally.cases.values()))
    async with TestServer(app) as server, ClientSession() as http:
        url = str(server.make_url("")).rstrip("/")
        run = _run(tmp_path, services={"register": ServiceInfo(url=url)})
        working = asyncio.ensure_future(Agents(run, http, tally, stop).work())
        async with asyncio.timeout(20):
            while tally.cases[case].answered_ms is None:  # noqa: ASYNC110 - it is what is looked at
                await asyncio.sleep(0.05)
        stop.set()
        await working
    assert [what for what, _ in log] == ["accept"] + ["reply"] * (away + 2)
    assert len({key for what, key in log if what == "reply"}) == 1
    assert tally.agents["reply 202"] == 1
    assert tally.agents["reply 200"] == 1
