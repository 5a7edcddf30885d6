"""The independent checkers: they stand at the broker, see every record as it lands, and judge.

Nothing of the services is used here but the shape of the records: the chain is verified by its one
rule, what the decisions say is followed by :mod:`simulation.world.facts`, and whatever must never be
raises :class:`Violation` at the very record that breaks it.
"""

from __future__ import annotations

import hashlib
import struct
from collections import Counter

import msgspec
from simulation.world.facts import MEMORY_MS, Facts, Json, Violation

__all__ = ["HEADER", "Checker", "Valid", "Violation"]

HEADER = struct.Struct(">4sH16sQ32sqq32s")
UNREMEMBERED = ("input.rejected", "command.repeated")


class Valid:
    """A record that counts."""

    __slots__ = ("body", "from_", "offset", "raw", "seq", "sha256", "through")

    def __init__(
        self, offset: int, seq: int, from_: int, through: int, raw: bytes, body: bytes
    ) -> None:
        self.offset, self.seq, self.from_, self.through = offset, seq, from_, through
        self.raw, self.body = raw, body
        self.sha256 = hashlib.sha256(raw).digest()


class Checker:
    """Judges ``vaxel.decisions`` against ``vaxel.work`` as both grow."""

    def __init__(self, log_id: str) -> None:
        self.log_id = bytes.fromhex(log_id)
        self.work: list[Json | None] = []
        self.work_hash: list[bytes] = []
        self.valid: list[Valid] = []
        self.voids = 0
        self.counts: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        """Types of decisions with the reasons that they give."""
        self.facts = Facts()
        self._parked: set[int] = set()
        self.halted = False
        """Inputs that were folded are lost: nothing more may be folded."""
        self.lenient = False
        """The inputs behind the records may be gone."""
        self._under_way = False
        """The logs were cut, and nothing landed since: a record sent before may still land."""
        self._tip = hashlib.sha256(f"{log_id}:0".encode()).digest()
        self.seen: set[str] = set()
        """Ids of commands that were decided, repeats too."""
        self._applied: dict[str, int] = {}
        self._open: str | None = None
        self.now_ms = 0

    def input(self, offset: int, key: bytes, value: bytes) -> None:
        """A record of ``vaxel.work`` landed."""
        assert offset == len(self.work), "the checker sees every input"
        try:
            command = msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError):
            command = None
        self.work.append(command if isinstance(command, dict) and "id" in command else None)
        digest = hashlib.sha256(len(key).to_bytes(4, "big") + key + value).digest()
        self.work_hash.append(digest)

    def parked(self, value: bytes) -> None:
        """A dead letter landed."""
        self._parked.add(int(value.partition(b"|")[0]))

    def cut(self, work_end: int, decisions_end: int) -> None:
        """Both logs lost their tails: the chain goes on from what is left."""
        del self.work[work_end:], self.work_hash[work_end:]
        self.valid = [one for one in self.valid if one.offset < decisions_end]
        genesis = hashlib.sha256(f"{self.log_id.hex()}:0".encode()).digest()
        self._tip = self.valid[-1].sha256 if self.valid else genesis
        self._under_way = True
        self._fold_again()

    def _fold_again(self) -> None:
        """What the lost records said is forgotten."""
        self.facts, self._applied, self._open, self.now_ms = Facts(), {}, None, 0
        self.lenient = True
        for one in self.valid:
            self._batch(one, msgspec.json.decode(one.body))

    def record(self, offset: int, raw: bytes) -> None:
        """A record of ``vaxel.decisions`` landed."""
        _, _, log_id, seq, previous, from_, through, through_hash = HEADER.unpack_from(raw)
        if previous != self._tip:
            self.voids += 1
            return
        place = f"offset {offset} seq {seq}"
        last = self.valid[-1] if self.valid else None
        at = (last.seq, last.through) if last else (-1, -1)
        if (log_id, seq, from_) != (self.log_id, at[0] + 1, at[1] + 1):
            raise Violation(f"{place}: doesn't continue the chain")
        under_way, self._under_way = self._under_way, False
        if under_way and through >= from_ and through_hash != self._hash_of(through):
            self.halted = True  # sent before the cut: nobody could have held it back
        elif self.halted and through >= from_:
            raise Violation(f"{place}: goes on although inputs that it folded are lost")
        if not (self.halted or from_ - 1 <= through < len(self.work)):
            raise Violation(f"{place}: folds {from_} to {through} of {len(self.work)} inputs")
        if not self.halted and through >= from_ and through_hash != self._hash_of(through):
            raise Violation(f"{place}: the input at {through} isn't the one it folded")
        one = Valid(offset, seq, from_, through, raw, raw[HEADER.size :])
        self._tip = one.sha256
        self.valid.append(one)
        try:
            self._batch(one, msgspec.json.decode(one.body))
        except Violation as error:
            raise Violation(f"{place}: {error}") from None

    def _hash_of(self, offset: int) -> bytes | None:
        return self.work_hash[offset] if offset < len(self.work_hash) else None

    def _batch(self, one: Valid, batch: Json) -> None:
        decisions: list[Json] = batch.get("decisions", [])
        runs: list[tuple[str, list[Json]]] = []
        for index, decision in enumerate(decisions):
            at_ms, kind, cause = decision["at_ms"], decision["type"], decision["cause"]
            if at_ms < self.now_ms:
                raise Violation(f"time goes back from {self.now_ms} to {at_ms}")
            self.now_ms = at_ms
            self.counts[kind] += 1
            self.reasons[f"{kind} {decision.get('data', {}).get('reason')}"] += 1
            if kind == "command.repeated" or not runs or runs[-1][0] != cause:
                runs.append((cause, []))
            runs[-1][1].append(decision)
            self.facts.see(decision, (one.seq, index))
        if not self.lenient:
            self._inputs(one, [run for run in runs if not run[0].startswith("timer:")], batch)
        tick_ms = batch.get("tick_ms")
        if tick_ms is not None:
            self.now_ms = max(self.now_ms, tick_ms)
            self.facts.passed(tick_ms)

    def _inputs(self, one: Valid, runs: list[tuple[str, list[Json]]], batch: Json) -> None:
        """Each input is decided here, once, in its order; nothing else is decided but timers."""
        begun, open_ = self._open, batch.get("open")
        if batch.get("claim") is None:
            self._open = open_
        wanted = [*range(one.from_, one.through + 1), *([one.through + 1] if open_ else [])]
        if len(runs) != len(wanted):
            raise Violation(f"{len(wanted)} inputs, and {len(runs)} were decided")
        for offset, (cause, made) in zip(wanted, runs, strict=True):
            command = self.work[offset]
            if cause not in (f"offset:{offset}", command and command["id"]):
                raise Violation(f"input {offset} was passed over: {cause} was decided instead")
            rejected = made[0]["type"] == "input.rejected"
            if rejected and offset not in self._parked:
                raise Violation(f"input {offset} was set aside before its dead letter was written")
            if rejected and command is not None:
                self.seen.add(command["id"])
            if rejected != (cause == f"offset:{offset}"):
                raise Violation(f"input {offset}: {cause} led to {made[0]['type']}")
            self._once(cause, command, made, begun, open_)

    def _once(
        self,
        name: str,
        command: Json | None,
        made: list[Json],
        begun: str | None,
        open_: str | None,
    ) -> None:
        if command is None or name != command["id"]:
            return
        self.seen.add(name)
        kinds = {decision["type"] for decision in made}
        before = self._applied.get(name)
        at_ms = made[0]["at_ms"]
        old = before is not None and at_ms - before > MEMORY_MS - 86_400_000
        if before is not None and kinds != {"command.repeated"} and not old and begun != name:
            raise Violation(f"{name} ({command['type']}) was decided twice: {sorted(kinds)}")
        if not kinds <= set(UNREMEMBERED) and name != open_:
            self._applied.setdefault(name, at_ms)
        self.facts.answer(command, made)
