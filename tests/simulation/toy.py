"""A decider as small as can be, so that the commit protocol can be tried without the router.

Its state is how many inputs it has seen and a hash over all of them in order: one input lost,
doubled or swapped, and everything after it differs. A step is pure; a restore applies recorded
decisions and recomputes nothing.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace

from vaxel_shared.contracts import wire

ENGINE = "toy 1"
WALL_MS = 1_700_000_000_000


@dataclass(frozen=True)
class Toy:
    seen: int = 0
    digest: str = ""

    def step(self, payload: bytes, offset: int) -> tuple[Toy, wire.Decision]:
        digest = hashlib.sha256(self.digest.encode() + payload).hexdigest()[:16]
        after = Toy(self.seen + 1, digest)
        data = {"seen": after.seen, "digest": after.digest}
        return after, wire.Decision(
            type="toy.counted", at_ms=WALL_MS, pool="toy", cause=str(offset), data=data
        )

    def apply(self, decision: wire.Decision) -> Toy:
        return replace(self, seen=decision.data["seen"], digest=decision.data["digest"])

    def dump(self) -> bytes:
        return json.dumps([self.seen, self.digest]).encode()

    @classmethod
    def load(cls, state: bytes | None) -> Toy:
        return cls(*json.loads(state)) if state is not None else cls()

    @property
    def state_digest(self) -> str:
        return digest_of(self.dump())


def digest_of(state: bytes) -> str:
    return hashlib.sha256(state).hexdigest()


def batch(*decisions: wire.Decision, state_digest: str | None = None) -> wire.Batch:
    return wire.Batch(
        engine=ENGINE, wall_ms=WALL_MS, state_digest=state_digest, decisions=list(decisions)
    )


def input_sha256(payload: bytes) -> bytes:
    return hashlib.sha256(payload).digest()
