"""The pages behind offers' links, as a browser and as a mail scanner meet them."""

import asyncio
import re

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from delivery_kit import (
    NUMBER,
    case_opened,
    effect_reported,
    interaction,
    make_box,
    offer_ended,
    offer_made,
    work_queued,
)

from vaxel_delivery.core.links import PURPOSE, Link
from vaxel_delivery.core.project import Answered, OfferClosed
from vaxel_delivery.core.texts import LANGUAGES
from vaxel_delivery.shell import web as shell_web
from vaxel_delivery.shell.publish import answer_id
from vaxel_delivery.shell.waiters import Waiters
from vaxel_delivery.shell.web import Pages
from vaxel_shared.crypto.keys import Keyring
from vaxel_shared.crypto.tokens import sign
from vaxel_shared.errors import Retryable
from vaxel_shared.http.app import make_app

EXPIRES_MS = 1_700_000_600_000
EN = LANGUAGES["en"]


@pytest.fixture
async def desk(tmp_path):
    box = await make_box(tmp_path)
    box.waiters = Waiters()
    pages = Pages(
        offer=box.store.offer,
        facts=box.preparer.facts,
        answers=box.publisher,
        waiters=box.waiters,
        keyring=box.keyring,
        language=lambda: "en",
        clock=box.clock,
    )
    box.client = TestClient(TestServer(make_app(list, pages.routes())))
    await box.client.start_server()
    yield box
    await box.client.close()
    await box.store.close()


def link(seq=1, **changes):
    plain = {"offer_id": "offer-1", "agent_id": "anna", "token": f"{seq}.0", "case_id": "c"}
    return Link(**(plain | {"pool": "support", "expires_ms": EXPIRES_MS} | changes))


def path(box, which=None, purpose=PURPOSE, keyring=None):
    return f"/offers/{sign(keyring or box.keyring, purpose, (which or link()).payload())}"


async def offered(box, **changes):
    await box.keep(interaction(**changes))
    await box.decide(case_opened(), work_queued())
    await box.decide(offer_made(expires_ms=EXPIRES_MS))


async def get(box, where):
    async with box.client.get(where) as response:
        return response.status, await response.text(), response.headers


async def post(box, where, **data):
    async with box.client.post(where, data=data) as response:
        return response.status, await response.text()


async def press(box, verb, change, **data):
    """Press a button while the router answers with ``change``."""
    pressing = asyncio.ensure_future(post(box, f"{path(box)}/{verb}", **data))
    async with asyncio.timeout(5):
        while not box.topics.records:  # noqa: ASYNC110 - the record is the event
            await asyncio.sleep(0.01)
    if isinstance(change, OfferClosed):
        await box.store.fold([change], [])
        box.waiters.tell([change])
    else:
        box.waiters.tell([], [change])
    return await pressing


async def test_looking_shows_the_offer_and_changes_nothing_however_often(desk):
    await offered(desk)
    for _ in range(3):
        status, page, headers = await get(desk, path(desk))
        assert status == 200
    for part in (NUMBER, "billing", "Lasku on väärin", "lasku 7 on väärin", EN.accept, EN.decline):
        assert part in page
    assert "maija@" not in page
    assert "bertil" not in page
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert (headers["Cache-Control"], headers["Referrer-Policy"]) == ("no-store", "no-referrer")
    assert not re.search(r"(src|href)=|<script|@import|url\(", page)
    async with desk.client.head(path(desk)) as response:
        assert response.status == 200
    assert desk.topics.records == []


async def test_what_a_customer_writes_is_text_and_never_markup(desk):
    evil = '"><script>alert(1)</script><img src=x onerror=y>'
    await offered(desk, subject=evil, text=f"</pre>{evil}")
    _, page, _ = await get(desk, path(desk))
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;" in page


async def test_accepting_asks_the_router_and_shows_what_it_decided(desk):
    await offered(desk)
    status, page = await press(desk, "accept", OfferClosed("offer-1", "accepted", 5))
    assert (status, EN.accepted in page) == (200, True)
    (command,) = desk.topics.of("vaxel.work")
    assert command["id"] == answer_id(link(), "accept")
    assert command["type"] == "offer.accept"
    assert (command["token"], command["agent_id"], command["via"]) == ("1.0", "anna", "link")
    assert command["actor"] == {"kind": "agent", "id": "anna"}
    status, page = await post(desk, f"{path(desk)}/accept")
    assert (status, EN.accepted in page) == (200, True)
    assert len(desk.topics.records) == 1


@pytest.mark.parametrize(
    ("sent", "travels"),
    [({"reason": "busy"}, "busy"), ({"reason": "I hate Mr Smith"}, None), ({}, None)],
)
async def test_declining_passes_a_code_on_and_never_text(desk, sent, travels):
    await offered(desk)
    status, page = await press(desk, "decline", OfferClosed("offer-1", "declined", 5), **sent)
    assert (status, EN.declined in page) == (200, True)
    (command,) = desk.topics.of("vaxel.work")
    assert command["data"] == {"offer_id": "offer-1"} | ({"reason": travels} if travels else {})


@pytest.mark.parametrize(
    ("outcome", "status", "said"),
    [
        ("withdrawn", 410, EN.withdrawn),
        ("expired", 410, EN.expired),
        ("unseen", 410, EN.expired),
        ("declined", 200, EN.declined),
        ("accepted", 200, EN.accepted),
    ],
)
async def test_an_offer_that_has_ended_says_how_and_shows_nothing_of_the_case(
    desk, outcome, status, said
):
    await offered(desk)
    await desk.decide(offer_ended(outcome))
    for answer in (await get(desk, path(desk)), await post(desk, f"{path(desk)}/accept")):
        assert answer[0] == status
        assert said in answer[1]
        assert "Lasku" not in answer[1]
    assert desk.topics.records == []


async def test_too_late_in_the_race_says_so(desk):
    await offered(desk)
    status, page = await press(desk, "accept", OfferClosed("offer-1", "withdrawn", 5))
    assert status == 410
    assert EN.withdrawn in page
    assert EN.nothing_changed in page


async def test_a_refusal_is_shown_with_its_code(desk):
    await offered(desk)
    status, page = await press(desk, "accept", Answered(answer_id(link(), "accept"), "not_allowed"))
    assert status == 409
    assert "not_allowed" in page


async def test_a_decision_that_takes_its_time_is_pending(desk, monkeypatch):
    monkeypatch.setattr(shell_web, "WAIT_S", 0.05)
    await offered(desk)
    status, page = await post(desk, f"{path(desk)}/accept")
    assert status == 202
    assert LANGUAGES["en"].pending.replace("'", "&#x27;") in page


async def test_without_a_broker_nothing_is_promised(desk):
    await offered(desk)
    desk.topics.failures = [Retryable("no broker")]
    status, page = await post(desk, f"{path(desk)}/accept")
    assert status == 503
    assert EN.try_again.replace("'", "&#x27;") in page


async def test_a_link_that_is_none_of_ours_finds_nothing(desk):
    await offered(desk)
    good = path(desk)
    for wrong in (
        good[:-1] + ("A" if good[-1] != "A" else "B"),
        path(desk, purpose="api"),
        path(desk, keyring=Keyring(b"x" * 32)),
        path(desk, link(agent_id="bertil")),
        path(desk, link(token="0.0")),
        "/offers/x",
        "/offers/" + "x" * 3_000,
    ):
        assert (await get(desk, wrong))[0] == 404
        assert (await post(desk, f"{wrong}/accept"))[0] == 404
    assert desk.topics.records == []


async def test_an_offer_whose_time_is_over_is_gone_and_a_longer_one_counts(desk):
    await offered(desk)
    desk.clock.now_ms = EXPIRES_MS + 1
    assert (await get(desk, path(desk)))[0] == 410
    assert (await post(desk, f"{path(desk)}/accept"))[0] == 410
    await desk.decide(effect_reported("x", expires_ms=EXPIRES_MS + 60_000))
    assert (await get(desk, path(desk)))[0] == 200


async def test_an_offer_that_is_not_read_yet_is_asked_for_again_soon(desk):
    status, _, headers = await get(desk, path(desk))
    assert (status, headers["Retry-After"]) == (503, "5")
    desk.clock.now_ms = EXPIRES_MS + 1
    assert (await get(desk, path(desk)))[0] == 410


async def test_other_verbs_and_methods_do_not_exist(desk):
    await offered(desk)
    assert (await get(desk, f"{path(desk)}/accept"))[0] == 405
    assert (await post(desk, f"{path(desk)}/resolve"))[0] == 404
    assert isinstance(desk.client.app, web.Application)
