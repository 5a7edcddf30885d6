"""`vaxel policy check`: each finding by its code, its line, and how bad it is."""

import json

import pytest
from policy_kit import deployment

from vaxel_cli.main import run
from vaxel_cli.policy import lint
from vaxel_cli.policy.lint_rules import squeezed
from vaxel_cli.runinfo import find_config_dir
from vaxel_cli.up.command import tell_findings
from vaxel_shared.config import deployment as deployment_files

STEP = "          - {after: 10m, tiers: [1, 2]}\n        language_fallback: {after: 5m, to: [en]}\n      - name: billing"
BILLING = "        skills: {billing: 3}\n        steps:\n          - {after: 0s, tiers: [1]}\n          - {after: 10m, tiers: [1, 2]}\n"


def steps(*lines):
    return "        skills: {billing: 3}\n        steps:\n" + "".join(
        f"          - {line}\n" for line in lines
    )


CASES = [
    pytest.param({}, [], id="nothing to say of the kit"),
    pytest.param(
        {"routing": [("skills: {billing: 3}", "skills: {biling: 3}")]},
        [("error", "skill_nobody_has", "{biling: 3}")],
        id="a queue asks for a skill nobody has",
    ),
    pytest.param(
        {"routing": [("skills: {billing: 3}", "skills: {billing: 9}")]},
        [("error", "skill_level_nobody_has", "{billing: 9}")],
        id="a queue asks for a level nobody has",
    ),
    pytest.param(
        {"routing": [(BILLING, steps("{after: 0s, tiers: [1]}", "{after: 10m, tiers: [1, 2], skills: {}}").replace("{billing: 3}", "{biling: 3}"))]},
        [("warning", "skill_nobody_has", "{biling: 3}")],
        id="only a warning where a later step asks for something else",
    ),
    pytest.param(
        {"routing": [("set: {skills: {billing: 5}}", "set: {queue: billing, skills: {billing: 9}}")]},
        [("error", "skill_level_nobody_has", "set: {queue: billing, skills: {billing: 9}}")],
        id="a rule asks for a level nobody has",
    ),
    pytest.param(
        {"routing": [("set: {skills: {billing: 5}}", "set: {queue: general, skills: {french: 5}}")], "roster": [("languages: {en: 10}", "languages: {en: 10}\n    tier: 3"), ("tier: 2\n    skills: {billing: 8}", "skills: {billing: 8, french: 5}")]},
        [("error", "rule_unserved", "french: 5"), ("warning", "tier_without_agents", "tiers: [1, 2]"), ("warning", "tier_without_agents", "tiers: [1, 2]"), ("warning", "tier_without_agents", "tiers: [2]"), ("error", "queue_unserved", "name: automatic"), ("warning", "step_adds_nobody", "{after: 10m"), ("warning", "step_adds_nobody", "{after: 10m"), ("warning", "agent_unreached", "id: a02")],
        id="a tier that nobody is in, and all that follows from it",
    ),
    pytest.param(
        {"routing": [("limit: 10m", "limit: 10s"), ("    queues:\n", "    match: {window: 20s}\n    order: {by: promise, within: 3m}\n    queues:\n")]},
        [("warning", "window_too_long", "match: {window: 20s}"), ("warning", "window_too_long", "match: {window: 20s}")],
        id="a window longer than an offer lasts, and than a tenth of what is promised",
    ),
    pytest.param(
        {"routing": [
            ("skills: {billing: 3}", "skills: {billing: 3}\n        overflow: [{after: 1h, to: general}]"),
            ("- name: general", "- name: general\n        overflow: [{after: 30m, to: billing}]"),
        ]},
        [("error", "queue_cycle", "overflow: [{after: 1h, to: general}]")],
        id="two queues that send their work to each other",
    ),
    pytest.param(
        {"routing": [
            ("skills: {billing: 3}", "skills: {billing: 3}\n        overflow: [{after: 1h, to: general, if_there: {staffed: true}}]"),
            ("- name: general", "- name: general\n        overflow: [{after: 30m, to: billing}]"),
        ]},
        [],
        id="two queues that help each other out",
    ),
    pytest.param(
        {"routing": [("skills: {billing: 3}", "skills: {billing: 3}\n        overflow:\n          - {after: 1h, to: general}\n          - {after: 2h, to: automatic}")]},
        [("warning", "overflow_never_tried", "{after: 2h, to: automatic}")],
        id="overflow behind overflow that always holds",
    ),
    pytest.param(
        {"routing": [("skills: {billing: 3}", "skills: {billing: 3}\n        limit: {waiting: 5, to: biling}")]},
        [("error", "invalid", "to: biling")],
        id="a limit that sends work to no queue",
    ),
    pytest.param(
        {"routing": [("{after: 10m, tiers: [1, 2]}\n        language", "{after: 10m, tiers: [1, 2], skip_if_unstaffed: true}\n        language")]},
        [("warning", "skip_of_last_step", "skip_if_unstaffed")],
        id="a last step that is skipped to nowhere",
    ),
    pytest.param(
        {"routing": [("skills: {billing: 3}", "skills: {billing: 3}\n        at_most: {billing: 2}")]},
        [("error", "range_empty", "at_most: {billing: 2}"), ("error", "queue_unserved", "name: billing"), ("error", "queue_unserved", "name: billing"), ("warning", "step_adds_nobody", "{after: 10m")],
        id="a range that is none",
    ),
    pytest.param(
        {"routing": [("skills: {billing: 3}", "skills: {billing: 3}\n        promise: {within: 1h}")]},
        [("warning", "promise_unused", "promise: {within: 1h}")],
        id="a promise where the order goes by priority",
    ),
    pytest.param(
        {"routing": [("skills: {billing: 3}", "skills: {billing: 3}\n        prefer: {a77: 5}")]},
        [("error", "agent_unknown", "prefer: {a77: 5}")],
        id="an agent who isn't there is preferred",
    ),
    pytest.param(
        {"routing": [("skills: {billing: 3}", "skills: {billing: 3}\n        needs: billing and (french")]},
        [("error", "invalid", "needs: billing and (french")],
        id="an expression that is none",
    ),
    pytest.param(
        {"routing": [("skills: {billing: 3}", "skills: {billing: 3}\n        lapse: {french: 5m}")]},
        [("warning", "lapse_of_nothing", "lapse: {french: 5m}")],
        id="a lapse of what nobody asks for",
    ),
    pytest.param(
        {"routing": [("skills: {billing: 3}", "skills: {billing: 3}\n        wishes: {french: 5}")]},
        [("warning", "wish_nobody_has", "wishes: {french: 5}")],
        id="a wish for what nobody has",
    ),
    pytest.param(
        {"routing": [(STEP, STEP.replace("tiers: [1, 2]", "tiers: [1]"))]},
        [("warning", "step_adds_nobody", "{after: 10m, tiers: [1]}")],
        id="a step that asks for the same",
    ),
    pytest.param(
        {"routing": [(STEP, STEP.replace("tiers: [1, 2]", "tiers: [2]"))]},
        [("warning", "step_narrows", "{after: 10m, tiers: [2]}")],
        id="a step that keeps out who was in",
    ),
    pytest.param(
        {"routing": [("skills: {billing: 3}", "skills: {billing: 4}"), ("{after: 0s, tiers: [1]}\n          - {after: 10m, tiers: [1, 2]}\n        language_fallback: {after: 5m, to: [en]}\n      - name: automatic", "{after: 0s, tiers: [1], skills: {billing: 1}}\n          - {after: 10m, tiers: [1, 2]}\n        language_fallback: {after: 5m, to: [en]}\n      - name: automatic")]},
        [("warning", "step_skills_return", "{after: 10m, tiers: [1, 2]}")],
        id="a step without skills after one with some",
    ),
    pytest.param(
        {"routing": [("language_fallback: {after: 5m, to: [en]}\n      - name: billing", "language_fallback: {after: 5m, to: [sv]}\n      - name: billing")], "channels": [("[fi, en]", "[fi, en, sv]")]},
        [("warning", "fallback_adds_nobody", "to: [sv]"), ("warning", "language_unserved", "name: general"), ("warning", "language_nobody_speaks", "languages: [fi, en, sv]")],
        id="a language nobody speaks",
    ),
    pytest.param(
        {"channels": [("channel: chat,", "channel: webhook, secret_file: s,")]},
        [("error", "queue_unserved", "name: general"), ("warning", "queue_unserved", "name: billing"), ("warning", "after_reply_unused", "chat: open"), ("warning", "channel_without_account", "chat: {cost"), ("warning", "channel_without_account", "chat: {cost")],
        id="a channel nobody takes",
    ),
    pytest.param(
        {"routing": [('id: bills\n    when: content.mentions(["bill*"])\n    set: {queue: billing}', 'id: bills\n    when: "true"\n    set: {queue: billing}\n    final: true')]},
        [("warning", "rule_never_tried", 'content.mentions(["vat"])')],
        id="a final rule that always holds",
    ),
    pytest.param(
        {"routing": [('content.mentions(["vat"])', 'content.mentions( [ "bill*" ] )'), ("set: {queue: billing}", "set: {queue: billing}\n    final: true")]},
        [("warning", "rule_never_tried", "content.mentions( [")],
        id="the same condition as a final rule above",
    ),
    pytest.param(
        {"routing": [('content.mentions(["vat"])', 'content.mentions(["bill*"])'), ("set: {skills: {billing: 5}}", "set: {queue: general}")]},
        [("warning", "rule_queue_never_wins", 'content.mentions(["bill*"])')],
        id="the same condition as a rule above that chooses the queue",
    ),
    pytest.param(
        {"routing": [('content.mentions(["vat"])', "1 > 2")]},
        [("warning", "rule_never_holds", "1 > 2")],
        id="a rule that never holds",
    ),
    pytest.param(
        {"routing": [('content.mentions(["vat"])', "account == \"suport\" || channel == 'chat'")]},
        [("warning", "rule_account_unknown", 'account == "suport"')],
        id="an account that there isn't",
    ),
    pytest.param(
        {"routing": [("set: {skills: {billing: 5}}", "set: {}")]},
        [("warning", "rule_sets_nothing", "set: {}")],
        id="a rule that sets nothing",
    ),
    pytest.param(
        {"routing": [("wrap_up: 30s", "wrap_up: 2d\n    reopen_within: 1d")]},
        [("warning", "wrap_up_never_ends", "wrap_up: 2d")],
        id="a wrap-up that outlasts the case",
    ),
    pytest.param(
        {"routing": [("bar_after_decline: 1h", "bar_after_decline: 0s")]},
        [("warning", "bar_of_nothing", "bar_after_decline: 0s")],
        id="a bar of no length",
    ),
    pytest.param(
        {"routing": [("set: {queue: billing}", "set: {queue: general}")]},
        [("warning", "queue_unreached", "name: billing")],
        id="a queue that nothing leads to",
    ),
    pytest.param(
        {"routing": [("set: {queue: billing}", "set: {queue: general}"), ("wrap_up: 30s", "wrap_up: 30s\n    quality: {percent: 5, queue: billing}")]},
        [],
        id="a queue in which cases are looked at again",
    ),
    pytest.param(
        {"routing": [("set: {queue: billing}", "set: {queue: general}"), ("wrap_up: 30s", "wrap_up: 30s\n    complaints: {stages: [general, billing]}")]},
        [],
        id="a later stage of complaints",
    ),
    pytest.param(
        {"channels": [("channel: chat, pool: support, queue: general", "channel: chat, pool: support, queue: automatic")]},
        [("warning", "account_automatic", "channel: chat")],
        id="an account whose customers get no answer",
    ),
    pytest.param(
        {"roster": [("    languages: {fi: 10, en: 5}", "    capacity: 0\n    languages: {fi: 10, en: 5}")]},
        [("warning", "agent_takes_nothing", "capacity: 0")],
        id="capacity 0",
    ),
    pytest.param(
        {"roster": [("    languages: {fi: 10, en: 5}", "    auto_accept: [voice]\n    languages: {fi: 10, en: 5}")]},
        [("warning", "auto_accept_unused", "auto_accept: [voice]")],
        id="a channel that is accepted and not taken",
    ),
    pytest.param(
        {"routing": [("    wrap_up: 30s", "    wrap_up: 30s\n    lease: {voice: 1m, email: 1h}")]},
        [("warning", "lease_unused", "lease: {voice")],
        id="a lease of a channel that nothing comes by",
    ),
    pytest.param(
        {"routing": [("skills: {billing: 3}", "skills: {billing: 3}\n        auto_accept: true\n        broadcast: 3")]},
        [("warning", "broadcast_unused", "broadcast: 3")],
        id="shown to several who aren't asked",
    ),
    pytest.param(
        {"roster": [("email: {cost: 1, max: 4}, chat: {cost: 2", "email: {cost: 1, max: 4}, chat: {cost: 20")]},
        [("warning", "channel_never_fits", "chat: {cost: 20")],
        id="a channel that costs more than there is",
    ),
    pytest.param(
        {"roster": [("name: A Two", "name: a  one")]},
        [("warning", "same_name", "name: a  one")],
        id="one person with two ids",
    ),
    pytest.param(
        {"roster": [("skills: {billing: 8}", "skills: {billing: 8, biling: 3}")]},
        [("warning", "skill_nobody_asks_for", "biling: 3")],
        id="a skill that nothing asks for",
    ),
    pytest.param(
        {"roster": [("pool: support\n    tier: 2", "pool: suport\n    tier: 2")]},
        [("error", "invalid", "pool: suport")],
        id="what keeps it from being loaded",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "expected"), CASES)
def test_each_finding_has_its_code_and_its_line(tmp_path, changes, expected):
    folder = deployment(tmp_path / "config", changes)
    found = lint.check(folder, 0)
    told = sorted((item.severity, item.code) for item in found)
    assert told == sorted((severity, code) for severity, code, _ in expected), [*map(str, found)]
    for severity, code, text in expected:
        lines = [
            (folder / item.file).read_text().splitlines()[item.line - 1]
            for item in found
            if (item.severity, item.code) == (severity, code)
        ]
        assert any(text in line for line in lines), (code, lines)


def test_every_code_is_explained_in_the_documents():
    codes = {code for case in CASES for _, code, _ in case.values[1]}
    page = (find_config_dir().parent / "docs" / "policy.md").read_text()
    assert not {code for code in codes if f"`{code}`" not in page}


def test_the_example_has_nothing_to_mend():
    assert lint.check(find_config_dir(), 0) == []


@pytest.mark.parametrize(
    ("changes", "options", "code"),
    [
        ({}, [], 0),
        ({"roster": [("name: A Two", "name: A One")]}, [], 0),
        ({"roster": [("name: A Two", "name: A One")]}, ["--strict"], 1),
        ({"routing": [("skills: {billing: 3}", "skills: {biling: 3}")]}, [], 1),
        ({"roster": [("pool: support", "pool: suport")]}, [], 1),
    ],
)  # fmt: skip
def test_the_exit_code_says_whether_it_may_go_live(tmp_path, capsys, changes, options, code):
    folder = deployment(tmp_path, changes)
    assert run(["policy", "check", "--config", str(folder), "--json", *options]) == code
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"] is (code == 0)
    assert answer["errors"] + answer["warnings"] == len(answer["findings"])


def test_a_finding_is_a_line_with_its_place_and_its_code(tmp_path, capsys):
    folder = deployment(tmp_path, {"roster": [("name: A Two", "name: A One")]})
    assert run(["policy", "check", "--config", str(folder)]) == 0
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith("roster.yaml:11: warning: agents a01 and a02 have the same name")
    assert first.endswith("[same_name]")
    assert last.endswith("0 errors, 1 warnings")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("a == 'x y'", "a=='x y'", True),
        ("a == 'x y'", "a == 'xy'", False),
        ('m(["a",\n  "b"])', 'm(["a", "b"])', True),
        (r"a == 'it\'s' ", r"a == 'it\'s'", True),
    ],
)
def test_conditions_are_compared_without_white_space_that_means_nothing(one, other, same):
    assert (squeezed(one) == squeezed(other)) is same


def test_up_says_the_same_and_starts(tmp_path, capsys):
    folder = deployment(tmp_path, {"roster": [("name: A Two", "name: A One")]})
    tell_findings(deployment_files.load(folder))
    said = capsys.readouterr().err
    assert said.startswith("vaxel: roster.yaml:11: warning: ")
    tell_findings(deployment_files.load(find_config_dir()))
    assert capsys.readouterr().err == ""
