"""Commands that need a Kafka: topics, export, replay and dead letters, end to end on a real one."""

import asyncio
import json
from contextlib import aclosing
from dataclasses import replace

import pytest
import recorded_log

from vaxel_cli import runinfo
from vaxel_cli.commands.letters import REPLAY_HEADER
from vaxel_cli.commands.lines import record_of
from vaxel_cli.main import run
from vaxel_shared.contracts.cloudevents import Event
from vaxel_shared.kafka import topics
from vaxel_shared.kafka.deadletters import dead_letter, park
from vaxel_shared.kafka.log import KafkaPartitionLog
from vaxel_shared.kafka.producer import Producer
from vaxel_shared.kafka.scan import bounds, scan
from vaxel_shared.kafka.topic_reader import Record
from vaxel_shared.kafka.topics import DEADLETTERS, DECISIONS, INTERACTIONS, SNAPSHOTS, WORK

pytestmark = pytest.mark.broker


@pytest.fixture
def settings(make_settings, monkeypatch):
    """Settings that the commands find too."""
    made = make_settings()
    monkeypatch.setenv("VAXEL_TOPIC_PREFIX", made.topic_prefix)
    monkeypatch.setattr(runinfo, "find_data_dir", lambda _=None: made.data_dir)
    return made


@pytest.fixture
def applied(settings):
    asyncio.run(topics.apply(settings, local=True))
    return settings


def vaxel(settings, *arguments):
    return run([*arguments, "--broker", settings.broker])


async def append(settings, topic, partition, *records):
    log = KafkaPartitionLog(settings, topic, partition)
    try:
        return [await log.append(key, value, headers) for key, value, headers in records]
    finally:
        await log.close()


async def read(settings, topic):
    found = []
    async with aclosing(scan(settings, topic, await bounds(settings, topic))) as records:
        async for record in records:
            found.append(record)  # noqa: PERF401 - aclosing needs the loop
    return found


def test_topics_are_made_once_and_then_as_declared(settings, capsys):
    assert vaxel(settings, "topics", "check") == 1
    assert f"{WORK}: missing; run `vaxel topics apply`" in capsys.readouterr().out
    assert vaxel(settings, "topics", "apply", "--local", "--json") == 0
    done = json.loads(capsys.readouterr().out)["done"]
    assert len(done) == len(topics.TOPICS) + 1
    assert vaxel(settings, "topics", "apply", "--local") == 0
    assert capsys.readouterr().out == "all there already\n"
    assert vaxel(settings, "topics", "check", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"differences": []}


def test_without_topics_an_export_says_what_to_run(settings, tmp_path, capsys):
    assert vaxel(settings, "log", "export", "--to", str(tmp_path / "out")) == 3
    assert "vaxel topics apply" in capsys.readouterr().err


async def live_history(settings):
    """Commands on the log, read back with their append times, and what the core makes of them."""
    log_id = await topics.read_log_id(settings)
    values = recorded_log.commands(settings.blobs)
    headers = [("ce_type", b"vaxel.command")]
    await append(settings, WORK, 1, *((b"support", value, headers) for value in values))
    work = [record for record in await read(settings, WORK) if record.partition == 1]
    raws = recorded_log.fold(work, settings.blobs, log_id, 1)
    late = raws[2]  # lands a second time: void
    for raw in [*raws[:3], late, *raws[3:]]:
        await append(settings, DECISIONS, 1, (b"1", raw, []))
    return log_id, values, raws


def test_an_export_holds_the_log_and_replays_to_the_same_bytes(applied, tmp_path, capsys):
    log_id, values, raws = asyncio.run(live_history(applied))
    folder = tmp_path / "out"
    assert vaxel(applied, "log", "export", "--to", str(folder), "--json") == 0
    manifest = json.loads(capsys.readouterr().out)
    assert manifest == json.loads((folder / "manifest.json").read_text())
    assert manifest["log_id"] == log_id
    assert set(manifest["topics"]) == {topic.name for topic in topics.TOPICS}
    part = manifest["topics"][DECISIONS]["partitions"][1]
    assert (part["records"], part["void"]) == (len(raws) + 1, 1)
    assert folder.stat().st_mode & 0o777 == 0o700

    lines = [json.loads(line) for line in (folder / "vaxel.work-1.jsonl").read_text().splitlines()]
    assert [record_of(line, WORK, 1).value for line in lines] == values
    assert lines[0]["headers"] == {"ce_type": "vaxel.command"}
    lines = [json.loads(line) for line in (folder / part["file"]).read_text().splitlines()]
    assert [line["void"] for line in lines] == [False] * 3 + [True] + [False] * 3
    assert record_of(lines[0], DECISIONS, 1).value == raws[0]
    copied = {item["ref"] for item in manifest["blobs"] if item["copied"]}
    assert {ref.partition("/")[0] for ref in copied} == {"policy", "roster"}

    assert run(["replay", "--from", str(folder)]) == 0
    assert vaxel(applied, "replay", "--json") == 0
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert answer["same"] is True
    assert answer["records"] == len(raws)


def test_only_the_named_topics_are_exported_into_an_empty_folder(applied, tmp_path, capsys):
    folder = tmp_path / "out"
    assert vaxel(applied, "log", "export", "--to", str(folder), "--topic", SNAPSHOTS) == 0
    names = {path.name for path in folder.iterdir()}
    assert names == {"manifest.json", *(f"{SNAPSHOTS}-{number}.jsonl" for number in range(4))}
    line = json.loads((folder / f"{SNAPSHOTS}-0.jsonl").read_text())
    assert line["key"] == "log"
    assert vaxel(applied, "log", "export", "--to", str(folder)) == 2
    assert "isn't empty" in capsys.readouterr().err


RAW = Record(INTERACTIONS, 2, 0, 5, "ke\xe4".encode(), b"\x00not json\xff", (("ce_id", b"i1"),))


async def park_some(settings):
    """An interaction and a batch of decisions that could not be handled; each parked twice."""
    await append(settings, INTERACTIONS, 2, (RAW.key, RAW.value, RAW.headers))
    producer = await Producer.start(settings, "vaxel/test")
    try:
        for record in (RAW, replace(RAW, topic=DECISIONS)) * 2:
            await park(
                producer, settings, record, service="triage", error_class="poison", reason="odd"
            )
    finally:
        await producer.close()


@pytest.fixture
def parked(applied):
    asyncio.run(park_some(applied))
    made = [dead_letter(r, service="triage", error_class="poison", reason="odd")
            for r in (RAW, replace(RAW, topic=DECISIONS))]  # fmt: skip
    return [letter.id for letter in made]


def test_dead_letters_are_listed_once_each_without_their_bytes(applied, parked, capsys):
    assert vaxel(applied, "dlq", "list", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert {item["id"] for item in found} == set(parked)
    assert found[0]["bytes"] == len(RAW.value)
    assert "value_b64" not in found[0]
    assert vaxel(applied, "dlq", "list", "--jsonl", "--topic", INTERACTIONS) == 0
    assert json.loads(capsys.readouterr().out)["id"] == parked[0]
    assert vaxel(applied, "dlq", "list", "--service", "nobody") == 0
    assert capsys.readouterr().out == "no dead letters\n"


def test_a_dead_letter_is_shown_with_its_original(applied, parked, capsys):
    assert vaxel(applied, "dlq", "list", "--json", "--topic", INTERACTIONS) == 0
    place = json.loads(capsys.readouterr().out)[0]["place"]
    for which in (parked[0], parked[0][:10], place):
        assert vaxel(applied, "dlq", "show", which, "--json") == 0
        shown = json.loads(capsys.readouterr().out)
        assert shown["id"] == parked[0]
        assert shown["replayed"] is False
        assert shown["key"] == "ke\xe4"
        assert record_of({**shown, "value": None}, INTERACTIONS, 2).value == RAW.value
    assert vaxel(applied, "dlq", "show", "nothing") == 2
    assert "no dead letter 'nothing'" in capsys.readouterr().err


def test_a_dead_letter_is_replayed_once(applied, parked, capsys):
    for expected in ("replayed", "already"):
        assert vaxel(applied, "dlq", "replay", parked[0], "--json") == 0
        assert json.loads(capsys.readouterr().out)[0]["done"] == expected
    records = [r for r in asyncio.run(read(applied, INTERACTIONS)) if r.partition == 2]
    assert [record.value for record in records] == [RAW.value, RAW.value]
    assert records[1].key == RAW.key
    assert records[1].headers == (*RAW.headers, (REPLAY_HEADER, parked[0].encode()))
    assert vaxel(applied, "dlq", "show", parked[0], "--json") == 0
    assert json.loads(capsys.readouterr().out)["replayed"] is True


def test_what_only_the_router_may_write_is_not_replayed(applied, parked, capsys):
    assert vaxel(applied, "dlq", "replay", "--all") == 1
    captured = capsys.readouterr()
    assert f"{parked[1]}: refused: only the router writes {DECISIONS}" in captured.out
    assert "1 of 2 can't be replayed" in captured.err
    assert asyncio.run(bounds(applied, DECISIONS))[2].end == 0


@pytest.mark.parametrize("arguments", [[], ["x", "--all"]])
def test_a_replay_must_name_what_or_all(applied, capsys, arguments):
    assert vaxel(applied, "dlq", "replay", *arguments) == 2


def test_a_stretch_is_read_and_no_more(applied):
    async def three():
        event = Event("e", "t", "s", 1)
        producer = await Producer.start(applied, "vaxel/test")
        try:
            for number in range(5):
                await producer.send(WORK, "k", str(number).encode(), event, partition=3)
        finally:
            await producer.close()
        found = []
        within = {3: (await bounds(applied, WORK))[3]}
        within = {3: replace(within[3], begin=1, end=4), 0: replace(within[3], begin=0, end=0)}
        async with aclosing(scan(applied, WORK, within)) as records:
            async for record in records:
                found.append(record.value)  # noqa: PERF401 - aclosing needs the loop
        return found

    assert asyncio.run(three()) == [b"1", b"2", b"3"]


def test_the_topic_of_dead_letters_must_hold_dead_letters(applied, capsys):
    asyncio.run(append(applied, DEADLETTERS, 0, (b"k", b"{}", [])))
    assert vaxel(applied, "dlq", "list") == 3
    assert "is no dead letter" in capsys.readouterr().err
