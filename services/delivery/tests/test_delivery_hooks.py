"""Webhooks to agents' tools: a real HTTP server on the other side, that does whatever it likes."""

import asyncio
import base64
import json

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver
from aiohttp.test_utils import TestServer
from delivery_kit import (
    CASE,
    CONNECTORS,
    LOG_ID,
    NUMBER,
    Box,
    Topics,
    case_opened,
    decision,
    interaction,
    make_box,
    offer_ended,
    offer_made,
    work_queued,
)
from msgspec import structs

from vaxel_delivery.core.effects import Outcome
from vaxel_delivery.shell import guarded_http
from vaxel_delivery.shell.guarded_http import GuardedHttp
from vaxel_delivery.shell.hooks import HookSender
from vaxel_shared.channels.platform import Request
from vaxel_shared.channels.standard import verify
from vaxel_shared.connectors.webhook import Post
from vaxel_shared.ids import effect_id, event_id

SECRETS = ["whsec_" + base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2)]
EXPIRES_MS = 4_000_000_000_000


class Tool:
    """An agent's tool: answers 204, or what ``answers`` says, one a request."""

    def __init__(self):
        self.answers = []
        self.got = []
        self.elsewhere = 0

    async def start(self):
        app = web.Application()
        app.router.add_post("/hook", self.hook)
        app.router.add_route("*", "/elsewhere", self.trap)
        self.server = TestServer(app)
        await self.server.start_server()
        self.url = str(self.server.make_url("/hook"))

    async def hook(self, request):
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.got.append(Request("POST", "", headers, body))
        answer = self.answers.pop(0) if self.answers else web.Response(status=204)
        return await answer(request) if callable(answer) else answer

    async def trap(self, _request):
        self.elsewhere += 1
        return web.Response()

    @property
    def events(self):
        return [json.loads(request.body) for request in self.got]


@pytest.fixture
async def tool():
    tool = Tool()
    await tool.start()
    yield tool
    await tool.server.close()


def hooks_yaml(url, extra="", more=""):
    entry = (
        f"  - {{name: desk, url: '{url}', secret_file: desk.secret, allow_private: true{extra}}}\n"
    )
    return CONNECTORS + "webhooks:\n" + entry + more


@pytest.fixture
async def box(tmp_path, tool):
    box = await make_box(tmp_path)
    box.settings.secrets.mkdir(parents=True)
    (box.settings.secrets / "desk.secret").write_text("\n".join(SECRETS) + "\n")
    box.http = GuardedHttp()
    box.hook = HookSender(
        box.http, box.settings.secrets, lambda: box.files.now.connectors, box.clock
    )
    box.dispatcher = box.make_dispatcher()
    configure(box, hooks_yaml(tool.url))
    await box.keep(interaction())
    await box.roster()
    await box.decide(case_opened(), work_queued())
    yield box
    await box.http.close()
    await box.store.close()


def configure(box, text):
    (box.settings.config_dir / "connectors.yaml").write_text(text)
    box.files.refresh()


def assigned(agent_id="anna", via="accept"):
    data = {"via": via, "channel": "email", "cost": 1}
    return decision("work.assigned", data, agent_id=agent_id, work_id=f"{CASE}.1")


def closed(agent_id="anna"):
    return decision("work.closed", {"reason": "resolved"}, agent_id=agent_id, work_id=f"{CASE}.1")


async def test_an_offer_is_posted_signed_with_both_secrets_and_no_mail_is_sent(box, tool):
    seq = await box.decide(offer_made(expires_ms=EXPIRES_MS))
    await box.work()
    (request,), (said,) = tool.got, tool.events
    effect = f"{effect_id(LOG_ID, 0, seq, 0)}:desk"
    assert request.header("webhook-id") == effect
    for secret in SECRETS:
        assert verify(request, [secret], box.clock.wall_ms()).ok
    assert said["type"] == "offer.made"
    data = said["data"]
    assert (data["offer_id"], data["token"], data["case_id"]) == ("offer-1", f"{seq}.0", CASE)
    assert data["agent"] == {"id": "anna", "name": "Anna Åberg", "email": "anna@desk.example"}
    assert (data["number"], data["queue"], data["subject"]) == (
        NUMBER,
        "billing",
        "Lasku on väärin",
    )
    assert data["first_lines"].startswith("Hei,")
    assert data["link"].startswith("https://desk.example/offers/")
    assert data["answers_url"] == "https://desk.example/hooks/answers"
    assert "bertil" not in json.dumps(said)  # nobody else's reasons
    assert box.relay.mails == []
    assert [c["data"] for c in box.topics.of("vaxel.work")] == [
        {"effect_id": effect, "effect": "offer", "state": "sent", "offer_id": "offer-1"}
    ]


async def test_a_case_is_told_in_the_order_of_the_log_though_the_tool_stumbles(box, tool):
    tool.answers = [web.Response(status=500), web.Response(status=429)]
    await box.decide(offer_made(expires_ms=EXPIRES_MS))
    await box.work(rounds=2)
    seq = await box.decide(offer_ended("accepted"), assigned())
    await box.decide(closed())
    await box.work(rounds=20, advance_ms=3_000)
    done = tool.events[2:]
    assert [said["type"] for said in done] == ["offer.ended", "work.assigned", "work.ended"]
    assert done[0]["data"]["outcome"] == "accepted"
    assert done[1]["data"]["token"] == f"{seq}.1"
    assert done[1]["data"]["number"] == NUMBER
    assert done[2]["data"]["reason"] == "resolved"
    assert {said["data"]["agent"]["id"] for said in done} == {"anna"}
    told = [(kind, state) for kind, state, _ in box.topics.results]
    assert told == [("ended", "sent"), ("assigned", "sent"), ("ended", "sent")]


@pytest.mark.parametrize(
    ("via", "extra", "mails", "posts"),
    [
        ("auto", ", agents: [bertil]", 1, 0),
        ("override", ", events: [offer]", 1, 0),
        ("auto", ", offers_by_mail_too: true", 1, 1),
        ("override", "", 0, 1),
        ("accept", "", 0, 1),
        ("accept", ", agents: [bertil]", 0, 0),
    ],
)
async def test_work_that_nobody_was_asked_about_is_told_by_mail_where_no_tool_hears_of_it(
    box, tool, via, extra, mails, posts
):
    configure(box, hooks_yaml(tool.url, extra))
    seq = await box.decide(assigned(via=via))
    await box.work(rounds=3)
    assert (len(box.relay.mails), len(tool.got)) == (mails, posts)
    for mail in box.relay.mails:
        assert mail.envelope_to == "anna@desk.example"
        assert NUMBER in mail.subject
        effect = effect_id(LOG_ID, 0, seq, 0)
        assert mail.message_id.partition("@")[0] == event_id("message", effect)
    told = [(kind, state) for kind, state, _ in box.topics.results]
    assert told == [("assigned", "sent")] * (mails + posts)


async def test_nobody_is_written_to_about_a_case_that_is_over_or_without_an_address(box, tool):
    configure(box, "mail: {relay: {host: 127.0.0.1, port: 2526, tls: none}}\n")
    await box.decide(assigned(agent_id="bertil", via="auto"))
    await box.work(rounds=3)
    await box.decide(assigned(via="auto"), decision("case.closed", {"reason": "done"}))
    await box.work(rounds=3)
    assert box.relay.mails == []
    assert box.topics.results == [("assigned", "failed", "no_address")]


def drifted(drift, source="desk", **where):
    data = {"source": source, "drift": drift} | ({"token": "2.1"} if drift == "missing" else {})
    return decision("tool.drifted", data, agent_id="anna", **where)


async def test_a_tool_that_lost_an_assignment_or_missed_its_end_is_told_again(box, tool):
    await box.decide(offer_made(expires_ms=EXPIRES_MS))
    await box.decide(drifted("missing", work_id=f"{CASE}.1"), drifted("lingering"))
    await box.work(rounds=3)
    _, again, over = tool.events
    assert (again["type"], again["data"]["token"]) == ("work.assigned", "2.1")
    assert (again["data"]["work_id"], again["data"]["number"]) == (f"{CASE}.1", NUMBER)
    assert (over["type"], over["data"]["reason"]) == ("work.ended", "not_yours")
    assert again["data"]["case_id"] == over["data"]["case_id"] == CASE


@pytest.mark.parametrize(
    ("source", "extra"), [("cli", ""), ("other", ""), ("desk", ", events: [offer]")]
)
async def test_nobody_else_is_told_of_a_drift_nor_who_does_not_want_to_hear(
    box, tool, source, extra
):
    configure(box, hooks_yaml(tool.url, extra))
    await box.decide(drifted("missing", source, work_id=f"{CASE}.1"), drifted("lingering", source))
    await box.work(rounds=3)
    assert tool.events == []


@pytest.mark.parametrize(
    ("extra", "mails", "posts"),
    [
        ("", 0, 1),
        (", offers_by_mail_too: true", 1, 1),
        (", agents: [bertil]", 1, 0),
        (", pools: [sales]", 1, 0),
        (", events: [assigned]", 1, 0),
    ],
)
async def test_the_configuration_says_who_gets_offers_which_way(box, tool, extra, mails, posts):
    configure(box, hooks_yaml(tool.url, extra))
    await box.decide(offer_made(expires_ms=EXPIRES_MS))
    await box.work()
    assert (len(box.relay.mails), len(tool.got)) == (mails, posts)


@pytest.mark.parametrize(
    ("mail", "hook", "decisive"),
    [
        ("done", "done", {"sent": 1}),
        ("refused", "done", {"sent": 1}),
        ("done", "refused", {"sent": 1}),
        ("refused", "refused", {"failed": 1}),
    ],
)
async def test_of_two_ways_the_first_that_arrives_or_the_last_that_fails_speaks_for_the_offer(
    box, tool, mail, hook, decisive
):
    configure(box, hooks_yaml(tool.url, ", offers_by_mail_too: true"))
    box.relay.answers = [Outcome(mail, None if mail == "done" else "smtp_550")]
    tool.answers = [web.Response(status=204 if hook == "done" else 400)]
    await box.decide(offer_made(expires_ms=EXPIRES_MS))
    await box.work()
    results = [c["data"] for c in box.topics.of("vaxel.work")]
    assert len(results) == 2
    speaking = [result["state"] for result in results if "offer_id" in result]
    assert {state: speaking.count(state) for state in speaking} == decisive


async def test_after_three_failures_one_event_at_a_time_tries_and_all_arrive_in_the_end(box, tool):
    tool.answers = [web.Response(status=503) for _ in range(8)]
    for number in range(5):
        await box.decide(offer_made(f"offer-{number}", expires_ms=EXPIRES_MS))
    rows = await box.rows()
    assert {row["lane"] for row in rows} == {f"hook:desk|{CASE}"}
    await box.work(rounds=60, advance_ms=4_000)
    assert sorted({row["state"] for row in await box.rows()}) == ["sent"]
    assert len(tool.got) == 13


async def test_a_closed_gate_holds_back_other_cases_but_not_other_webhooks(box, tool):
    other = Tool()
    await other.start()
    entry = f"  - {{name: two, url: '{other.url}', secret_file: two.secret, allow_private: true}}\n"
    (box.settings.secrets / "two.secret").write_text(SECRETS[1])
    configure(box, hooks_yaml(tool.url, more=entry))
    tool.answers = [web.Response(status=500) for _ in range(100)]
    for number in range(6):
        made = decision(
            "work.assigned", {"via": "auto", "channel": "email", "cost": 1}, agent_id="anna"
        )
        await box.decide(structs_case(made, f"case-{number}"))
    await box.work(rounds=2)
    assert len(tool.got) == 3  # then the gate was shut
    assert len(other.got) == 6
    await other.server.close()


def structs_case(made, case_id):
    return structs.replace(made, case_id=case_id)


async def test_a_server_that_asks_for_a_pause_gets_it(box, tool):
    tool.answers = [web.Response(status=429, headers={"Retry-After": "120"})]
    await box.decide(offer_made(expires_ms=EXPIRES_MS))
    await box.work(rounds=11, advance_ms=10_000)
    assert len(tool.got) == 1
    await box.work(rounds=4, advance_ms=10_000)
    assert len(tool.got) == 2


async def test_410_ends_it_until_its_entry_changes(box, tool):
    tool.answers = [web.Response(status=410)]
    await box.decide(offer_made(expires_ms=EXPIRES_MS))
    await box.decide(offer_made("offer-2", expires_ms=EXPIRES_MS))
    await box.work()
    assert len(tool.got) == 1
    assert box.topics.results == [("offer", "failed", "hook_gone")] * 2
    configure(box, hooks_yaml(tool.url + "?again"))
    await box.decide(offer_made("offer-3", expires_ms=EXPIRES_MS))
    await box.work()
    assert len(tool.got) == 2
    assert box.topics.results[-1] == ("offer", "sent", None)


async def test_a_redirect_is_refused_and_not_followed(box, tool):
    tool.answers = [web.Response(status=307, headers={"Location": "/elsewhere"})]
    await box.decide(offer_made(expires_ms=EXPIRES_MS))
    await box.work()
    assert (len(tool.got), tool.elsewhere) == (1, 0)
    assert box.topics.results == [("offer", "failed", "http_307")]


async def test_an_endless_answer_is_not_read_to_its_end(box, tool):
    sent = 0

    async def endless(request):
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while sent < 200_000_000:
                await response.write(b"x" * 65_536)
                sent += 65_536
        except (ConnectionError, asyncio.CancelledError):
            pass
        return response

    tool.answers = [endless]
    await box.decide(offer_made(expires_ms=EXPIRES_MS))
    await box.work()
    assert box.topics.results == [("offer", "sent", None)]
    assert sent < 50_000_000


async def test_a_silent_server_leaves_it_unknown_and_it_is_repeated_under_its_id(
    box, tool, monkeypatch
):
    monkeypatch.setattr(guarded_http, "TOTAL_TIMEOUT_S", 0.3)

    async def silent(_request):
        await asyncio.sleep(5)

    tool.answers = [silent]
    await box.decide(offer_made(expires_ms=EXPIRES_MS))
    await box.work(rounds=6, advance_ms=3_000)
    assert len({request.header("webhook-id") for request in tool.got}) == 1
    assert len(tool.got) == 2
    assert box.topics.results == [("offer", "sent", "possible_duplicate")]


async def test_nobody_there_is_waited_for_and_a_missing_secret_too(box, tool):
    (box.settings.secrets / "desk.secret").unlink()
    await box.decide(offer_made(expires_ms=EXPIRES_MS))
    await box.work(rounds=2, advance_ms=1_000)
    assert (await box.rows())[0]["code"] == "hook_secret"
    (box.settings.secrets / "desk.secret").write_text("not base64!\n")
    await box.work(rounds=4, advance_ms=4_000)
    assert (await box.rows())[0]["code"] == "hook_secret"
    (box.settings.secrets / "desk.secret").write_text(SECRETS[0])
    await tool.server.close()
    await box.work(rounds=4, advance_ms=40_000)
    assert (await box.rows())[0]["code"] == "hook_unreachable"
    assert box.topics.results == []
    assert tool.got == []


async def test_old_news_and_webhooks_that_left_are_not_posted(box, tool):
    await box.decide(decision(
        "work.assigned", {"via": "auto", "channel": "email", "cost": 1}, at_ms=1, agent_id="anna"
    ))  # fmt: skip
    await box.decide(assigned())
    configure(box, CONNECTORS)
    await box.work()
    assert tool.got == []
    codes = {code for _, _, code in box.topics.results}
    assert codes == {"too_old", "hook_unknown"}


class Names(AbstractResolver):
    """A name server that answers something else each time."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = 0

    async def resolve(self, host, port=0, family=0):
        self.asked += 1
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            {"hostname": host, "host": a, "port": port, "family": 2, "proto": 6, "flags": 0}
            for a in found
        ]

    async def close(self):
        pass


@pytest.mark.parametrize(
    "found",
    [
        ["127.0.0.1"], ["10.1.2.3"], ["169.254.169.254"], ["93.184.216.34", "127.0.0.1"],
        ["::ffff:127.0.0.1"], ["fd00::1"], ["100.64.0.1"], ["0.0.0.0"],
    ],
)  # fmt: skip
async def test_a_name_that_leads_into_our_own_network_is_never_connected_to(
    box, tool, monkeypatch, found
):
    names = Names(found)
    monkeypatch.setattr(guarded_http, "CONNECT_TIMEOUT_S", 0.2)
    connects = []
    loop = asyncio.get_running_loop()

    async def connect(*args, **kwargs):
        connects.append(args)
        raise ConnectionRefusedError

    monkeypatch.setattr(loop, "create_connection", connect)
    monkeypatch.setattr(loop, "sock_connect", connect)
    http = GuardedHttp(names)
    sender = HookSender(http, box.settings.secrets, lambda: box.files.now.connectors, box.clock)
    configure(box, CONNECTORS + (
        "webhooks:\n  - {name: desk, url: 'https://tool.example/hook', secret_file: desk.secret}\n"
    ))  # fmt: skip
    outcome = await sender.send(Post("desk", "id-1", b"{}"))
    await http.close()
    assert outcome == Outcome("later", "hook_forbidden", trouble=True)
    assert (names.asked, connects) == (1, [])


async def test_what_was_checked_is_what_is_connected_to(box, monkeypatch):
    """A name that is public when it is checked and private a moment later gains nothing."""
    names = Names(["93.184.216.34"], ["127.0.0.1"])
    targets = []

    async def connect(_self, sock, address):
        targets.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(type(asyncio.get_running_loop()), "sock_connect", connect)
    http = GuardedHttp(names)
    sender = HookSender(http, box.settings.secrets, lambda: box.files.now.connectors, box.clock)
    configure(box, CONNECTORS + (
        "webhooks:\n  - {name: desk, url: 'https://tool.example/hook', secret_file: desk.secret}\n"
    ))  # fmt: skip
    first = await sender.send(Post("desk", "id-1", b"{}"))
    second = await sender.send(Post("desk", "id-1", b"{}"))
    await http.close()
    assert first.code == "hook_unreachable"
    assert second.code == "hook_forbidden"
    assert set(targets) == {"93.184.216.34"}


class Killed(BaseException):
    """The process is gone; nothing catches it."""


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_killed_at_any_call_a_tool_hears_of_everything_in_order_under_one_id_each(
    box, tool, after
):
    """Each round is a case of its own over the same data; a new run takes over after each kill."""
    for at in range(1, 40):
        tool.got.clear()
        box.topics.records.clear()
        count = 0

        def cut(owner, name, at=at):
            call = getattr(owner, name)

            async def counted(*args, **kwargs):
                nonlocal count
                count += 1
                if count == at and not after:
                    raise Killed
                answer = await call(*args, **kwargs)
                if count == at:
                    raise Killed
                return answer

            setattr(owner, name, counted)

        run = Box(box.settings, topics=Topics(), run=f"cut-{at}", hook=Forward(box.hook))
        for owner, names in ((run.outbox, ("claim", "settle", "done")), (run.hook, ("send",)),
                             (run.topics, ("send",))):  # fmt: skip
            for name in names:
                cut(owner, name)
        run.seq = box.seq
        case = f"case-{after}-{at}"
        await run.decide(structs.replace(assigned(), case_id=case))
        await run.decide(structs.replace(closed(), case_id=case))
        killed = False
        try:
            await run.work(rounds=4, advance_ms=1_000)
        except Killed:
            killed = True
        await run.store.close()
        successor = Box(box.settings, topics=run.topics, run=f"next-{at}", hook=box.hook)
        successor.topics.send = Topics.send.__get__(successor.topics)
        successor.clock.now_ms = run.clock.now_ms + 60_000
        await successor.outbox.recover(successor.clock.wall_ms())
        await successor.work(rounds=6, advance_ms=2_000)
        assert all(row["done"] and row["state"] == "sent" for row in await successor.rows()), at
        await successor.store.close()
        types = [said["type"] for said in tool.events]
        assert sorted(set(types), key=types.index) == ["work.assigned", "work.ended"], at
        assert types == sorted(types), at
        assert len({request.header("webhook-id") for request in tool.got}) == 2, at
        twice = len(types) - 2
        codes = [code for _, _, code in run.topics.results]
        assert twice <= codes.count("possible_duplicate") <= 2, at
        if not killed:
            break
    assert at >= 8


class Forward:
    """A sender whose calls can be counted apart from the real one's."""

    def __init__(self, to):
        self.to = to

    async def send(self, message):
        return await self.to.send(message)
