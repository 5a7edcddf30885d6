"""Replaying exports: the same bytes are the same, and every kind of tampering is named.

The log is made by the router's own core; the exports are written as `vaxel log export` writes them.
"""

import json
import shutil
from dataclasses import replace

import pytest
import recorded_log

from vaxel_cli.commands import export
from vaxel_cli.commands.lines import compact
from vaxel_cli.main import run
from vaxel_shared.kafka import chain
from vaxel_shared.kafka.scan import Bounds
from vaxel_shared.kafka.topics import DECISIONS, WORK


def write_export(folder, work, decisions, blobs):
    """An export of one partition."""
    export.prepare(folder)
    topics = {}
    for topic, records in ((DECISIONS, decisions), (WORK, work)):
        begin = records[0].offset if records else 0
        bounds = Bounds(begin, begin + len(records))
        file = export.PartitionFile(folder, topic, 0, bounds, recorded_log.LOG_ID)
        for record in records:
            file.write(record)
        file.close()
        topics[topic] = {"partitions": [file.summary()]}
    shutil.copytree(blobs, folder / "blobs")
    manifest = {"format": 1, "log_id": recorded_log.LOG_ID, "topics": topics, "blobs": []}
    (folder / export.MANIFEST).write_text(json.dumps(manifest))
    return folder


@pytest.fixture
def history(tmp_path):
    blobs = tmp_path / "blobs"
    work = recorded_log.work(recorded_log.commands(blobs))
    return work, recorded_log.decisions(recorded_log.fold(work, blobs)), blobs


def test_the_log_comes_out_the_same(tmp_path, history, capsys):
    folder = write_export(tmp_path / "out", *history)
    assert run(["replay", "--from", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "partition 0: 6 records" in said
    assert "every decision the same" in said


def test_json_counts_what_was_compared(tmp_path, history, capsys):
    folder = write_export(tmp_path / "out", *history)
    assert run(["replay", "--from", str(folder), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["same"] is True
    assert answer["records"] == 6
    assert answer["decisions"] > 6
    assert answer["partitions"][0]["mismatch"] is None


def test_void_records_change_nothing(tmp_path, history, capsys):
    work, decisions, blobs = history
    lost = replace(decisions[1], value=decisions[1].value)
    shuffled = [decisions[0], decisions[1], lost, *decisions[2:]]
    again = [replace(record, offset=offset) for offset, record in enumerate(shuffled)]
    folder = write_export(tmp_path / "out", work, again, blobs)
    manifest = json.loads((folder / export.MANIFEST).read_text())
    assert manifest["topics"][DECISIONS]["partitions"][0]["void"] == 1
    assert run(["replay", "--from", str(folder)]) == 0


def rewritten(decisions, change):
    """The same chain with one body changed and every hash made to fit again."""
    previous = chain.genesis_sha256(recorded_log.LOG_ID, 0)
    out = []
    for record in decisions:
        header, body = chain.unpack(record.value)
        raw = chain.pack(replace(header, prev_sha256=previous), change(body))
        previous = recorded_log.hashlib.sha256(raw).digest()
        out.append(replace(record, value=raw))
    return out


def test_a_decision_that_was_not_made_so_is_shown_with_both_sides(tmp_path, history, capsys):
    work, decisions, blobs = history
    forged = rewritten(
        decisions, lambda body: body.replace(b'"agent_id":"a01"', b'"agent_id":"a02"')
    )
    folder = write_export(tmp_path / "out", work, forged, blobs)
    assert run(["replay", "--from", str(folder)]) == 1
    captured = capsys.readouterr()
    assert "partition 0:" in captured.out
    assert "DIFFERS" in captured.out
    assert "first difference: partition 0, offset" in captured.out
    assert "recorded:   " in captured.out
    assert "recomputed: " in captured.out
    assert captured.err == "vaxel: 1 of 1 partitions differ\n"


def test_another_engine_is_named_where_it_differs(tmp_path, history, capsys):
    work, decisions, blobs = history

    def older(body):
        plain = json.loads(body)
        plain["engine"] = "vaxel 0.0.1"
        plain["decisions"] = plain["decisions"][:1]
        return compact(plain)

    folder = write_export(tmp_path / "out", work, rewritten(decisions, older), blobs)
    assert run(["replay", "--from", str(folder)]) == 1
    assert "it was written by vaxel 0.0.1" in capsys.readouterr().err


def test_an_input_that_is_not_the_one_folded_is_noticed(tmp_path, history, capsys):
    work, decisions, blobs = history
    swapped = [*work[:2], replace(work[2], value=work[3].value), *work[3:]]
    folder = write_export(tmp_path / "out", swapped, decisions, blobs)
    assert run(["replay", "--from", str(folder)]) == 1
    assert "offset 2 isn't the input that record 2 folded" in capsys.readouterr().err


def test_a_broken_chain_is_no(tmp_path, history, capsys):
    work, decisions, blobs = history
    header, body = chain.unpack(decisions[1].value)
    broken = chain.pack(replace(header, from_=0), body)
    cut = [decisions[0], replace(decisions[1], value=broken)]
    folder = tmp_path / "out"
    with pytest.raises(chain.ChainHalt):
        write_export(folder, work, cut, blobs)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda folder: (folder / "manifest.json").unlink(), "holds no export"),
        (lambda folder: (folder / "vaxel.work-0.jsonl").unlink(), "No such file"),
        (lambda folder: (folder / "vaxel.work-0.jsonl").write_text("{}\n"), "not a line of"),
        (lambda folder: (folder / "manifest.json").write_text('{"format": 9}'), "another version"),
        (lambda folder: shutil.rmtree(folder / "blobs" / "policy"), "a policy's version"),
        (lambda folder: _drop_last_line(folder / "vaxel.work-0.jsonl"), "was changed since"),
    ],
    ids=["no manifest", "no file", "no lines", "foreign", "no policy", "cut"],
)
def test_an_export_that_is_not_whole_is_exit_3(tmp_path, history, capsys, harm, said):
    folder = write_export(tmp_path / "out", *history)
    harm(folder)
    assert run(["replay", "--from", str(folder)]) == 3
    assert said in capsys.readouterr().err


def _drop_last_line(path):
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]))


def test_a_trimmed_log_can_not_be_replayed(tmp_path, history, capsys):
    work, decisions, blobs = history
    folder = write_export(tmp_path / "out", work[1:], decisions, blobs)
    assert run(["replay", "--from", str(folder)]) == 3
    assert "begins at offset 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--partition", "7"], "no partition 7"), (["--broker", "x:1"], "a folder or a broker")],
)
def test_wrong_use_is_exit_2(tmp_path, history, capsys, arguments, said):
    folder = write_export(tmp_path / "out", *history)
    assert run(["replay", "--from", str(folder), *arguments]) == 2
    assert said in capsys.readouterr().err
