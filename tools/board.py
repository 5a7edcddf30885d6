"""Writes Grafana's board from a short description: ``python tools/board.py``.

A board as Grafana saves it is a thousand lines that nobody reviews; this says what it shows. The
test beside the deployment checks that every query names metrics that are declared.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BOARD = ROOT / "deploy" / "grafana" / "boards" / "vaxel.json"
COLUMNS = 24
_SOURCE = {"type": "prometheus", "uid": "prometheus"}


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture. ``queries`` are (PromQL, legend); ``unit`` is Grafana's name of it."""

    title: str
    says: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    width: int = 8
    kind: str = "timeseries"
    red_from: float | None = None
    """Values from here on are red."""
    red_below: float | None = None
    """Values below this are red."""


def _q(*queries: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    return queries


def _rate(metric: str, by: str) -> str:
    """How fast a counter grows, a second."""
    return f"sum by ({by}) (rate({metric}[$__rate_interval]))"


def _quantile(share: float, metric: str, by: str = "") -> str:
    """What this share of a histogram's values stays below."""
    labels = f"{by}, le" if by else "le"
    return f"histogram_quantile({share}, {_rate(f'{metric}_bucket', labels)})"


ROWS: tuple[tuple[str, tuple[Panel, ...]], ...] = (
    (
        "Now",
        (
            Panel(
                "Ready",
                "1: the service is ready. 0: its /readyz says why.",
                _q(("min by (job) (vaxel_ready)", "{{job}}")),
                width=12,
                kind="stat",
                red_below=1,
            ),
            Panel(
                "Work waiting",
                "Over all queues.",
                _q(("sum(vaxel_work_waiting)", "waiting")),
                width=4,
                kind="stat",
            ),
            Panel(
                "Oldest waiting",
                "Without the queue of automatic mail.",
                _q(('max(vaxel_work_oldest_wait_seconds{queue!="automatic"})', "oldest")),
                unit="s",
                width=4,
                kind="stat",
                red_from=3600,
            ),
            Panel(
                "Agents present",
                "Who takes work.",
                _q(('sum(vaxel_agents{presence="available"})', "present")),
                width=4,
                kind="stat",
                red_below=1,
            ),
        ),
    ),
    (
        "Contacts and people",
        (
            Panel(
                "Contacts triaged",
                "Interactions handed to the router, a second.",
                _q(
                    (
                        _rate("vaxel_contacts_triaged_total", "channel"),
                        "{{channel}}",
                    )
                ),
                unit="cps",
            ),
            Panel(
                "Work waiting, by queue",
                "What nobody has taken yet.",
                _q(("sum by (queue) (vaxel_work_waiting)", "{{queue}}")),
            ),
            Panel(
                "Oldest waiting, by queue",
                "Age of the oldest work that nobody has taken.",
                _q(("max by (queue) (vaxel_work_oldest_wait_seconds)", "{{queue}}")),
                unit="s",
            ),
            Panel(
                "Agents, by presence",
                "",
                _q(("sum by (presence) (vaxel_agents)", "{{presence}}")),
            ),
            Panel(
                "Decisions",
                "What the router decided, a second, by type.",
                _q((_rate("vaxel_decisions_total", "type"), "{{type}}")),
                unit="cps",
            ),
            Panel(
                "Effects",
                "Offers, answers and notices, a second, by outcome.",
                _q(
                    (
                        _rate("vaxel_effects_total", "kind, state"),
                        "{{kind}} {{state}}",
                    )
                ),
                unit="cps",
            ),
        ),
    ),
    (
        "Ways in and out",
        (
            Panel(
                "Mail in, by answer",
                "deferred, busy and trouble are ours; the sender comes again.",
                _q(
                    (
                        _rate("vaxel_mail_received_total", "result"),
                        "{{result}}",
                    )
                ),
                unit="cps",
            ),
            Panel(
                "Mail in: end of DATA to reply",
                "Half, and all but one in a hundred, are faster.",
                _q(
                    (
                        _quantile(0.5, "vaxel_mail_seconds"),
                        "p50",
                    ),
                    (
                        _quantile(0.99, "vaxel_mail_seconds"),
                        "p99",
                    ),
                ),
                unit="s",
            ),
            Panel(
                "Outbox",
                "Effects that are not done yet; the relay's line is 1 while it answers.",
                _q(
                    ('sum(vaxel_effects_pending{job="delivery"})', "pending"),
                    ('min(vaxel_relay_up{job="delivery"})', "relay up"),
                ),
            ),
            Panel(
                "API: time to answer",
                "p99, by route.",
                _q(
                    (
                        _quantile(0.99, "vaxel_api_seconds", "route"),
                        "{{route}}",
                    )
                ),
                unit="s",
            ),
            Panel(
                "API: refusals and faults",
                "Answers from 400 on, a second.",
                _q(
                    (
                        _rate('vaxel_api_requests_total{status=~"[45].."}', "route, status"),
                        "{{route}} {{status}}",
                    )
                ),
                unit="cps",
            ),
            Panel(
                "Dead letters",
                "In the last hour. `vaxel dlq list` shows them.",
                _q(
                    (
                        "sum by (job, topic, reason) (increase(vaxel_deadletters_total[1h]))",
                        "{{job}} {{topic}} {{reason}}",
                    )
                ),
            ),
        ),
    ),
    (
        "Chat and SLA",
        (
            Panel(
                "Chat: message to acknowledgement",
                "Half, and all but one in a hundred, are faster.",
                _q(
                    (_quantile(0.5, "vaxel_chat_ack_seconds"), "p50"),
                    (_quantile(0.99, "vaxel_chat_ack_seconds"), "p99"),
                ),
                unit="s",
            ),
            Panel(
                "Chat: visitors and refusals",
                "Open sockets; visitors refused or closed, a second, by the limit's name.",
                _q(
                    ("sum(vaxel_chat_sockets)", "sockets"),
                    (_rate("vaxel_chat_refused_total", "reason"), "{{reason}}"),
                ),
            ),
            Panel(
                "Webhooks in, by answer",
                "A second.",
                _q((_rate("vaxel_webhooks_total", "result"), "{{result}}")),
                unit="cps",
            ),
            Panel(
                "SLA clocks",
                "Open clocks, by state.",
                _q(("sum by (clock, state) (vaxel_sla_open_clocks)", "{{clock}} {{state}}")),
            ),
            Panel(
                "SLA events",
                "In the last hour.",
                _q(
                    (
                        "sum by (clock, kind) (increase(vaxel_sla_events_total[1h]))",
                        "{{clock}} {{kind}}",
                    )
                ),
            ),
            Panel(
                "SLA: how late it is told",
                "From the instant that something was due; and how far behind the marks are.",
                _q(
                    (_quantile(0.99, "vaxel_sla_detection_delay_seconds"), "p99"),
                    ("time() - min(vaxel_sla_watermark_seconds > 0)", "mark"),
                ),
                unit="s",
            ),
        ),
    ),
    (
        "The log",
        (
            Panel(
                "Append of decisions",
                "From sending to acknowledgement.",
                _q(
                    (
                        _quantile(0.5, "vaxel_commit_seconds"),
                        "p50",
                    ),
                    (
                        _quantile(0.99, "vaxel_commit_seconds"),
                        "p99",
                    ),
                ),
                unit="s",
            ),
            Panel(
                "Lag",
                "Records not yet handled.",
                _q(("job_topic:vaxel_lag_records:sum", "{{job}} {{topic}}")),
            ),
            Panel(
                "Retries and void records",
                "Pauses because the surroundings failed; records that the chain made void.",
                _q(
                    (
                        _rate("vaxel_retries_total", "job, what"),
                        "{{job}} {{what}}",
                    ),
                    (
                        _rate("vaxel_void_records_total", "job"),
                        "{{job}} void",
                    ),
                ),
                unit="cps",
            ),
            Panel(
                "Records read",
                "A second.",
                _q(
                    (
                        _rate("vaxel_records_consumed_total", "job, topic"),
                        "{{job}} {{topic}}",
                    )
                ),
                unit="cps",
            ),
            Panel(
                "Restore",
                "How long the last one of each partition took.",
                _q(
                    (
                        'max by (partition) (vaxel_restore_seconds{job="router"})',
                        "partition {{partition}}",
                    )
                ),
                unit="s",
            ),
            Panel(
                "Memory",
                "Resident, by service.",
                _q(("sum by (job) (process_resident_memory_bytes)", "{{job}}")),
                unit="bytes",
            ),
        ),
    ),
)


def board() -> dict[str, Any]:
    """The board as Grafana reads it."""
    panels: list[dict[str, Any]] = []
    y = 0
    for title, row in ROWS:
        panels.append({
            "id": len(panels) + 1, "type": "row", "title": title, "collapsed": False, "panels": [],
            "gridPos": {"h": 1, "w": COLUMNS, "x": 0, "y": y},
        })  # fmt: skip
        y += 1
        x = 0
        for panel in row:
            height = 4 if panel.kind == "stat" else 8
            if x + panel.width > COLUMNS:
                x, y = 0, y + height
            panels.append(
                _panel(panel, len(panels) + 1, {"h": height, "w": panel.width, "x": x, "y": y})
            )
            x += panel.width
        y += height
    return {
        "uid": "vaxel",
        "title": "Vaxel",
        "tags": ["vaxel"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": []},
        "annotations": {"list": []},
        "panels": panels,
    }


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    defaults: dict[str, Any] = {"unit": panel.unit, "min": 0}
    edge = panel.red_from if panel.red_from is not None else panel.red_below
    if edge is not None:
        below, above = ("red", "green") if panel.red_from is None else ("green", "red")
        steps = [{"color": below, "value": None}, {"color": above, "value": edge}]
        defaults["color"] = {"mode": "thresholds"}
        defaults["thresholds"] = {"mode": "absolute", "steps": steps}
    options: dict[str, Any] = {"legend": {"displayMode": "list", "placement": "bottom"}}
    if panel.kind == "stat":
        options = {"textMode": "auto", "colorMode": "value", "graphMode": "area"}
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.says,
        "datasource": _SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
        "targets": [
            {
                "refId": "ABCDEFGH"[index],
                "datasource": _SOURCE,
                "expr": query,
                "legendFormat": legend,
            }
            for index, (query, legend) in enumerate(panel.queries)
        ],
    }


def render() -> str:
    """The file."""
    return json.dumps(board(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    BOARD.write_text(render())
    sys.exit(0)
