"""Two deliveries on one database, as in the seconds in which a lost lock goes unnoticed."""

import asyncio
import uuid

import pytest
from delivery_kit import (
    Box,
    Relay,
    Topics,
    case_opened,
    case_replied,
    interaction,
    make_box,
    notice_due,
    offer_made,
    work_queued,
)

from vaxel_delivery.core.effects import Effect

pytestmark = pytest.mark.postgres
OFFERS = 12


@pytest.fixture
def url(postgres, delivery_template):
    name = f"delivery_{uuid.uuid4().hex[:12]}"
    yield postgres.create(name, delivery_template)
    postgres.drop(name)


@pytest.fixture
async def pair(tmp_path, url):
    """Two on one database, one relay and one log."""
    relay, topics = Relay(), Topics()
    first = await make_box(tmp_path, database_url=url, relay=relay, topics=topics)
    second = Box(first.settings, relay=relay, topics=topics, run="run-2", clock=first.clock)
    await first.keep(interaction())
    await first.roster()
    yield first, second
    await first.store.close()
    await second.store.close()


async def test_an_effect_is_claimed_by_one_of_them(pair):
    first, second = pair
    await first.decide(case_opened(), work_queued())
    for number in range(OFFERS):
        await first.decide(offer_made(f"offer-{number}", expires_ms=4_000_000_000_000))
    effects = [await first.outbox.effect(row["effect_id"]) for row in await first.rows()]
    claims = await asyncio.gather(
        *(box.outbox.claim(effect, 1) for effect in effects for box in (first, second))
    )
    granted = [claim.effect_id for claim in claims if isinstance(claim, Effect)]
    assert sorted(granted) == sorted(effect.effect_id for effect in effects)


async def test_both_at_work_send_everything_once(pair):
    first, second = pair
    ref = await first.blobs.put("body", b"an answer")
    await first.decide(
        case_opened(), work_queued(), notice_due(), offer_made(expires_ms=4_000_000_000_000)
    )
    await first.decide(case_replied(ref))
    for _ in range(6):
        await asyncio.gather(first.dispatcher.step(), second.dispatcher.step())
        first.clock.advance(1_000)
    ids = [mail.message_id for mail in first.relay.mails]
    assert sorted(set(ids)) == sorted(ids)
    assert len(ids) == 3
    assert {(kind, state) for kind, state, _ in first.topics.results} == {
        ("notice", "sent"), ("offer", "sent"), ("reply", "sent"),
    }  # fmt: skip
    assert {code for _, _, code in first.topics.results} == {None}


async def test_whoever_starts_takes_what_the_other_was_at_for_unknown_and_says_so(pair):
    """The first hangs in the middle of a mail, loses its lock, and ends it after all."""
    first, second = pair
    await first.decide(case_opened(), work_queued(), offer_made(expires_ms=4_000_000_000_000))
    (row,) = await first.rows()
    claimed = await first.outbox.claim(await first.outbox.effect(row["effect_id"]), 1)
    assert await second.outbox.recover(2) == 1
    await second.work(rounds=4, advance_ms=2_000)
    assert [code for _, _, code in second.topics.results] == ["possible_duplicate"]
    assert claimed is not None
