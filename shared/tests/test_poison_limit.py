"""How much poison is bad luck, and how much is a broken producer or release."""

from __future__ import annotations

import pytest

from vaxel_shared.errors import Retryable
from vaxel_shared.kafka.deadletters import (
    RUN_MAX,
    WINDOW,
    WINDOW_MIN,
    PoisonLimit,
    TooMuchPoison,
    park_batch,
)
from vaxel_shared.kafka.topic_reader import Record

TOPIC = "vaxel.interactions"


def record(offset: int, partition: int = 0) -> Record:
    return Record(TOPIC, partition, offset, 0, b"k", b"", ())


def test_a_run_of_bad_records_is_borne_up_to_its_limit() -> None:
    limit = PoisonLimit(TOPIC)
    for offset in range(RUN_MAX):
        limit.note(0, offset, "bad")
    with pytest.raises(TooMuchPoison, match=r"offset 20: 21 records in a row .* \(bad\)"):
        limit.note(0, RUN_MAX, "bad")


def test_one_good_record_ends_a_run_and_partitions_have_runs_of_their_own() -> None:
    limit = PoisonLimit(TOPIC)
    for offset in range(150):
        good = offset % 15 == 0
        limit.note(0, offset, None if good else "bad")
    for partition in range(1, 30):
        limit.note(partition, 0, "bad")


def test_a_record_that_is_begun_again_counts_once() -> None:
    limit = PoisonLimit(TOPIC)
    for _ in range(5):
        for offset in range(RUN_MAX):
            limit.note(0, offset, "bad")


def test_more_than_half_of_many_is_too_much() -> None:
    limit = PoisonLimit(TOPIC)
    for offset in range(WINDOW_MIN - 1):
        limit.note(0, offset, None if offset % 3 == 0 else "bad")
    with pytest.raises(TooMuchPoison, match="of the last 200 records can't be handled"):
        limit.note(0, WINDOW_MIN - 1, "bad")
    fine = PoisonLimit(TOPIC)
    for offset in range(10 * WINDOW):
        fine.note(0, offset, "bad" if offset % 2 else None)


def test_a_few_at_a_start_say_nothing_yet() -> None:
    limit = PoisonLimit(TOPIC)
    for offset in range(WINDOW_MIN - 1):
        limit.note(0, offset, None if offset % 19 == 0 else "bad")


def test_whoever_reads_them_again_begins_to_count_anew() -> None:
    limit = PoisonLimit(TOPIC)
    for _ in range(3):
        for offset in range(RUN_MAX):
            limit.note(0, offset, "bad")
        limit.forget()


async def test_of_a_batch_beyond_the_limit_nothing_is_parked() -> None:
    parked: list[int] = []

    async def park(one: Record, reason: str) -> None:
        assert reason == "bad"
        parked.append(one.offset)

    records = [record(offset) for offset in range(RUN_MAX + 5)]
    everything = {(0, one.offset): "bad" for one in records}
    with pytest.raises(TooMuchPoison):
        await park_batch(PoisonLimit(TOPIC), records, everything, park)
    assert parked == []
    await park_batch(PoisonLimit(TOPIC), records, {(0, 3): "bad", (0, 9): "bad"}, park)
    assert parked == [3, 9]


async def test_a_batch_whose_parking_failed_is_parked_when_it_comes_again() -> None:
    parked: list[int] = []
    fails = [True]

    async def park(one: Record, _reason: str) -> None:
        if one.offset == 2 and fails:
            fails.clear()
            raise Retryable("no broker; wait")
        parked.append(one.offset)

    limit, records = PoisonLimit(TOPIC), [record(offset) for offset in range(4)]
    bad = {(0, 1): "bad", (0, 2): "bad"}
    with pytest.raises(Retryable):
        await park_batch(limit, records, bad, park)
    await park_batch(limit, records, bad, park)
    assert parked == [1, 1, 2]
