"""Drafts belong to their case: kept over browsers, restarts and owners, and never sent twice."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from register_kit import CASE, NUMBER, Register, accepted, decision, offered, queued

from vaxel_register.core.writes import Stored


async def put(kit: Register, body: dict[str, Any], sub: str = "anna", role: str = "agent") -> Any:
    response = await kit.client.put(
        f"/api/v1/cases/{NUMBER}/draft", json=body, headers=kit.token(role, sub)
    )
    return response.status, await response.json()


async def test_a_draft_is_there_for_another_browser_and_after_a_restart(
    reopen: Callable[..., Awaitable[Register]],
) -> None:
    kit = await reopen()
    await kit.with_case()
    status, kept = await put(
        kit, {"text": "Hei ☀", "then": "resolved", "based_on_seq": 2, "version": 0}
    )
    assert (status, kept["by"], kept["based_on_seq"]) == (200, "anna", 2)
    await kit.close()
    again = await reopen()
    assert await again.get(f"/cases/{NUMBER}/draft", "agent", "anna") == (200, kept)
    _, case = await again.get(f"/cases/{NUMBER}")
    assert case["draft_by"] == "anna"


async def test_the_next_owner_finds_it_and_goes_on_with_it(register: Register) -> None:
    await register.with_case()
    await put(register, {"text": "Begun", "version": 0})
    await register.decide(queued(number=2), offered("ben", work_id=f"{CASE}.2", offer_id="o2"))
    ids_ = {"case_id": CASE, "work_id": f"{CASE}.2", "agent_id": "ben"}
    await register.decide(decision("work.assigned", via="accept", channel="email", cost=1, **ids_))
    _, found = await register.get(f"/cases/{NUMBER}/draft", "agent", "ben")
    assert (found["text"], found["by"]) == ("Begun", "anna")
    status, kept = await put(
        register, {"text": "Begun, ended", "version": found["version"]}, sub="ben"
    )
    assert (status, kept["by"]) == (200, "ben")
    assert (await put(register, {"text": "Mine!", "version": kept["version"]}))[0] == 403


async def test_nobody_overwrites_what_they_have_not_seen(register: Register) -> None:
    await register.with_case()
    _, first = await put(register, {"text": "one", "version": 0})
    status, problem = await put(register, {"text": "two", "version": 0})
    assert (status, problem["title"], problem["draft"]) == (409, "draft_changed", first)
    status, second = await put(register, {"text": "two", "version": first["version"]})
    assert status == 200
    assert second["version"] > first["version"]


async def test_an_empty_text_is_no_draft_and_a_later_one_is_another(register: Register) -> None:
    await register.with_case()
    _, first = await put(register, {"text": "one", "version": 0})
    _, none = await put(register, {"text": "", "version": first["version"]})
    assert (none["text"], none["version"]) == ("", 0)
    register.clock.advance(5)
    _, later = await put(register, {"text": "again", "version": 0})
    assert later["version"] > first["version"]


async def test_what_was_sent_is_no_draft_any_more_what_was_not_stays(register: Register) -> None:
    await register.with_case()
    _, kept = await put(register, {"text": "Sent", "version": 0})
    stored: Stored = await register.parts.commander.keep_text("body", "Sent")
    said = decision("case.replied", case_id=CASE, body_ref=stored.ref, body_sha256=stored.sha256)
    other = decision("case.replied", case_id=CASE, body_ref="x", body_sha256="0" * 64)
    await register.decide(other)
    assert (await register.get(f"/cases/{NUMBER}/draft"))[1] == kept
    await register.decide(said)
    assert (await register.get(f"/cases/{NUMBER}/draft"))[1]["version"] == 0


async def test_a_closed_case_has_no_draft(register: Register) -> None:
    await register.with_case()
    await put(register, {"text": "Left", "version": 0})
    await register.decide(decision("case.closed", case_id=CASE))
    assert (await register.get(f"/cases/{NUMBER}/draft"))[1]["version"] == 0


async def test_who_may_not_answer_may_not_draft(register: Register) -> None:
    await register.with_offer()
    assert (await put(register, {"text": "x", "version": 0}))[0] == 403
    await register.decide(*accepted())
    assert (await put(register, {"text": "x", "version": 0}, "ro", "readonly"))[0] == 403
    assert (await put(register, {"text": "x", "version": 0}, "sup", "supervisor"))[0] == 200


async def test_a_draft_holds_no_more_than_an_answer_and_any_character(register: Register) -> None:
    await register.with_case()
    assert (await put(register, {"text": "x" * 200_001, "version": 0}))[0] == 422
    assert (await put(register, {"text": "x", "version": 2**63}))[0] == 422
    status, kept = await put(register, {"text": "a\x00b 𝄞 <b>", "version": 0})
    assert (status, kept["text"]) == (200, "a\x00b 𝄞 <b>")
    _, found = await register.get(f"/cases/{NUMBER}/draft")
    assert found["text"] == "a\ufffdb 𝄞 <b>"
