"""The rig's checker proves that it can fail: each planted fault is found, and nothing else is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from chaos.rig_check import Check, Judgement
from chaos.rig_place import Round
from chaos.rig_segments import BATCH, LENGTH_FROM, partition, varint

from vaxel_shared.kafka import chain
from vaxel_shared.kafka.topic_reader import record_sha256

LOG_ID = "0123456789abcdef0123456789abcdef"
FIRST, SECOND, LATE = 7, 8, 7  # producer ids: the first owner's, its successor's, the first's again
Json = dict[str, Any]
Row = tuple[int, bytes, bytes]  # producer, key, value


def zigzag(value: int) -> bytes:
    """A variable-length integer as Kafka writes it."""
    rest, out = (value << 1) ^ (value >> 63), bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([*out, rest])


def write_log(folder: Path, topic: str, rows: list[Row]) -> None:
    """One partition's segment, a batch a record, as a broker would write it."""
    path = folder / f"{topic}-0" / "00000000000000000000.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    raw = b""
    for offset, (producer, key, value) in enumerate(rows):
        record = b"\x00" + zigzag(0) + zigzag(0) + zigzag(len(key)) + key
        record += zigzag(len(value)) + value + zigzag(0)
        body = zigzag(len(record)) + record
        length = BATCH.size - LENGTH_FROM + len(body)
        head = BATCH.pack(offset, length, 0, 2, 0, 8, 0, 1, 1, producer, 0, offset, 1)
        raw += head + body
    path.write_bytes(raw + bytes(200))  # segments are allocated ahead


@dataclass
class Story:
    """Two owners: the first decides a contact and an answer, the second a note, a late record lands."""

    inputs: list[Json] = field(default_factory=list)
    batches: list[tuple[int, Json, int]] = field(default_factory=list)
    """Producer, body, how many inputs it folds."""
    late: bool = True
    journal: list[Json] = field(default_factory=list)
    snapshot_of: int = 1
    trace_from: int = 0

    def __post_init__(self) -> None:
        for name in ("contact-1", "reply-1", "note-1"):
            self.inputs.append({"id": name, "via": "rig", "pool": "p", "data": {}})
        opened = decision("case.opened", "contact-1", case_id="k", data={"contact_id": "contact-1"})
        queued = decision("work.queued", "contact-1", case_id="k", work_id="k.1")
        replied = decision("case.replied", "reply-1", case_id="k")
        noted = decision("case.noted", "note-1", case_id="k")
        self.batches = [
            (FIRST, {"claim": {"instance": "0", "run_id": "one"}}, 0),
            (FIRST, {"decisions": [opened, queued, replied]}, 2),
            (SECOND, {"claim": {"instance": "0", "run_id": "two"}}, 0),
            (SECOND, {"decisions": [noted]}, 1),
        ]
        self.journal = [self.line("contact-1", 0), self.line("note-1", 2)]

    @staticmethod
    def line(name: str, offset: int) -> Json:
        return {"topic": "vaxel.work", "partition": 0, "offset": offset, "id": name}

    def write(self, folder: Path) -> Check:
        """As a broker, two readers and the feeder would have left it; the check that folded it."""
        one = Round("r1.", folder / "round", "", "")
        one.settings.blobs.mkdir(parents=True)
        log_dir = folder / "kafka"
        work = [(1, b"p", json.dumps(item).encode()) for item in self.inputs]
        write_log(log_dir, "r1.vaxel.work", work)
        rows, valid = self._decisions(work)
        write_log(log_dir, "r1.vaxel.decisions", rows)
        write_log(log_dir, "r1.vaxel.snapshots", [self._snapshot(one, rows)])
        (one.folder / "journal.jsonl").write_text(_lines(self.journal))
        trace = one.folder / "trace.jsonl"
        trace.write_text(_lines(valid[self.trace_from :]))
        check = Check(one, log_dir, LOG_ID)
        check.fold()
        check.trace(trace)
        return check

    def _decisions(self, work: list[Row]) -> tuple[list[Row], list[list[Any]]]:
        tip, through, last = chain.genesis_sha256(LOG_ID, 0), -1, chain.NO_INPUT_SHA256
        rows: list[Row] = []
        valid: list[list[Any]] = []
        stale: Row | None = None
        for seq, (producer, body, count) in enumerate(self.batches):
            if self.late and stale is not None and producer == SECOND and count:
                rows.append(stale)
            if count and through + count < len(work):
                last = record_sha256(work[through + count][1], work[through + count][2])
            header = chain.Header(LOG_ID, seq, tip, through + 1, through + count, last)
            through += count
            raw = chain.pack(header, json.dumps({"engine": "e", "wall_ms": 1, **body}).encode())
            tip = hashlib.sha256(raw).digest()
            valid.append([0, len(rows), seq, tip.hex()])
            rows.append((producer, b"0", raw))
            stale = (LATE, b"0", raw) if producer == FIRST else stale
        return rows, valid

    def _snapshot(self, one: Round, rows: list[Row]) -> Row:
        state = b"a state"
        digest = hashlib.sha256(state).hexdigest()
        blob = one.settings.blobs / "state" / digest[:2] / digest
        blob.parent.mkdir(parents=True)
        blob.write_bytes(state)
        said = {
            "offset": 1,
            "seq": 1,
            "sha256": hashlib.sha256(rows[self.snapshot_of][2]).hexdigest(),
            "blob_sha256": digest,
        }
        return (FIRST, b"0/0", json.dumps(said).encode())


def decision(kind: str, cause: str, **more: Any) -> Json:
    return {"type": kind, "at_ms": 1, "pool": "p", "cause": cause, **more}


def _lines(items: list[Any]) -> str:
    return "".join(json.dumps(item) + "\n" for item in items)


def test_a_good_story_is_good_and_its_owners_are_told_apart(tmp_path: Path) -> None:
    found = Story().write(tmp_path).judgement
    assert found.wrong == {}
    assert (found.inputs, found.records, found.void_records) == (3, 5, 1)
    assert (found.owners, found.snapshots) == (2, 1)
    assert (found.stale_attempts, found.late_landings) == (1, 1), "the first owner's late record"


def without_its_end(story: Story) -> None:
    del story.batches[3]


def an_input_nobody_decides(story: Story) -> None:
    del story.batches[1][1]["decisions"][2]


def a_contact_twice(story: Story) -> None:
    again = decision("case.joined", "note-1", case_id="k", data={"contact_id": "contact-1"})
    story.batches[3][1]["decisions"].append(again)


def an_answer_twice(story: Story) -> None:
    decisions = story.batches[1][1]["decisions"]
    decisions.append(decisions[2])


def the_wrong_order(story: Story) -> None:
    story.batches[1][1]["decisions"].reverse()


def an_acknowledged_one_is_gone(story: Story) -> None:
    story.journal.append(story.line("note-2", 3))


def a_reader_that_began_later(story: Story) -> None:
    story.trace_from = 1


def a_snapshot_of_another_place(story: Story) -> None:
    story.snapshot_of = 0


def the_first_owner_goes_on(story: Story) -> None:
    story.batches[3] = (FIRST, *story.batches[3][1:])


def a_record_of_nobody(story: Story) -> None:
    story.batches[3] = (99, *story.batches[3][1:])


def two_owners_of_one_work(story: Story) -> None:
    decisions = story.batches[3][1]["decisions"]
    data = {"cost": 1, "via": "override"}
    for agent in ("a", "b"):
        decisions.append(
            decision(
                "work.assigned",
                f"override of {agent}",
                case_id="k",
                agent_id=agent,
                work_id="k.1",
                data=data,
            )
        )


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        (without_its_end, {"undecided"}),
        (an_input_nobody_decides, {"undecided"}),
        (a_contact_twice, {"duplicated"}),
        (an_answer_twice, {"duplicated"}),
        (the_wrong_order, {"unordered"}),
        (an_acknowledged_one_is_gone, {"lost"}),
        (a_reader_that_began_later, {"readers_differ"}),
        (a_snapshot_of_another_place, {"snapshots_wrong"}),
        (the_first_owner_goes_on, {"stale_accepted"}),
        (a_record_of_nobody, {"unattributed"}),
        (two_owners_of_one_work, {"overlapping_owners"}),
    ],
)
def test_each_fault_is_found(
    tmp_path: Path, fault: Callable[[Story], None], found: set[str]
) -> None:
    story = Story()
    fault(story)
    assert story.write(tmp_path).judgement.wrong.keys() == found


def test_an_interaction_that_triage_lost_is_found(tmp_path: Path) -> None:
    write_log(tmp_path / "kafka", "r1.vaxel.interactions", [(1, b"k", b'{"id": "contact-2"}')])
    found = Story().write(tmp_path).judgement
    assert found.wrong == {"lost": ["interaction contact-2: no case has it"]}


def test_rounds_add_up() -> None:
    both = Judgement(inputs=1, lost=["a"])
    both.add(Judgement(inputs=2, lost=["b"]))
    assert (both.inputs, both.lost, both.violations) == (3, ["a", "b"], 2)


@pytest.mark.parametrize("value", [0, 1, -1, 63, 64, -65, 300, 2**31])
def test_integers_are_read_as_kafka_writes_them(value: int) -> None:
    raw = b"x" + zigzag(value)
    assert varint(raw, 1) == (value, len(raw))


def test_a_torn_batch_at_the_end_is_not_read(tmp_path: Path) -> None:
    write_log(tmp_path, "t", [(1, b"k", b"one"), (1, b"k", b"two")])
    path = tmp_path / "t-0" / "00000000000000000000.log"
    path.write_bytes(path.read_bytes()[:-205])
    assert [row.value for row in partition(tmp_path, "t", 0)] == [b"one"]
