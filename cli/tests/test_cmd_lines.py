"""An exported line holds the record's every byte, and shows what it can as text."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaxel_cli.commands.lines import NotALine, compact, line_of, record_of
from vaxel_shared.kafka import chain
from vaxel_shared.kafka.topic_reader import Record
from vaxel_shared.kafka.topics import DECISIONS, WORK

headers = st.lists(
    st.tuples(st.text(st.characters(codec="utf-8"), max_size=9), st.binary(max_size=9)),
    max_size=4,
    unique_by=lambda pair: pair[0],
)
values = st.one_of(
    st.binary(max_size=40),
    st.text(max_size=9).map(lambda text: json.dumps({"text": text, "n": 1.50}).encode()),
    st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), st.integers()).map(compact),
)


@given(st.sampled_from([WORK, DECISIONS]), st.none() | st.binary(max_size=9), values, headers)
def test_any_record_comes_back_byte_for_byte(topic, key, value, pairs):
    record = Record(topic, 2, 7, 1_700_000_000_000, key, value, tuple(pairs))
    line = json.loads(json.dumps(line_of(record)))
    back = record_of(line, topic, 2)
    assert dict(back.headers) == dict(record.headers)
    assert back == Record(topic, 2, 7, 1_700_000_000_000, key, value, back.headers)


def test_a_command_reads_as_it_is_and_needs_no_second_copy():
    value = compact({"id": "c1", "type": "case.note", "data": {"note_ref": "note/ä"}})
    record = Record(WORK, 0, 3, 5, b"nordic", value, (("ce_id", b"c1"),))
    assert line_of(record) == {
        "offset": 3,
        "timestamp_ms": 5,
        "key": "nordic",
        "headers": {"ce_id": "c1"},
        "value": {"id": "c1", "type": "case.note", "data": {"note_ref": "note/ä"}},
    }


def test_a_value_that_would_print_otherwise_keeps_its_bytes():
    record = Record(WORK, 0, 3, 5, None, b'{ "n": 1.0 }', ())
    line = line_of(record)
    assert line["value"] == {"n": 1.0}
    assert base64.b64decode(line["value_b64"]) == b'{ "n": 1.0 }'


def test_a_batch_shows_header_and_body_and_keeps_its_bytes():
    header = chain.Header("ab" * 16, 4, b"\x01" * 32, 7, 9, b"\x02" * 32)
    raw = chain.pack(header, b'{"engine":"e","wall_ms":1}')
    line = line_of(Record(DECISIONS, 0, 4, 5, b"0", raw, ()), void=False)
    assert line["void"] is False
    assert line["value"]["body"] == {"engine": "e", "wall_ms": 1}
    assert line["value"]["header"] == {
        "version": 1,
        "log_id": "ab" * 16,
        "seq": 4,
        "prev_sha256": "01" * 32,
        "from": 7,
        "through": 9,
        "through_sha256": "02" * 32,
    }
    assert record_of(line, DECISIONS, 0).value == raw


@pytest.mark.parametrize(
    "line",
    [
        {},
        [],
        {"offset": "x", "timestamp_ms": 1, "key": None, "headers": {}, "value": None},
        {"offset": 1, "timestamp_ms": 1, "key": None, "headers": [], "value": None},
        {"offset": 1, "timestamp_ms": 1, "key": None, "headers": {}, "value_b64": "%"},
        {"offset": 1, "timestamp_ms": 1, "key": None, "headers": {}},
    ],
)
def test_what_no_export_wrote_is_refused(line):
    with pytest.raises(NotALine):
        record_of(line, WORK, 0)
