"""Writes docs/metrics.md from the declaration of the metrics: ``python tools/metrics_doc.py``.

``--check`` writes nothing and exits 1 where the document isn't that of the declaration.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from vaxel_shared.obs import metrics
from vaxel_shared.obs.declare import DECLARED, LABELS, SERIES_MAX, Declared

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "metrics.md"
_USE = re.compile(r"\bmetrics\.([A-Z][A-Z_0-9]+)\b")


def names() -> dict[str, str]:
    """The constant of each metric in ``vaxel_shared.obs.metrics``, by the metric's name."""
    found = {}
    for constant, value in vars(metrics).items():
        described = getattr(value, "_name", None)
        if constant.isupper() and described is not None:
            total = f"{described}_total"
            found[total if total in DECLARED else described] = constant
    return found


def users() -> dict[str, set[str]]:
    """Who sets each constant: the packages whose sources name it."""
    found: dict[str, set[str]] = {}
    for path in sorted(ROOT.glob("*/src/**/*.py")) + sorted(ROOT.glob("services/*/src/**/*.py")):
        parts = path.relative_to(ROOT).parts
        package = parts[1] if parts[0] == "services" else parts[0]
        for constant in _USE.findall(path.read_text()):
            found.setdefault(constant, set()).add("all" if package == "shared" else package)
    return found


def render() -> str:
    """The document."""
    constants, by = names(), users()
    lines = [
        "# Metrics",
        "",
        "Made from `shared/src/vaxel_shared/obs/metrics.py` by `python tools/metrics_doc.py`.",
        "Every service shows them at `/metrics` (OpenMetrics). One without labels stands at 0 in a",
        "process that never sets it: ask for it together with the job in the last column.",
        f"No metric has more than {SERIES_MAX:,} series in a process; what comes after them counts",
        "as `other`.",
        "",
        "| metric | kind | unit | labels | says | set by |",
        "|---|---|---|---|---|---|",
    ]
    for metric in DECLARED.values():
        setters = by.get(constants[metric.name], set())
        who = "all" if "all" in setters else ", ".join(sorted(setters))
        lines.append(_row(metric, who))
    lines += ["", "| label | bounded by |", "|---|---|"]
    used = {label for metric in DECLARED.values() for label in metric.labels}
    lines += [f"| `{label}` | {LABELS[label]} |" for label in sorted(used)]
    return "\n".join([*lines, ""])


def _row(metric: Declared, who: str) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    says = metric.help
    if metric.buckets:
        says += f" Edges: {', '.join(f'{edge:g}' for edge in metric.buckets)}."
    return f"| `{metric.name}` | {metric.kind} | {metric.unit} | {labels} | {says} | {who} |"


def main(arguments: list[str]) -> int:
    """Write or check; the exit code."""
    text = render()
    if arguments == ["--check"]:
        same = DOCUMENT.is_file() and DOCUMENT.read_text() == text
        if not same:
            print(f"{DOCUMENT.relative_to(ROOT)} is out of date: python tools/metrics_doc.py")
        return 0 if same else 1
    DOCUMENT.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
