"""Reads through the API: lists, a case with its timeline, the inbox, live views, and every no."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from register_kit import (
    CASE,
    KEY,
    NUMBER,
    OFFER,
    START_MS,
    WORK,
    Register,
    accepted,
    agent,
    decision,
    interaction,
    offered,
    opened,
    queued,
)

from vaxel_register.core.timeline import own_reasons
from vaxel_shared.contracts.cloudevents import iso_ms
from vaxel_shared.contracts.wire import Decision
from vaxel_shared.crypto.tokens import sign

ITEM = {
    "number", "subject", "status", "channel", "language", "queue", "agent", "priority", "tier",
    "customer", "opened_at", "updated_at", "sla",
}  # fmt: skip


async def test_a_case_in_the_list_has_the_fields_of_the_contract(register: Register) -> None:
    await register.with_case()
    status, body = await register.get("/cases")
    assert (status, body["next"], len(body["items"])) == (200, None, 1)
    assert set(body["items"][0]) == ITEM
    assert body["items"][0] == {
        "number": NUMBER,
        "subject": "Lasku 4711 väärin",
        "status": "open",
        "channel": "email",
        "language": "fi",
        "queue": "billing",
        "agent": "anna",
        "priority": 10,
        "tier": 2,
        "customer": {
            "id": "cust-1", "name": "Mikko Väisänen", "address": "mikko@kunde.example",
        },
        "opened_at": iso_ms(START_MS - 50),
        "updated_at": iso_ms(START_MS),
        "sla": {},
    }  # fmt: skip


async def test_a_case_that_went_into_another_leads_there_until_it_is_taken_out(
    register: Register,
) -> None:
    await register.with_case()
    await register.decide(decision("case.opened", case_id="other", number="S-2"))
    joined = {"into": "other", "into_number": "S-2", "number": NUMBER}
    await register.decide(decision("case.merged", case_id=CASE, **joined))
    _, merged = await register.get(f"/cases/{NUMBER}")
    assert (merged["status"], merged["linked_case_id"], merged["agent"]) == (
        "merged",
        "other",
        None,
    )
    _, found = await register.get("/cases", status="merged")
    assert [item["number"] for item in found["items"]] == [NUMBER]
    await register.decide(decision("case.split", case_id=CASE, out_of="other", number=NUMBER))
    _, split = await register.get(f"/cases/{NUMBER}")
    assert (split["status"], split["linked_case_id"]) == ("open", None)


async def test_a_case_is_there_before_its_message_and_learns_the_subject_later(
    register: Register,
) -> None:
    await register.decide(opened(), queued())
    assert (await register.get("/cases"))[1]["items"][0]["subject"] is None
    await register.receive(interaction())
    assert (await register.get("/cases"))[1]["items"][0]["subject"] == "Lasku 4711 väärin"


async def many(register: Register, count: int) -> None:
    """Cases of which the later are the younger, two at a time at the same instant."""
    for number in range(count):
        await register.decide(
            opened(
                f"case-{number}", f"S-{number:03d}", f"contact-{number}",
                received_at_ms=START_MS + number // 2,
            )
        )  # fmt: skip


async def test_pages_hold_every_case_once_newest_first_also_while_new_ones_come(
    register: Register,
) -> None:
    await many(register, 7)
    seen: list[str] = []
    cursor: dict[str, str] = {}
    for page in itertools.count():
        _, body = await register.get("/cases", limit=3, **cursor)
        seen += [item["number"] for item in body["items"]]
        if body["next"] is None:
            break
        cursor = {"cursor": body["next"]}
        await register.decide(opened(f"new-{page}", f"N-{page}", received_at_ms=START_MS + 99))
    assert seen == [f"S-{number:03d}" for number in range(6, -1, -1)]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"q": "lasku"}, True),
        ({"q": "VÄÄRIN laskuni"}, True),
        ({"q": "vaarin"}, True),
        ({"q": "mikko@kunde"}, True),
        ({"q": NUMBER.lower()}, True),
        ({"q": "lasku refund"}, False),
        ({"q": "%"}, False),
        ({"q": "_asku"}, False),
        ({"q": "'; drop table cases; --"}, False),
        ({"status": "open"}, True),
        ({"status": "resolved"}, False),
        ({"queue": "billing", "agent": "anna", "channel": "email"}, True),
        ({"queue": "returns"}, False),
        ({"agent": "ben"}, False),
    ],
)
async def test_filters_of_the_list(register: Register, query: Any, found: bool) -> None:
    await register.with_case()
    status, body = await register.get("/cases", **query)
    assert (status, bool(body["items"])) == (200, found)


@pytest.mark.parametrize(
    ("query", "code", "field"),
    [
        ({"limit": "0"}, "invalid_request", "limit"),
        ({"limit": "many"}, "invalid_request", "limit"),
        ({"status": "lost"}, "invalid_request", "status"),
        ({"q": "x" * 201}, "invalid_request", "q"),
        ({"color": "red"}, "invalid_request", "color"),
        ({"cursor": "WzEsMl0"}, "invalid_cursor", "cursor"),
        ({"cursor": "%%%"}, "invalid_cursor", "cursor"),
    ],
)
async def test_a_query_that_makes_no_sense_names_its_fields(
    register: Register, query: Any, code: str, field: str
) -> None:
    status, body = await register.get("/cases", **query)
    assert (status, body["title"], body["errors"][0]["field"]) == (422, code, field)


async def test_the_timeline_tells_everything_in_order(register: Register) -> None:
    await register.with_case()
    ref = await register.blobs.put("note", "Soitti perään".encode())
    await register.decide(decision("case.noted", START_MS + 20, case_id=CASE, note_ref=ref))
    sent = interaction(
        "sent-1", START_MS + 30, direction="outbound",
        sender={"external_id": "support@nordic.example"},
    )  # fmt: skip
    await register.receive(sent, interaction("not-yet-a-contact", START_MS + 40))
    await register.decide(
        decision("case.joined", START_MS + 60, case_id=CASE, number=NUMBER, contact_id="contact-2",
                 conversation_key=KEY),
    )  # fmt: skip
    await register.receive(interaction("contact-2", START_MS + 50, subject="Re: Lasku"))

    status, case = await register.get(f"/cases/{NUMBER.lower()}")

    told = [(entry["kind"][0], entry["type"], entry["at"]) for entry in case["timeline"]]
    assert status == 200
    assert told == [
        ("i", "message", iso_ms(START_MS - 50)),
        ("d", "case.opened", iso_ms(START_MS)),
        ("d", "work.queued", iso_ms(START_MS)),
        ("d", "offer.made", iso_ms(START_MS)),
        ("d", "offer.ended", iso_ms(START_MS)),
        ("d", "work.assigned", iso_ms(START_MS)),
        ("d", "case.noted", iso_ms(START_MS + 20)),
        ("i", "message", iso_ms(START_MS + 30)),
        ("i", "message", iso_ms(START_MS + 50)),
        ("d", "case.joined", iso_ms(START_MS + 60)),
    ]
    assert case["timeline"][6]["text"] == "Soitti perään"
    assert case["timeline"][3]["data"]["explain"]["by_code"] == {"presence_away": 1}
    assert case["timeline"][7]["message"]["direction"] == "outbound"
    assert (case["case_id"], case["last_contact_seq"]) == (CASE, 5)
    assert [(work["id"], work["token"]) for work in case["works"]] == [(WORK, "3.1")]
    assert [(offer["id"], offer["state"]) for offer in case["offers"]] == [(OFFER, "accepted")]
    assert not case["timeline_truncated"]


async def test_what_was_sent_belongs_to_the_case_that_the_conversation_then_had(
    register: Register,
) -> None:
    await register.decide(opened())
    await register.decide(opened("case-2", "S-2", "contact-2", at_ms=START_MS + 1000))
    for id_, at_ms in (("early", START_MS + 500), ("late", START_MS + 1500)):
        await register.receive(interaction(id_, at_ms, direction="outbound"))
    for number, id_ in ((NUMBER, "early"), ("S-2", "late")):
        _, case = await register.get(f"/cases/{number}")
        messages = [e["message"]["id"] for e in case["timeline"] if e["kind"] == "interaction"]
        assert messages == [id_]


async def test_a_text_too_long_for_the_topic_comes_from_its_blob_or_is_left_out(
    register: Register,
) -> None:
    ref = await register.blobs.put("text", b"a long letter")
    await register.receive(interaction(text=None, text_ref=ref))
    await register.receive(interaction("contact-2", text=None, text_ref="text/" + "0" * 64))
    await register.decide(opened())
    await register.decide(
        decision("case.joined", case_id=CASE, number=NUMBER, contact_id="contact-2")
    )
    _, case = await register.get(f"/cases/{NUMBER}")
    shown = {e["message"]["id"]: e["message"].get("text") for e in case["timeline"] if e["message"]}
    assert shown == {"contact-1": "a long letter", "contact-2": None}


async def test_an_agent_sees_only_their_own_reasons_unless_the_setting_says_all(
    reopen: Any,
) -> None:
    kit = await reopen()
    await kit.with_case()

    def rejected(case: Any) -> list[str]:
        (made,) = [entry for entry in case["timeline"] if entry["type"] == "offer.made"]
        return [item["agent_id"] for item in made["data"]["explain"]["rejected"]]

    path = f"/cases/{NUMBER}"
    assert rejected((await kit.get(path, "agent", "anna"))[1]) == []
    assert rejected((await kit.get(path, "agent", "ben"))[1]) == ["ben"]
    assert rejected((await kit.get(path, "supervisor", "sup"))[1]) == ["ben"]
    await kit.close()
    frank = await reopen(agents_see_reasons="all")
    assert rejected((await frank.get(path, "agent", "anna"))[1]) == ["ben"]


def test_an_agent_isnt_told_to_whom_else_a_window_would_have_given_it() -> None:
    explain = {"window": {"method": "best", "gap": 0, "alone": "ben"}, "rejected": []}
    assert own_reasons(explain, "anna")["window"] == {"method": "best", "gap": 0}
    assert own_reasons(explain, "ben") == explain


async def test_the_inbox_shows_pending_offers_and_work_in_hand(register: Register) -> None:
    await register.with_offer()
    status, inbox = await register.get("/agents/anna/inbox", "agent", "anna")
    (offer,) = inbox["offers"]
    assert (status, inbox["works"]) == (200, [])
    assert (offer["id"], offer["token"], offer["number"]) == (OFFER, "2.2", NUMBER)
    assert (offer["subject"], offer["expires_at"]) == (
        "Lasku 4711 väärin", iso_ms(START_MS + 600_000),
    )  # fmt: skip

    await register.decide(*accepted())

    _, inbox = await register.get("/agents/anna/inbox", "agent", "anna")
    (work,) = inbox["works"]
    assert inbox["offers"] == []
    assert (work["id"], work["token"], work["number"]) == (WORK, "3.1", NUMBER)


async def test_queues_stand_in_the_order_of_the_policy_and_count_their_work(
    register: Register,
) -> None:
    policy = json.dumps({"queues": [{"name": "returns"}, {"name": "billing"}]}).encode()
    ref = await register.blobs.put("policy", policy)
    await register.decide(decision("policy.adopted", kind="routing", version="v", ref=ref))
    await register.with_offer()
    await register.decide(
        opened("case-2", "S-2", "contact-2"), queued("case-2", since_ms=START_MS - 9)
    )
    _, body = await register.get("/queues")
    assert [
        (item["queue"], item["waiting"], item["offered"], item["assigned"], item["oldest_since"])
        for item in body["items"]
    ] == [("returns", 0, 0, 0, None), ("billing", 1, 1, 0, iso_ms(START_MS - 9))]


async def test_agents_have_the_names_of_the_roster_and_what_they_hold(register: Register) -> None:
    people = {"anna": {"name": "Anna Ek", "email": "anna@nordic.example", "role": "senior"}}
    ref = await register.blobs.put("roster", json.dumps(people).encode())
    await register.decide(decision("roster.adopted", source="file", version="v", directory_ref=ref))
    await register.with_case()
    await register.decide(decision("agent.removed", agent_id="ben"))
    _, body = await register.get("/agents", "agent", "anna")
    (anna,) = body["items"]
    assert (anna["id"], anna["name"], anna["role"]) == ("anna", "Anna Ek", "senior")
    assert (anna["presence"], anna["offers"], anna["works"]) == ("available", 0, 1)
    assert "anna@nordic.example" not in json.dumps(body)


async def test_what_keeps_new_work_from_an_agent_is_said_with_its_end(register: Register) -> None:
    await register.decide(agent("anna", closed={"chat": START_MS, "email": 0}, occupied=True))
    _, body = await register.get("/agents")
    (anna,) = body["items"]
    assert anna["closed"] == {"chat": iso_ms(START_MS), "email": None}
    assert (anna["occupied"], anna["off_shift"], anna["rests_until"]) == (True, False, None)
    off = decision("agent.changed", agent_id="anna", on_shift=False, shift_ms=START_MS)
    await register.decide(off)
    await register.decide(decision("agent.changed", agent_id="anna", rest_ms=START_MS + 1_000))
    (anna,) = (await register.get("/agents"))[1]["items"]
    assert (anna["off_shift"], anna["shift_changes_at"]) == (True, iso_ms(START_MS))
    assert anna["rests_until"] == iso_ms(START_MS + 1_000)


def elsewhere(source: str, **works: list[int]) -> Decision:
    said = {"source": source, "works": works, "until_ms": START_MS + 1_000}
    return decision("agent.changed", START_MS, agent_id="anna", elsewhere=said)


async def test_what_an_agent_has_in_a_tool_is_shown_until_the_tool_says_otherwise(
    register: Register,
) -> None:
    async def shown() -> list[dict[str, Any]]:
        (anna,) = (await register.get("/agents"))[1]["items"]
        found: list[dict[str, Any]] = anna["elsewhere"]
        return found

    await register.decide(agent("anna"))
    assert await shown() == []
    await register.decide(elsewhere("phone", voice=[1, 2]))
    await register.decide(elsewhere("crm", email=[3, 1], chat=[1, 1]))
    until = iso_ms(START_MS + 1_000)
    crm = {"source": "crm", "channels": {"email": 3, "chat": 1}, "capacity": 4, "until": until}
    phone = {"source": "phone", "channels": {"voice": 1}, "capacity": 2, "until": until}
    assert await shown() == [crm, phone]
    await register.decide(elsewhere("crm"))
    assert await shown() == [phone], "one tool's word says nothing of another's"
    await register.decide(decision("agent.removed", START_MS + 1, agent_id="anna"))
    await register.decide(agent("anna", at_ms=START_MS + 2))
    assert await shown() == [], "who left took it along"
    await register.decide(agent("anna", at_ms=START_MS, pool="returns"), partition=1)
    assert await shown() == []


async def test_a_complaint_tells_its_stage(register: Register) -> None:
    await register.with_case()
    assert (await register.get(f"/cases/{NUMBER}"))[1]["stage"] is None
    await register.decide(queued(stage=2))
    assert (await register.get(f"/cases/{NUMBER}"))[1]["stage"] == 2


async def test_a_directory_that_cannot_be_read_costs_the_names_only(register: Register) -> None:
    missing = "roster/" + "0" * 64
    await register.decide(decision("roster.adopted", version="v", directory_ref=missing))
    await register.decide(agent("anna"))
    status, body = await register.get("/agents")
    assert (status, body["items"][0]["id"], body["items"][0]["name"]) == (200, "anna", None)


async def test_an_agent_sees_the_pool_and_nothing_beyond_it(register: Register) -> None:
    await register.with_case()
    await register.decide(agent("rita", pool="returns"), partition=1)
    assert (await register.get("/cases", "agent", "rita"))[1]["items"] == []
    assert (await register.get(f"/cases/{NUMBER}", "agent", "rita"))[0] == 403
    assert (await register.get("/agents", "agent", "rita"))[1]["items"][0]["id"] == "rita"
    assert (await register.get("/cases", "agent", "stranger"))[1]["items"] == []
    assert (await register.get("/agents/anna/inbox", "agent", "ben"))[0] == 403
    assert (await register.get("/agents/anna/inbox", "senior", "ben"))[0] == 200
    assert (await register.get("/deadletters", "agent", "anna"))[0] == 403


@pytest.mark.parametrize(
    "header",
    [
        None,
        "Basic YTpi",
        "Bearer",
        "Bearer v1.e30.nope",
        "Bearer \xff",
        "Bearer {other purpose}",
        "Bearer {unknown role}",
        "Bearer {odd subject}",
    ],
)
async def test_without_a_token_of_ours_nobody_gets_in_and_is_told_what_to_do(
    register: Register, header: str | None
) -> None:
    made = {
        "{other purpose}": sign(register.keyring, "offer", {"role": "admin", "sub": "x"}),
        "{unknown role}": sign(register.keyring, "api", {"role": "god", "sub": "x"}),
        "{odd subject}": sign(register.keyring, "api", {"role": "admin", "sub": ["x"]}),
    }
    for name, token in made.items():
        header = header.replace(name, token) if header else None
    headers = {"Authorization": header} if header else {}
    response = await register.client.get("/api/v1/cases", headers=headers)
    body = await response.json(content_type=None)
    assert (response.status, body["title"]) == (401, "unauthorized")
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert "Authorization: Bearer" in body["detail"]


async def test_guessing_tokens_is_slowed_down(register: Register) -> None:
    statuses = [(await register.client.get("/api/v1/cases")).status for _ in range(12)]
    assert statuses == [401] * 10 + [429] * 2


async def test_more_requests_than_allowed_are_told_when_to_come_back(reopen: Any) -> None:
    kit = await reopen(api_rate_per_s=1, api_burst=2)
    headers = kit.token("supervisor", "sup")
    for _ in range(2):
        assert (await kit.client.get("/api/v1/queues", headers=headers)).status == 200
    response = await kit.client.get("/api/v1/queues", headers=headers)
    assert (response.status, response.headers["Retry-After"]) == (429, "2")
    assert (await kit.get("/queues", "admin", "other"))[0] == 200
    kit.clock.advance(1_001)
    assert (await kit.client.get("/api/v1/queues", headers=headers)).status == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/v1/nowhere", 404, "unknown_route"),
        ("GET", "/api/v2/cases", 404, "unknown_route"),
        ("DELETE", "/api/v1/cases", 405, "method_not_allowed"),
        ("GET", f"/api/v1/cases/{NUMBER}/reply", 405, "method_not_allowed"),
        ("GET", "/api/v1/cases/S-404", 404, "unknown_case"),
        ("GET", "/api/v1/commands/nothing", 404, "unknown_command"),
        ("GET", "/api/v1/agents/nobody/inbox", 404, "unknown_agent"),
        ("GET", "/api/v1/queues?pool=x", 422, "invalid_request"),
    ],
)
async def test_paths_that_lead_nowhere(
    register: Register, method: str, path: str, status: int, code: str
) -> None:
    response = await register.client.request(method, path, headers=register.token("admin", "root"))
    body = await response.json(content_type=None)
    assert (response.status, body["title"]) == (status, code)
    assert response.content_type == "application/problem+json"


async def test_live_views_pass_the_router_on_and_say_when_it_is_gone(reopen: Any) -> None:
    async def case(request: web.Request) -> web.Response:
        if request.match_info["id"] != CASE:
            raise web.HTTPNotFound
        why = {"rejected": [{"agent_id": "ben", "code": "presence_away"}]}
        return web.json_response({"position": 3, "why_not_yet": why, "as_of": {"seq": 9}})

    async def queues(_request: web.Request) -> web.Response:
        both = [{"pool": "support", "queue": "q"}, {"pool": "returns", "queue": "r"}]
        return web.json_response({"queues": both, "as_of": {"seq": 9}})

    app = web.Application()
    app.add_routes([web.get("/v1/cases/{id}", case), web.get("/v1/queues", queues)])
    server = TestServer(app)
    await server.start_server()
    kit = await reopen(router_url=str(server.make_url("")).rstrip("/"))
    await kit.with_case()
    await kit.decide(opened("case-2", "S-2", "contact-2"))

    status, body = await kit.get(f"/cases/{NUMBER}/live")
    assert (status, body["position"], body["as_of"]) == (200, 3, {"seq": 9})
    assert body["why_not_yet"]["rejected"][0]["agent_id"] == "ben"
    _, own = await kit.get(f"/cases/{NUMBER}/live", "agent", "anna")
    assert own["why_not_yet"]["rejected"] == []
    assert (await kit.get("/cases/S-2/live"))[0] == 404
    assert [q["queue"] for q in (await kit.get("/queues/live"))[1]["queues"]] == ["q", "r"]
    _, seen = await kit.get("/queues/live", "agent", "anna")
    assert [q["queue"] for q in seen["queues"]] == ["q"]

    await server.close()
    status, body = await kit.get(f"/cases/{NUMBER}/live")
    assert (status, body["title"]) == (503, "unavailable")
    assert "the router doesn't answer" in body["detail"]


async def test_a_fault_of_ours_is_a_500_that_quotes_nobody(register: Register) -> None:
    await register.with_case()
    await register.parts.close[0]()

    async def broken(*_args: Any) -> Any:
        raise RuntimeError("mikko@kunde.example")

    register.queries.case = broken  # type: ignore[method-assign]
    status, body = await register.get(f"/cases/{NUMBER}")
    assert (status, body["title"]) == (500, "internal")
    assert "mikko" not in str(body)


async def test_requests_are_logged_by_template_and_hold_no_personal_text(
    register: Register, capsys: pytest.CaptureFixture[str]
) -> None:
    await register.with_case()
    await register.get("/cases", "agent", "anna", q="Väisänen")
    await register.get(f"/cases/{NUMBER}", "supervisor", "sup")
    out = capsys.readouterr().out
    assert "/api/v1/cases/{number}" in out
    for secret in ("isänen", "mikko", "Lasku", NUMBER, "sup\x22"):
        assert secret not in out


async def test_offers_ordered_by_when_they_were_made(register: Register) -> None:
    await register.with_offer()
    ids_ = {"case_id": CASE, "work_id": WORK, "offer_id": OFFER, "agent_id": "anna"}
    await register.decide(decision("offer.ended", outcome="declined", **ids_))
    await register.decide(offered("ben", offer_id="offer-0", attempt=2))
    _, case = await register.get(f"/cases/{NUMBER}")
    assert [(offer["agent"], offer["state"]) for offer in case["offers"]] == [
        ("anna", "declined"), ("ben", "pending"),
    ]  # fmt: skip


@pytest.mark.parametrize("path", ["/cases", "/cases/none", "/openapi.json"])
async def test_no_cache_may_keep_an_answer(register: Register, path: str) -> None:
    headers = register.token("admin", "root")
    response = await register.client.get(f"/api/v1{path}", headers=headers)
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
