"""The scanner finds what is planted, wherever it stands, and keeps quiet about what is clean."""

import base64
import json

import pytest
from pii_scan import Wanted, scan_export, scan_record

WANTED = Wanted(
    names=("Aino Virtanen", "Björn Åkesson", "Li X."), canaries=("the canary sings at dawn",)
)

CLEAN = {
    "offset": 7,
    "timestamp_ms": 1_700_000_000_000,
    "key": "nordic",
    "headers": {
        "ce_id": "6f0c3f0e-0000-5000-8000-000000000001",
        "ce_type": "vaxel.command.contact.add.v1",
        "ce_source": "vaxel/triage",
    },
    "value": {
        "id": "6f0c3f0e-0000-5000-8000-000000000001",
        "type": "contact.add",
        "pool": "nordic",
        "actor": {"kind": "customer", "id": "0123456789abcdef"},
        "data": {
            "conversation_key": "nordic|email|support|0123456789abcdef0123456789abcdef",
            "labels": ["billing"],
            "rule": {"id": "fi-billing", "at": "routing.yaml:42"},
            "src": [0, 17],
        },
    },
}


def planted(text, *path):
    record = json.loads(json.dumps(CLEAN))
    target = record
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = text
    return record


def test_a_clean_record_has_no_findings():
    assert scan_record(CLEAN, WANTED) == []


PLANTED = [
    ("aino.virtanen@customer.example", "address"),
    ("queued for <Aino.V+x@mail.customer.example>", "address"),
    ("mailto:aino", "address"),
    ("ääkkönen@asiakas.example", "address"),
    ("Aino", "name"),
    ("assigned to VIRTANEN, aino", "name"),
    ("åkesson", "name"),
    ("agent-virtanen-2", "name"),
    ("Subject: The  Canary\nsings at dawn!", "canary"),
]
PLACES = [
    ("key",),
    ("headers", "ce_subject"),
    ("value", "actor", "id"),
    ("value", "data", "conversation_key"),
    ("value", "data", "labels"),
]


@pytest.mark.parametrize("path", PLACES, ids=".".join)
@pytest.mark.parametrize(("text", "what"), PLANTED)
def test_what_is_planted_is_found_in_any_place(text, what, path):
    record = planted([text] if path[-1] == "labels" else text, *path)
    assert what in {kind for kind, _ in scan_record(record, WANTED)}


def test_the_name_of_a_field_is_looked_at_too():
    record = planted({"aino@customer.example": 1}, "value", "data", "missing")
    assert scan_record(record, WANTED) == [("address", "aino@customer.example"), ("name", "Aino")]


def test_raw_bytes_are_looked_into():
    raw = base64.b64encode(b"\x00\x01VXCH the canary sings at dawn \xff").decode()
    record = {**CLEAN, "value_b64": raw}
    assert scan_record(record, WANTED) == [("canary", "the canary sings at dawn")]


def test_a_name_inside_a_word_is_no_name():
    assert scan_record(planted("ainolabel", "value", "data", "labels"), WANTED) == []


def test_a_canary_that_chance_could_write_is_refused():
    with pytest.raises(ValueError, match="too short"):
        scan_record(CLEAN, Wanted(canaries=("ab",)))


def test_an_export_is_scanned_file_by_file_and_interactions_are_left_alone(tmp_path):
    def write(name, *records):
        lines = "".join(json.dumps(record) + "\n" for record in records)
        (tmp_path / name).write_text(lines)

    bad = planted("aino@customer.example", "value", "data", "labels")
    write("vaxel.work-0.jsonl", CLEAN, {**bad, "offset": 8})
    write("vaxel.decisions-3.jsonl", planted("Björn", "value", "actor", "id"))
    write("vaxel.interactions-0.jsonl", bad)
    found = [(f.file, f.offset, f.what) for f in scan_export(tmp_path, WANTED)]
    assert found == [
        ("vaxel.work-0.jsonl", 8, "address"),
        ("vaxel.work-0.jsonl", 8, "name"),
        ("vaxel.decisions-3.jsonl", 7, "name"),
    ]


def test_an_empty_folder_is_no_clean_export(tmp_path):
    with pytest.raises(LookupError, match="no export"):
        scan_export(tmp_path, WANTED)
