"""Reading the logs, and what surrounds it: migrations, cursors, dead letters, files, the lock."""

import asyncio

import pytest
from delivery_kit import (
    CHANNELS,
    LOG_ID,
    case_opened,
    decision,
    interaction,
    make_box,
    make_settings_for,
    notice_due,
    offer_ended,
    offer_made,
)
from sqlalchemy import create_engine, inspect

from vaxel_delivery.bootstrap import MIGRATIONS
from vaxel_delivery.config import LiveFiles
from vaxel_delivery.shell.feed import (
    DECISIONS_MAX,
    DecisionsFeed,
    InteractionsFeed,
    portion_of,
)
from vaxel_delivery.shell.lock import only_one
from vaxel_delivery.shell.tables import METADATA
from vaxel_delivery.shell.waiters import Verdict, Waiters
from vaxel_shared.config.source import ConfigError
from vaxel_shared.contracts.wire import Batch
from vaxel_shared.errors import Fatal, Retryable
from vaxel_shared.kafka import chain
from vaxel_shared.kafka.records import ChainCursor, ChainRecord
from vaxel_shared.kafka.topic_reader import Record, TopicCursor
from vaxel_shared.sql import make_engine, migrate


class Reader:
    """Answers polls from a list; an exception in it is raised."""

    partitions = (0, 1)

    def __init__(self, cursor, polls=()):
        self.cursor = cursor
        self.polls = list(polls)

    async def start(self):
        pass

    async def poll(self, _timeout_ms=200, _max_records=200):
        await asyncio.sleep(0)
        found = self.polls.pop(0) if self.polls else []
        if isinstance(found, Exception):
            raise found
        return found

    async def caught_up(self):
        return not self.polls

    async def lag(self):
        return {0: len(self.polls), 1: 0}


def chain_cursor(partition):
    return ChainCursor.of(chain.genesis(LOG_ID, partition))


def record(seq, *decisions):
    header = chain.Header(
        log_id=LOG_ID, seq=seq, prev_sha256=b"p" * 32, from_=0, through=0, through_sha256=b"t" * 32
    )
    batch = Batch(engine="e", wall_ms=0, decisions=list(decisions))
    return ChainRecord(0, seq, 0, header, batch, b"raw %d" % seq)


def plain(offset, value):
    return Record("vaxel.interactions", 0, offset, 0, b"k", value, ())


@pytest.fixture
async def box(tmp_path):
    made = await make_box(tmp_path)
    made.parked = []
    made.waiters = Waiters()
    made.wakes = 0
    yield made
    await made.store.close()


def wake(box):
    def more():
        box.wakes += 1

    return more


def parking(box):
    async def park(item, reason):
        box.parked.append((item.topic, item.offset, reason))

    return park


async def run_until_read(feed, box, reader):
    stop = asyncio.Event()
    task = asyncio.ensure_future(feed.run(stop))
    async with asyncio.timeout(5):
        while reader.polls or not feed.caught_up:  # noqa: ASYNC110 - the feed has no event of it
            await asyncio.sleep(0.01)
    stop.set()
    await task


async def test_decisions_are_stored_with_their_cursor_and_wake_the_dispatcher(box):
    polls = [[record(0, case_opened())], Retryable("no broker"), [record(1, notice_due())]]
    reader = Reader(chain_cursor, polls)
    feed = DecisionsFeed(reader, box.store, box.waiters, parking(box), wake(box))
    await feed.begin()
    assert {
        p: row["offset"] for p, row in (await box.store.cursors("vaxel.decisions")).items()
    } == {0: -1, 1: -1}
    await run_until_read(feed, box, reader)
    cursors = await box.store.cursors("vaxel.decisions")
    assert (cursors[0]["offset"], cursors[0]["seq"]) == (1, 1)
    assert cursors[0]["sha256"] == record(1).cursor.sha256
    assert [row["kind"] for row in await box.rows()] == ["notice"]
    assert box.wakes >= 2


async def test_a_feed_says_how_far_it_is_and_how_far_its_log_goes(box):
    reader = Reader(chain_cursor, [[record(0)], [record(1)], [record(2)]])
    feed = DecisionsFeed(reader, box.store, box.waiters, parking(box), wake(box))
    assert await feed.pace.ends() == {0: 3, 1: 0}
    await feed.take(await reader.poll())
    assert (await feed.pace.positions(), await feed.pace.ends()) == ({0: 1}, {0: 3, 1: 0})


async def test_what_can_not_be_read_is_parked_and_the_rest_of_the_batch_is_done(box):
    reader = Reader(chain_cursor)
    feed = DecisionsFeed(reader, box.store, box.waiters, parking(box), wake(box))
    await feed.take([record(4, decision("case.replied", {"x": 1}), notice_due())])
    assert box.parked == [("vaxel.decisions", 4, "unreadable_case.replied")]
    assert [row["kind"] for row in await box.rows()] == ["notice"]


async def test_a_dead_letter_that_can_not_be_written_keeps_the_cursor_where_it_is(box):
    async def refuse(_item, _reason):
        raise Retryable("no broker")

    feed = DecisionsFeed(Reader(chain_cursor), box.store, box.waiters, refuse, wake(box))
    with pytest.raises(Retryable):
        await feed.take([record(4, decision("case.replied", {}), notice_due())])
    assert await box.store.cursors("vaxel.decisions") == {}
    assert await box.rows() == []


async def test_what_was_read_is_stored_though_its_dead_letter_takes_two_tries(box):
    failures = [Retryable("no broker"), Retryable("no broker")]

    async def park(item, reason):
        if failures:
            raise failures.pop()
        box.parked.append((item.offset, reason))

    polls = [[record(0, decision("case.replied", {}), notice_due())], [record(1, notice_due("c2"))]]
    reader = Reader(chain_cursor, polls)
    feed = DecisionsFeed(reader, box.store, box.waiters, park, wake(box))
    await run_until_read(feed, box, reader)
    assert box.parked == [(0, "unreadable_case.replied")]
    assert [row["seq"] for row in await box.rows()] == [0, 1]

    failures += [Retryable("no broker")]
    polls = [
        [plain(0, b"x"), plain(1, interaction().to_json())],
        [plain(2, interaction("c2").to_json())],
    ]
    reader = Reader(lambda partition: TopicCursor("vaxel.interactions", partition, 2, "ab"), polls)
    feed = InteractionsFeed(reader, box.store, box.clock, park, wake(box))
    await run_until_read(feed, box, reader)
    assert box.parked[1:] == [(0, "unreadable_interaction")]
    assert await box.store.kept("contact-1") is not None
    assert await box.store.kept("c2") is not None


async def test_interactions_are_kept_with_their_cursor_and_the_first_of_an_id_wins(box):
    reader = Reader(lambda partition: TopicCursor("vaxel.interactions", partition, 9, "ab"))
    feed = InteractionsFeed(reader, box.store, box.clock, parking(box), wake(box))
    await feed.take(
        [
            plain(7, interaction(subject="first").to_json()),
            plain(8, interaction(subject="second").to_json()),
            plain(9, b"{no interaction}"),
            plain(10, interaction("ours", direction="outbound").to_json()),
        ]
    )
    assert (await box.store.kept("contact-1")).subject == "first"
    assert await box.store.kept("ours") is None
    assert box.parked == [("vaxel.interactions", 9, "unreadable_interaction")]
    assert (await box.store.cursors("vaxel.interactions"))[0]["sha256"] == "ab"


async def test_nothing_is_sent_before_both_logs_were_read_to_their_ends(box):
    """An offer made and ended while delivery was away is dropped and never sent."""
    await box.roster()
    ready = [False]
    box.dispatcher._ready = lambda: ready[0]
    stop = asyncio.Event()
    running = asyncio.ensure_future(box.dispatcher.run(stop))
    await box.decide(case_opened(), offer_made())
    box.dispatcher.wake.set()
    await asyncio.sleep(0.1)
    await box.decide(offer_ended("withdrawn"))
    ready[0] = True
    box.dispatcher.wake.set()
    await asyncio.sleep(0.1)
    stop.set()
    await running
    assert box.relay.mails == []
    assert [row["state"] for row in await box.rows()] == ["dropped"]


async def test_a_running_dispatcher_sends_at_once_and_drains(box):
    await box.keep(interaction())
    stop = asyncio.Event()
    running = asyncio.ensure_future(box.dispatcher.run(stop))
    await box.decide(case_opened(), notice_due())
    box.dispatcher.wake.set()
    async with asyncio.timeout(5):
        while not box.topics.results:  # noqa: ASYNC110 - the record is the event
            await asyncio.sleep(0.01)
    stop.set()
    await asyncio.wait_for(running, 5)
    assert box.topics.results == [("notice", "sent", None)]


async def test_a_page_is_told_of_its_offer_or_its_command_and_of_no_other(box):
    feed = DecisionsFeed(Reader(chain_cursor), box.store, box.waiters, parking(box), wake(box))
    with (
        box.waiters.waiting("offer-1", "command-1") as mine,
        box.waiters.waiting("o", "c") as other,
    ):
        await feed.take([record(0, offer_made(), offer_ended("accepted"))])
        assert mine.result() == Verdict(ended="accepted")
        assert not other.done()
        refused = decision("command.refused", {"code": "stale_token"})
        await feed.take([record(1, refused)])
        assert not other.done()
    with box.waiters.waiting("offer-1", "cause-1") as mine:
        await feed.take([record(2, refused)])
        assert mine.result() == Verdict(code="stale_token")


async def test_the_migrations_make_the_tables_of_the_code_and_may_run_again(tmp_path):
    settings = make_settings_for(tmp_path)
    for _ in range(2):
        await migrate(settings, "delivery", MIGRATIONS)
    engine = create_engine(f"sqlite:///{settings.data_dir / 'delivery.db'}")
    found = inspect(engine)
    assert set(found.get_table_names()) == {*METADATA.tables, "alembic_version_delivery"}
    for name, table in METADATA.tables.items():
        columns = {c["name"]: (str(c["type"]), c["nullable"]) for c in found.get_columns(name)}
        assert columns == {
            c.name: (str(c.type.compile(engine.dialect)), c.nullable) for c in table.columns
        }
        assert {i["name"] for i in found.get_indexes(name)} == {i.name for i in table.indexes}
    engine.dispose()


async def test_a_second_delivery_on_the_same_data_refuses(tmp_path):
    settings = make_settings_for(tmp_path)
    engine = make_engine(settings, "delivery")
    await only_one(settings, engine)
    with pytest.raises(Fatal, match="another delivery"):
        await only_one(settings, engine)
    with pytest.raises(Fatal, match="instances"):
        await only_one(make_settings_for(tmp_path, instances=2), engine)
    await engine.dispose()


def test_a_saved_file_holds_and_a_wrong_one_leaves_the_old(tmp_path):
    folder = make_settings_for(tmp_path).config_dir
    files = LiveFiles(folder)
    assert not files.refresh()
    (folder / "channels.yaml").write_text(
        CHANNELS.replace("default_language: en", "default_language: sv")
    )
    assert files.refresh()
    assert files.now.channels.default_language == "sv"
    for wrong in ("default_language: [", CHANNELS + "colour: red\n"):
        (folder / "channels.yaml").write_text(wrong)
        assert not files.refresh()
        assert files.now.channels.default_language == "sv"
    (folder / "channels.yaml").unlink()
    assert not files.refresh()
    with pytest.raises(ConfigError, match=r"channels\.yaml:1"):
        LiveFiles(folder)


def test_many_decisions_are_stored_in_portions_of_whole_records():
    """What is to be sent is written in between, so a backlog doesn't keep it waiting."""
    half = [notice_due() for _ in range(DECISIONS_MAX // 2)]
    records = [record(seq, *half) for seq in range(5)]
    portions = []
    while records:
        portions.append(portion_of(records))
        del records[: len(portions[-1])]
    assert [[one.header.seq for one in portion] for portion in portions] == [[0, 1], [2, 3], [4]]
    huge = record(9, *half, *half, *half)
    assert portion_of([huge, record(10, notice_due())]) == [huge]
