"""Every mistake in a deployment's files is answered with file, line and what to do."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import pytest

from vaxel_shared.config.deployment import load
from vaxel_shared.config.source import ConfigError, parse

CHANNELS = """\
deployment: test
languages: [en, fi]
default_language: en
accounts:
  - id: help
    address: help@shop.example
    pool: care
    queue: general
  - id: money
    address: money@shop.example
    pool: care
    queue: billing
"""

ROUTING = """\
pools:
  - name: care
    letter: C
    queues:
      - name: general
        steps:
          - {after: 0s, tiers: [1]}
          - {after: 10m, tiers: [1, 2]}
        language_fallback: {after: 5m, to: [en]}
      - name: billing
        skills: {billing: 3}
        steps:
          - {after: 0s, tiers: [1]}
rules:
  - id: invoices
    when: content.mentions(["invoice*"])
    set: {queue: billing}
  - id: loud
    when: >-
      subject == "HELP"
      || subject.endsWith("!")
    set: {priority: 5}
"""

ROSTER = """\
agents:
  - id: a1
    name: Tuuli Aalto
    email: a1@shop.example
    pool: care
    languages: {fi: 9}
  - id: a2
    name: Erik Holm
    email: a2@shop.example
    pool: care
    languages: {en: 9}
"""

CONNECTORS = """\
mail:
  relay: {host: sink, tls: none}
"""

FILES = {
    "channels": CHANNELS,
    "routing": ROUTING,
    "roster": ROSTER,
    "connectors": CONNECTORS,
}


def write(folder: Path, **changed: str | None) -> Path:
    for name, text in (FILES | changed).items():
        if text is not None:
            (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder


def problems(folder: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(folder)
    assert str(caught.value) == "\n".join(str(problem) for problem in caught.value.problems)
    return [str(problem) for problem in caught.value.problems]


def edited(name: str, old: str, new: str) -> dict[str, str]:
    assert FILES[name].count(old) >= 1, f"{old!r} doesn't stand in {name}.yaml"
    return {name: FILES[name].replace(old, new, 1)}


def test_valid_files_load_with_the_place_of_every_item(tmp_path: Path) -> None:
    loaded = load(write(tmp_path))
    assert [account.at for account in loaded.channels.accounts] == [
        "channels.yaml:5",
        "channels.yaml:9",
    ]
    assert loaded.routing.pools[0].at == "routing.yaml:2"
    assert loaded.routing.pools[0].queues[1].at == "routing.yaml:10"
    assert loaded.routing.pools[0].queues[0].steps[1].at == "routing.yaml:8"
    assert [rule.at for rule in loaded.routing.rules] == ["routing.yaml:15", "routing.yaml:18"]
    assert loaded.roster.agents[1].at == "roster.yaml:7"
    assert loaded.channels.account("HELP@shop.example") == loaded.channels.accounts[0]
    assert set(loaded.documents) == set(FILES)


MISTAKES = [
    # what is written instead of what, in which file → the one problem
    (
        ("channels", "pool: care", "pool: car"),
        "channels.yaml:7: no pool 'car' in routing.yaml; did you mean 'care'?",
    ),
    (
        ("channels", "queue: billing", "queue: bilings"),
        "channels.yaml:12: no queue 'bilings' in pool 'care'; did you mean 'billing'?",
    ),
    (
        ("channels", "queue: billing", "queue: zzz"),
        "channels.yaml:12: no queue 'zzz' in pool 'care'; known are general, billing",
    ),
    (
        ("channels", "id: money", "id: help"),
        "channels.yaml:9: id 'help' stands in line 5 already; change one",
    ),
    (
        ("channels", "money@shop.example", "Help@Shop.example"),
        "channels.yaml:10: address 'Help@Shop.example' stands in line 6 already; change one",
    ),
    (
        ("channels", "default_language: en", "default_language: sv"),
        "channels.yaml:1: the file: default_language must be one of languages",
    ),
    (
        ("channels", "languages: [en, fi]", "languages: [en, no]"),
        (
            "channels.yaml:2: languages.1: YAML takes yes, no, on and off for true and false; "
            "put it in quotes"
        ),
    ),
    (
        ("channels", "languages: [en, fi]", "languages: [en, finnish]"),
        "channels.yaml:2: languages.1: 'finnish' is no language tag; write it like fi or pt-BR",
    ),
    (("channels", "deployment: test\n", ""), "channels.yaml:1: 'deployment' is missing; add it"),
    (
        ("channels", "    address: help@shop.example\n", ""),
        "channels.yaml:5: accounts.0: 'address' is missing; add it",
    ),
    (
        ("channels", "address: help@", "adress: help@"),
        "channels.yaml:6: unknown key 'adress'; did you mean 'address'?",
    ),
    (("channels", "id: help", "id: Help!"), "channels.yaml:5: accounts.0.id: String should match"),
    (("routing", "after: 10m", "after: 10 min"), "routing.yaml:8: pools.0.queues.0.steps.1.after:"),
    (
        ("routing", "tiers: [1, 2]", "tier: [1, 2]"),
        "routing.yaml:8: unknown key 'tier'; did you mean 'tiers'?",
    ),
    (
        ("routing", "after: 10m", "after: 0s"),
        "routing.yaml:5: pools.0.queues.0: each step must start later than the one before it",
    ),
    (
        ("routing", "after: 0s", "after: 1s"),
        "routing.yaml:5: pools.0.queues.0: the first step must",
    ),
    (
        ("routing", "letter: C", "letter: Care"),
        "routing.yaml:3: pools.0.letter: String should match",
    ),
    (
        ("routing", "set: {queue: billing}", "set: {queue: biling}"),
        "routing.yaml:17: no queue 'biling' in any pool; did you mean 'billing'?",
    ),
    (
        ("routing", "to: [en]", "to: [eng]"),
        "routing.yaml:9: 'eng' is none of the languages in channels.yaml; did you mean 'en'?",
    ),
    (
        ("routing", "id: loud", "id: invoices"),
        "routing.yaml:18: id 'invoices' stands in line 15 already; change one",
    ),
    (
        ("routing", "name: billing", "name: general"),
        "routing.yaml:2: pools.0: two queues have the same name; rename one",
    ),
    (
        ("routing", "priority: 5", "priority: high"),
        "routing.yaml:22: rules.1.set.priority: Input should be a valid integer",
    ),
    (
        ("routing", "when: content.mentions", "when: contents.mentions"),
        "routing.yaml:16: rule 'invoices': undeclared reference to 'contents'",
    ),
    (
        ("routing", '["invoice*"]', '"invoice*"'),
        "routing.yaml:16: rule 'invoices': found no matching overload for 'mentions'",
    ),
    (
        ("routing", '["invoice*"]', '["in*voice"]'),
        (
            "routing.yaml:16: rule 'invoices': fails on an empty message: 'in*voice' is no word; a * "
            "may stand only at either end of one"
        ),
    ),
    (
        ("routing", 'subject == "HELP"', "subject"),
        "routing.yaml:19: rule 'loud': found no matching overload for '_||_'",
    ),
    (
        ("routing", 'content.mentions(["invoice*"])', "subject"),
        "routing.yaml:16: rule 'invoices': `when` gives STRING, not true or false; compare it",
    ),
    (
        ("routing", 'content.mentions(["invoice*"])', "flags.auto_repl"),
        "routing.yaml:16: rule 'invoices': undeclared reference to 'flags.auto_repl'",
    ),
    (
        ("routing", 'content.mentions(["invoice*"])', "text.matches('(')"),
        "routing.yaml:16: rule 'invoices': fails on an empty message: invalid regular expression",
    ),
    (
        ("routing", 'content.mentions(["invoice*"])', "true &&"),
        "routing.yaml:16: rule 'invoices': Syntax error: mismatched input '<EOF>'",
    ),
    (
        ("roster", "pool: care", "pool: cares"),
        "roster.yaml:5: no pool 'cares' in routing.yaml; did you mean 'care'?",
    ),
    (
        ("roster", "pool: care", "pool: care\n    queue_order: [generl]"),
        "roster.yaml:6: no queue 'generl' in pool 'care'; did you mean 'general'?",
    ),
    (
        ("roster", "id: a2", "id: a1"),
        "roster.yaml:7: id 'a1' stands in line 2 already; change one",
    ),
    (
        ("roster", "{fi: 9}", "{fi: 11}"),
        "roster.yaml:2: agents.0: language 'fi' has level 11; levels are 1 to 10",
    ),
    (
        ("roster", "languages: {fi: 9}", "langauges: {fi: 9}"),
        "roster.yaml:6: unknown key 'langauges'; did you mean 'languages'?",
    ),
    (
        ("roster", "{fi: 9}", "{suomi: 9}"),
        "roster.yaml:6: agents.0.languages.suomi.[key]: 'suomi' is no language tag; write it like",
    ),
    (
        ("connectors", "tls: none", "tls: ssl"),
        (
            "connectors.yaml:2: mail.relay.tls: Input should be 'none', 'starttls' or 'implicit', "
            "not 'ssl'"
        ),
    ),
    (
        ("connectors", "{host: sink, tls: none}", "{host: sink, prot: 25}"),
        "connectors.yaml:2: unknown key 'prot'; did you mean 'port'?",
    ),
]


@pytest.mark.parametrize(
    ("edit", "expected"), MISTAKES, ids=[m[1].partition(" ")[2][:60] for m in MISTAKES]
)
def test_a_mistake_is_answered_with_its_line(
    tmp_path: Path, edit: tuple[str, str, str], expected: str
) -> None:
    found = problems(write(tmp_path, **edited(*edit)))
    assert found[0].startswith(expected)


def test_all_mistakes_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    found = problems(
        write(
            tmp_path,
            **edited("roster", "{fi: 9}", "{fi: nine}"),
            **edited("connectors", "tls: none", "tls: 1"),
            channels="deployment: x\n",
        )
    )
    assert {line.partition(":")[0] for line in found} == {
        "channels.yaml",
        "roster.yaml",
        "connectors.yaml",
    }
    assert sum(line.startswith("channels.yaml") for line in found) == 3


def test_a_rule_over_several_lines_names_the_place_inside_it(tmp_path: Path) -> None:
    folded = ROUTING.replace(">-", "|").replace('subject.endsWith("!")', "subjet == ''")
    found = problems(write(tmp_path, routing=folded))
    assert len(found) == 1
    assert found[0].startswith("routing.yaml:19: rule 'loud': undeclared reference to 'subjet'")
    assert found[0].endswith("(at line 2, character 4 of `when`)")


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    (found,) = problems(write(tmp_path, **{name: None}))
    assert found == (
        f"{name}.yaml:1: No such file or directory; create it or name another --config folder"
    )


BROKEN = [
    # bytes, line, words of the answer
    (b"a: 1\nb: [1, 2\n", 3, "not YAML"),
    (b"a: 1\n\tb: 2\n", 2, "not YAML"),
    (b"a: 1\nb: '\n", 3, "not YAML"),
    (b"a: 1\n---\nb: 2\n", 2, "another document"),
    (b"a: *nowhere\n", 1, "undefined alias"),
    (b"a: 1\nb: \xff\n", 2, "not UTF-8"),
    (b"a: 1\nb: \x07\n", 2, "a character that no text file holds"),
    (b"a: 1\nb: 2\na: 3\n", 3, "'a' stands here twice; keep one"),
    (b"a: 1\n? [b]\n: 2\n", 2, "a key is a word"),
    (b"a:\n  - x: 1\n    at: here\n", 3, "unknown key 'at'"),
    (b"a: 1\nb: !!python/object:os.system x\n", 2, "not a value that YAML knows"),
    (b"a: 2026-13-45\n", 1, "not a value that YAML knows; put it in quotes"),
    (b"a: !!bool perhaps\n", 1, "not a value that YAML knows"),
    (b"a: " + b"[" * 200_000, 1, "nested too deeply"),
    (b"a: &a [*a, *a]\n", 1, "nested too deeply"),
    (b"#" * (4 * 1024 * 1024 + 1), 1, "larger than 4194304 bytes"),
]


@pytest.mark.parametrize(("raw", "line", "words"), BROKEN, ids=[b[2] for b in BROKEN])
def test_what_is_no_yaml_of_ours_is_refused_at_its_line(raw: bytes, line: int, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse("f.yaml", raw)
    (problem,) = caught.value.problems
    assert words in problem.message
    assert (problem.file, problem.line) == ("f.yaml", line)


def test_aliases_that_multiply_end_at_a_limit() -> None:
    names = "abcdefghij"
    lines = ["a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    for earlier, name in itertools.pairwise(names):
        lines.append(f"{name}: &{name} [{', '.join([f'*{earlier}'] * 9)}]")
    with pytest.raises(ConfigError, match="more than 1000000 values, aliases followed"):
        parse("f.yaml", "\n".join(lines).encode())


def test_an_empty_file_misses_what_it_must_hold(tmp_path: Path) -> None:
    assert problems(write(tmp_path, connectors="")) == [
        "connectors.yaml:1: 'mail' is missing; add it"
    ]


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    loaded = load(write(tmp_path, connectors="\ufeff" + CONNECTORS))
    assert loaded.connectors.mail.relay.host == "sink"


def test_a_mistake_shows_at_most_sixty_characters_of_a_value(tmp_path: Path) -> None:
    found = problems(write(tmp_path, **edited("connectors", "tls: none", f"tls: {'x' * 5000}")))
    assert len(found[0]) < 200


def test_the_example_deployment_loads_and_works_at_any_hour(tmp_path: Path) -> None:
    example = Path(__file__).parents[2] / "config"
    shutil.copytree(example, tmp_path / "config")
    loaded = load(tmp_path / "config")
    agents = loaded.roster.agents
    assert len(agents) == 12
    assert sum(agent.present for agent in agents) == 6
    assert {agent.tier for agent in agents} == {1, 2, 3}
    assert {tag for agent in agents for tag in agent.languages} == {*loaded.channels.languages}
    assert len(loaded.channels.languages) == 6
    pool = loaded.routing.pools[0]
    assert pool.letter == "S"
    assert pool.offer.limit_ms == 600_000
    assert pool.offer.misses_before_away == 0
    assert [
        (account.id, account.channel, account.name) for account in loaded.channels.accounts
    ] == [
        ("support", "email", "support@vaxel.example"),
        ("billing", "email", "billing@vaxel.example"),
        ("web", "chat", "web"),
        ("partner", "webhook", "partner"),
    ]
    assert {"general", "billing", "technical", "complaints", "returns"} < {
        queue.name for queue in pool.queues
    }
