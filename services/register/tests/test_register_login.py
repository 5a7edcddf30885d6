"""One-time links and the sessions that they make: used once, bound to a name, no other site's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import CookieJar
from aiohttp.test_utils import TestClient
from register_kit import NUMBER, Register

from vaxel_register.core import limits
from vaxel_shared.crypto.tokens import sign

IDS = iter(f"link-{number:016d}" for number in range(10**6))


def key(kit: Register, role: str = "agent", sub: str = "anna", **other: Any) -> str:
    now_ms = kit.clock.wall_ms()
    plain = {"r": role, "s": sub, "j": next(IDS), "x": now_ms + limits.LOGIN_KEY_MS}
    return sign(kit.keyring, other.pop("purpose", "login"), plain | other)


async def browser(kit: Register) -> TestClient[Any, Any]:
    """Another browser on the same register: cookies of its own."""
    client: TestClient[Any, Any] = TestClient(kit.client.server, cookie_jar=CookieJar(unsafe=True))
    kit.browsers.append(client)
    return client


async def get(
    client: TestClient[Any, Any], path: str, who: str | None = "anna", **headers: str
) -> int:
    named = {} if who is None else {"X-Vaxel-As": who}
    return (await client.get(f"/api/v1{path}", headers=named | headers)).status


async def test_a_link_lets_a_browser_in_and_the_cookie_can_neither_be_read_nor_sent_elsewhere(
    register: Register,
) -> None:
    await register.with_case()
    one = await browser(register)
    assert await get(one, "/cases") == 401
    answer = await one.get("/login", params={"k": key(register)})
    assert answer.status == 200
    cookie = answer.cookies["vaxel_8080_anna"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Strict", "/")
    assert 'content="0;url=/?as=anna"' in await answer.text()
    assert answer.headers["Cache-Control"] == "no-store"
    assert await get(one, f"/cases/{NUMBER}") == 200
    body = await (await one.get("/api/v1/session", headers={"X-Vaxel-As": "anna"})).json()
    assert (body["role"], body["subject"], body["pool"], body["is_agent"]) == (
        "agent", "anna", "support", True,
    )  # fmt: skip
    assert "case.reply" in body["actions"]
    assert "demo.send" not in body["actions"]


async def test_a_link_is_used_once_but_its_own_browser_may_load_it_again(
    reopen: Callable[..., Awaitable[Register]],
) -> None:
    kit = await reopen()
    link = key(kit)
    one, two = await browser(kit), await browser(kit)
    assert (await one.get("/login", params={"k": link})).status == 200
    assert (await one.get("/login", params={"k": link})).status == 200
    refused = await two.get("/login", params={"k": link})
    assert refused.status == 410
    assert "used already" in await refused.text()
    assert not refused.cookies
    await kit.close()
    again = await reopen()
    three = await browser(again)
    assert (await three.get("/login", params={"k": link})).status == 410


@pytest.mark.parametrize(
    ("other", "status", "says"),
    [
        ({"purpose": "api"}, 403, "lets nobody in"),
        ({"r": "owner"}, 403, "lets nobody in"),
        ({"s": "a b"}, 403, "lets nobody in"),
        ({"s": "x" * 81}, 403, "lets nobody in"),
        ({"j": "short"}, 403, "lets nobody in"),
        ({"x": "later"}, 403, "lets nobody in"),
        ({"x": 0}, 410, "expired"),
        ({"x": 10**15}, 410, "expired"),
    ],
)
async def test_a_wrong_link_says_what_to_do_and_lets_nobody_in(
    register: Register, other: dict[str, Any], status: int, says: str
) -> None:
    one = await browser(register)
    answer = await one.get("/login", params={"k": key(register, **other)})
    text = await answer.text()
    assert (answer.status, says in text, "vaxel login" in text) == (status, True, True)
    assert not answer.cookies


@pytest.mark.parametrize("link", ["", "v1.x.y", "<script>", "é" * 10, "x" * 5000])
async def test_nonsense_for_a_link_is_refused_and_not_repeated(
    register: Register, link: str
) -> None:
    answer = await register.client.get("/login", params={"k": link})
    assert answer.status == 403
    assert "<script" not in await answer.text()


async def test_the_page_speaks_the_browsers_language(register: Register) -> None:
    answer = await register.client.get("/login", headers={"Accept-Language": "xx, fi-FI;q=0.9"})
    assert "vanhentunut" not in (text := await answer.text())
    assert 'lang="fi"' in text
    assert "ei päästä ketään" in text


async def test_a_session_ends_by_itself_and_by_leaving(register: Register) -> None:
    await register.with_case()
    one = await browser(register)
    await one.get("/login", params={"k": key(register)})
    assert await get(one, "/session") == 200
    left = await one.delete("/api/v1/session", headers={"X-Vaxel-As": "anna"})
    assert left.status == 200
    assert await get(one, "/session") == 401
    await one.get("/login", params={"k": key(register)})
    register.clock.advance(limits.SESSION_MS + 1)
    assert await get(one, "/session") == 401


async def test_a_session_is_worth_nothing_without_its_name_in_a_header_of_ours(
    register: Register,
) -> None:
    await register.with_case()
    one = await browser(register)
    await one.get("/login", params={"k": key(register)})
    assert await get(one, "/cases", who=None) == 401
    assert await get(one, "/cases", who="ben") == 401
    assert (await one.get("/api/v1/session?as=anna")).status == 422
    forged = await one.post(f"/api/v1/cases/{NUMBER}/note?as=anna", json={"text": "x"})
    assert forged.status == 401
    for site in ("cross-site", "same-site"):
        headers = {"X-Vaxel-As": "anna", "Sec-Fetch-Site": site}
        assert await get(one, "/session", None, **headers) == 403
    assert register.log.sent == []


async def test_two_people_in_tabs_of_one_browser_stay_themselves(register: Register) -> None:
    await register.with_case()
    one = await browser(register)
    await one.get("/login", params={"k": key(register, "agent", "anna")})
    await one.get("/login", params={"k": key(register, "supervisor", "boss")})
    for who, role in (("anna", "agent"), ("boss", "supervisor")):
        said = await (await one.get("/api/v1/session", headers={"X-Vaxel-As": who})).json()
        assert (said["subject"], said["role"]) == (who, role)


async def test_no_more_sessions_than_the_limit_are_kept_the_oldest_go_first(
    register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vaxel_register.shell.sessions.SESSIONS_MAX", 2)
    browsers = [await browser(register) for _ in range(3)]
    for one in browsers:
        await one.get("/login", params={"k": key(register)})
        register.clock.advance(1_000)
    assert [await get(one, "/session") for one in browsers] == [401, 200, 200]


async def test_a_bearer_token_goes_before_a_session(register: Register) -> None:
    one = await browser(register)
    await one.get("/login", params={"k": key(register)})
    headers = register.token("supervisor", "sup") | {"X-Vaxel-As": "anna"}
    assert (await (await one.get("/api/v1/session", headers=headers)).json())["subject"] == "sup"
    wrong = {"Authorization": "Bearer nonsense", "X-Vaxel-As": "anna"}
    assert (await one.get("/api/v1/session", headers=wrong)).status == 401


async def test_past_one_machine_cookies_go_by_tls_only(
    reopen: Callable[..., Awaitable[Register]],
) -> None:
    kit = await reopen(secure_cookies=True)
    answer = await kit.client.get("/login", params={"k": key(kit)})
    assert answer.cookies["vaxel_8080_anna"]["secure"] is True
