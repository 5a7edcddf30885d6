"""The schemas of the configuration: the example is valid, what the check refuses is not, editors find them."""

import json

import jsonschema
import pytest
import yaml
from policy_kit import TEXTS

from vaxel_cli.commands.schema import documents
from vaxel_cli.runinfo import find_config_dir
from vaxel_shared.config.schema import duration
from vaxel_shared.contracts.schema import render

CONFIG = find_config_dir()
FILES = [*sorted(CONFIG.glob("*.yaml")), *sorted((CONFIG / "tests").glob("*.yaml"))]
PUBLISHED = CONFIG.parent / "docs" / "schemas"


def schema(name):
    found = documents()[f"config/{name}.json"]
    jsonschema.Draft202012Validator.check_schema(found)
    return jsonschema.Draft202012Validator(found)


@pytest.mark.parametrize("path", FILES, ids=[path.name for path in FILES])
def test_every_file_of_the_example_names_its_schema_and_fits_it(path):
    first = path.read_text().splitlines()[0]
    assert first.startswith("# yaml-language-server: $schema=")
    named = (path.parent / first.partition("=")[2]).resolve()
    assert named.is_file()
    validator = jsonschema.Draft202012Validator(json.loads(named.read_text()))
    assert [
        error.message for error in validator.iter_errors(yaml.safe_load(path.read_text()))
    ] == []


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_a_small_deployment_fits_too(name):
    assert list(schema(name).iter_errors(yaml.safe_load(TEXTS[name]))) == []


WRONG = [
    ("routing", "tiers: [1]", "tier: [1]", "Additional properties"),
    ("routing", "after: 10m", "after: ten minutes", "is not valid under any"),
    ("routing", "letter: S", "letter: s", "does not match"),
    ("roster", "tier: 2", "tier: 0", "less than the minimum"),
    ("roster", "name: A One", "nickname: A One", "'name' is a required property"),
    ("channels", "channel: chat", "channel: fax", "is not one of"),
    ("connectors", "tls: none", "tls: ssl", "is not one of"),
]


@pytest.mark.parametrize(("name", "old", "new", "said"), WRONG)
def test_what_the_check_refuses_an_editor_marks(name, old, new, said):
    assert old in TEXTS[name]
    document = yaml.safe_load(TEXTS[name].replace(old, new, 1))
    messages = [
        inner.message
        for error in schema(name).iter_errors(document)
        for inner in [error, *error.context]
    ]
    assert any(said in message for message in messages), messages


def test_the_published_ones_are_todays():
    today = {name: text for name, text in documents().items() if name.startswith("config/")}
    assert {path.name for path in (PUBLISHED / "config").glob("*.json")} == {
        name.removeprefix("config/") for name in today
    }
    for name, document in today.items():
        assert (PUBLISHED / name).read_text() == render(document), name


def test_fields_are_described_and_the_place_is_none_of_them():
    pool = documents()["config/routing.json"]["$defs"]["Pool"]["properties"]
    assert "at" not in pool
    assert pool["sticky_wait"]["description"].startswith("How long a reopened case waits")
    assert pool["sticky_wait"]["default"] == "1h"
    assert "sticky_wait_ms" not in pool


@pytest.mark.parametrize(
    ("ms", "text"),
    [(0, "0s"), (250, "250ms"), (1000, "1s"), (90_000, "90s"), (600_000, "10m"), (1_209_600_000, "14d")],
)  # fmt: skip
def test_durations_are_shown_as_people_write_them(ms, text):
    assert duration(ms) == text
