"""Signed links of offers: who may answer which offer, and until when the link means anything.

The link is bound to one agent and one offer and says nothing that isn't in the mail anyway. What
has become of the offer is looked up; the instant in the link only says when asking is pointless.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

PURPOSE = "offer"

DECLINE_REASONS = ("busy", "not_my_skill", "language", "conflict", "other")
"""Codes: a reason travels on a topic that holds no text."""


@dataclass(frozen=True, slots=True)
class Link:
    """What a link carries."""

    offer_id: str
    agent_id: str
    token: str
    case_id: str
    pool: str
    expires_ms: int

    def payload(self) -> dict[str, Any]:
        """As it is signed."""
        return {
            "o": self.offer_id,
            "a": self.agent_id,
            "t": self.token,
            "c": self.case_id,
            "p": self.pool,
            "x": self.expires_ms,
        }


def parse(payload: dict[str, Any] | None) -> Link | None:
    """A verified payload as a link; None where it is none of ours or lacks something."""
    if payload is None:
        return None
    texts = [payload.get(name) for name in "oatcp"]
    expires_ms = payload.get("x")
    if not all(isinstance(item, str) and item for item in texts):
        return None
    if not isinstance(expires_ms, int) or isinstance(expires_ms, bool):
        return None
    offer_id, agent_id, token, case_id, pool = (str(item) for item in texts)
    return Link(offer_id, agent_id, token, case_id, pool, expires_ms)
