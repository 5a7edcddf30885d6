"""A chat in a real browser, offered in the console in another window, answered by keyboard."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from e2e.house import House, eventually

pytestmark = [pytest.mark.e2e, pytest.mark.browser]
CHROMIUM = Path("/usr/bin/chromium")
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update"]  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Any:
    if not CHROMIUM.exists():
        if os.environ.get("VAXEL_REQUIRE_BROWSER"):
            pytest.fail("no Chromium: apt-get install chromium")
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as play:
        one = play.chromium.launch(executable_path=str(CHROMIUM), args=QUIET)
        yield one
        one.close()


def login(house: House, agent: str) -> str:
    words = house.vaxel("login", "--agent", agent).split()
    return next(word for word in words if word.startswith("http"))


def test_a_chat_is_accepted_and_answered_by_keyboard_and_survives_reloads(
    house: House, browser: Any
) -> None:
    customer = browser.new_context(locale="en-GB").new_page()
    customer.goto(f"{house.system.run['services']['ingest-chat']['url']}/")
    opener = customer.get_by_role("button", name="Open chat")
    if opener.count():
        opener.click()
    box = customer.get_by_role("textbox", name="Your message")
    box.fill("Good evening, I have a question about your opening hours.")
    box.press("Enter")
    customer.get_by_text("You ·").wait_for()
    offered = eventually(lambda: chat_offers(house))
    agent, number = offered[0]

    console = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    console.goto(login(house, agent))
    console.get_by_text(number).first.wait_for()
    sent = time.monotonic()
    second, answer = "And are you open on Sunday?", "We are open from nine to five."
    box.fill(second)
    box.press("Enter")
    console.get_by_text(number).first.click()
    console.get_by_text(second).first.wait_for(timeout=10_000)
    assert time.monotonic() - sent < 10
    console.keyboard.press("a")
    eventually(lambda: house.case(number)["agent"] == agent)
    customer.reload()
    console.reload()
    console.get_by_text(number).first.click()
    console.get_by_role("button", name="Reply").first.wait_for()
    console.keyboard.press("r")
    console.keyboard.type(answer)
    console.keyboard.press("Control+Enter")
    customer.get_by_text(answer, exact=True).wait_for(timeout=15_000)
    customer.reload()
    console.reload()
    customer.get_by_text(answer, exact=True).wait_for()
    assert customer.get_by_text(second, exact=True).count() == 1
    assert customer.get_by_text(answer, exact=True).count() == 1
    kinds = [entry["type"] for entry in house.case(number)["timeline"]]
    assert kinds.count("case.opened") == 1
    assert kinds.count("case.joined") == 1
    assert kinds.count("case.replied") == 1


def chat_offers(house: House) -> list[tuple[str, str]]:
    """(agent, case) of every pending offer of a chat."""
    found = []
    for agent in house.system.run["tokens"]["agents"]:
        inbox = house.api("GET", f"/agents/{agent}/inbox", agent)[1]
        found += [(agent, o["number"]) for o in inbox.get("offers", []) if o["channel"] == "chat"]
    return found


def test_a_login_link_opens_once(house: House, browser: Any) -> None:
    link = login(house, "a01")
    first = browser.new_context().new_page()
    first.goto(link)
    first.get_by_role("heading", name="Inbox").first.wait_for()
    second = browser.new_context().new_page()
    answer = second.goto(link)
    assert answer.status >= 400
    assert "vaxel login" in second.content()
    assert json.dumps(first.context.cookies()).count('"httpOnly": true') >= 1


def test_at_the_end_everything_stops_cleanly(house: House) -> None:
    assert house.system.stop() == 0
