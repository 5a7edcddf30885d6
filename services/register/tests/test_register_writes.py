"""Writes through the API: the command that goes out, the decision that comes back, and every no."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

import pytest
from register_kit import (
    CASE,
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
    refused,
)

from vaxel_shared import ids
from vaxel_shared.contracts.wire import Decision
from vaxel_shared.obs import tracing


def done(command: Any) -> list[Decision]:
    """The router says yes with one decision."""
    return [decision("case.noted", case_id=CASE, cause=command.id)]


async def test_accepting_an_offer_sends_its_token_and_answers_with_the_decisions(
    register: Register,
) -> None:
    await register.with_offer()
    register.log.answer = lambda command: accepted(cause=command.id)

    status, body, _ = await register.post(f"/offers/{OFFER}/accept", {})

    (command,) = register.log.sent
    assert status == 200
    assert [item["type"] for item in body["decisions"]] == ["offer.ended", "work.assigned"]
    assert (command.type, command.token, command.agent_id) == ("offer.accept", "2.2", "anna")
    assert command.id == ids.event_id("offer.accept", "2.2", OFFER, "anna")
    assert command.actor.to_dict() == {"kind": "agent", "id": "anna"}
    assert (command.via, command.pool, command.case_id) == ("api", "support", CASE)
    assert register.log.keys == ["support"]
    assert register.log.events[0].type == "vaxel.command.offer.accept.v1"
    assert register.log.events[0].id == command.id


async def test_two_clicks_on_accept_are_one_command(register: Register) -> None:
    await register.with_offer()
    register.log.answer = lambda command: accepted(cause=command.id)
    first = await register.post(f"/offers/{OFFER}/accept", {}, key="one")
    second = await register.post(f"/offers/{OFFER}/accept", {}, key="two")
    assert (first[0], first[1]) == (second[0], second[1])
    assert len(register.log.sent) == 1


async def test_a_named_stale_token_reaches_the_router_and_its_no_is_a_409(
    register: Register,
) -> None:
    await register.with_offer()
    register.log.answer = lambda command: [refused(command.id, "stale_token", token="2.2")]
    status, body, _ = await register.post(f"/offers/{OFFER}/accept", {"token": "1.0"})
    assert register.log.sent[0].token == "1.0"
    assert (status, body["title"], body["params"]) == (409, "stale_token", {"token": "2.2"})
    assert "no longer the current one" in body["detail"]
    assert body["command_id"] == register.log.sent[0].id


async def test_a_reply_travels_as_a_blob_and_its_text_shows_in_the_timeline(
    register: Register,
) -> None:
    await register.with_case()
    text = "Hyvä asiakas,\nkorjaamme laskun. ☀"

    def answer(command: Any) -> list[Decision]:
        fields = dict(command.data) | {"reply_id": command.id}
        return [decision("case.replied", START_MS + 9, case_id=CASE, cause=command.id, **fields)]

    register.log.answer = answer
    status, _, headers = await register.post(
        f"/cases/{NUMBER}/reply", {"text": text, "then": "waiting", "expected_seq": 2}, key="k-1"
    )
    (command,) = register.log.sent
    assert (status, headers["Idempotency-Key"]) == (200, "k-1")
    assert command.id == ids.event_id("anna", f"reply {NUMBER}", "k-1")
    assert (command.token, command.agent_id) == ("3.1", "anna")
    assert command.data == {
        "body_ref": f"body/{hashlib.sha256(text.encode()).hexdigest()}",
        "body_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "body_size": len(text.encode()),
        "then": "waiting",
        "expected_seq": 2,
    }
    assert text not in str(command)
    _, case = await register.get(f"/cases/{NUMBER}")
    assert case["timeline"][-1]["type"] == "case.replied"
    assert case["timeline"][-1]["text"] == text


@pytest.mark.parametrize(
    ("verb", "body", "type_", "data"),
    [
        ("resolve", {}, "case.resolve", {}),
        ("resolve", {"reason": "refunded"}, "case.resolve", {"reason": "refunded"}),
        ("cancel", {"reason": "spam"}, "case.cancel", {"reason": "spam"}),
        (
            "wait",
            {"for": "third_party", "wake_at": "2026-11-23T09:00:00+01:00", "reason": "carrier"},
            "case.wait",
            {
                "waits_for": "third_party",
                "wake_ms": int(datetime(2026, 11, 23, 8, tzinfo=UTC).timestamp() * 1000),
                "reason": "carrier",
            },
        ),
        ("escalate", {"tier": 2}, "case.escalate", {"tier": 2}),
        ("escalate", {}, "case.escalate", {}),
    ],
)
async def test_what_each_verb_asks_of_the_router(
    register: Register, verb: str, body: Any, type_: str, data: Any
) -> None:
    await register.with_case()
    register.log.answer = done
    status, _, _ = await register.post(f"/cases/{NUMBER}/{verb}", body)
    (command,) = register.log.sent
    assert (status, command.type, command.data, command.token) == (200, type_, data, "3.1")


@pytest.mark.parametrize("target", [{"to_agent": "ben"}, {"to_queue": "returns"}])
async def test_a_transfer_brings_its_note_as_a_blob(register: Register, target: Any) -> None:
    await register.with_case()
    register.log.answer = done
    status, _, _ = await register.post(f"/cases/{NUMBER}/transfer", target | {"note": "Puhelu ok"})
    (command,) = register.log.sent
    assert (status, command.type) == (200, "case.transfer")
    assert {name: command.data[name] for name in target} == target
    assert (await register.blobs.get(command.data["note_ref"])).decode() == "Puhelu ok"


async def test_presence_speaks_of_the_agent_in_the_path(register: Register) -> None:
    await register.with_case()
    register.log.answer = lambda command: [
        decision("agent.changed", agent_id="anna", presence="away", cause=command.id)
    ]
    body = {"presence": "away", "mode": "keep_no_new", "until": "2026-11-23T09:00:00Z"}
    status, _, _ = await register.post("/agents/anna/presence", body)
    (command,) = register.log.sent
    assert (status, command.type, command.agent_id) == (200, "agent.presence", "anna")
    assert command.data == {
        "presence": "away",
        "mode": "keep_no_new",
        "until_ms": int(datetime(2026, 11, 23, 9, tzinfo=UTC).timestamp() * 1000),
    }
    assert (await register.get("/agents"))[1]["items"][0]["presence"] == "away"


async def test_what_an_agent_has_elsewhere_is_asked_of_the_router(register: Register) -> None:
    await register.with_case()
    register.log.answer = done
    body = {"source": "crm", "channels": {"email": 3}, "until": "2026-11-23T09:00:00Z"}
    status, _, _ = await register.post("/agents/anna/elsewhere", body)
    (command,) = register.log.sent
    assert (status, command.type, command.agent_id) == (200, "agent.elsewhere", "anna")
    assert command.data == {
        "source": "crm",
        "channels": {"email": 3},
        "until_ms": int(datetime(2026, 11, 23, 9, tzinfo=UTC).timestamp() * 1000),
    }
    for wrong in ({"channels": {"email": 101}}, {"channels": {"E mail": 1}}, {"until": None}):
        status, _, _ = await register.post("/agents/anna/elsewhere", body | wrong)
        assert status == 422
    assert len(register.log.sent) == 1


async def test_a_supervisor_acts_without_holding_the_case(register: Register) -> None:
    await register.with_case()
    register.log.answer = done
    status, _, _ = await register.post(f"/cases/{NUMBER}/resolve", {}, role="supervisor", sub="sup")
    (command,) = register.log.sent
    assert status == 200
    assert command.actor.to_dict() == {"kind": "supervisor", "id": "sup"}
    assert command.agent_id is None


async def test_without_a_decision_in_time_the_answer_says_where_to_ask(register: Register) -> None:
    await register.with_case()
    status, body, headers = await register.post(f"/cases/{NUMBER}/resolve", {}, key="k-9")
    where = f"/api/v1/commands/{body['command_id']}"
    assert (status, body["status"], headers["Location"]) == (202, "pending", where)
    path = where.removeprefix("/api/v1")
    assert (await register.get(path, role="agent", sub="anna"))[1]["status"] == "pending"

    await register.decide(decision("case.resolved", case_id=CASE, cause=body["command_id"]))

    _, later = await register.get(path, role="agent", sub="anna")
    assert (later["status"], later["decisions"][0]["type"]) == ("done", "case.resolved")
    again = await register.post(f"/cases/{NUMBER}/resolve", {}, key="k-9")
    assert (again[0], len(register.log.sent)) == (200, 1)


async def test_the_same_key_with_another_body_is_refused(register: Register) -> None:
    await register.with_case()
    register.log.answer = done
    assert (await register.post(f"/cases/{NUMBER}/note", {"text": "one"}, key="k"))[0] == 200
    status, body, _ = await register.post(f"/cases/{NUMBER}/note", {"text": "two"}, key="k")
    assert (status, body["title"]) == (422, "idempotency_key_reused")
    assert len(register.log.sent) == 1


async def test_one_key_on_two_cases_is_two_commands(register: Register) -> None:
    await register.with_case()
    await register.decide(opened("case-2", "S7K-00002-B", "contact-2"), queued("case-2"))
    register.log.answer = done
    for number in (NUMBER, "S7K-00002-B"):
        await register.post(f"/cases/{number}/note", {"text": "x"}, "supervisor", "sup", key="k")
    assert len({command.id for command in register.log.sent}) == 2


async def test_a_send_that_failed_may_be_repeated_with_the_same_key(register: Register) -> None:
    await register.with_case()
    register.log.answer = done
    register.log.fails = 1
    status, body, headers = await register.post(f"/cases/{NUMBER}/resolve", {}, key="k")
    assert (status, body["title"], headers["Retry-After"]) == (503, "unavailable", "1")
    assert (await register.post(f"/cases/{NUMBER}/resolve", {}, key="k"))[0] == 200
    assert len(register.log.sent) == 1


async def test_a_repeat_that_the_router_calls_repeated_keeps_the_first_answer(
    register: Register,
) -> None:
    await register.with_case()
    register.log.answer = lambda command: [refused(command.id, "wrong_state", status="resolved")]
    first = await register.post(f"/cases/{NUMBER}/resolve", {}, key="k")
    await register.decide(decision("command.repeated", cause=register.log.sent[0].id))
    second = await register.post(f"/cases/{NUMBER}/resolve", {}, key="k")
    assert first[0] == second[0] == 409
    assert first[1] == second[1]


async def test_an_input_the_router_could_not_fold_is_a_409(register: Register) -> None:
    await register.with_case()
    register.log.answer = lambda command: [
        decision("input.rejected", cause=command.id, offset=7, error="KeyError")
    ]
    status, body, _ = await register.post(f"/cases/{NUMBER}/resolve", {})
    assert (status, body["title"]) == (409, "input_rejected")


async def test_whoever_lost_a_case_hears_it_from_the_router_if_they_name_their_token(
    register: Register,
) -> None:
    await register.with_case()
    ids_ = {"case_id": CASE, "work_id": f"{CASE}.2", "agent_id": "ben"}
    await register.decide(
        decision("work.closed", case_id=CASE, work_id=WORK, reason="transferred"),
        queued(number=2),
        decision("work.assigned", via="accept", channel="email", cost=1, **ids_),
    )
    register.log.answer = lambda command: [refused(command.id, "not_owner")]
    assert (await register.post(f"/cases/{NUMBER}/resolve", {}))[0] == 403
    status, body, _ = await register.post(f"/cases/{NUMBER}/resolve", {"token": "3.1"})
    assert (status, body["title"]) == (409, "not_owner")
    assert [command.token for command in register.log.sent] == ["3.1"]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/cases/S7K-99999-X/resolve", 404, "unknown_case"),
        ("/cases/%00/resolve", 404, "unknown_number"),
        ("/offers/nowhere/accept", 404, "unknown_offer"),
        ("/agents/nobody/presence", 403, "forbidden"),
    ],
)
async def test_what_is_not_there_is_said_so(
    register: Register, path: str, status: int, code: str
) -> None:
    await register.with_case()
    body = {"presence": "away"} if path.endswith("presence") else {}
    answer = await register.post(path, body)
    assert (answer[0], answer[1]["title"]) == (status, code)
    assert register.log.sent == []


@pytest.mark.parametrize(
    ("path", "sub"),
    [(f"/offers/{OFFER}/accept", "ben"), (f"/cases/{NUMBER}/resolve", "ben")],
)
async def test_nobody_touches_another_ones_work(register: Register, path: str, sub: str) -> None:
    await register.with_case()
    status, body, _ = await register.post(path, {}, sub=sub)
    assert (status, body["title"]) == (403, "forbidden")
    assert register.log.sent == []


@pytest.mark.parametrize(
    ("verb", "body", "fields"),
    [
        ("reply", {}, ["text"]),
        ("reply", {"text": ""}, ["text"]),
        ("reply", {"text": "x", "the": "open"}, ["the"]),
        ("reply", {"text": "x", "then": "later"}, ["then"]),
        ("reply", {"text": "x" * 200_001}, ["text"]),
        ("wait", {"for": "godot"}, ["for"]),
        ("wait", {"for": "customer", "wake_at": "2026-11-23T09:00:00"}, ["wake_at"]),
        ("resolve", {"reason": "Mikko was angry"}, ["reason"]),
        ("transfer", {"note": "x"}, ["body"]),
        ("transfer", {"note": "x", "to_agent": "ben", "to_queue": "returns"}, ["body"]),
        ("transfer", {"to_agent": "ben"}, ["note"]),
        ("escalate", {"tier": 0}, ["tier"]),
        ("note", {"text": "x", "token": "yesterday"}, ["token"]),
        ("resolve", [], ["body"]),
    ],
)
async def test_a_body_that_makes_no_sense_names_its_fields(
    register: Register, verb: str, body: Any, fields: list[str]
) -> None:
    await register.with_case()
    status, answer, headers = await register.post(f"/cases/{NUMBER}/{verb}", body)
    assert (status, answer["title"]) == (422, "invalid_request")
    assert [item["field"] for item in answer["errors"]] == fields
    assert headers["Content-Type"] == "application/problem+json"
    assert "angry" not in str(answer)


@pytest.mark.parametrize(
    ("raw", "headers", "status", "code"),
    [
        (b"{", {"Content-Type": "application/json"}, 400, "not_json"),
        (b'{"text": "\xff"}', {"Content-Type": "application/json"}, 400, "not_json"),
        (b"text=x", {"Content-Type": "application/x-www-form-urlencoded"}, 415, "not_json"),
        (b"x" * 1_100_000, {"Content-Type": "application/json"}, 413, "body_too_large"),
    ],
)
async def test_a_body_that_is_no_json_of_bearable_size(
    register: Register, raw: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    await register.with_case()
    answer = await register.post(f"/cases/{NUMBER}/note", raw, **headers)
    assert (answer[0], answer[1]["title"]) == (status, code)


@pytest.mark.parametrize("key", ["", "a b", "x" * 201])
async def test_a_key_that_is_none(register: Register, key: str) -> None:
    await register.with_case()
    status, body, _ = await register.post(f"/cases/{NUMBER}/resolve", {}, key=key)
    assert (status, body["title"]) == (422, "invalid_idempotency_key")


async def test_a_missing_key_is_made_and_answered(register: Register) -> None:
    await register.with_case()
    register.log.answer = done
    _, _, first = await register.post(f"/cases/{NUMBER}/note", {"text": "x"})
    _, _, second = await register.post(f"/cases/{NUMBER}/note", {"text": "x"})
    assert first["Idempotency-Key"] != second["Idempotency-Key"]
    assert len(register.log.sent) == 2


async def test_the_answer_to_an_agent_names_no_other_candidates(register: Register) -> None:
    await register.with_case()
    register.log.answer = lambda command: [offered(cause=command.id, offer_id="offer-2")]
    body = {"to_queue": "billing", "note": "x"}
    _, told, _ = await register.post(f"/cases/{NUMBER}/transfer", body)
    assert told["decisions"][0]["data"]["explain"]["rejected"] == []
    assert told["decisions"][0]["data"]["explain"]["by_code"] == {"presence_away": 1}


async def test_a_command_has_its_place_in_the_trace_of_its_case(register: Register) -> None:
    await register.with_case()
    register.log.answer = done
    trace = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    await register.post(f"/cases/{NUMBER}/note", {"text": "x"}, traceparent=trace)
    await register.post(f"/cases/{NUMBER}/note", {"text": "x"}, traceparent="nonsense")
    assert [event.traceparent for event in register.log.events] == [
        tracing.command(str(event.subject), event.id).traceparent for event in register.log.events
    ]


async def test_a_restart_keeps_cases_commands_and_their_answers(reopen: Any) -> None:
    before = await reopen()
    await before.receive(interaction())
    await before.decide(agent("anna"), opened(), queued(), offered())
    await before.decide(*accepted())
    before.log.answer = done
    first = await before.post(f"/cases/{NUMBER}/note", {"text": "x"}, key="k")
    shown = (await before.get(f"/cases/{NUMBER}"))[1]
    await before.close()

    after = await reopen()
    assert (await after.get(f"/cases/{NUMBER}"))[1] == shown
    again = await after.post(f"/cases/{NUMBER}/note", {"text": "x"}, key="k")
    assert (again[0], again[1]) == (first[0], first[1])
    assert after.log.sent == []


@pytest.mark.parametrize(
    ("verb", "body", "type_", "data"),
    [
        ("transfer", {"to_pool": "sales"}, "case.transfer", {"to_pool": "sales"}),
        (
            "transfer",
            {"to_pool": "sales", "to_queue": "general"},
            "case.transfer",
            {"to_pool": "sales", "to_queue": "general"},
        ),
        (
            "consult",
            {"to_queue": "general", "wait": True},
            "case.consult",
            {"kind": "consult", "to_queue": "general", "wait": True},
        ),
        (
            "approve",
            {"amount": 500, "tier": 2},
            "case.consult",
            {"kind": "approve", "amount": 500, "tier": 2, "wait": False},
        ),
        ("answer", {"verdict": "approved"}, "case.answer", {"verdict": "approved"}),
    ],
)
async def test_what_comes_with_a_note_brings_it_by_reference(
    register: Register, verb: str, body: Any, type_: str, data: Any
) -> None:
    await register.with_case()
    register.log.answer = done
    status, _, _ = await register.post(f"/cases/{NUMBER}/{verb}", {**body, "note": "why"})
    (command,) = register.log.sent
    told = {name: it for name, it in command.data.items() if not name.startswith("note_")}
    assert (status, command.type, told) == (200, type_, data)
    assert command.data["note_size"] == 3
