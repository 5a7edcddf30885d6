"""What the monitor's tests share: rules from YAML, moves, and a case that is told what happens."""

import hashlib
from pathlib import Path

from vaxel_shared.config import source
from vaxel_shared.config.sla import Sla, SlaFile, _make
from vaxel_shared.contracts.sla import CaseFacts, Due, Move
from vaxel_sla_monitor.core.rules import Rules
from vaxel_sla_monitor.core.step import step

MIN = 60_000
HOUR = 3_600_000
T0 = 1_795_000_000_000
CASE = "case-1"

POLICY = """\
calendars: [{name: always, zone: UTC, hours: always}]
policies:
  - name: everything
    calendar: always
    first_response:
      - {priority_at_least: 50, target: 10m}
      - {target: 60m}
    resolution: 4h
    warn_at: [50, 75]
    on_warning: {priority_at_least: 20}
    on_breach: {tier_at_least: 2, priority_at_least: 30}
"""


def rules(text=POLICY):
    document = source.parse("sla.yaml", text.encode())
    file = source.validate(SlaFile, document)
    made = {
        item.name: _make(item, index, document, Path(), hashlib.sha256())
        for index, item in enumerate(file.calendars)
    }
    return Rules(Sla(file, made, "v" * 64, document))


class Told:
    """A case's life: each call is an event, and answers what was told."""

    def __init__(self, policy=POLICY):
        self.rules = rules(policy)
        self.case = None
        self.seq = -1
        self.events = []

    def move(self, kind, at_ms, *, seq=None, waits_for=None, reason=None, received=None, **facts):
        self.seq = self.seq + 1 if seq is None else seq
        return self.feed(
            Move(
                type=kind, case_id=CASE, pool="support", partition=0, seq=self.seq, index=0,
                at_ms=T0 + at_ms, facts=CaseFacts(**facts), waits_for=waits_for, reason=reason,
                received_at_ms=None if received is None else T0 + received,
            )
        )  # fmt: skip

    def open(self, at_ms=0, **facts):
        said = {"number": "S-1", "queue": "general", "priority": 0, "channel": "email"} | facts
        return self.move("case.opened", at_ms, **said)

    def known(self, at_ms):
        """Time passes: everything that is known to be due by then comes as a timer would send it."""
        told = []
        while self.case is not None and (found := self.case.next_stage()) is not None:
            name, clock, stage = found
            if stage.at_ms >= T0 + at_ms:
                break
            told += self.feed(
                Due(
                    case_id=CASE, clock=name, cycle=clock.cycle, stage=stage.name,
                    due_ms=stage.at_ms, known_ms=T0 + at_ms,
                )
            )  # fmt: skip
        return told

    def feed(self, event):
        outcome = step(self.case, event, self.rules)
        self.case = outcome.case
        self.events += outcome.events
        return [said(item) for item in outcome.events]


def said(event):
    """An event in a word: clock, what, and of a stage which."""
    stage = f" {event.share}" if event.share is not None else ""
    return f"{event.clock} {event.type}{stage}"
