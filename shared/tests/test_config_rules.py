"""Rules: what expressions may say, and that no message makes one fail loudly."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from vaxel_shared.config.expressions import (
    TEXTS,
    VARIABLES,
    FaultyRulesError,
    RuleBook,
    _literals,
)
from vaxel_shared.config.mentioned import Question, rewritten
from vaxel_shared.config.routing import Rule
from vaxel_shared.config.words import mentions


def book(text: str) -> RuleBook:
    return RuleBook([Rule.model_validate(item) for item in yaml.safe_load(text)])


def facts(**given_facts: Any) -> dict[str, Any]:
    assert set(given_facts) <= set(VARIABLES)
    return dict(VARIABLES) | given_facts


WORDS = [
    # text, words, whether they are mentioned
    ("My invoice is wrong", ["invoice"], True),
    ("My INVOICES are wrong", ["invoice"], False),
    ("My INVOICES are wrong", ["invoice*"], True),
    ("the reinvoiced sum", ["invoice*"], False),
    ("the reinvoiced sum", ["*invoice*"], True),
    ("Meine Stromrechnung stimmt nicht", ["*rechnung"], True),
    ("Meine Stromrechnungen stimmen nicht", ["*rechnung"], False),
    ("ÄRENDE 12", ["ärende"], True),
    ("Överfakturerad", ["fakturer*"], False),
    ("die Straße", ["strasse"], True),
    ("LASKUNI", ["lasku*"], True),
    ("pöytä", ["poyta"], False),
    ("caf\u0065\u0301 fermé", ["café"], True),
    ("it does\n  not   work", ["does not work"], True),
    ("it does notwork", ["does not work"], False),
    ("Réclamation: d'urgence!", ["d'urgence"], True),
    ("c++ and a.b", ["c++"], True),
    ("c++ and axb", ["a.b"], False),
    ("мой счёт неверен", ["счёт"], True),
    ("", ["anything*"], False),
    ("anything", [], False),
]


@pytest.mark.parametrize(("text", "words", "expected"), WORDS)
def test_words_are_found_whole_in_any_case_and_script(
    text: str, words: list[str], expected: bool
) -> None:
    assert mentions(text, words) is expected


@pytest.mark.parametrize("word", ["", "*", "**", " ", "a*b", "***a", "x" * 101])
def test_what_is_no_word_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match="is no word"):
        mentions("text", ["fine", word])


@given(st.text(), st.lists(st.text(st.characters(exclude_characters="*"), min_size=1, max_size=20)))
def test_no_text_and_no_word_makes_the_search_fail(text: str, words: list[str]) -> None:
    usable = [word for word in words if word.split()]
    found = mentions(text, usable)
    assert found == any(mentions(text, [word]) for word in usable)


@given(st.from_regex(r"\w{1,20}", fullmatch=True), st.text(" .,;!?\n", max_size=5))
def test_a_word_between_other_characters_is_always_found(word: str, around: str) -> None:
    assert mentions(f"{around}{word}{around}", [word])


RULES = """
- {id: invoice, when: 'content.mentions(["invoice*"])', set: {queue: billing}}
- {id: shouting, when: 'subject.endsWith("!")', set: {priority: 5}}
- {id: pdf, when: '"application/pdf" in attachments', set: {labels: [pdf]}}
- {id: third, when: 'attachments[2] == "x/y" || size(attachments) < 3', set: {labels: [three]}}
- {id: stop, when: 'sender_domain == "spam.example"', set: {labels: [known]}, final: true}
- {id: bot, when: 'flags.auto_reply && !is_reply', set: {labels: [bot]}}
- {id: finnish, when: 'language == "fi" && account == "help" && channel == "email"', set: {}}
"""

MATCHES: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["third"]),
    ({"content": "an Invoice!", "subject": "Hey!"}, ["invoice", "shouting", "third"]),
    ({"attachments": ["a/b", "c/d", "application/pdf"]}, ["pdf"]),
    ({"sender_domain": "spam.example", "flags.auto_reply": True}, ["third", "stop"]),
    ({"flags.auto_reply": True}, ["third", "bot"]),
    ({"flags.auto_reply": True, "is_reply": True}, ["third"]),
    ({"language": "fi", "account": "help", "channel": "email"}, ["third", "finnish"]),
]


@pytest.mark.parametrize(("given_facts", "expected"), MATCHES)
def test_rules_hold_in_order_up_to_a_final_one(
    given_facts: dict[str, Any], expected: list[str]
) -> None:
    held, failed = book(RULES).matching(facts(**given_facts))
    assert [rule.id for rule in held] == expected
    assert failed == []


def test_a_rule_that_fails_on_a_message_counts_as_not_matching_and_is_named() -> None:
    rules = book(
        """
        - {id: risky, when: 'size(attachments) == 0 || attachments[1] == "a/b"', set: {}}
        - {id: sane, when: 'has_attachment', set: {}}
        """
    )
    held, failed = rules.matching(facts(attachments=["x/y"], has_attachment=True))
    assert [rule.id for rule in held] == ["sane"]
    assert failed == ["risky"]


def test_every_faulty_rule_is_told_at_once() -> None:
    with pytest.raises(FaultyRulesError) as caught:
        book(
            """
            - {id: a, when: 'nonsense', set: {}}
            - {id: b, when: 'true', set: {}}
            - {id: c, when: '1 / 0 == 1', set: {}}
            """
        )
    assert [(fault.index, fault.message[:8]) for fault in caught.value.faults] == [
        (0, "rule 'a'"),
        (2, "rule 'c'"),
    ]


values: dict[type, st.SearchStrategy[Any]] = {
    str: st.text(st.characters(exclude_categories=["Cs"])),
    bool: st.booleans(),
    list: st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), max_size=5),
}


BOOK = book(RULES)


@given(st.fixed_dictionaries({name: values[type(value)] for name, value in VARIABLES.items()}))
def test_no_message_makes_rules_raise(given_facts: dict[str, Any]) -> None:
    held, failed = BOOK.matching(given_facts)
    assert len(held) + len(failed) <= 7
    assert set(failed) <= {"third"}


ASKED = [
    ('content.mentions(["invoice*"])', "q0", [("content", ("invoice*",))]),
    ('!subject . mentions( ["a", r"b\\c", \'d\', ] ) || is_reply', None, [("subject", ("a", "b\\c", "d"))]),
    ('text.mentions(["a"]) && text.mentions(["b"])', "q0 && q1", [("text", ("a",)), ("text", ("b",))]),
    ('text == "content.mentions([1])" // mentions', None, []),
    ('"""a " mentions""" == text', None, []),
    ("language == 'fi'", "language == 'fi'", []),
]  # fmt: skip


@pytest.mark.parametrize(("source", "expected", "questions"), ASKED)
def test_what_mentions_is_asked_of_is_found_wherever_it_stands(
    source: str, expected: str | None, questions: list[tuple[str, tuple[str, ...]]]
) -> None:
    found: list[Question] = []

    def name(question: Question) -> str:
        found.append(question)
        return f"q{len(found) - 1}"

    text = rewritten(source, TEXTS, _literals, name)
    assert [(one.variable, one.words) for one in found] == questions
    assert text == expected if expected is not None else text.count("q") >= len(found)
    assert (text == source) == (not found)


@pytest.mark.parametrize(
    "source",
    [
        '(subject + text).mentions(["a"])',
        "content.mentions(attachments)",
        'content.mentions(["a" + "b"])',
        'content.mentions(["a"] + ["b"])',
        'attachments.exists(one, one.mentions(["a"]))',
    ],
)
def test_mentions_is_asked_of_a_text_with_plain_words_only(source: str) -> None:
    with pytest.raises(FaultyRulesError, match="mentions is asked of"):
        book(f"- {{id: odd, when: '{source}', set: {{}}}}")


def test_however_many_messages_leave_no_memory_behind() -> None:
    rules = book('- {id: a, when: \'content.mentions(["invoice*", "lasku*"])\', set: {}}')
    contact = facts(content="Hello, about my order. " * 50)

    def used_bytes(count: int) -> int:
        for _ in range(count):
            rules.matching(contact)
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    before = used_bytes(200)
    assert used_bytes(4_000) - before < 2_000_000  # calls out of CEL left 5 kB each
