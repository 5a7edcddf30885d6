"""Judges a run from the topics and the senders' journal alone.

It shares nothing with the services but the shape of the records: the chain is verified and the
decisions are folded here once more, by other code. Its words are those of Jepsen's queue checker:
*lost* (acknowledged to the sender and nowhere to be found), *duplicated* (decided twice),
*unexpected* (decided but never sent), *recovered* (kept although the sender was told to come
again). Input: a folder written by ``vaxel log export``, and a journal of one JSON line a mail:
``{"message_id", "acknowledged": bool}``.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

HEADER = struct.Struct(">4sH16sQ32sqq32s")
CONTACT_OUTCOMES = ("case.opened", "case.joined", "case.reopened")

Json = dict[str, Any]


@dataclass
class Verdict:
    """What was found; a run is good when :attr:`wrong` is empty."""

    sent: int = 0
    acknowledged: int = 0
    contacts: int = 0
    decisions: int = 0
    records: int = 0
    void_records: int = 0
    recovered: int = 0
    deadletters: int = 0
    assigned: int = 0
    replied: int = 0
    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    broken_chain: list[str] = field(default_factory=list)
    overlapping_owners: list[str] = field(default_factory=list)
    over_capacity: list[str] = field(default_factory=list)
    unordered: list[str] = field(default_factory=list)
    unsent: list[str] = field(default_factory=list)
    """Answers that the router accepted and nobody reported as sent."""

    @property
    def wrong(self) -> Json:
        """Each promise that was broken, with what broke it."""
        return {
            name: value for name, value in asdict(self).items() if isinstance(value, list) and value
        }


def read_topic(folder: Path, topic: str) -> Iterator[tuple[int, Json]]:
    """Every record of a topic with its partition, in order within each."""
    for path in sorted(folder.glob(f"{topic}-*.jsonl")):
        partition = int(path.stem.rpartition("-")[2])
        with path.open() as lines:
            for line in lines:
                yield partition, json.loads(line)


def valid_batches(folder: Path, verdict: Verdict) -> Iterator[Json]:
    """The bodies of the records that count, each with its ``seq``, by the chain's one rule."""
    log_id = json.loads((folder / "manifest.json").read_text())["log_id"]
    last: dict[int, tuple[bytes, int, int]] = {}
    for partition, record in read_topic(folder, "vaxel.decisions"):
        raw = base64.b64decode(record["value_b64"])
        genesis = hashlib.sha256(f"{log_id}:{partition}".encode()).digest()
        tip, seq, through = last.get(partition, (genesis, -1, -1))
        verdict.records += 1
        if len(raw) < HEADER.size or raw[:4] != b"VXLC":
            verdict.void_records += 1
            continue
        _, _, own_log, own_seq, previous, first, own_through, _ = HEADER.unpack_from(raw)
        if previous != tip:
            verdict.void_records += 1
            continue
        where = f"partition {partition} seq {own_seq}"
        if own_log.hex() != log_id or own_seq != seq + 1 or first != through + 1:
            verdict.broken_chain.append(where)
        last[partition] = (hashlib.sha256(raw).digest(), own_seq, own_through)
        yield {**json.loads(raw[HEADER.size :]), "partition": partition, "seq": own_seq}


class Ownership:
    """Who holds what, folded from the decisions: owners, offers and capacity."""

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict
        self.owner: dict[str, str] = {}
        self.open_work: dict[str, str] = {}
        self.held: dict[str, dict[str, int]] = defaultdict(dict)
        self.capacity: dict[str, int] = {}
        self.forgiven: set[str] = set()

    def see(self, decision: Json) -> None:
        """Fold one decision."""
        kind, agent = decision["type"], decision.get("agent_id", "")
        work, data = decision.get("work_id", ""), decision.get("data", {})
        if kind == "agent.changed" and "profile" in data:
            self.capacity[agent] = data["profile"].get("capacity", 1)
            self.forgiven.add(agent)  # a roster may lower a limit below what is in hand
        elif kind == "agent.removed":
            self.capacity.pop(agent, None)
        elif kind == "work.queued":
            case = decision["case_id"]
            if case in self.open_work:
                self.verdict.overlapping_owners.append(
                    f"{case}: {work} beside {self.open_work[case]}"
                )
            self.open_work[case] = work
        elif kind == "offer.made":
            self._take(agent, decision["offer_id"], data["cost"])
        elif kind == "offer.ended":
            self.held[agent].pop(decision["offer_id"], None)
        elif kind == "work.assigned":
            if work in self.owner:
                self.verdict.overlapping_owners.append(f"{work}: {self.owner[work]} and {agent}")
            self.owner[work] = agent
            self.verdict.assigned += 1
            self._take(agent, work, data["cost"], typed_override=data["via"] == "override")
        elif kind == "work.closed":
            owner = self.owner.pop(work, None)
            if owner is not None:
                self.held[owner].pop(work, None)
            self.open_work.pop(decision["case_id"], None)

    def _take(self, agent: str, what: str, cost: int, *, typed_override: bool = False) -> None:
        self.held[agent][what] = cost
        total = sum(self.held[agent].values())
        if total > self.capacity.get(agent, 0) and not typed_override:
            self.verdict.over_capacity.append(f"{agent}: {total} of {self.capacity.get(agent)}")


def check(folder: Path, journal: Path) -> Verdict:
    """Judge an exported log against the journal of what was sent."""
    verdict = Verdict()
    sent = [json.loads(line) for line in journal.read_text().splitlines()]
    acknowledged = {mail["message_id"] for mail in sent if mail["acknowledged"]}
    known = {mail["message_id"] for mail in sent}
    verdict.sent, verdict.acknowledged = len(known), len(acknowledged)
    message_of: dict[str, str] = {}
    for _, record in read_topic(folder, "vaxel.interactions"):
        value = record["value"]
        if value.get("direction") == "inbound":
            message_of[value["id"]] = value.get("provider", {}).get("message_id", "")
    outcomes: Counter[str] = Counter()
    ownership = Ownership(verdict)
    times: dict[int, int] = {}
    answers: set[str] = set()
    reported: set[str] = set()
    log_id = json.loads((folder / "manifest.json").read_text())["log_id"]
    for batch in valid_batches(folder, verdict):
        for index, decision in enumerate(batch.get("decisions", [])):
            verdict.decisions += 1
            if decision["type"] == "case.replied":
                answers.add(f"{log_id}:{batch['partition']}:{batch['seq']}:{index}")
            elif decision["type"] == "effect.reported" and decision["data"]["state"] == "sent":
                reported.add(decision["data"]["effect_id"])
            ownership.see(decision)
            if decision["type"] in CONTACT_OUTCOMES and "contact_id" in decision.get("data", {}):
                outcomes[decision["data"]["contact_id"]] += 1
            if decision["at_ms"] < times.get(batch["partition"], 0):
                verdict.unordered.append(f"partition {batch['partition']} seq {batch['seq']}")
            times[batch["partition"]] = decision["at_ms"]
    verdict.contacts = len(outcomes)
    verdict.replied, verdict.unsent = len(answers), sorted(answers - reported)
    verdict.duplicated = [contact for contact, count in outcomes.items() if count > 1]
    decided = {message_of.get(contact, "") for contact in outcomes}
    verdict.lost = sorted(acknowledged - decided)
    verdict.unexpected = sorted(decided - known)
    verdict.recovered = len((decided & known) - acknowledged)
    verdict.deadletters = sum(1 for _ in read_topic(folder, "vaxel.deadletters"))
    return verdict


def main() -> int:
    """``python tests/chaos/checker.py EXPORT JOURNAL``: prints the verdict; 1 if anything is wrong."""
    verdict = check(Path(sys.argv[1]), Path(sys.argv[2]))
    print(json.dumps(asdict(verdict), indent=1))
    return 1 if verdict.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
