"""Every metric follows Prometheus's conventions, has bounded labels, is used, and is documented."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from vaxel_shared.obs import declare, metrics
from vaxel_shared.obs.declare import DECLARED, LABELS, OTHER, Declared

ROOT = Path(__file__).resolve().parents[2]
ALL = sorted(DECLARED.values(), key=lambda metric: metric.name)
PERSONAL = re.compile(r"case|customer|agent_id|address|subject|sender|conversation|(^|_)id$")


def _tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("metrics_doc", ROOT / "tools/metrics_doc.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.name)
def test_names_follow_the_conventions(metric: Declared) -> None:
    assert re.fullmatch(r"vaxel(_[a-z0-9]+)+", metric.name)
    assert (metric.kind == "counter") == metric.name.endswith("_total")
    assert not re.search(r"_(ms|milliseconds|minutes|kb|percent|ratio_percent)(_|$)", metric.name)
    if metric.kind == "histogram":
        assert metric.unit in {"seconds", "bytes"}, "a histogram's name ends in its unit"
        assert list(metric.buckets) == sorted(set(metric.buckets))
        assert len(metric.buckets) <= 16
    assert not re.search(r"_(bucket|sum|count|info)$", metric.name)


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.name)
def test_help_is_a_sentence_and_labels_are_bounded(metric: Declared) -> None:
    assert metric.help.endswith(".")
    assert metric.help[0].isupper() or metric.help[0].isdigit()
    assert len(metric.labels) <= 3
    for label in metric.labels:
        assert label in LABELS
        assert not PERSONAL.search(label)


def test_no_metric_is_made_past_the_declaration() -> None:
    """A Counter made directly would have no limit on its series and stand in no document."""
    found = set(_tool().names().values())
    made = {name for name, value in vars(metrics).items() if hasattr(value, "_labelnames")}
    assert found == made
    assert len(made) == len(DECLARED)


def test_every_metric_is_set_somewhere() -> None:
    tool = _tool()
    unused = set(tool.names().values()) - tool.users().keys()
    assert not unused, f"declared and never set: {sorted(unused)}"


def test_the_document_is_that_of_the_declaration() -> None:
    assert (ROOT / "docs/metrics.md").read_text() == _tool().render(), "python tools/metrics_doc.py"


def test_a_second_declaration_or_an_unknown_label_is_refused() -> None:
    with pytest.raises(ValueError, match="declared twice"):
        declare.gauge("vaxel_ready", "Again.")
    with pytest.raises(ValueError, match="what bounds it"):
        declare.gauge("vaxel_of_each_customer", "Bad.", "customer")
    assert "vaxel_of_each_customer" not in DECLARED


def test_series_beyond_the_limit_count_as_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(declare, "SERIES_MAX", 3)
    metric = declare._Counter("flood", "x.", ["reason"], registry=None)
    for number in range(10):
        metric.labels(f"r{number}").inc()
    metric.labels(reason="r1").inc()
    registry = CollectorRegistry()
    registry.register(metric)
    shown = generate_latest(registry).decode()
    assert 'reason="r1"} 2.0' in shown
    assert f'reason="{OTHER}"}} 7.0' in shown
    assert shown.count("flood_total{") == 4
