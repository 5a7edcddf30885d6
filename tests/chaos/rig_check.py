"""Judges a round of the rig from the broker's own files, the readers' traces and the journal.

Of the product it uses the chain's one rule, ``chain.accept``, and nothing else; `vaxel replay` is
asked besides. What must hold: each input decided once and in order; the chain whole; everything
acknowledged to the feeder there; no overlapping ownership, nobody over capacity, no offer ended
twice or early; every snapshot of a confirmed place with its blob whole; every reader with the same
valid records; and no record accepted of an owner after another's claim.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from chaos.fold import Ownership, Timers
from chaos.rig_place import PARTITIONS, Round, vaxel
from chaos.rig_segments import Stored, partition

from vaxel_shared.kafka import chain

CONTACT_OUTCOMES = ("case.opened", "case.joined", "case.reopened")
ONCE = ("case.replied", "work.assigned", "case.resolved", "case.noted")
Json = dict[str, Any]


@dataclass
class Judgement:
    """Counts of what was looked at, and lists of what was wrong: all must be empty."""

    inputs: int = 0
    records: int = 0
    void_records: int = 0
    decisions: int = 0
    snapshots: int = 0
    owners: int = 0
    assigned: int = 0
    offers_ended: int = 0
    interactions: int = 0
    junk: int = 0
    """Inputs that are no commands; each must be rejected, and parked."""
    stale_attempts: int = 0
    """Void records of owners that another had displaced by then."""
    late_landings: int = 0
    """Void records in all that an owner's producer wrote after another producer's valid record."""
    lost: list[str] = field(default_factory=list)
    undecided: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    unordered: list[str] = field(default_factory=list)
    broken_chain: list[str] = field(default_factory=list)
    stale_accepted: list[str] = field(default_factory=list)
    unattributed: list[str] = field(default_factory=list)
    overlapping_owners: list[str] = field(default_factory=list)
    over_capacity: list[str] = field(default_factory=list)
    early_timers: list[str] = field(default_factory=list)
    ended_twice: list[str] = field(default_factory=list)
    readers_differ: list[str] = field(default_factory=list)
    snapshots_wrong: list[str] = field(default_factory=list)
    replay_differs: list[str] = field(default_factory=list)
    misbehaved: list[str] = field(default_factory=list)
    """Processes that did what they should not: stayed, halted, ended without a reason."""

    @property
    def wrong(self) -> Json:
        """Each promise that was broken, with what broke it."""
        return {
            name: value for name, value in asdict(self).items() if isinstance(value, list) and value
        }

    @property
    def violations(self) -> int:
        """How many things were wrong."""
        return sum(len(value) for value in self.wrong.values())

    def add(self, other: Judgement) -> None:
        """Another round's."""
        for name, value in asdict(other).items():
            setattr(self, name, getattr(self, name) + value)


async def judge(
    one: Round, log_dir: Path, log_id: str, traces: list[Path], halted: list[str]
) -> Judgement:
    """All of a round. ``halted``: what the readers said that had to halt."""
    check = Check(one, log_dir, log_id)
    check.fold()
    for trace in traces:
        check.trace(trace)
    found = check.judgement
    found.readers_differ += halted
    code, said = await vaxel(one, "replay")
    if code != 0:
        found.replay_differs.append(said[-1_000:])
    return found


class Check:
    """One pass over a round's topics; the judgement grows as it reads."""

    def __init__(self, one: Round, log_dir: Path, log_id: str) -> None:
        self.judgement = Judgement()
        self._one, self._log_dir, self._log_id = one, log_dir, log_id
        self._ownership = Ownership()
        self._timers = Timers()
        self._outcomes: Counter[str] = Counter()
        self._caused: Counter[tuple[str, str]] = Counter()
        self._valid: dict[int, dict[int, str]] = {}
        """Partition → offset → hash of each valid record."""
        self._junk: dict[int, set[str]] = {}
        """Partition → causes by which inputs that are no commands must be rejected."""

    def fold(self) -> None:
        """Read and judge everything but the readers."""
        found = self.judgement
        inputs = [self._read("vaxel.work", number) for number in range(PARTITIONS)]
        parked = {
            row.value for n in range(PARTITIONS) for row in self._read("vaxel.deadletters", n)
        }
        letters = {(said["partition"], said["offset"]) for said in map(json.loads, parked)}
        for number in range(PARTITIONS):
            junk = [row.offset for row in inputs[number] if _command(row) is None]
            self._junk[number] = {f"offset:{offset}" for offset in junk}
            found.junk += len(junk)
            found.lost += [
                f"no dead letter of {number} {o}" for o in junk if (number, o) not in letters
            ]
            self._partition(number, inputs[number])
            self._snapshots(number)
        self._journal(inputs)
        self._interactions(inputs)
        found.inputs = sum(len(rows) for rows in inputs)
        found.assigned, found.offers_ended = self._ownership.assigned, self._timers.ended
        found.overlapping_owners = self._ownership.overlapping
        found.over_capacity = self._ownership.over
        found.early_timers, found.ended_twice = self._timers.early, self._timers.ended_twice
        found.duplicated = [f"contact {one}" for one, count in self._outcomes.items() if count > 1]
        found.duplicated += [f"{kind} of {c}" for (kind, c), n in self._caused.items() if n > 1]

    def _read(self, topic: str, number: int) -> list[Stored]:
        return list(partition(self._log_dir, f"{self._one.prefix}{topic}", number))

    def _partition(self, number: int, inputs: list[Stored]) -> None:
        """The chain of one partition against its inputs, and who wrote each record."""
        found = self.judgement
        state = chain.genesis(self._log_id, number)
        valid = self._valid[number] = {}
        owners = Owners(number, found)
        for record in self._read("vaxel.decisions", number):
            found.records += 1
            try:
                outcome = chain.accept(state, record.offset, record.value)
            except chain.ChainHalt as error:
                found.broken_chain.append(f"partition {number} offset {record.offset}: {error}")
                return
            state = outcome.state
            accepted = isinstance(outcome, chain.Accepted)
            owners.wrote(record, valid=accepted)
            if not isinstance(outcome, chain.Accepted):
                found.void_records += 1
                continue
            valid[record.offset] = hashlib.sha256(record.value).hexdigest()
            header = outcome.header
            folded = inputs[header.from_ : header.through + 1]
            self._inputs(number, header, folded)
            self._decisions(number, record, folded)
        found.owners += len(owners.runs)
        for row in inputs[state.through + 1 :]:
            found.undecided.append(f"partition {number} offset {row.offset}")

    def _inputs(self, number: int, header: chain.Header, folded: list[Stored]) -> None:
        found, where = self.judgement, f"partition {number} seq {header.seq}"
        if len(folded) != header.through - header.from_ + 1:
            found.broken_chain.append(f"{where}: folds inputs that aren't there")
        elif folded:
            last = folded[-1]
            if last.offset != header.through or _digest(last) != header.through_sha256:
                found.broken_chain.append(f"{where}: folded another input")

    def _decisions(self, number: int, record: Stored, folded: list[Stored]) -> None:
        """Each input has its decisions here, in the order of the inputs."""
        found = self.judgement
        body = json.loads(record.value[chain.HEADER_BYTES :])
        decisions: list[Json] = body.get("decisions", [])
        found.decisions += len(decisions)
        asked = list(dict.fromkeys(_name(row) for row in folded))
        wanted = set(asked)
        causes = dict.fromkeys(d.get("cause") for d in decisions)
        answered = [cause for cause in causes if cause in wanted]
        where = f"partition {number} offset {record.offset}"
        if missing := wanted - set(answered):
            found.undecided += [f"{where}: {one} has no decision" for one in sorted(missing)]
        elif answered != asked:
            found.unordered.append(where)
        for decision in decisions:
            kind = decision["type"]
            self._ownership.see(decision)
            self._timers.see(decision, number, record.timestamp_ms)
            if kind in CONTACT_OUTCOMES and "contact_id" in decision.get("data", {}):
                self._outcomes[decision["data"]["contact_id"]] += 1
            elif kind in ONCE and decision.get("cause") in wanted:
                self._caused[kind, decision["cause"]] += 1
            elif kind == "input.rejected" and decision["cause"] not in self._junk[number]:
                found.undecided.append(f"{where}: an input was rejected")

    def _snapshots(self, number: int) -> None:
        """Each names a valid record; its blob is whole."""
        found, valid = self.judgement, self._valid[number]
        for row in self._read("vaxel.snapshots", number):
            if row.key == b"log":
                continue
            found.snapshots += 1
            said = json.loads(row.value)
            where = f"partition {number} seq {said['seq']}"
            if valid.get(said["offset"]) != said["sha256"]:
                found.snapshots_wrong.append(f"{where}: of a place that isn't in the log")
            digest = said["blob_sha256"]
            blob = self._one.settings.blobs / "state" / digest[:2] / digest
            if not blob.is_file() or hashlib.sha256(blob.read_bytes()).hexdigest() != digest:
                found.snapshots_wrong.append(f"{where}: its blob is missing or damaged")

    def _journal(self, inputs: list[list[Stored]]) -> None:
        """What was acknowledged stands where the acknowledgement said."""
        path = self._one.folder / "journal.jsonl"
        said = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        interactions = [self._read("vaxel.interactions", n) for n in range(PARTITIONS)]
        for line in said:
            rows = (inputs if line["topic"] == "vaxel.work" else interactions)[line["partition"]]
            at = line["offset"]
            if at >= len(rows) or (json.loads(rows[at].value)["id"] != line["id"]):
                self.judgement.lost.append(f"{line['topic']} {line['partition']} {at}")

    def _interactions(self, inputs: list[list[Stored]]) -> None:
        """Each became a contact that was decided once, handed over in order at its first time."""
        found = self.judgement
        first: dict[tuple[int, str], list[int]] = defaultdict(list)
        known: set[str] = set()
        for rows in inputs:
            for row in rows:
                command = _command(row)
                if command is None:
                    continue
                if command["via"] == "triage" and command["id"] not in known:
                    known.add(command["id"])
                    place = command["data"]["src"]
                    first[place[0], command["pool"]].append(place[1])
        for (source, pool), places in first.items():
            if places != sorted(places):
                found.unordered.append(f"vaxel.interactions partition {source}, {pool}")
        for number in range(PARTITIONS):
            for row in self._read("vaxel.interactions", number):
                found.interactions += 1
                name = json.loads(row.value)["id"]
                if self._outcomes[name] == 0:
                    found.lost.append(f"interaction {name}: no case has it")

    def trace(self, path: Path) -> None:
        """A reader took for valid what is valid, in order, once."""
        taken: dict[int, list[tuple[int, str]]] = {number: [] for number in range(PARTITIONS)}
        for line in path.read_text().splitlines() if path.exists() else ():
            number, offset, _, digest = json.loads(line)
            taken[number].append((offset, digest))
        for number, rows in taken.items():
            ours = list(self._valid.get(number, {}).items())
            if rows != ours:
                place = next(
                    (i for i, (a, b) in enumerate(zip(rows, ours, strict=False)) if a != b), -1
                )
                self.judgement.readers_differ.append(
                    f"{path.stem} partition {number}: {len(rows)} records, {len(ours)} valid,"
                    f" first difference at {place}"
                )


class Owners:
    """Whose record is whose in one partition: an owner's producer begins with its claim.

    The broker gives each producer an id of its own and writes it down with each batch, so what a
    displaced owner writes can be told from what its successor does, valid or not.
    """

    def __init__(self, number: int, found: Judgement) -> None:
        self.runs: dict[str, int] = {}
        """Run → the offset of its first valid claim."""
        self._number, self._found = number, found
        self._run_of: dict[int, str] = {}
        self._displaced: set[str] = set()
        self._last_valid = -1

    def wrote(self, record: Stored, *, valid: bool) -> None:
        """A record of the decisions, in order."""
        found, where = self._found, f"partition {self._number} offset {record.offset}"
        claim = _claim(record.value)
        if claim is not None:
            self._run_of[record.producer] = claim
        run = self._run_of.get(record.producer)
        if run is None:
            if valid:
                found.unattributed.append(where)
            return
        if valid and run in self._displaced:
            found.stale_accepted.append(f"{where}: run {run}")
        elif valid and claim is not None:
            self._displaced |= self.runs.keys() - {run}
            self.runs.setdefault(run, record.offset)
        elif not valid and run in self._displaced:
            found.stale_attempts += 1
        if valid:
            self._last_valid = record.producer
        elif record.producer != self._last_valid:
            found.late_landings += 1


def _claim(value: bytes) -> str | None:
    """The run that a record claims for."""
    parts = chain.unpack(value)
    if parts is None:
        return None
    try:
        claim = json.loads(parts[1]).get("claim")
    except ValueError:
        return None
    return str(claim["run_id"]) if claim else None


def _command(row: Stored) -> Json | None:
    """The command of an input; None where it is none."""
    try:
        said = json.loads(row.value)
    except ValueError:
        return None
    return said if isinstance(said, dict) else None


def _name(row: Stored) -> str:
    """What a decision names as its cause."""
    command = _command(row)
    return command["id"] if command is not None else f"offset:{row.offset}"


def _digest(row: Stored) -> bytes:
    """Of an input's key and value, by the contract: the key's length in four bytes comes first."""
    key = row.key or b""
    return hashlib.sha256(len(key).to_bytes(4, "big") + key + row.value).digest()
