"""A bug of ours over one effect ends a run, but not every run for ever, and harms no other effect."""

import asyncio

import pytest
from delivery_kit import Box, case_opened, case_replied, interaction, make_box

from vaxel_delivery.core.effects import CRASHES_MAX
from vaxel_shared.clock import SystemClock


class Bug(Exception):
    """Something that nobody foresaw."""


async def start(folder):
    box = await make_box(folder)
    await box.keep(interaction())
    for number in range(3):
        ref = await box.blobs.put("body", f"answer {number}".encode())
        await box.decide(case_opened(f"contact-{number}"))
        await box.keep(interaction(f"contact-{number}", conversation_key=f"s|email|s|{number}"))
        made = case_replied(ref, contact_id=f"contact-{number}", reply_id=f"r{number}")
        made.data["conversation_key"] = f"s|email|s|{number}"
        await box.decide(made)
    return box


async def run_of(box, number, broken):
    """A process over the box's data, from its start to its end."""
    run = Box(box.settings, relay=box.relay, topics=box.topics, run=f"run-{number}")
    run.dispatcher._clock = SystemClock()
    broken(run)
    stop = asyncio.Event()
    running = asyncio.ensure_future(run.dispatcher.run(stop))
    try:
        async with asyncio.timeout(20):
            while not running.done():
                await asyncio.sleep(0.02)
                if all(row["done"] for row in await run.rows()):
                    stop.set()
        return running.exception()
    finally:
        await run.store.close()


def unbuildable(run):
    prepare = run.preparer.prepare

    async def build(effect, now_ms):
        if effect.data["reply_id"] == "r1":
            raise Bug
        return await prepare(effect, now_ms)

    run.preparer.prepare = build


def deadly(run):
    """The process is gone while it sends: nothing notes why, but the row says that it was sending."""
    send = run.relay.send

    class Deadly:
        async def send(self, mail):
            if "answer 1" in mail.text:
                raise Bug
            return await send(mail)

    async def unnoted(_effect):
        pass

    run.outbox.crashed = unnoted
    run.relay = Deadly()
    run.dispatcher = run.make_dispatcher()
    run.dispatcher._clock = SystemClock()


@pytest.mark.parametrize(
    ("broken", "state"), [(unbuildable, "failed"), (deadly, "unknown")], ids=["building", "sending"]
)
async def test_what_ends_three_runs_is_given_up_in_the_fourth_and_the_rest_goes_out(
    tmp_path, broken, state
):
    box = await start(tmp_path)
    ends = [await run_of(box, number, broken) for number in range(CRASHES_MAX + 1)]
    assert [type(end) for end in ends] == [Bug] * CRASHES_MAX + [type(None)]
    rows = await box.rows()
    given_up = [row for row in rows if row["code"] == "defect"]
    assert [(row["state"], row["data"]["reply_id"]) for row in given_up] == [(state, "r1")]
    assert {row["state"] for row in rows} == {"sent", state}
    assert ("reply", state, "defect") in box.topics.results
    assert len({mail.message_id for mail in box.relay.mails}) == 2
    await box.store.close()


async def test_a_stop_that_cuts_a_mail_off_is_no_crash(tmp_path, monkeypatch):
    monkeypatch.setattr("vaxel_delivery.shell.dispatch.DRAIN_MS", 50)
    box = await start(tmp_path)
    reached = asyncio.Event()

    async def hang(_mail):
        reached.set()
        await asyncio.sleep(60)

    box.relay.send = hang
    stop = asyncio.Event()
    running = asyncio.ensure_future(box.dispatcher.run(stop))
    async with asyncio.timeout(5):
        await reached.wait()
    stop.set()
    await running
    cut_off = [row for row in await box.rows() if row["attempt"]]
    assert cut_off
    assert {(row["state"], row["code"], row["crashes"]) for row in cut_off} == {
        ("unknown", "cut_off", 0)
    }
    await box.store.close()


async def test_an_attempt_that_is_judged_clears_the_count(tmp_path):
    box = await start(tmp_path)
    (first, *_) = await box.outbox.due(box.clock.wall_ms())
    await box.outbox.crashed(first)
    await box.outbox.crashed(first)
    await box.work()
    assert {(row["state"], row["crashes"]) for row in await box.rows()} == {("sent", 0)}
    await box.store.close()


async def test_a_result_that_cannot_be_said_ends_too(tmp_path):
    box = await start(tmp_path)

    def unsayable(run):
        result = run.publisher.result

        async def say(effect, **kwargs):
            if effect.data["reply_id"] == "r1":
                raise Bug
            await result(effect, **kwargs)

        run.publisher.result = say

    ends = [await run_of(box, number, unsayable) for number in range(CRASHES_MAX + 1)]
    assert [type(end) for end in ends] == [Bug] * CRASHES_MAX + [type(None)]
    assert all(row["done"] for row in await box.rows())
    assert len({mail.message_id for mail in box.relay.mails}) == 3
    await box.store.close()
