"""What machines and people are told, once: the webhook's body, the mail, the outbox, the deadlines."""

import json
from types import SimpleNamespace

import pytest
from sla_kit import HOUR, MIN, T0, Told

from vaxel_shared.clock import ManualClock
from vaxel_shared.config.sla import Notify
from vaxel_shared.contracts.sla import Due, SlaEvent
from vaxel_shared.kafka.topic_reader import Record, TopicCursor
from vaxel_shared.settings import Settings
from vaxel_shared.sql import make_engine, migrate
from vaxel_sla_monitor.bootstrap import MIGRATIONS, NAME
from vaxel_sla_monitor.core.deadlines import Deadlines
from vaxel_sla_monitor.core.notices import mail, wanted, webhook_body
from vaxel_sla_monitor.shell.notifier import ATTEMPTS_MAX, Notifier
from vaxel_sla_monitor.shell.outlets import Outcome
from vaxel_sla_monitor.shell.store import Store
from vaxel_sla_monitor.shell.tables import METADATA

BOTH = Notify(webhooks=[{"url": "http://127.0.0.1:9/x"}], email=["ops@example.org"])


def events(answered_ms=61 * MIN):
    told = Told()
    told.open()
    told.known(60 * MIN + 1)
    told.move("case.replied", answered_ms)
    return told.events


def test_a_webhook_has_alertmanagers_shape_and_ends_what_it_began():
    told = {event.type: event for event in events()}
    begun = json.loads(webhook_body(told["breached"], BOTH, "http://case"))
    ended = json.loads(webhook_body(told["stopped"], BOTH, "http://case"))
    assert set(begun) == {
        "version", "groupKey", "truncatedAlerts", "status", "receiver", "groupLabels",
        "commonLabels", "commonAnnotations", "externalURL", "alerts",
    }  # fmt: skip
    (alert,) = begun["alerts"]
    assert (begun["version"], begun["status"], alert["status"]) == ("4", "firing", "firing")
    assert alert["endsAt"] == "0001-01-01T00:00:00Z"
    assert alert["labels"]["severity"] == "critical"
    assert ended["status"] == "resolved"
    assert {item["labels"]["stage"] for item in ended["alerts"]} == {
        "warning.50",
        "warning.75",
        "breach",
    }
    assert alert["fingerprint"] in {item["fingerprint"] for item in ended["alerts"]}


def test_only_chosen_stages_are_told():
    breaches = Notify(stages=["breach"], email=["ops@example.org"])
    assert [event.type for event in events() if wanted(event, breaches)[1]] == ["breached"]
    assert [event.type for event in events() if wanted(event, BOTH)[0]] == [
        "warned", "warned", "breached", "stopped",
    ]  # fmt: skip
    assert not any(
        wanted(event, breaches)[0] for event in events(answered_ms=5) if event.type == "met"
    )


def test_a_mail_says_what_the_deadline_is_made_of_and_is_known_when_it_comes_again():
    breach = next(event for event in events() if event.type == "breached")
    made = [
        mail(breach, notice_id="n1", from_name="Help", from_address="help@example.org", to="ops@example.org", case_url="u")
        for _ in range(2)
    ]  # fmt: skip
    assert made[0].as_bytes() == made[1].as_bytes()
    assert made[0]["Message-ID"] == "<sla.n1@example.org>"
    assert made[0]["Auto-Submitted"] == "auto-generated"
    assert "3600 s of 3600 s" in made[0].get_content()


class Topic:
    """``vaxel.sla`` with one partition."""

    def __init__(self, told, stored=-1):
        self.rows = [
            Record("vaxel.sla", 0, n, 0, b"k", e.to_json(), ()) for n, e in enumerate(told)
        ]
        self.at = stored
        self.partitions = [0]

    async def start(self):
        pass

    async def poll(self, _timeout_ms=0, _max=0):
        found = self.rows[self.at + 1 :]
        self.at = len(self.rows) - 1
        return found

    def cursor(self, _partition):
        return TopicCursor("vaxel.sla", 0, self.at, "")


class Far:
    """The other side: answers as told, and remembers."""

    def __init__(self, *answers):
        self.answers, self.got = list(answers), []

    async def send(self, notice):
        self.got.append(notice)
        return self.answers.pop(0) if self.answers else Outcome("done")


FILES = SimpleNamespace(sla=SimpleNamespace(file=SimpleNamespace(notify=BOTH)))


async def made(tmp_path, told, far):
    settings = Settings(data_dir=tmp_path)
    await migrate(settings, NAME, MIGRATIONS)
    store, clock, parked = Store(make_engine(settings, NAME)), ManualClock(), []

    async def park(record, reason):
        parked.append((record.offset, reason))

    notifier = Notifier(Topic(told), store, far, files=lambda: FILES, park=park, clock=clock)
    await notifier.begin()
    return notifier, store, clock, parked


async def test_what_is_told_twice_on_the_topic_is_sent_once(tmp_path):
    told, far = events(), Far()
    notifier, store, _clock, _parked = await made(tmp_path, told + told, far)
    await notifier.read()
    while await notifier.send():
        pass
    assert len(far.got) == len({notice.id for notice in far.got}) == 4 + 3
    assert await store.pending() == 0
    await store.close()


async def test_a_kill_between_sending_and_settling_repeats_under_the_same_id(tmp_path):
    class Killed(BaseException):
        pass

    class Dies(Far):
        async def send(self, notice):
            self.got.append(notice)
            raise Killed

    dies = Dies()
    notifier, store, _clock, _parked = await made(tmp_path, events()[2:3], dies)
    await notifier.read()
    with pytest.raises(Killed):
        await notifier.send()
    await store.close()
    far = Far()
    again, store, _clock, _parked = await made(tmp_path, events()[2:3], far)
    await again.read()
    assert {notice.id for notice in far.got} == set()
    clock_ms = 1_700_000_000_000 + HOUR
    again._clock.now_ms = clock_ms
    await again.send()
    assert dies.got[0].id in {notice.id for notice in far.got}
    assert len(far.got) == 2
    await store.close()


async def test_trouble_waits_longer_each_time_and_ends(tmp_path):
    later = [Outcome("later", "http_503")] * (2 * ATTEMPTS_MAX)
    far = Far(*later)
    notifier, store, clock, _parked = await made(tmp_path, events()[2:3], far)
    await notifier.read()
    await notifier.send()
    assert await notifier.send() == 0
    for _ in range(ATTEMPTS_MAX):
        clock.advance(HOUR)
        await notifier.send()
    assert len(far.got) == 2 * ATTEMPTS_MAX
    assert await store.pending() == 0
    await store.close()


async def test_what_is_no_event_becomes_a_dead_letter_and_the_rest_goes_on(tmp_path):
    far = Far()
    notifier, store, _clock, parked = await made(tmp_path, events()[2:3], far)
    notifier._reader.rows.append(Record("vaxel.sla", 0, 1, 0, b"k", b"{}", ()))
    await notifier.read()
    await notifier.send()
    assert parked == [(1, "unreadable_sla_event")]
    assert len(far.got) == 2
    await store.close()


async def test_the_migrations_make_the_declared_tables(tmp_path):
    settings = Settings(data_dir=tmp_path)
    await migrate(settings, NAME, MIGRATIONS)
    engine = make_engine(settings, NAME)
    async with engine.connect() as connection:
        from sqlalchemy import inspect  # noqa: PLC0415 - only here

        found = await connection.run_sync(
            lambda sync: {
                table: {column["name"] for column in inspect(sync).get_columns(table)}
                for table in METADATA.tables
            }
        )
    await engine.dispose()
    assert found == {name: set(table.columns.keys()) for name, table in METADATA.tables.items()}


def stages(deadlines, known_ms, told, partition=3):
    taken = deadlines.take(partition, {0: known_ms}, 100, lambda _: told.case)
    return [(one.clock, one.stage) for one, _ in taken]


def test_only_what_its_own_source_has_passed_is_due_and_each_stage_once():
    told = Told()
    told.open()
    deadlines = Deadlines()
    deadlines.set(3, "case-1", told.case)
    deadlines.set(3, "case-1", told.case)
    due = T0 + 30 * MIN
    ask = lambda known, partition=3: list(  # noqa: E731
        deadlines.take(partition, known, 10, lambda _: told.case)
    )
    assert ask({0: due, 1: due + HOUR}) == []
    assert ask({0: due + 1}, 2) == []
    ((entry, known),) = ask({0: due + 1})
    assert (entry.at_ms, entry.stage, known) == (due, "warning.50", due + 1)
    assert ask({0: due + 1}) == []
    deadlines.again(3, entry)
    assert stages(deadlines, due + 1, told) == [("first_response", "warning.50")]
    assert stages(deadlines, T0 + HOUR + 1, told) == [
        ("first_response", "warning.75"),
        ("first_response", "breach"),
    ]
    assert stages(deadlines, T0 + HOUR + 1, told) == []


def test_what_was_judged_and_is_due_still_comes_out_again():
    told = Told()
    told.open()
    deadlines = Deadlines()
    deadlines.set(3, "case-1", told.case)
    at = T0 + 30 * MIN
    assert stages(deadlines, at + 1, told) == [("first_response", "warning.50")]
    deadlines.set(3, "case-1", told.case)  # something else of the case was read meanwhile
    assert stages(deadlines, at + 1, told) == []
    due = Due(
        case_id="case-1",
        clock="first_response",
        cycle=1,
        stage="warning.50",
        due_ms=at,
        known_ms=at,
    )
    deadlines.judged(due)
    deadlines.set(3, "case-1", told.case)
    assert stages(deadlines, at + 1, told) == [("first_response", "warning.50")]
    deadlines.judged(due)
    told.known(30 * MIN + 1)
    deadlines.set(3, "case-1", told.case)
    assert stages(deadlines, at + 1, told) == []


def test_after_an_outage_everything_overdue_comes_out_in_order_whatever_case_it_is_of():
    tellers = {f"case-{n}": Told() for n in range(3)}
    deadlines = Deadlines()
    for n, (name, told) in enumerate(tellers.items()):
        told.open(n * 10 * MIN)
        deadlines.set(0, name, told.case)
    taken = []
    while some := list(deadlines.take(0, {0: T0 + 5 * HOUR}, 4, lambda name: tellers[name].case)):
        taken += [entry for entry, _ in some]
    assert len(taken) == 3 * 6
    assert len(set(taken)) == len(taken)
    assert [entry.at_ms for entry in taken] == sorted(entry.at_ms for entry in taken)


def test_a_deadline_that_moved_is_due_at_its_new_time_only():
    told = Told()
    told.open()
    deadlines = Deadlines()
    deadlines.set(0, "case-1", told.case)
    told.move("case.replied", MIN)
    deadlines.set(0, "case-1", told.case)
    assert stages(deadlines, T0 + 150 * MIN, told, 0) == [("resolution", "warning.50")]
    deadlines.set(0, "case-1", None)
    assert len(deadlines) == 0


def test_events_hold_no_text():
    names = set(SlaEvent.model_fields)
    assert not names & {"subject", "text", "name", "customer", "address", "sender"}
