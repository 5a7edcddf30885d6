"""Answers in a live chat: what stands on the log is said, once, in order, in its language."""

import pytest
from delivery_kit import (
    CHAT,
    LOG_ID,
    NUMBER,
    Box,
    Topics,
    case_opened,
    case_replied,
    chat_message,
    in_chat,
    make_box,
    notice_due,
)

from vaxel_delivery.core.outbound import TEXT_BYTES_MAX
from vaxel_delivery.core.texts import LANGUAGES
from vaxel_shared.errors import Poison, Retryable
from vaxel_shared.ids import effect_id, event_id

SAID = "vaxel.interactions"


@pytest.fixture
async def box(tmp_path):
    box = await make_box(tmp_path)
    await box.keep(chat_message())
    yield box
    await box.store.close()


async def replied(box, text, **changes):
    ref = await box.blobs.put("body", text.encode())
    return ref, await box.decide(in_chat(case_opened()), in_chat(case_replied(ref, **changes)))


async def test_a_reply_in_a_chat_is_an_outbound_interaction_and_then_a_result(box):
    _, seq = await replied(box, "Hei! Se on matkalla.")
    await box.work()
    effect = effect_id(LOG_ID, 0, seq, 1)
    ((topic, key, said, event), (_, _, result, _)) = box.topics.records
    assert (topic, key, event.id) == (SAID, CHAT, said["id"])
    assert said["id"] == event_id("interaction", "outbound", effect)
    assert {name: said[name] for name in ("conversation_key", "channel", "account")} == {
        "conversation_key": CHAT, "channel": "chat", "account": "web",
    }  # fmt: skip
    assert (said["direction"], said["kind"]) == ("outbound", "message")
    assert (said["text"], said["language"]) == ("Hei! Se on matkalla.", "fi")
    assert (said["sender"]["external_id"], said["sender"]["name"]) == ("web", "Example Support")
    assert said["recipients"] == [{"role": "to", "external_id": "visitor-1"}]
    assert said["relations"]["target_id"] == "contact-1"
    assert result["data"] == {"effect_id": effect, "effect": "reply", "state": "sent"}
    assert box.relay.mails == []


@pytest.mark.parametrize("language", sorted(LANGUAGES))
async def test_a_new_chat_is_told_its_number_in_its_language(box, language):
    await box.decide(in_chat(case_opened()), in_chat(notice_due(language=language)))
    await box.work()
    (said,) = box.topics.of(SAID)
    assert NUMBER in said["text"]
    assert said["text"] == LANGUAGES[language].chat_acknowledgement.format(number=NUMBER)
    assert said["language"] == language
    assert said["flags"]["auto_reply"]["value"] is True
    assert box.topics.results == [("notice", "sent", None)]


async def test_a_bot_is_told_nothing(box):
    bot = {"external_id": "bot", "is_bot": True}
    await box.keep(chat_message("contact-2", sender=bot))
    await box.decide(in_chat(notice_due("contact-2")))
    await box.work()
    assert box.topics.of(SAID) == []
    assert box.topics.results == [("notice", "failed", "suppressed_daemon_sender")]


async def test_nobody_is_told_where_it_is_switched_off(box):
    file = box.settings.config_dir / "connectors.yaml"
    file.write_text(file.read_text() + "chat: {acknowledge: false}\n")
    assert box.files.refresh()
    await box.decide(in_chat(notice_due()))
    await box.work()
    assert box.topics.results == [("notice", "failed", "suppressed_switched_off")]


async def test_a_reply_to_a_message_that_delivery_has_not_read_goes_out_all_the_same(box):
    await replied(box, "hello", contact_id="contact-9")
    await box.work()
    (said,) = box.topics.of(SAID)
    assert "recipients" not in said or said["recipients"] == []
    assert box.topics.results == [("reply", "sent", None)]


async def test_replies_follow_each_other_in_the_order_of_the_log(box):
    for number in range(4):
        await replied(box, f"answer {number}", reply_id=f"r{number}")
    box.topics.failures = [Retryable("gone")]
    await box.work(rounds=12, advance_ms=2_000)
    assert [said["text"] for said in box.topics.of(SAID)] == [f"answer {n}" for n in range(4)]


async def test_a_long_reply_stands_on_the_log_by_reference(box):
    ref, _ = await replied(box, "ä" * TEXT_BYTES_MAX)
    await box.work()
    (said,) = box.topics.of(SAID)
    assert (said.get("text"), said["text_ref"]) == (None, ref)


async def test_while_the_log_is_away_a_reply_waits_and_is_then_no_duplicate(box):
    await replied(box, "hello")
    box.topics.failures = [Retryable("gone"), Retryable("gone")]
    await box.work(rounds=2, advance_ms=100)
    assert box.topics.records == []
    (row,) = await box.rows()
    assert (row["state"], row["done"]) == ("unknown", False)
    await box.work(rounds=8, advance_ms=2_000)
    assert len(box.topics.of(SAID)) == 1
    assert box.topics.results == [("reply", "sent", None)]


async def test_a_reply_that_no_topic_takes_failed_and_says_so(box):
    await replied(box, "hello")
    box.topics.failures = [Poison("too_large", "a record of 2 MB")]
    await box.work()
    assert box.topics.of(SAID) == []
    assert box.topics.results == [("reply", "failed", "too_large")]


class Killed(BaseException):
    """The process is gone; nothing catches it."""


class Cut:
    """Kills at the ``at``-th call of what delivery talks to, before or after its effect."""

    def __init__(self, at, after):
        self.at, self.after, self.count = at, after, 0

    def wrap(self, owner, name):
        call = getattr(owner, name)

        async def cut(*args, **kwargs):
            self.count += 1
            if self.count == self.at and not self.after:
                raise Killed
            answer = await call(*args, **kwargs)
            if self.count == self.at and self.after:
                raise Killed
            return answer

        setattr(owner, name, cut)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_killed_at_any_call_a_reply_is_said_under_one_id_and_reported(tmp_path, after):
    for at in range(1, 30):
        folder = tmp_path / str(at)
        folder.mkdir()
        topics = Topics()
        box = await make_box(folder, topics=topics)
        await box.keep(chat_message())
        await replied(box, "hello")
        cut = Cut(at, after)
        for name in ("claim", "settle", "postpone", "done"):
            cut.wrap(box.outbox, name)
        cut.wrap(topics, "send")
        killed = False
        try:
            await box.work(rounds=3, advance_ms=1_000)
        except Killed:
            killed = True
        await box.store.close()
        fresh = Topics()
        fresh.records = topics.records
        successor = Box(box.settings, topics=fresh, run="run-2")
        successor.clock.now_ms = box.clock.now_ms + 60_000
        await successor.outbox.recover(successor.clock.wall_ms())
        await successor.work(rounds=5, advance_ms=2_000)
        (row,) = await successor.rows()
        await successor.store.close()
        assert (row["state"], row["done"]) == ("sent", True), at
        assert {said["id"] for said in fresh.of(SAID)} == {fresh.of(SAID)[0]["id"]}, at
        assert len({str(said) for said in fresh.of(SAID)}) == 1, at  # a repeat is the same record
        assert set(fresh.results) == {("reply", "sent", None)}, at
        if not killed:
            break
    assert at >= 6
