"""The declaration of topics and where keys fall; no broker."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaxel_shared.kafka.topics import (
    CLOCKS,
    CLOCKS_TABLE,
    DEADLETTERS,
    DECISIONS,
    SNAPSHOTS,
    TOPICS,
    WORK,
    declared,
    partition_for,
)


@pytest.mark.parametrize(
    ("key", "hashed"),
    [
        # Vectors of Apache Kafka's own test of its murmur2 (org.apache.kafka.common.utils.UtilsTest).
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
@pytest.mark.parametrize("count", [4, 16, 7])
def test_a_key_falls_where_kafkas_default_partitioner_puts_it(
    key: bytes, hashed: int, count: int
) -> None:
    assert partition_for(key, count) == (hashed & 0x7FFFFFFF) % count


@given(st.binary(max_size=80), st.integers(1, 64))
def test_every_key_has_a_partition(key: bytes, count: int) -> None:
    assert 0 <= partition_for(key, count) < count


def test_work_decisions_and_snapshots_have_the_same_partitions() -> None:
    assert len({declared(name).partitions for name in (WORK, DECISIONS, SNAPSHOTS)}) == 1
    assert len({declared(name).partitions_local for name in (WORK, DECISIONS, SNAPSHOTS)}) == 1


def test_topics_that_time_is_judged_by_carry_the_brokers_clock() -> None:
    assert {topic.name for topic in TOPICS if topic.log_append_time} == {WORK, DECISIONS, CLOCKS}


def test_only_what_is_looked_up_by_key_is_compacted() -> None:
    compacted = {topic.name for topic in TOPICS if topic.cleanup == "compact"}
    assert compacted == {SNAPSHOTS, CLOCKS_TABLE}


def test_any_record_that_can_be_parked_fits_a_dead_letter() -> None:
    largest = max(t.max_message_bytes for t in TOPICS if t.name not in {DEADLETTERS, DECISIONS})
    assert declared(DEADLETTERS).max_message_bytes > largest * 4 // 3 + 64 * 1024


@pytest.mark.parametrize(("replication", "in_sync"), [(1, "1"), (2, "1"), (3, "2")])
def test_with_three_copies_two_must_have_a_record(replication: int, in_sync: str) -> None:
    for topic in TOPICS:
        configs = topic.configs(replication)
        assert configs["min.insync.replicas"] == in_sync
        assert configs["unclean.leader.election.enable"] == "false"


def test_a_log_is_cut_into_segments_shorter_than_it_is_kept() -> None:
    for topic in TOPICS:
        if topic.retention_ms is not None:
            assert int(topic.configs(1)["segment.ms"]) < topic.retention_ms
