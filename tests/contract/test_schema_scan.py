"""What the services really write fits the published schemas, and the check notices what doesn't."""

import json

import pytest
import recorded_log
from schema_scan import violations

from vaxel_cli.commands import mail
from vaxel_cli.commands.lines import compact, line_of
from vaxel_ingest_email.core.normalize import normalize
from vaxel_shared.contracts.snapshots import LogRecord
from vaxel_shared.crypto.keys import Keyring
from vaxel_shared.kafka.deadletters import dead_letter
from vaxel_shared.kafka.topic_reader import Record
from vaxel_shared.kafka.topics import DEADLETTERS, INTERACTIONS, SNAPSHOTS, WORK


def write(folder, records):
    """Records of one topic and partition as an export."""
    name = f"{records[0].topic}-{records[0].partition}.jsonl"
    (folder / name).write_bytes(b"".join(compact(line_of(record)) + b"\n" for record in records))


def record(topic, value, key=b"k"):
    return Record(topic, 0, 0, 1, key, value, ())


def test_what_the_routers_core_writes_fits(tmp_path):
    blobs = tmp_path / "blobs"
    work = recorded_log.work(recorded_log.commands(blobs)[:-1])  # without the nonsense at its end
    write(tmp_path, work)
    write(tmp_path, recorded_log.decisions(recorded_log.fold(work, blobs)))
    assert list(violations(tmp_path)) == []


def test_what_the_receiver_writes_fits(tmp_path):
    keyring = Keyring(bytes(32))
    values = [
        normalize(bytes(mail.example(name)), None, None, keyring, 1).interaction.to_json()
        for name in mail.example_names()
    ]
    write(tmp_path, [record(INTERACTIONS, value) for value in values])
    assert list(violations(tmp_path)) == []


def test_dead_letters_and_the_logs_identity_fit(tmp_path):
    letter = dead_letter(
        record(WORK, b"\xff"), service="router", error_class="rejected", reason="undecodable"
    )
    write(tmp_path, [record(DEADLETTERS, letter.to_json())])
    write(tmp_path, [record(SNAPSHOTS, LogRecord(log_id="ab" * 16).to_json(), key=b"log")])
    assert list(violations(tmp_path)) == []


CLEAN = json.loads(recorded_log._contact("first", 0))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"via": None}, "$.via: None is not of type 'string'"),
        ({"type": "contact.ad"}, "type 'contact.ad' isn't published"),
        ({"data": {**CLEAN["data"], "src": "0"}}, "$.data.src: '0' is not of type 'array'"),
        ({"actor": {"kind": "robot", "id": "x"}}, "$.actor.kind: 'robot' is not one of"),
    ],
)
def test_a_command_that_does_not_fit_is_named_with_its_field(tmp_path, change, said):
    write(tmp_path, [record(WORK, compact({**CLEAN, **change}))])
    found = list(violations(tmp_path))
    assert len(found) == 1
    assert found[0].startswith(f"vaxel.work-0.jsonl@0: {said}")


def test_a_decision_that_does_not_fit_is_named_with_its_field(tmp_path):
    blobs = tmp_path / "blobs"
    work = recorded_log.work(recorded_log.commands(blobs)[:2])
    raw = recorded_log.fold(work, blobs)[0]
    wrong = raw.replace(b'"kind":"routing"', b'"kind":12345678901')
    write(tmp_path, recorded_log.decisions([wrong]))
    (found,) = violations(tmp_path)
    place = "vaxel.decisions-0.jsonl@0 decision 0 policy.adopted"
    assert found == f"{place}: $.data.kind: 12345678901 is not of type 'string'"
