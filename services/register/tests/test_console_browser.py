"""The console in a real browser, by keyboard: take, answer, cross, reload, hand over.

The register is real; a few lines stand in for the router, so that what crosses what is ours to say.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from browser import browsing
from playwright.async_api import Page, expect
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
    open_register,
    refused,
)
from test_register_login import key

from vaxel_shared.contracts.commands import Command
from vaxel_shared.contracts.wire import Decision

pytestmark = pytest.mark.browser


class Router:
    """Decides as the real one does, for one case."""

    def __init__(self, kit: Register) -> None:
        self.kit = kit
        self.last_contact_seq = 2

    async def customer_writes(self, text: str, id_: str = "contact-2") -> None:
        item = interaction(id_, START_MS + 60_000, text=text, reply_text=text)
        await self.kit.receive(item)
        fields = {"number": NUMBER, "contact_id": id_, "conversation_key": item.conversation_key}
        joined = decision("case.joined", START_MS + 60_000, case_id=CASE, **fields)
        self.last_contact_seq = await self.kit.decide(joined)

    def __call__(self, command: Command) -> list[Decision]:
        data, cause, at = command.data, command.id, START_MS + 90_000
        ids_: dict[str, Any] = {"case_id": CASE, "work_id": WORK, "agent_id": command.agent_id}
        if command.type == "offer.accept":
            return accepted(cause=cause)
        if command.type == "offer.decline":
            fields = {"outcome": "declined", "reason": data.get("reason")}
            return [decision("offer.ended", at, cause=cause, offer_id=OFFER, **ids_, **fields)]
        if command.type == "case.reply":
            if self.last_contact_seq > data["expected_seq"]:
                return [refused(cause, "newer_message", last_contact_seq=self.last_contact_seq)]
            then = data.get("then") or "waiting"
            said = decision("case.replied", at, cause=cause, **ids_, **(data | {"then": then}))
            waits = decision("case.waiting", at, cause=cause, case_id=CASE, waits_for="customer")
            return [said, waits, decision("work.closed", at, cause=cause, **ids_)]
        if command.type == "case.note":
            return [decision("case.noted", at, cause=cause, **ids_, **data)]
        if command.type == "case.resolve":
            solved = decision("case.resolved", at, cause=cause, case_id=CASE)
            return [solved, decision("work.closed", at, cause=cause, **ids_)]
        if command.type == "case.cancel":
            solved = decision("case.resolved", at, cause=cause, case_id=CASE, outcome="cancelled")
            return [decision("work.cancelled", at, cause=cause, **ids_, **data), solved]
        if command.type == "case.wait":
            waits = decision("case.waiting", at, cause=cause, case_id=CASE, **data)
            return [waits, decision("work.closed", at, cause=cause, **ids_)]
        raise AssertionError(command.type)


@asynccontextmanager
async def console(kit: Register, who: str = "anna", role: str = "agent") -> AsyncIterator[Page]:
    """A page of somebody who came by a link; it fails where the page broke a rule of its own."""
    async with browsing() as context:
        page = await context.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.append(said.text) if _breaks(said.text) else None)
        await enter(page, kit, who, role)
        yield page
        assert faults == []


def _breaks(text: str) -> bool:
    return "Content Security Policy" in text or "TrustedHTML" in text


async def enter(page: Page, kit: Register, who: str, role: str = "agent") -> None:
    url = kit.client.make_url("/login").with_query(k=key(kit, role, who))
    await page.goto(str(url))
    await expect(page.locator("#live")).to_have_text("live")


@pytest.fixture
async def kit(tmp_path: Path) -> AsyncIterator[Register]:
    kit = await open_register(tmp_path)
    yield kit
    await kit.close()


@pytest.fixture
def router(kit: Register) -> Router:
    made = Router(kit)
    kit.log.answer = made
    return made


def answer_box(page: Page) -> Any:
    return page.get_by_role("textbox", name="Answer to the customer")


def timeline(page: Page) -> Any:
    return page.locator(".timeline")


async def test_an_offer_appears_by_itself_and_is_taken_and_answered_by_keyboard(
    kit: Register, router: Router
) -> None:
    await kit.decide(agent("anna"))
    async with console(kit) as page:
        await kit.with_offer()
        await expect(page.get_by_role("link", name=re.compile(NUMBER))).to_be_visible()
        await expect(timeline(page)).to_contain_text("Hei")
        await expect(page.get_by_role("button", name="Accept")).to_be_visible()
        await page.keyboard.press("a")
        await expect(page.get_by_role("button", name="Reply")).to_be_visible()
        await page.keyboard.press("r")
        await page.keyboard.type("Hei Mikko,\nkorjaamme laskun.")
        await page.keyboard.press("Control+Enter")
        await expect(page.locator(".ours")).to_contain_text("korjaamme laskun.")
        await expect(page.locator(".master")).to_contain_text("Nothing in hand.")
    assert [command.type for command in kit.log.sent] == ["offer.accept", "case.reply"]
    assert kit.log.sent[1].data["expected_seq"] == 3
    assert kit.log.sent[1].token == "4.1"


async def test_an_answer_that_crosses_a_new_message_is_stopped_and_the_message_shown(
    kit: Register, router: Router
) -> None:
    await kit.with_case()
    async with console(kit) as page:
        await expect(page.get_by_role("button", name="Reply")).to_be_visible()
        await page.keyboard.press("r")
        await page.keyboard.type("It is mended.")
        await router.customer_writes("Wait, it is invoice 4712!")
        notice = page.get_by_role("alert").filter(has_text="has written while you were writing")
        await expect(notice).to_contain_text("invoice 4712")
        await expect(page.locator(".newer")).to_contain_text("invoice 4712")
        await page.keyboard.press("Control+Enter")
        await expect(page.get_by_role("button", name="I have read it")).to_be_focused()
        assert await answer_box(page).input_value() == "It is mended."
        assert "case.replied" not in str(await kit.get(f"/cases/{NUMBER}"))
        await page.keyboard.press("Enter")
        await expect(answer_box(page)).to_be_focused()
        await page.keyboard.press("Control+Enter")
        await expect(page.locator(".ours")).to_contain_text("It is mended.")
    assert [one.data["expected_seq"] for one in kit.log.sent] == [2, router.last_contact_seq]


async def test_a_message_that_only_the_router_knows_of_stops_it_too(
    kit: Register, router: Router
) -> None:
    await kit.with_case()
    async with console(kit) as page:
        await answer_box(page).fill("It is mended.")
        router.last_contact_seq = 9  # decided, but not read by the register yet
        await page.keyboard.press("Control+Enter")
        await expect(page.locator(".notice")).to_contain_text("the customer has written since")
        await expect(answer_box(page)).to_have_value("It is mended.")


async def test_a_draft_survives_a_reload_and_waits_for_the_next_owner(
    kit: Register, router: Router
) -> None:
    await kit.with_case()
    async with console(kit) as page:
        await answer_box(page).fill("Half an ans")
        await expect(page.locator(".reply")).to_contain_text("Draft saved")
        await page.reload()
        await expect(answer_box(page)).to_have_value("Half an ans")
        await answer_box(page).fill("Half an answer")
        await page.reload()  # at once: what was typed last is saved on the way out
        await expect(answer_box(page)).to_have_value("Half an answer")
    ids_: dict[str, Any] = {"case_id": CASE, "work_id": f"{CASE}.2"}
    await kit.decide(
        decision("work.closed", case_id=CASE, work_id=WORK),
        decision("work.queued", **ids_, number=2, queue="billing", tiers=[1]),
        decision("work.assigned", **ids_, agent_id="ben", via="accept", channel="email", cost=1),
    )
    async with console(kit, "ben") as page:
        await expect(answer_box(page)).to_have_value("Half an answer")
        await expect(page.locator(".reply")).to_contain_text("Begun by anna")


async def test_two_tabs_dont_overwrite_each_other(kit: Register, router: Router) -> None:
    await kit.with_case()
    async with console(kit) as page:
        await answer_box(page).fill("From the first")
        await expect(page.locator(".reply")).to_contain_text("Draft saved")
        other = await page.context.new_page()
        await other.goto(page.url)
        await expect(answer_box(other)).to_have_value("From the first")
        await answer_box(other).fill("From the second")
        await expect(answer_box(page)).to_have_value("From the second")


async def test_notes_say_that_they_are_never_sent(kit: Register, router: Router) -> None:
    await kit.with_case()
    async with console(kit) as page:
        await expect(page.get_by_role("button", name="Note")).to_be_visible()
        await page.keyboard.press("n")
        dialog = page.get_by_role("dialog", name="Note")
        await expect(dialog).to_contain_text("Notes are never sent to the customer.")
        await page.keyboard.type("Has called twice")
        await page.keyboard.press("Control+Enter")
        await expect(page.locator(".note")).to_contain_text("Has called twice")
        await expect(page.locator(".note")).to_contain_text("never sent")
    assert [command.type for command in kit.log.sent] == ["case.note"]


async def test_keys_are_listed_and_do_nothing_while_one_types(
    kit: Register, router: Router
) -> None:
    await kit.with_case()
    async with console(kit) as page:
        await expect(page.get_by_role("button", name="Resolve")).to_be_visible()
        await page.keyboard.press("?")
        listed = page.get_by_role("dialog", name="Keys")
        for key_, what in (("x", "Resolve"), ("t", "Transfer"), ("j", "next one")):
            row = listed.get_by_role("row").filter(has_text=what)
            await expect(row.locator("kbd")).to_have_text(key_)
        await page.keyboard.press("x")
        await page.keyboard.press("Escape")
        await expect(listed).to_have_count(0)
        await page.keyboard.press("r")
        await page.keyboard.type("nwtex?")
        await expect(answer_box(page)).to_have_value("nwtex?")
        await page.keyboard.press("Escape")
        await page.keyboard.press("x")
        await page.keyboard.press("Control+Enter")
        await expect(page.locator(".casehead")).to_contain_text("resolved")
    assert [command.type for command in kit.log.sent] == ["case.resolve"]


async def test_what_needs_nobody_ends_without_an_answer(kit: Register, router: Router) -> None:
    await kit.with_case()
    async with console(kit) as page:
        await expect(page.get_by_role("button", name="Nothing to do")).to_be_visible()
        await page.keyboard.press("z")
        asked = page.get_by_role("dialog", name="Nothing to do")
        await expect(asked.get_by_role("radio", name="spam")).to_be_checked()
        await asked.get_by_role("radio", name="it came twice").check()
        await page.keyboard.press("Control+Enter")
        await expect(page.locator(".casehead")).to_contain_text("resolved")
        await expect(page.locator("body")).to_contain_text("has ended without an answer")
    assert [(one.type, one.data) for one in kit.log.sent] == [
        ("case.cancel", {"reason": "duplicate"})
    ]


async def test_an_offer_is_declined_with_a_reason(kit: Register, router: Router) -> None:
    await kit.with_offer()
    async with console(kit) as page:
        await expect(page.get_by_role("button", name="Decline")).to_be_visible()
        await page.keyboard.press("d")
        await page.get_by_label("Reason").select_option("wrong_language")
        await page.keyboard.press("Control+Enter")
        await expect(page.locator(".master")).to_contain_text("Nothing is offered.")
    assert kit.log.sent[0].data == {"offer_id": OFFER, "reason": "wrong_language"}


async def test_a_timeline_says_why_in_words(kit: Register, router: Router) -> None:
    await kit.with_offer()
    async with console(kit, "sup", "supervisor") as page:
        await expect(page.get_by_role("heading", name="Queues")).to_be_visible()
        await page.keyboard.press("g")
        await page.keyboard.press("c")
        await page.get_by_role("link", name=re.compile(NUMBER)).click()
        made = page.locator("li", has_text="Offered to anna")
        await made.locator("summary").click()
        await expect(made).to_contain_text("2 agents, 1 could take it")
        await expect(made.locator(".groups > li")).to_have_text("1 awayben")
        opened = page.locator("li", has_text="Case opened for the queue billing")
        await opened.locator("summary").click()
        await expect(opened).to_contain_text("billing-words routing.yaml:40")


async def test_in_another_language_and_without_a_session(kit: Register, router: Router) -> None:
    await kit.with_offer()
    async with console(kit) as page:
        await page.get_by_label("Language").select_option("fi")
        await expect(page.get_by_role("heading", name="Työjono")).to_be_visible()
        assert await page.locator("html").get_attribute("lang") == "fi"
        await page.reload()
        await expect(page.get_by_role("button", name="Ota vastaan")).to_be_visible()
        await page.get_by_role("button", name="Kirjaudu ulos").click()
        await expect(page.locator("main")).to_contain_text("vaxel login")


async def test_what_customers_write_is_never_more_than_text(kit: Register, router: Router) -> None:
    bad = '<img src=x onerror="document.title=1"><script>document.title=2</script>'
    await kit.receive(interaction(text=bad, reply_text=bad, subject=bad))
    await kit.with_offer()
    async with console(kit) as page:
        await expect(timeline(page)).to_contain_text('<img src=x onerror="document.title=1">')
        await expect(page.locator(".detail img")).to_have_count(0)
        assert "Vaxel" in await page.title()


async def test_what_an_agent_has_in_a_tool_counts_to_the_load(
    kit: Register, router: Router
) -> None:
    await kit.with_case()
    said = {"source": "crm", "works": {"email": [3, 1]}, "until_ms": START_MS}
    await kit.decide(decision("agent.changed", agent_id="anna", elsewhere=said))
    async with console(kit) as page:
        await page.goto(f"{page.url.partition('#')[0]}#/overview")
        row = page.locator("tr", has_text="anna").filter(has=page.locator("meter"))
        await expect(row).to_contain_text("Elsewhere (crm): mail 3")
        assert float(await row.locator("meter").get_attribute("value") or 0) == 4


@pytest.mark.parametrize("size", [(390, 800), (1280, 800)])
async def test_it_fits_the_screen_and_every_control_has_a_name(
    kit: Register, router: Router, size: tuple[int, int]
) -> None:
    await kit.with_case()
    async with console(kit) as page:
        await page.set_viewport_size({"width": size[0], "height": size[1]})
        for place in ("overview", f"inbox/{NUMBER}", f"cases/{NUMBER}", "sla"):
            await page.goto(f"{page.url.partition('#')[0]}#/{place}")
            await expect(page.locator("main h1, main h2").first).to_be_attached()
            wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0, place
            nameless = await page.evaluate(NAMELESS)
            assert nameless == [], place


NAMELESS = """[...document.querySelectorAll("button, a, input, select, textarea")]
  .filter((one) => one.checkVisibility() && !(one.textContent.trim() || one.getAttribute("aria-label")
    || one.labels?.length || one.querySelector("img[alt]")))
  .map((one) => one.outerHTML)"""
