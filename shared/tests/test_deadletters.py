"""What a dead letter keeps and what it doesn't say."""

from __future__ import annotations

from base64 import b64decode

import pytest

from vaxel_shared.contracts.deadletters import DeadLetter
from vaxel_shared.kafka.deadletters import dead_letter, park
from vaxel_shared.kafka.producer import Producer
from vaxel_shared.kafka.topic_reader import Record, TopicReader
from vaxel_shared.kafka.topics import DEADLETTERS, INTERACTIONS
from vaxel_shared.settings import Settings

RECORD = Record(
    topic=INTERACTIONS,
    partition=2,
    offset=41,
    timestamp_ms=1_700_000_000_000,
    key=b"support|email|billing|abc",
    value=b'{"text": "call me at home, Aino \xff"}',
    headers=(("ce_id", b"id-1"), ("odd", b"\x00\xfe")),
)


def test_the_original_is_kept_byte_for_byte() -> None:
    letter = dead_letter(RECORD, service="triage", error_class="poison", reason="undecodable")
    again = DeadLetter.model_validate_json(letter.to_json())
    assert b64decode(again.value_b64) == RECORD.value
    assert again.key_b64 is not None
    assert b64decode(again.key_b64) == RECORD.key
    assert {name: b64decode(value) for name, value in again.headers_b64.items()} == dict(
        RECORD.headers
    )
    assert (again.topic, again.partition, again.offset) == (INTERACTIONS, 2, 41)


def test_the_same_record_parked_twice_is_the_same_letter() -> None:
    first = dead_letter(RECORD, service="triage", error_class="poison", reason="a")
    again = dead_letter(RECORD, service="triage", error_class="exhausted", reason="b")
    other = dead_letter(RECORD, service="register", error_class="poison", reason="a")
    assert first.id == again.id != other.id


@pytest.mark.broker
async def test_its_headers_hold_ids_and_codes_only(topics: Settings, producer: Producer) -> None:
    await park(
        producer, topics, RECORD, service="triage", error_class="poison", reason="undecodable"
    )
    reader = TopicReader(topics, DEADLETTERS, {}, cold_start="genesis")
    try:
        await reader.start()
        parked = []
        while not await reader.at_end():
            parked += await reader.poll()
    finally:
        await reader.close()
    (record,) = parked
    assert record.key == b"vaxel.interactions-2"
    said = b" ".join(value for _, value in record.headers)
    assert b"Aino" not in said
    assert b"billing" not in said
    assert dict(record.headers)["ce_subject"] == b"vaxel.interactions/2/41"
