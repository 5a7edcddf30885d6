"""The widget in a real browser: written, reloaded, cut off, answered; by keyboard alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from browser import browsing
from playwright.async_api import Page, expect

pytestmark = pytest.mark.browser

House = Callable[..., Any]


async def opened(context: Any, running: Any) -> Page:
    page = await context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on(
        "console",
        lambda said: faults.append(said.text) if "Content Security Policy" in said.text else None,
    )
    page.faults = faults
    await page.goto(f"{running.url}/")
    await expect(state(page)).to_have_text("Connected")
    return page


def state(page: Page) -> Any:
    return page.get_by_role("status")


def box(page: Page) -> Any:
    return page.get_by_role("textbox", name="Your message")


def lines(page: Page) -> Any:
    return page.get_by_role("log").get_by_role("listitem").locator("p")


async def start(running: Any) -> None:
    """The demo page's own origin is one of ours."""
    running.web._house.edge._own |= {running.url}


async def test_what_was_written_and_answered_is_there_after_a_reload(house: House) -> None:
    async with house() as running, browsing() as context:
        await start(running)
        page = await opened(context, running)
        await box(page).fill("Hello, my parcel is late <b>!</b>")
        await box(page).press("Enter")
        await expect(lines(page)).to_have_text(["Hello, my parcel is late <b>!</b>"])
        await running.log.answer(running.key(), "Which one?\nThe big one?")
        await expect(lines(page)).to_have_count(2)

        await page.reload()
        await expect(lines(page)).to_have_text(
            ["Hello, my parcel is late <b>!</b>", "Which one? The big one?"]
        )
        await expect(state(page)).to_have_text("Connected")
        await running.log.answer(running.key(), "Still there?")
        await expect(lines(page)).to_have_count(3)
        await page.reload()
        await expect(lines(page)).to_have_count(3)
        assert len(running.log.told) == 3
        assert page.faults == []


async def test_what_is_told_while_the_page_is_away_is_there_when_it_is_back(house: House) -> None:
    async with house() as running, browsing() as context:
        await start(running)
        page = await opened(context, running)
        await box(page).fill("Hello")
        await page.get_by_role("button", name="Send").click()
        await expect(lines(page)).to_have_count(1)
        await page.close()
        for number in range(3):
            await running.log.answer(running.key(), f"answer {number}")
        page = await opened(context, running)
        await expect(lines(page)).to_have_text(["Hello", "answer 0", "answer 1", "answer 2"])


async def test_what_could_not_be_sent_yet_is_sent_under_the_same_id(house: House) -> None:
    async with house() as running, browsing() as context:
        await start(running)
        page = await opened(context, running)
        running.log.away = True
        await box(page).fill("Hello")
        await box(page).press("Enter")
        await expect(page.get_by_text("Not sent yet.")).to_be_visible()
        await box(page).fill("Anybody?")
        await box(page).press("Enter")
        kept = await page.evaluate(
            "Object.keys(localStorage).filter((k) => k.includes(':out:')).length"
        )
        assert kept == 2
        await page.reload()  # it survives that
        await expect(lines(page)).to_have_text(["Hello", "Anybody?"])
        running.log.away = False
        await expect(page.get_by_text("Not sent yet.")).to_have_count(0, timeout=15_000)
        await expect(page.get_by_text("You ·")).to_have_count(2)
        assert [one["text"] for one in running.log.told] == ["Hello", "Anybody?"]
        assert len({one["provider"]["message_id"] for one in running.log.told}) == 2
        assert (
            await page.evaluate("Object.keys(localStorage).some((k) => k.includes(':out:'))")
            is False
        )


async def test_an_acknowledgement_that_was_lost_doubles_nothing(house: House) -> None:
    async with house() as running, browsing() as context:
        await start(running)
        page = await opened(context, running)
        running.log.quiet = True  # it is on the log, and neither told nor acknowledged in time
        original = running.intake.message

        async def deaf(*arguments: Any) -> str:
            await original(*arguments)
            raise OSError("the connection is cut")

        running.intake.message = deaf
        await box(page).fill("Hello")
        await box(page).press("Enter")
        await running.until(lambda: running.log.records)
        running.intake.message = original
        running.log.quiet = False
        await running.feed.take(running.log.records)
        await expect(page.get_by_text("You ·")).to_have_count(1, timeout=15_000)
        await expect(lines(page)).to_have_text(["Hello"])
        assert len({one["id"] for one in running.log.told}) == 1


async def test_where_sockets_do_not_get_through_it_works_all_the_same(house: House) -> None:
    async with house() as running, browsing() as context:
        await start(running)
        await context.add_init_script(
            "window.WebSocket = class { constructor() { setTimeout(() => this.onclose(), 1); } close() {} }"
        )
        page = await context.new_page()
        await page.goto(f"{running.url}/")
        await expect(state(page)).to_have_text("Connected", timeout=15_000)
        await box(page).fill("Hello")
        await box(page).press("Enter")
        await expect(page.get_by_text("You ·")).to_have_count(1)
        await running.log.answer(running.key(), "Which one?")
        await expect(lines(page)).to_have_text(["Hello", "Which one?"])
        await page.reload()
        await expect(lines(page)).to_have_text(["Hello", "Which one?"])


async def test_it_is_used_by_keyboard_alone_and_says_what_it_is(house: House) -> None:
    async with house() as running, browsing() as context:
        await start(running)
        page = await opened(context, running)
        await expect(page.get_by_role("dialog", name="Chat with us")).to_be_visible()
        await box(page).focus()
        await page.keyboard.press("Escape")
        launcher = page.get_by_role("button", name="Open chat")
        await expect(launcher).to_be_focused()
        await expect(launcher).to_have_attribute("aria-expanded", "false")
        await page.keyboard.press("Enter")
        await expect(box(page)).to_be_focused()
        await page.keyboard.type("one")
        await page.keyboard.press("Shift+Enter")
        await page.keyboard.type("two")
        await page.keyboard.press("Enter")
        await expect(page.get_by_text("You ·")).to_have_count(1)
        assert running.log.told[0]["text"] == "one\ntwo"
        await page.keyboard.press("Escape")
        await running.log.answer(running.key(), "An answer")
        await expect(page.get_by_label("1 unread messages")).to_be_visible()
        assert (
            await page.evaluate(
                "document.querySelector('[data-vaxel-chat]').shadowRoot.querySelector('[aria-live=polite]').textContent"
            )
            == "Aino: An answer"
        )
        await launcher.press("Enter")
        await expect(page.get_by_label("1 unread messages")).to_have_count(0)


async def test_it_speaks_the_language_of_the_page_and_sends_only_a_choice(house: House) -> None:
    async with house() as running, browsing("sv-SE") as context:
        await start(running)
        page = await context.new_page()
        await page.route(
            f"{running.url}/",
            lambda route: route.fulfill(
                content_type="text/html",
                body='<!doctype html><html><body><script src="/widget.js" data-account="web" data-open></script>',
            ),
        )
        await page.goto(f"{running.url}/")
        write = page.get_by_role("textbox", name="Ditt meddelande")
        await write.fill("Hej")
        await write.press("Enter")
        await expect(lines(page)).to_have_count(1)
        await page.get_by_role("combobox", name="Språk").select_option("fi")
        write = page.get_by_role("textbox", name="Viestisi")
        await write.fill("Hei")
        await write.press("Enter")
        await expect(lines(page)).to_have_count(2)
        await expect(page.get_by_text("Sinä ·")).to_have_count(2)
        first, second = running.log.told
        assert (first.get("language"), first["contact"]) == (None, {"locale": "sv-SE"})
        assert second["language"] == "fi"
        await page.reload()
        await expect(page.get_by_role("textbox", name="Viestisi")).to_be_visible()


async def test_nothing_is_stored_before_something_is_written(house: House) -> None:
    async with house() as running, browsing() as context:
        await start(running)
        page = await opened(context, running)
        assert await page.evaluate("localStorage.length") == 0
        await box(page).fill("Hello")
        await box(page).press("Enter")
        await expect(page.get_by_text("You ·")).to_have_count(1)
        kept = json.loads(await page.evaluate("localStorage.getItem(Object.keys(localStorage)[0])"))
        assert set(kept) == {
            "token", "cursor", "conversation", "messages", "language", "name", "email",
        }  # fmt: skip


CONTRAST = """() => {
  const rgb = (c) => c.match(/[\\d.]+/g).slice(0, 3).map(Number).map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const light = (c) => { const [r, g, b] = rgb(c); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const root = document.querySelector('[data-vaxel-chat]').shadowRoot;
  const found = [];
  for (const e of root.querySelectorAll('h2, p, small, button, label, summary, .state')) {
    if (!e.textContent.trim() || !e.offsetParent) continue;
    let behind = e, back;
    while (behind && (back = getComputedStyle(behind).backgroundColor) === 'rgba(0, 0, 0, 0)') behind = behind.parentElement;
    const [a, b] = [light(getComputedStyle(e).color), light(back)].sort((x, y) => y - x);
    found.push([e.textContent.trim().slice(0, 20), (a + 0.05) / (b + 0.05)]);
  }
  return found;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_text_has_contrast(house: House, scheme: Any) -> None:
    async with house() as running, browsing() as context:
        await start(running)
        page = await opened(context, running)
        await page.emulate_media(color_scheme=scheme)
        await box(page).fill("Hello")
        await box(page).press("Enter")
        await expect(page.get_by_text("You ·")).to_have_count(1)
        await running.log.answer(running.key(), "An answer")
        await expect(lines(page)).to_have_count(2)
        measured = await page.evaluate(CONTRAST)
        assert len(measured) > 8
        assert [item for item in measured if item[1] < 4.5] == []
