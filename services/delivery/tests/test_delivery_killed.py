"""A kill between any two steps: nothing is lost, and nothing is sent twice unsaid.

Every call that delivery makes of its surroundings (database, relay, topics) is counted; in turn
each is cut off before and after it took effect, and a new run goes on over the same data.
"""

import pytest
from delivery_kit import (
    Relay,
    Topics,
    case_handed_over,
    case_opened,
    case_replied,
    follow,
    interaction,
    make_box,
    notice_due,
    offer_made,
    work_queued,
)

from vaxel_delivery.core.threads import message_id

CALLS_MAX = 60
"""More than a run makes: the loop ends earlier, when a run gets through uncut."""


class Killed(BaseException):
    """The process is gone; nothing catches it."""


class Cut:
    """Kills at the ``at``-th call, before or after its effect."""

    def __init__(self, at, after):
        self.at, self.after, self.count = at, after, 0

    def wrap(self, owner, name):
        call = getattr(owner, name)

        async def cut(*args, **kwargs):
            self.count += 1
            mine = self.count == self.at
            if mine and not self.after:
                raise Killed
            answer = await call(*args, **kwargs)
            if mine:
                raise Killed
            return answer

        setattr(owner, name, cut)


def watched(box, cut):
    for name in ("claim", "settle", "postpone", "done", "drop"):
        cut.wrap(box.outbox, name)
    cut.wrap(box.relay, "send")
    cut.wrap(box.topics, "send")


async def life(folder, cut):
    """A run that is cut, then one that isn't; answers what the world saw and the rows."""
    relay, topics = Relay(), Topics()
    box = await make_box(folder, relay=relay, topics=topics)
    await box.keep(interaction())
    await box.roster()
    ref = await box.blobs.put("body", b"an answer")
    await box.decide(case_opened(), work_queued(), notice_due(), offer_made())
    await box.decide(case_replied(ref))
    watched(box, cut)
    killed = False
    try:
        await box.work(rounds=4, advance_ms=1_000)
    except Killed:
        killed = True
    await box.store.close()

    fresh_relay = Relay()
    fresh_relay.mails = relay.mails
    successor = await follow(box, fresh_relay)
    await successor.work(rounds=8, advance_ms=2_000)
    rows = await successor.rows()
    await successor.store.close()
    return killed, relay.mails, topics, rows


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_killed_at_any_call_nothing_is_lost_and_no_repeat_goes_unsaid(tmp_path, after):
    cuts = 0
    for at in range(1, CALLS_MAX):
        folder = tmp_path / str(at)
        folder.mkdir()
        killed, mails, topics, rows = await life(folder, Cut(at, after))
        if not killed:
            break
        cuts += 1
        assert [(r["kind"], r["state"], r["done"]) for r in rows] == [
            ("notice", "sent", True),
            ("offer", "sent", True),
            ("reply", "sent", True),
        ], at
        for row in rows:
            sent = [m for m in mails if m.message_id == message_id_of(row)]
            assert len(sent) in {1, 2}, at
            said = [code for kind, _, code in topics.results if kind == row["kind"]]
            assert said, at
            if len(sent) == 2:
                assert "possible_duplicate" in said, at
            assert set(said) <= {None, "possible_duplicate"}
        appended = {item["id"] for item in topics.of("vaxel.interactions")}
        assert len(appended) == 2, at
        order = [
            (topic, value.get("data", {}).get("effect"))
            for topic, _, value, _ in topics.records
            if topic == "vaxel.interactions" or value["data"]["effect"] != "offer"
        ]
        assert order[0][0] == "vaxel.interactions", at
    assert cuts >= 12


def message_id_of(row):
    return message_id(row["effect_id"], "vaxel.example")


async def relay_life(folder, cut):
    """A case is handed over by a run that is cut, then by one that isn't."""
    topics = Topics()
    box = await make_box(folder, topics=topics)
    await box.decide(case_handed_over())
    watched(box, cut)
    killed = False
    try:
        await box.work(rounds=2, advance_ms=1_000)
    except Killed:
        killed = True
    await box.store.close()
    successor = await follow(box)
    await successor.work(rounds=4, advance_ms=2_000)
    rows = await successor.rows()
    await successor.store.close()
    return killed, topics, rows


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_case_is_handed_over_under_one_id_whatever_is_cut(tmp_path, after):
    cuts = 0
    for at in range(1, CALLS_MAX):
        folder = tmp_path / f"relay-{at}"
        folder.mkdir()
        killed, topics, rows = await relay_life(folder, Cut(at, after))
        if not killed:
            break
        cuts += 1
        ((kind, state, done),) = [(r["kind"], r["state"], r["done"]) for r in rows]
        assert (kind, state, done) == ("relay", "sent", True), at
        told = [
            (key, value)
            for _, key, value, _ in topics.records
            if value.get("type") == "contact.add"
        ]
        assert {value["id"] for _, value in told} == {told[0][1]["id"]}, at
        assert {key for key, _ in told} == {"sales"}, at
        assert told[0][1]["data"]["handed"]["hand_over"] == rows[0]["effect_id"]
        assert ("relay", "sent", None) in topics.results, at
    assert cuts >= 4
