"""The published documents in docs/schemas against the code.

If the first test fails, readers of the topics would break: add a field instead of changing one. If
only the second fails, the change is fine and the copies are old.
"""

import json
from pathlib import Path

import jsonschema
import pytest

from vaxel_cli.commands.schema import REMEDY, compare, documents
from vaxel_shared.contracts import asyncapi
from vaxel_shared.contracts.schema import schemas
from vaxel_shared.kafka import topics

DOCUMENTS = documents()
PUBLISHED = Path(__file__).parents[2] / "docs" / "schemas"


def test_no_published_schema_changed_incompatibly():
    breaks, _ = compare(PUBLISHED)
    assert breaks == []


def test_the_published_documents_are_those_of_the_code():
    _, stale = compare(PUBLISHED)
    assert stale == [], REMEDY


@pytest.mark.parametrize("name", sorted(schemas()))
def test_every_schema_is_valid_json_schema(name):
    jsonschema.Draft202012Validator.check_schema(DOCUMENTS[name])


def references(value):
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def resolve(reference, home):
    file, _, pointer = reference.partition("#")
    found = DOCUMENTS[file.removeprefix("./")] if file else DOCUMENTS[home]
    for step in pointer.removeprefix("/").split("/") if pointer else []:
        found = found[step]
    return found


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_reference_leads_somewhere(name):
    found = list(references(DOCUMENTS[name]))
    for reference in found:
        assert isinstance(resolve(reference, name), dict)
    assert found or name in {"deadletter.v1.json", "log.v1.json", "snapshot.v1.json"}


def test_the_asyncapi_document_names_exactly_the_declared_topics():
    declared = {topic.name for topic in topics.TOPICS if not topic.internal}
    assert {channel.address for channel in asyncapi.CHANNELS} == declared


def test_documents_hold_no_host_name():
    # What people may write in config/ is shown with examples; those have names of their own.
    shapes = {name: one for name, one in DOCUMENTS.items() if not name.startswith("config/")}
    text = json.dumps(shapes)
    hosts = {part.split("/")[0] for part in text.split("://")[1:]}
    assert hosts == {"json-schema.org"}
