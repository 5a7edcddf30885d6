import itertools

import pytest
from delivery_kit import (
    NUMBER,
    Box,
    case_opened,
    case_replied,
    decision,
    effect_reported,
    interaction,
    make_box,
    notice_due,
    offer_ended,
    offer_made,
    work_queued,
)

from vaxel_delivery.core.effects import GIVE_UP_MS, Outcome
from vaxel_delivery.core.project import Place, changes
from vaxel_delivery.shell.outbox import Outbox
from vaxel_shared import ids
from vaxel_shared.contracts.cloudevents import iso_ms
from vaxel_shared.contracts.wire import Batch
from vaxel_shared.errors import Poison, Retryable


@pytest.fixture
async def box(tmp_path):
    made = await make_box(tmp_path)
    yield made
    await made.store.close()


async def opened(box, **changes):
    await box.keep(interaction(**changes))
    await box.decide(case_opened(), work_queued())
    await box.roster()


async def answered(box, text="Hei Maija,\nkorjaamme laskun.\n", **kwargs):
    ref = await box.blobs.put("body", text.encode())
    return await box.decide(case_replied(ref, **kwargs))


async def test_an_answer_is_mailed_appended_and_reported_once(box):
    await opened(box)
    seq = await answered(box)
    await box.work()
    (mail,) = box.relay.mails
    assert (mail.envelope_from, mail.envelope_to) == (
        "support@vaxel.example",
        "maija@customer.example",
    )
    assert mail.subject == f"Re: Lasku on väärin [{NUMBER}]"
    effect_id = ids.effect_id("0" * 31 + "1", 0, seq, 0)
    topics = [topic for topic, _, _, _ in box.topics.records]
    assert topics == ["vaxel.interactions", "vaxel.work"]
    (said,) = box.topics.of("vaxel.interactions")
    assert said["id"] == ids.event_id("interaction", "outbound", effect_id)
    assert said["direction"] == "outbound"
    assert said["text"] == "Hei Maija,\nkorjaamme laskun.\n"
    assert said["relations"]["in_reply_to"] == "m1@customer.example"
    assert said["relations"]["references"] == ["root@customer.example", "m1@customer.example"]
    assert said["occurred_at"] == iso_ms(box.clock.wall_ms())
    (command,) = box.topics.of("vaxel.work")
    assert command["id"] == ids.event_id("delivery.result", effect_id, "sent")
    assert command["data"] == {"effect_id": effect_id, "effect": "reply", "state": "sent"}
    assert [(row["state"], row["done"]) for row in await box.rows()] == [("sent", True)]
    assert (await box.rows())[0]["outbound"] is None


async def test_the_result_never_precedes_the_interaction_and_waits_for_its_acknowledgement(box):
    await opened(box)
    await answered(box)
    box.topics.failures = [Retryable("no broker")]
    await box.work(rounds=1)
    assert box.topics.records == []
    assert [(row["state"], row["done"]) for row in await box.rows()] == [("sent", False)]
    await box.work(rounds=3, advance_ms=1_000)
    assert [topic for topic, *_ in box.topics.records] == ["vaxel.interactions", "vaxel.work"]
    assert len(box.relay.mails) == 1
    assert box.topics.results == [("reply", "sent", None)]


async def test_a_sent_mail_is_reported_though_no_topic_takes_its_text(box):
    await opened(box)
    await answered(box)
    box.topics.failures = [Poison("too_large", "a record of 2 MB")]
    await box.work()
    assert box.topics.results == [("reply", "sent", None)]


async def test_an_offer_goes_to_the_agent_with_a_link_and_nothing_of_other_agents(box):
    await opened(box)
    await box.decide(offer_made())
    await box.work()
    (mail,) = box.relay.mails
    assert (mail.envelope_from, mail.envelope_to) == ("", "anna@desk.example")
    assert "https://desk.example/offers/v1." in mail.text
    assert "lasku 7 on väärin" in mail.text
    assert "2 min" in mail.text
    assert "3 of 12" in mail.text
    assert "bertil" not in mail.text
    assert "maija@" not in mail.text
    assert box.topics.results == [("offer", "sent", None)]
    assert box.topics.of("vaxel.interactions") == []


async def test_an_offer_that_ended_before_it_was_sent_is_dropped_in_silence(box):
    await opened(box)
    await box.decide(offer_made(), offer_ended("withdrawn"))
    await box.work()
    assert box.relay.mails == []
    assert box.topics.records == []
    assert [(r["state"], r["code"], r["done"]) for r in await box.rows()] == [
        ("dropped", "offer_withdrawn", True)
    ]


async def test_an_offer_whose_time_is_over_fails_unsent(box):
    await opened(box)
    await box.decide(offer_made(expires_ms=box.clock.wall_ms()))
    await box.work()
    assert box.relay.mails == []
    assert box.topics.results == [("offer", "failed", "offer_expired")]


@pytest.mark.parametrize(
    ("directory", "code"),
    [
        ({"bertil": {"name": "B", "email": "b@desk.example"}}, "no_address"),
        ({"anna": {"name": "Anna", "email": ""}}, "no_address"),
        (
            {"anna": {"name": "Anna", "email": "anna@desk.example\r\nRCPT TO:<x@y.example>"}},
            "address_unsafe",
        ),
        ({"anna": {"name": "Anna", "email": "anna at desk"}}, "address_invalid"),
    ],
)
async def test_an_agent_who_cannot_be_reached_fails_the_offer(box, directory, code):
    await opened(box)
    await box.roster(directory)
    await box.decide(offer_made())
    await box.work()
    assert box.relay.mails == []
    assert box.topics.results == [("offer", "failed", code)]


async def test_an_effect_waits_for_the_interaction_that_it_names(box):
    await box.decide(case_opened())
    await answered(box)
    await box.work()
    assert box.topics.results == []
    await box.keep(interaction())
    await box.work(advance_ms=200)
    assert box.topics.results == [("reply", "sent", None)]


async def test_an_interaction_that_never_comes_fails_the_answer_after_a_bounded_wait(box):
    await box.decide(case_opened())
    await answered(box)
    await box.work(rounds=20, advance_ms=10_000)
    assert box.relay.mails == []
    assert box.topics.results == [("reply", "failed", "contact_unknown")]


async def test_an_offer_goes_out_without_the_customers_words_rather_than_late(box):
    await box.decide(case_opened(), work_queued())
    await box.roster()
    await box.decide(offer_made())
    await box.work(rounds=10, advance_ms=1_000)
    assert len(box.relay.mails) == 1
    assert box.topics.results == [("offer", "sent", None)]


async def test_an_answer_whose_text_is_missing_waits_and_a_changed_one_is_refused(box):
    await opened(box)
    ref = await box.blobs.put("body", b"first")
    seq = await box.decide(case_replied(ref))
    path = next(box.settings.blobs.glob(f"body/*/{ref[5:]}"))
    path.rename(path.with_suffix(".away"))
    await box.work(advance_ms=100)
    assert box.topics.results == []
    path.with_suffix(".away").rename(path)
    await box.work(advance_ms=60_000)
    assert box.topics.results == [("reply", "sent", None)]
    assert seq >= 0


async def test_a_lane_keeps_the_order_of_the_log_and_others_go_past_it(box):
    await opened(box)
    await answered(box, "one", reply_id="r1")
    await answered(box, "two", reply_id="r2")
    await box.decide(offer_made())
    box.relay.answers = [Outcome("later", "smtp_451")]
    await box.work(rounds=1)
    assert [mail.envelope_to for mail in box.relay.mails] == ["anna@desk.example"]
    await box.work(rounds=4, advance_ms=1_000)
    assert [mail.text for mail in box.relay.mails[1:]] == ["one", "two"]


async def test_pauses_grow_and_an_answer_is_given_up_after_its_limit(box, monkeypatch):
    monkeypatch.setitem(GIVE_UP_MS, "reply", 3_600_000)
    await opened(box)
    await answered(box)
    box.relay.answers = [Outcome("later", "smtp_450")] * 2_000
    tried = []
    while not box.topics.results:
        tried.append(box.clock.wall_ms())
        await box.work(rounds=1)
        _, next_ms = await box.outbox.waiting()
        box.clock.now_ms = max(box.clock.now_ms, next_ms or 0)
    pauses = [after - before for before, after in itertools.pairwise(tried)]
    assert pauses[:5] == [1_000, 2_000, 4_000, 8_000, 16_000]
    assert max(pauses) == 300_000
    assert tried[-1] - tried[0] >= GIVE_UP_MS["reply"]
    assert box.topics.results == [("reply", "failed", "smtp_450")]


async def test_a_refusal_for_good_fails_at_once(box):
    await opened(box)
    await answered(box)
    box.relay.answers = [Outcome("refused", "smtp_550")]
    await box.work(rounds=2)
    assert box.topics.results == [("reply", "failed", "smtp_550")]
    assert box.topics.of("vaxel.interactions") == []


async def test_a_lost_answer_is_repeated_with_the_same_id_and_says_so(box):
    await opened(box)
    await answered(box)
    box.relay.answers = [Outcome("lost", "connection_lost")]
    await box.work(rounds=1)
    assert [(r["state"], r["final"]) for r in await box.rows()] == [("unknown", False)]
    await box.work(rounds=3, advance_ms=1_000)
    first, second = box.relay.mails
    assert first.message_id == second.message_id
    assert box.topics.results == [("reply", "sent", "possible_duplicate")]


async def test_once_lost_a_refusal_is_unknown_and_never_failed(box):
    await opened(box)
    await answered(box)
    box.relay.answers = [Outcome("lost", "connection_lost"), Outcome("refused", "smtp_554")]
    await box.work(rounds=4, advance_ms=1_000)
    assert box.topics.results == [("reply", "unknown", "smtp_554")]


async def test_when_the_relay_is_away_one_mail_probes_and_all_go_when_it_is_back(box):
    await opened(box)
    for number in range(5):
        await box.decide(offer_made(f"offer-{number}", expires_ms=box.clock.wall_ms() + 900_000))
    box.relay.answers = [Outcome("later", "relay_unreachable")] * 3
    await box.work(rounds=1)
    assert len(box.relay.answers) == 2  # the other four saw the gate closed
    await box.work(rounds=30, advance_ms=1_000)
    assert len(box.relay.mails) == 5
    assert {result[1] for result in box.topics.results} == {"sent"}


async def test_what_another_run_was_sending_is_unknown_and_sent_again(tmp_path, box):
    await opened(box)
    await answered(box)
    (effect,) = await box.outbox.due(box.clock.wall_ms())
    await box.outbox.claim(effect, box.clock.wall_ms())
    successor = Box(box.settings, run="run-2")
    assert await Outbox(successor.store, "run-1").recover(0) == 0
    assert await successor.outbox.recover(successor.clock.wall_ms()) == 1
    await successor.work()
    assert successor.topics.results == [("reply", "sent", "possible_duplicate")]
    await successor.store.close()


async def test_folding_a_decision_again_makes_no_second_effect(box):
    batch = Batch(engine="e", wall_ms=0, decisions=[offer_made(), notice_due()])
    for _ in range(2):
        await box.store.fold(changes(Place("log", 0, 7), batch), [])
    assert len(await box.rows()) == 2


async def test_what_the_router_knows_already_is_not_done_again(box):
    await opened(box)
    seq = await box.decide(offer_made())
    effect_id = ids.effect_id("0" * 31 + "1", 0, seq, 0)
    await box.decide(effect_reported(effect_id, expires_ms=1_700_000_777_000))
    await box.work()
    assert box.relay.mails == []
    assert box.topics.records == []
    assert [(r["state"], r["done"]) for r in await box.rows()] == [("sent", True)]
    assert (await box.store.offer("offer-1"))["expires_ms"] == 1_700_000_777_000


async def test_acknowledgements_are_limited_by_conversation_and_by_sender_across_restarts(box):
    await opened(box)
    limits = box.files.now.connectors.mail.automatic
    await box.decide(notice_due())
    await box.work()
    (mail,) = box.relay.mails
    assert mail.envelope_from == ""
    assert "Hei," in mail.text
    assert NUMBER in mail.text
    await box.decide(notice_due())
    await box.work()
    successor = Box(box.settings, run="run-2", clock=box.clock)
    successor.seq = box.seq
    for number in range(2, 5):
        await successor.keep(interaction(f"contact-{number}", conversation_key=f"other-{number}"))
        await successor.decide(notice_due(f"contact-{number}", conversation=f"other-{number}"))
    await successor.work()
    assert box.topics.results == [
        ("notice", "sent", None),
        ("notice", "failed", "suppressed_conversation_window"),
    ]
    assert successor.topics.results == [
        ("notice", "sent", None),
        ("notice", "sent", None),
        ("notice", "failed", "suppressed_sender_cap"),
    ]
    successor.clock.advance(limits.per_conversation_window_ms)
    await successor.decide(notice_due())
    await successor.work()
    assert successor.topics.results[-1] == ("notice", "sent", None)
    await successor.store.close()


async def test_an_acknowledgement_that_is_repeated_counts_once(box):
    await opened(box)
    await box.decide(notice_due())
    box.relay.answers = [Outcome("lost", "connection_lost")]
    await box.work(rounds=4, advance_ms=1_000)
    assert box.topics.results == [("notice", "sent", "possible_duplicate")]


async def test_an_automatic_mail_gets_no_acknowledgement(box):
    flags = {"auto_reply": {"value": True, "evidence": ["auto-submitted"]}}
    await opened(box, flags=flags)
    await box.decide(notice_due())
    await box.work()
    assert box.relay.mails == []
    assert box.topics.results == [("notice", "failed", "suppressed_auto_reply")]


async def test_old_rows_go_and_what_an_open_case_needs_stays(box):
    await box.keep(interaction("old-open"), interaction("old-gone"))
    await box.decide(case_opened("old-open"))
    box.clock.advance(31 * 86_400_000)
    await box.store.forget(box.clock.wall_ms())
    assert await box.store.kept("old-open") is not None
    assert await box.store.kept("old-gone") is None
    box.clock.advance(400 * 86_400_000)
    await box.store.forget(box.clock.wall_ms())
    assert await box.store.kept("old-open") is None


async def test_a_case_that_closed_is_kept_no_longer_than_the_log(box):
    await box.keep(interaction())
    await box.decide(case_opened(), decision("case.closed", {}))
    box.clock.advance(31 * 86_400_000)
    await box.store.forget(box.clock.wall_ms())
    assert await box.store.kept("contact-1") is None
    assert await box.store.case(case_opened().case_id) is None
