"""The console's files and words: nothing from elsewhere, nothing inline, six whole languages."""

from __future__ import annotations

import json
import re
from importlib import resources
from typing import Any

import pytest
from register_kit import Register

from vaxel_register.core.words import NAMES, Words, reason_words
from vaxel_register.shell.console import load_assets, load_words
from vaxel_shared.contracts.decisions import DATA
from vaxel_shared.contracts.sla import SlaEvent

ASSETS = load_assets()
WORDS = load_words()
ENGLISH = WORDS.texts("en")
FOLDER = resources.files("vaxel_register") / "console" / "words"
SCRIPTS = {name: asset.body.decode() for name, asset in ASSETS.items() if name.endswith(".js")}


@pytest.mark.parametrize("language", NAMES)
def test_every_language_says_everything_with_the_same_places(language: str) -> None:
    texts = WORDS.texts(language)
    own = set(json.loads((FOLDER / f"{language}.json").read_text()))
    expected = set(ENGLISH) if language != "en" else set(ENGLISH) - set(reason_words())
    assert own == expected
    for key, text in texts.items():
        assert text.strip()
        assert sorted(re.findall(r"{\w+}", text)) == sorted(re.findall(r"{\w+}", ENGLISH[key])), key


def test_every_text_that_the_scripts_name_is_there() -> None:
    named = {key for text in SCRIPTS.values() for key in re.findall(r'\bt\("([a-z_.]+)"', text)}
    assert len(named) > 100
    assert named <= set(ENGLISH)


@pytest.mark.parametrize("type_", sorted(DATA))
def test_every_decision_on_a_case_is_said_in_a_sentence(type_: str) -> None:
    quiet = {"policy.adopted", "roster.adopted", "agent.changed", "agent.removed",
             "switch.changed", "case.replied", "case.noted", "command.repeated"}  # fmt: skip
    assert (f"decision.{type_}" in ENGLISH) == (type_ not in quiet)


def test_every_event_of_a_clock_is_said_in_a_sentence() -> None:
    kinds: Any = SlaEvent.model_fields["type"].annotation
    assert all(f"decision.sla.{kind}" in ENGLISH for kind in kinds.__args__)


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("fi", "fi"),
        ("sv-FI, fi;q=0.9", "sv"),
        ("ja, de;q=0.5, fr;q=0.8", "fr"),
        ("", "en"),
        ("*", "en"),
        ("en-US;q=x, et;q=0.1", "et"),
        (",;=,q", "en"),
    ],
)
def test_the_best_language_there_is(header: str, language: str) -> None:
    assert WORDS.best(header) == language


def test_what_a_language_lacks_is_said_in_english() -> None:
    words = Words({"en": {"a": "A", "b": "B"}, "fi": {"a": "Ä"}})
    assert (words.say("fi", "a"), words.say("fi", "b"), words.say("fi", "c")) == ("Ä", "B", "c")


async def test_texts_are_for_everybody_in_any_language(register: Register) -> None:
    answer = await register.client.get("/api/v1/texts", params={"language": "fi-FI"})
    body = await answer.json()
    assert (answer.status, body["language"], body["languages"]) == (200, "fi", NAMES)
    assert body["texts"]["rejection.skill_level"] == "taitotaso liian matala"
    other = await register.client.get("/api/v1/texts", params={"language": "ja"})
    assert (await other.json())["texts"]["rejection.skill_level"] == "skill level too low"


async def test_pages_load_nothing_from_elsewhere_and_run_nothing_inline(register: Register) -> None:
    page = await register.client.get("/")
    assert page.status == 200
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    text = await page.text()
    wanted = re.findall(r'(?:src|href)="(/[^"]*)"', text)
    assert wanted
    for path in wanted:
        assert (await register.client.get(path)).status == 200, path
    for name, asset in ASSETS.items():
        body = asset.body.decode()
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", body), name
        assert not re.search(r"\b(innerHTML|outerHTML|insertAdjacentHTML|eval)\b", body), name
        assert not re.search(r"<script(?![^>]*src=)|\son\w+=\"|style=\"", body), name


def test_scripts_import_only_files_that_are_served() -> None:
    for name, text in SCRIPTS.items():
        for imported in re.findall(r'from "\./([^"]+)"', text):
            assert imported in SCRIPTS, f"{name} imports {imported}"


async def test_a_file_is_sent_once_and_then_only_asked_about(register: Register) -> None:
    first = await register.client.get("/console/app.js")
    assert first.content_type == "text/javascript"
    again = await register.client.get(
        "/console/app.js", headers={"If-None-Match": first.headers["ETag"]}
    )
    assert (again.status, await again.read()) == (304, b"")


@pytest.mark.parametrize(
    "path", ["/console/none.js", "/console/words/en.json", "/console/..%2Fconfig.py", "/console/"]
)
async def test_nothing_else_is_served(register: Register, path: str) -> None:
    assert (await register.client.get(path)).status == 404
