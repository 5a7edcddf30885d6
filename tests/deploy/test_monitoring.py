"""Rules and boards name only what the code shows; every alert has a test and a page of the runbook."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from typing import Any, get_args

import pytest
import yaml
from deploy.deployment import DEPLOY, ROOT, SERVICES, boards, queries, rules

from vaxel_shared.contracts.commands import AgentPresence
from vaxel_shared.obs import metrics
from vaxel_shared.obs.declare import DECLARED

assert metrics.READY, "importing it declares them"
ALERTS = {rule["alert"]: rule for rule in rules() if "alert" in rule}
RECORDED = {rule["record"] for rule in rules() if "record" in rule}
STANDING = {"up", "process_start_time_seconds", "process_resident_memory_bytes"}
"""Shown by Prometheus itself and by its client for every process."""
_WORDS = {"by", "or", "and", "unless", "on", "offset", "le", "sum", "rate", "time", "max", "min"}


def _metrics_in(query: str) -> set[str]:
    plain = re.sub(r"by \([^)]*\)", "", query)
    plain = re.sub(r"\{[^}]*\}", "{}", plain)
    plain = re.sub(r"\[[^\]]*\]", "", plain)
    found = set(re.findall(r"(?<![\w:$])([a-z][\w:]*)(?![\w:(])(?!\s*\()", plain))
    return {name for name in found if name not in _WORDS}


def _exposed() -> set[str]:
    found = set()
    for metric in DECLARED.values():
        suffixes = ("_bucket", "_sum", "_count") if metric.kind == "histogram" else ("",)
        found |= {f"{metric.name}{suffix}" for suffix in suffixes}
    return found


@pytest.mark.parametrize("where", sorted(queries()))
def test_queries_name_metrics_that_exist(where: str) -> None:
    names = _metrics_in(queries()[where])
    assert names, "the query names nothing"
    assert names <= _exposed() | RECORDED | STANDING


@pytest.mark.parametrize("where", sorted(queries()))
def test_queries_use_labels_that_the_metric_has(where: str) -> None:
    query = queries()[where]
    for name, matchers in re.findall(r"(vaxel_\w+)\{([^}]*)\}", query):
        stem = re.sub(r"_(bucket|sum|count)$", "", name)
        declared = (DECLARED.get(name) or DECLARED[stem]).labels
        for label in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers):
            assert label in {*declared, "job", "instance"}, f"{name} has no label {label}"
    for value in re.findall(r'presence="(\w+)"', query):
        assert value in get_args(AgentPresence.model_fields["presence"].annotation)
    for pattern in re.findall(r'job(?:=~|=)"([^"]+)"', query):
        assert any(re.fullmatch(pattern, name) for name in SERVICES), f"no job is {pattern}"


def test_every_service_is_watched() -> None:
    for alert in ("VaxelDown", "VaxelNotReady", "VaxelRestarting"):
        (pattern,) = re.findall(r'job=~"([^"]+)"', ALERTS[alert]["expr"])
        assert all(re.fullmatch(pattern, name) for name in SERVICES)


@pytest.mark.parametrize("name", sorted(ALERTS))
def test_alerts_say_how_bad_what_and_where_to_read_on(name: str) -> None:
    rule = ALERTS[name]
    assert name.startswith("Vaxel")
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{name.lower()}"
    headings = re.findall(r"^#+ (.+)$", (ROOT / "docs/runbook.md").read_text(), re.MULTILINE)
    assert name in headings, "the runbook says nothing about it"


def test_every_alert_is_tested_firing() -> None:
    loaded = yaml.safe_load((DEPLOY / "prometheus/rules_test.yml").read_text())
    fired = {
        case["alertname"]
        for test in loaded["tests"]
        for case in test["alert_rule_test"]
        if case["exp_alerts"]
    }
    assert fired == set(ALERTS)


def test_the_board_is_that_of_its_description() -> None:
    spec = importlib.util.spec_from_file_location("board", ROOT / "tools/board.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["board"] = module
    spec.loader.exec_module(module)
    written = (DEPLOY / "grafana/boards/vaxel.json").read_text()
    assert written == module.render(), "python tools/board.py"


def test_panels_lie_beside_each_other_not_on_top() -> None:
    for board in boards():
        taken: set[tuple[int, int]] = set()
        for panel in board["panels"]:
            place = panel["gridPos"]
            cells = {
                (place["x"] + x, place["y"] + y)
                for x in range(place["w"])
                for y in range(place["h"])
            }
            assert not cells & taken, panel["title"]
            assert place["x"] + place["w"] <= 24
            taken |= cells


def _run(program: str, *arguments: str) -> Any:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"no {program} here: it comes with Debian's prometheus packages")
    return subprocess.run(
        [found, *arguments],
        cwd=DEPLOY,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("promtool", "check", "config", "prometheus/prometheus.yml"),
        ("promtool", "check", "rules", "--lint=all", "prometheus/rules.yml"),
        ("promtool", "test", "rules", "prometheus/rules_test.yml"),
        ("amtool", "check-config", "alertmanager/alertmanager.yml"),
    ],
    ids=lambda arguments: " ".join(arguments[:3]),
)
def test_prometheus_own_tools_accept_it(arguments: tuple[str, ...]) -> None:
    answer = _run(*arguments)
    assert answer.returncode == 0, answer.stdout + answer.stderr
