"""Judges a run from the topics, the world outside and the senders' journal alone.

It shares nothing with the services but the shape of the records and how ids are made: the chain is
verified and the decisions are folded here once more, by other code. Its words are those of Jepsen's
queue checker: *lost* (acknowledged to the sender and nowhere to be found), *duplicated* (decided
twice), *unexpected* (decided but never sent), *recovered* (kept although the sender was told to
come again). Input: a folder written by ``vaxel log export``, a journal of one JSON line a message,
``{"message_id", "acknowledged": bool}``, and where there are any: the journal of faults, the
commands that the API acknowledged, the folder of the mails that reached the world, the cases as the
register shows them, and what was promised by when.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
import sys
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, field
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

if not __package__:  # run as a script: beside it stands chaos.py, which isn't the package
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from chaos.fold import Cases, Ownership, Timers
from chaos.promises import Promise, Promises, Told
from chaos.recovery import Recovery, describe, gaps

HEADER = struct.Struct(">4sH16sQ32sqq32s")
CONTACT_OUTCOMES = ("case.opened", "case.joined", "case.reopened")
ONCE = ("case.replied", "work.assigned", "case.resolved")
"""What one command may cause once at most."""
NAMESPACE = UUID("6a3f2f0e-6a0c-5c1d-9d0b-766178656c00")
LATE_MS_MAX = 20_000
"""Later than this, while somebody could decide, a timer counts as missed."""
CLOCK_GRACE_MS = 15_000
"""What was promised for so short a time before the export may not be told yet."""
FOR_EVER = 2**62
HEADER_BYTES_MAX = 16_384
SENT = ("offer.made", "case.replied", "notice.due")
"""Decisions that may have a mail sent."""
HARMLESS = {
    f"{kind} {name}"
    for kind in ("kill", "freeze")
    for name in ("triage", "ingest-email", "ingest-chat", "delivery", "register", "sla-monitor")
}
"""Faults that are no excuse for a timer: whoever decides was there."""

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
    repeated: int = 0
    """Mails that reached the world more than once, with the same Message-ID."""
    mails: int = 0
    offers_ended: int = 0
    compared_cases: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    """What was done to it, where that is known."""
    commands: int = 0
    """Records of ``vaxel.work``."""
    answered: int = 0
    """Writes of agents that the API acknowledged."""
    timers: int = 0
    clocks: int = 0
    """Warnings and breaches that were due."""
    notices: int = 0
    samples: dict[str, list[int]] = field(default_factory=dict)
    """What was measured, ms."""
    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    broken_chain: list[str] = field(default_factory=list)
    overlapping_owners: list[str] = field(default_factory=list)
    over_capacity: list[str] = field(default_factory=list)
    unordered: list[str] = field(default_factory=list)
    unsent: list[str] = field(default_factory=list)
    """Answers that the router accepted and nobody reported as sent."""
    unreached: list[str] = field(default_factory=list)
    """Offers, answers and notices reported as sent that never reached the world."""
    unexpected_mails: list[str] = field(default_factory=list)
    """Mails that say what no decision says."""
    early_timers: list[str] = field(default_factory=list)
    missed_timers: list[str] = field(default_factory=list)
    ended_twice: list[str] = field(default_factory=list)
    missed_clocks: list[str] = field(default_factory=list)
    """Warnings and breaches of promises that weren't told once, or weren't due."""
    unhandled: list[str] = field(default_factory=list)
    """Commands on the log that no decision answers."""
    unanswered: list[str] = field(default_factory=list)
    """Writes that the API acknowledged and no decision answers."""
    disordered: list[str] = field(default_factory=list)
    """Messages of one conversation that were decided in another order than they were sent."""
    notices_differ: list[str] = field(default_factory=list)
    register_differs: list[str] = field(default_factory=list)

    @property
    def figures(self) -> dict[str, str]:
        """What was measured, in short."""
        return {name: describe(values) for name, values in self.samples.items() if values}

    def add(self, other: Verdict) -> None:
        """Take on what another run came to."""
        for name, value in vars(other).items():
            mine = getattr(self, name)
            if isinstance(value, int):
                setattr(self, name, mine + value)
            elif isinstance(value, list):
                mine += value
            elif name == "samples":
                for label, values in value.items():
                    mine.setdefault(label, []).extend(values)
            else:
                for label, count in value.items():
                    mine[label] = mine.get(label, 0) + count

    @property
    def wrong(self) -> Json:
        """Each promise that was broken, with what broke it."""
        return {
            name: value for name, value in asdict(self).items() if isinstance(value, list) and value
        }


def read_topic(folder: Path, topic: str) -> Iterator[tuple[int, Json]]:
    """Every record of a topic with its partition, in order within each."""
    for path in sorted(folder.glob(f"{topic}-[0-9]*.jsonl")):
        partition = int(path.stem.rpartition("-")[2])
        with path.open() as lines:
            for line in lines:
                yield partition, json.loads(line)


def valid_batches(folder: Path, verdict: Verdict) -> Iterator[Json]:
    """The bodies of the records that count, each with its ``seq``, by the chain's one rule."""
    log_id = log_of(folder)
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
        place = {"partition": partition, "seq": own_seq, "ts": record.get("timestamp_ms", 0)}
        yield {**json.loads(raw[HEADER.size :]), **place}


def log_of(folder: Path) -> str:
    """The log's identity."""
    return str(json.loads((folder / "manifest.json").read_text())["log_id"])


class Check:
    """One pass over an export; the verdict grows as it reads."""

    def __init__(self, folder: Path, faults: list[Json], promise: Promise | None = None) -> None:
        self.folder = folder
        self.verdict = Verdict()
        self.cases = Cases()
        self.recovery = Recovery()
        harm = [fault for fault in faults if fault["fault"] not in HARMLESS]
        self.timers = Timers([(one["from_ms"], one["until_ms"] or FOR_EVER) for one in harm])
        self.promises = Promises(promise) if promise is not None else None
        self.told = Told()
        self.effects: dict[str, str] = {}
        """Message-ID's first half → effect id, of all that a decision could have had sent."""
        self.outgoing: dict[str, str] = {}
        """Effect of an offer, answer or notice → the channel that it goes by."""
        self.answers: set[str] = set()
        self.reported: set[str] = set()
        self.sent: set[str] = set()
        self.outcomes: Counter[str] = Counter()
        self.causes: set[str] = set()
        self.places: dict[str, tuple[int, int, int]] = {}
        """Id of a message → where it was decided."""
        self._caused: Counter[tuple[str, str]] = Counter()
        self._ownership = Ownership()
        self._times: dict[int, int] = {}
        self._said: set[str] = set()
        """Interactions that went out."""
        self._message_of = self._messages()

    def fold(self) -> None:
        """Read all valid decisions."""
        log_id = log_of(self.folder)
        for batch in valid_batches(self.folder, self.verdict):
            partition, decisions = batch["partition"], batch.get("decisions", [])
            if batch.get("claim"):
                self.timers.claimed(partition, batch["ts"])
                self.recovery.claims_ms.append(batch["ts"])
            if decisions:
                self.recovery.decided_ms.append(batch["ts"])
            for index, decision in enumerate(decisions):
                self._see(decision, batch, f"{log_id}:{partition}:{batch['seq']}:{index}", index)
        verdict, times = self.verdict, self.timers
        verdict.contacts, verdict.replied = len(self.outcomes), len(self.answers)
        verdict.assigned, verdict.offers_ended = self._ownership.assigned, times.ended
        verdict.timers = times.fired.total()
        verdict.overlapping_owners = self._ownership.overlapping
        verdict.over_capacity = self._ownership.over
        verdict.early_timers, verdict.ended_twice = times.early, times.ended_twice
        verdict.missed_timers = [
            f"{one}: {ms} ms late" for ms, one in times.late if ms > LATE_MS_MAX
        ]
        verdict.samples["timers, lateness while somebody could decide"] = times.late_ms
        verdict.unsent = sorted(self.answers - self.reported)
        verdict.duplicated = [one for one, count in self.outcomes.items() if count > 1]
        verdict.duplicated += [f"{c} {k}" for (k, c), n in self._caused.items() if n > 1]

    def commands(self) -> None:
        """Hold what was asked for against what was decided."""
        for partition, record in read_topic(self.folder, "vaxel.work"):
            self.verdict.commands += 1
            source = record["headers"].get("ce_source", "").removeprefix("vaxel/")
            self.recovery.wrote_ms[source].append(record.get("timestamp_ms", 0))
            command = record["value"]
            name = command.get("id") if isinstance(command, dict) else None
            if name not in self.causes and f"offset:{record['offset']}" not in self.causes:
                self.verdict.unhandled.append(
                    f"partition {partition} offset {record['offset']}: {name}"
                )

    def clocks(self, now_ms: int) -> None:
        """Hold what was told of clocks against what was promised."""
        for _, record in read_topic(self.folder, "vaxel.sla"):
            self.told.see(record["value"], record.get("timestamp_ms", 0))
        for _, record in read_topic(self.folder, "vaxel.clocks"):
            self.recovery.wrote_ms["sla-monitor"].append(record.get("timestamp_ms", 0))
        if self.promises is None:
            return
        wrong, late_ms, self.verdict.clocks = self.promises.judge(
            self.told, now_ms - CLOCK_GRACE_MS
        )
        self.verdict.missed_clocks = wrong
        self.verdict.samples["clocks, from deadline to the log"] = late_ms

    def _see(self, decision: Json, batch: Json, effect: str, index: int) -> None:
        verdict, kind, partition = self.verdict, decision["type"], batch["partition"]
        data = decision.get("data", {})
        verdict.decisions += 1
        self.causes.add(decision["cause"])
        unasked = kind == "work.assigned" and data.get("via") != "accept"
        if kind in SENT or unasked:
            self.effects[str(uuid5(NAMESPACE, f"message\x1f{effect}"))] = effect
            self.outgoing[effect] = "email" if unasked else data.get("channel", "email")
        if kind == "case.replied":
            self.answers.add(effect)
        elif kind == "effect.reported":
            self.reported.add(data["effect_id"])
            if data["state"] == "sent":
                self.sent.add(data["effect_id"])
        elif kind == "work.assigned":
            self.recovery.assigned_ms.append(batch["ts"])
        if kind in ONCE and not decision["cause"].startswith("timer:"):
            self._caused[kind, decision["cause"]] += 1
        if kind in CONTACT_OUTCOMES and "contact_id" in data:
            self.outcomes[data["contact_id"]] += 1
            mail = self._message_of.get(data["contact_id"], "")
            self.recovery.contact_ms.setdefault(mail, batch["ts"])
            self.places.setdefault(mail, (partition, batch["seq"], index))
        self._ownership.see(decision)
        self.cases.see(decision)
        self.timers.see(decision, partition, batch["ts"])
        if self.promises is not None:
            self.promises.see(decision)
        if decision["at_ms"] < self._times.get(partition, 0):
            verdict.unordered.append(f"partition {partition} seq {batch['seq']}")
        self._times[partition] = decision["at_ms"]

    def _messages(self) -> dict[str, str]:
        """Interaction → id of the message, of what came in."""
        found = {}
        for _, record in read_topic(self.folder, "vaxel.interactions"):
            value, headers = record["value"], record.get("headers", {})
            source = headers.get("ce_source", "").removeprefix("vaxel/")
            if value.get("direction") == "inbound":
                found[value["id"]] = (value.get("provider") or {}).get("message_id", "")
                self.recovery.wrote_ms[source].append(record.get("timestamp_ms", 0))
            else:
                self._said.add(value["id"])
        return found

    def mails_sent(self, journal: list[Json], faults: list[Json]) -> None:
        """Hold what was decided against what customers sent."""
        verdict = self.verdict
        acknowledged = {mail["message_id"] for mail in journal if mail["acknowledged"]}
        known = {mail["message_id"] for mail in journal}
        decided = {self._message_of.get(contact, "") for contact in self.outcomes}
        verdict.sent, verdict.acknowledged = len(known), len(acknowledged)
        verdict.lost = sorted(acknowledged - decided)
        verdict.unexpected = sorted(decided - known)
        verdict.recovered = len((decided & known) - acknowledged)
        self._in_order(journal)
        sent_ms = {mail["message_id"]: mail.get("sent_ms", 0) for mail in journal}
        verdict.samples |= self.recovery.samples(faults, sent_ms)

    def _in_order(self, journal: list[Json]) -> None:
        """A second message, sent after the first was acknowledged, is decided after it."""
        first = {one["conversation"]: one for one in journal if one.get("number") == 0}
        for later in journal:
            if later.get("number") != 1 or not first[later["conversation"]]["acknowledged"]:
                continue
            before = self.places.get(first[later["conversation"]]["message_id"])
            after = self.places.get(later["message_id"])
            if before and after and before[0] == after[0] and before > after:
                self.verdict.disordered.append(f"{later['message_id']}: {after} before {before}")

    def answers_of_agents(self, journal: list[Json]) -> None:
        """Hold what the API acknowledged against what was decided."""
        asked = {one["command_id"] for one in journal}
        self.verdict.answered = len(asked)
        self.verdict.unanswered = sorted(asked - self.causes)

    def mails_out(self, folder: Path, before: set[str] | None) -> None:
        """Hold what reached the world against what was decided.

        ``before``: the files that were there before the export, if that isn't all; only they can
        be told to say what no decision says.
        """
        seen: Counter[str] = Counter()
        notices: set[str] = set()
        for path in sorted(folder.glob("*.eml")):
            message_id = _message_id(path)
            if message_id.startswith("<sla."):
                notices.add(message_id)
                continue
            effect = self.effects.get(message_id.strip(" <>").partition("@")[0])
            if effect is not None:
                seen[effect] += 1
            elif before is None or path.name in before:
                self.verdict.unexpected_mails.append(message_id)
        self.verdict.mails = seen.total()
        self.verdict.repeated = seen.total() - len(seen)
        self.verdict.unreached = [
            effect
            for effect, channel in self.outgoing.items()
            if effect in self.sent and effect not in seen and not self._is_said(effect, channel)
        ]
        self.verdict.notices = len(notices)
        if self.promises is not None and len(notices) != self.told.ids:
            self.verdict.notices_differ = [
                f"{self.told.ids} told, {len(notices)} reached the world"
            ]

    def _is_said(self, effect: str, channel: str) -> bool:
        """In a chat it is said when it stands on the log."""
        said = str(uuid5(NAMESPACE, f"interaction\x1foutbound\x1f{effect}"))
        return channel == "chat" and said in self._said

    def register(self, shown: list[Json], moving: Collection[str] = ()) -> None:
        """Hold the cases, as the register shows them, against the fold; but for those moving."""
        verdict, cases = self.verdict, self.cases
        by_number = {item["number"]: item for item in shown}
        verdict.compared_cases = len(by_number)
        for case, number in cases.number.items():
            item = by_number.pop(number, None)
            ours: Json = {"status": cases.status[case], "agent": cases.agent[case]}
            if item is not None and "works" in item:
                ours |= {"works": cases.works[case], "offers": cases.offers[case]}
            theirs = None if item is None else {name: item[name] for name in ours}
            if theirs != ours and number not in moving:
                verdict.register_differs.append(f"{number}: log {ours}, register {theirs}")
        verdict.register_differs += [
            f"{number}: not in the log" for number in by_number if number not in moving
        ]


def check(
    folder: Path,
    journal: Path,
    *,
    faults: Path | None = None,
    commands: Path | None = None,
    promise: Promise | None = None,
    mails: Path | None = None,
    mails_before: set[str] | None = None,
    shown: list[Json] | None = None,
    moving: Collection[str] = (),
    now_ms: int | None = None,
) -> Verdict:
    """Judge an exported log; ``now_ms`` is when it was exported, if open offers may be judged."""
    harm = read_lines(faults) if faults is not None else []
    one = Check(folder, harm, promise)
    one.fold()
    one.commands()
    one.clocks(now_ms or 0)
    if commands is not None:
        one.answers_of_agents(read_lines(commands))
    one.mails_sent(read_lines(journal), harm)
    one.verdict.samples["between two assignments"] = gaps(one.recovery.assigned_ms)
    if mails is not None:
        one.mails_out(mails, mails_before)
    if shown is not None:
        one.register(shown, moving)
    if now_ms is not None:
        one.verdict.missed_timers += one.timers.missed(now_ms, LATE_MS_MAX)
    one.verdict.deadletters = sum(1 for _ in read_topic(folder, "vaxel.deadletters"))
    return one.verdict


def _message_id(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(HEADER_BYTES_MAX)
    return str(BytesHeaderParser().parsebytes(head)["Message-ID"]).strip()


def read_lines(path: Path) -> list[Json]:
    """A file of JSON lines; none where it isn't there."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def main() -> int:
    """``python tests/chaos/checker.py EXPORT JOURNAL``: prints the verdict; 1 if anything is wrong."""
    verdict = check(Path(sys.argv[1]), Path(sys.argv[2]))
    print(json.dumps(asdict(verdict), indent=1))
    return 1 if verdict.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
