"""`vaxel schema`: what is written, and how a change of it is judged."""

import json

import jsonschema
import pytest

from vaxel_cli.commands.schema import documents
from vaxel_cli.main import run


def test_everything_is_written_and_as_published(tmp_path, capsys):
    folder = tmp_path / "new" / "schemas"
    assert run(["schema", "export", "--to", str(folder), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (
        set(answer["files"])
        == set(documents())
        == {str(path.relative_to(folder)) for path in folder.rglob("*.json")}
    )
    assert run(["schema", "check", "--against", str(folder)]) == 0


def test_a_document_that_differs_harmlessly_is_stale(tmp_path, capsys):
    run(["schema", "export", "--to", str(tmp_path)])
    path = tmp_path / "log.v1.json"
    document = json.loads(path.read_text())
    document["properties"]["log_id"]["description"] = "It was said otherwise."
    path.write_text(json.dumps(document))
    assert run(["schema", "check", "--against", str(tmp_path)]) == 1
    captured = capsys.readouterr()
    assert "stale  log.v1.json: differs" in captured.out
    assert "run `vaxel schema export" in captured.err


def test_a_field_that_readers_were_promised_and_is_gone_is_a_break(tmp_path, capsys):
    run(["schema", "export", "--to", str(tmp_path)])
    capsys.readouterr()
    path = tmp_path / "command.v1.json"
    document = json.loads(path.read_text())
    document["$defs"]["CaseNote"]["properties"]["mood"] = {"type": "string"}
    path.write_text(json.dumps(document))
    (tmp_path / "gone.v1.json").write_text("{}")
    assert run(["schema", "check", "--against", str(tmp_path), "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["breaks"] == [
        "command.v1.json: <case.note>.data.mood: removed",
        "gone.v1.json: no longer published",
    ]


def test_a_folder_that_can_not_be_written_is_exit_3(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert run(["schema", "export", "--to", str(tmp_path / "file" / "x")]) == 3
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("name", [name for name in documents() if "v1" in name])
def test_schemas_are_schemas(name):
    jsonschema.Draft202012Validator.check_schema(documents()[name])
