"""What people and machines are told: Alertmanager's webhook body, and a mail. Ids and codes only.

Source: Prometheus Alertmanager, webhook receiver, version 4 of the payload.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

from vaxel_shared.calendars.instants import show_instant, show_seconds
from vaxel_shared.config.sla import Notify
from vaxel_shared.contracts.sla import SlaEvent

RECEIVER = "vaxel-sla"
NEVER = "0001-01-01T00:00:00Z"
"""Alertmanager's way to say that an alert hasn't ended."""
ENDINGS = frozenset({"met", "stopped", "cancelled"})


def wanted(event: SlaEvent, notify: Notify) -> tuple[bool, bool]:
    """Whether an event goes to webhooks, and whether to mailboxes.

    Webhooks also learn that an alert has ended; a mail is written when one begins or was wrong.
    """
    stages = [stage for stage in stages_of(event) if severity(stage) in notify.stages]
    return bool(stages), bool(stages) and event.type in {"warned", "breached", "retracted"}


def stages_of(event: SlaEvent) -> list[str]:
    """The stages that an event is about: one that begins or ends, or all that an ending ends."""
    if event.type == "breached":
        return ["breach"]
    if event.type == "warned":
        return [f"warning.{event.share}"]
    if event.type == "retracted":
        return [event.retracts] if event.retracts else []
    return list(event.told) if event.type in ENDINGS else []


def severity(stage: str) -> str:
    """``warning`` or ``breach``."""
    return stage.partition(".")[0]


def webhook_body(event: SlaEvent, notify: Notify, case_url: str) -> bytes:
    """The body of the POST: one alert for each stage, firing or resolved."""
    firing = event.type in {"warned", "breached"}
    status = "firing" if firing else "resolved"
    alerts = [
        _alert(event, stage, status, case_url)
        for stage in stages_of(event)
        if severity(stage) in notify.stages
    ]
    group = {"case": event.case_id, "clock": event.clock}
    common = {
        key: value
        for key, value in alerts[0]["labels"].items()
        if all(item["labels"].get(key) == value for item in alerts)
    }
    body = {
        "version": "4",
        "groupKey": f'{{}}:{{case="{event.case_id}", clock="{event.clock}"}}',
        "truncatedAlerts": 0,
        "status": status,
        "receiver": RECEIVER,
        "groupLabels": group,
        "commonLabels": common,
        "commonAnnotations": {},
        "externalURL": case_url,
        "alerts": alerts,
    }
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode()


def _alert(event: SlaEvent, stage: str, status: str, case_url: str) -> dict[str, Any]:
    labels = {
        "alertname": "VaxelSlaBreach" if stage == "breach" else "VaxelSlaWarning",
        "severity": "critical" if stage == "breach" else "warning",
        "stage": stage,
        "clock": event.clock,
        "cycle": str(event.cycle),
        "case": event.case_id,
        "pool": event.pool,
        "policy": event.policy,
    }
    labels |= {"queue": event.queue} if event.queue else {}
    labels |= {"channel": event.channel} if event.channel else {}
    resolved = status == "resolved"
    return {
        "status": status,
        "labels": labels,
        "annotations": {
            "summary": subject(event, stage),
            "number": event.number or "",
            "due": show_instant(event.due_ms) if event.due_ms is not None else "",
            "detected": show_instant(event.detected_ms),
            "elapsed_seconds": str(show_seconds(event.elapsed_ms)),
            "target_seconds": str(show_seconds(event.target_ms)),
            "policy_version": event.policy_version,
            "tzdata": event.tzdata,
            "catchup": str(event.catchup).lower(),
            **({"retracted": "true"} if event.type == "retracted" else {}),
        },
        # Of one that ends, its beginning is known to whoever was told of it.
        "startsAt": show_instant(event.at_ms) if not resolved else NEVER,
        "endsAt": show_instant(event.at_ms) if resolved else NEVER,
        "generatorURL": case_url,
        "fingerprint": fingerprint(event, stage),
    }


def fingerprint(event: SlaEvent, stage: str) -> str:
    """What stays the same of an alert from firing to resolved, however often it is told."""
    identity = "\x1f".join([event.case_id, event.clock, str(event.cycle), stage])
    return hashlib.sha256(identity.encode()).hexdigest()[:16]


def subject(event: SlaEvent, stage: str) -> str:
    """One line: what, which clock, which case."""
    what = "breached" if stage == "breach" else f"{stage.partition('.')[2]} % used"
    taken_back = " (taken back)" if event.type == "retracted" else ""
    clock = event.clock.replace("_", " ")
    return f"SLA {what}{taken_back}: {clock} of case {event.number or event.case_id}"


def mail(
    event: SlaEvent, *, notice_id: str, from_name: str, from_address: str, to: str, case_url: str
) -> EmailMessage:
    """The mail; its Message-ID is the notice's, so a repeat is recognised as one."""
    stage = stages_of(event)[0]
    message = EmailMessage(policy=SMTP)
    message["From"] = f'"{from_name}" <{from_address}>'
    message["To"] = to
    message["Subject"] = subject(event, stage)
    message["Message-ID"] = f"<sla.{notice_id}@{from_address.rpartition('@')[2]}>"
    message["Date"] = datetime.fromtimestamp(event.detected_ms // 1000, UTC)
    message["Auto-Submitted"] = "auto-generated"
    message["X-Vaxel-Case"] = event.number or event.case_id
    message.set_content("\n".join(_lines(event, case_url)))
    return message


def _lines(event: SlaEvent, case_url: str) -> list[str]:
    rows = [
        ("case", event.number or event.case_id),
        ("pool, queue", f"{event.pool}, {event.queue or '-'}"),
        ("priority", str(event.priority)),
        ("clock", event.clock.replace("_", " ")),
        ("due", show_instant(event.due_ms) if event.due_ms is not None else "-"),
        ("elapsed", f"{show_seconds(event.elapsed_ms)} s of {show_seconds(event.target_ms)} s"),
        ("certain since", show_instant(event.detected_ms)),
        ("policy", f"{event.policy} {event.policy_version[:12]}, calendar {event.calendar}"),
    ]
    lines = [f"{name + ':':<15}{value}" for name, value in rows]
    if event.type == "retracted":
        lines += ["", "What was told before turns out not to be so: it was in time after all."]
    if event.segments:
        lines += ["", "The way there:"]
    for item in event.segments:
        why = item.why.replace("_", " ") + (f" ({item.name})" if item.name else "")
        counted = f"{show_seconds(item.counted_ms)} s" if item.counted_ms else "-"
        ends = f"{show_instant(item.from_ms)} to {show_instant(item.to_ms)}"
        lines.append(f"  {ends}  {why:<14} {counted}")
    return [*lines, "", case_url, ""]
