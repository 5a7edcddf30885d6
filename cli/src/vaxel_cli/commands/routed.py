"""What became of a mail that was just sent in, as the register tells it.

The register is asked for the sender's cases; the mail is the interaction from that sender received
since the send began. What the router made of it is the decision that names this interaction.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from vaxel_cli.commands.api import Api, segment

PAUSE_S = 0.1
"""Between two looks: short for a person, slight for the register."""
SETTLE_MS = 1_000
"""A case seen without an offer for so long is one that nobody could be offered."""
CLOCK_MS_MAX = 2_000
"""How far the clocks of this machine and the ingest may differ."""
CASES_MAX = 20

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_CONTACT = {"case.opened": "opened", "case.joined": "joined", "case.reopened": "reopened"}


@dataclass(frozen=True, slots=True)
class Begun:
    """When a send began, and who sent; ``interaction_id`` once the receiver has said it."""

    sender: str
    wall_ms: int
    monotonic_ms: int
    interaction_id: str | None = None

    @classmethod
    def now(cls, sender: str) -> Begun:
        """From this moment."""
        return cls(sender, time.time_ns() // 1_000_000, time.monotonic_ns() // 1_000_000)

    def taken(self, said: str) -> Begun:
        """With the id that our receiver names in its answer; another's may name none."""
        found = _ID.search(said)
        return replace(self, interaction_id=found[0] if found else None)

    def is_it(self, entry: dict[str, Any]) -> bool:
        """Whether an interaction of a timeline is this mail."""
        message = entry.get("message") or {}
        if entry["kind"] != "interaction" or not message:
            return False
        if self.interaction_id is not None:
            return bool(message["id"] == self.interaction_id)
        sender = str((message.get("sender") or {}).get("external_id", ""))
        recent = instant_ms(entry["at"]) >= self.wall_ms - CLOCK_MS_MAX
        return recent and sender.lower() == self.sender.lower()

    def elapsed_ms(self) -> int:
        """Since then."""
        return time.monotonic_ns() // 1_000_000 - self.monotonic_ms


@dataclass(frozen=True, slots=True)
class Routed:
    """How far it has come. Durations count from the beginning of the send, as seen from here."""

    case: str
    what: str
    """Whether it opened, joined or reopened the case."""
    queue: str | None
    status: str | None
    case_after_ms: int
    agent: str | None = None
    """Who has the case in hand already."""
    offered_to: str | None = None
    offered_name: str | None = None
    offered_after_ms: int | None = None
    """Absent for an offer that was pending when the mail came."""
    settled: bool = False


def look(api: Api, begun: Begun, before: Routed | None = None) -> Routed | None:
    """One look; ``before`` is the last one's answer. None as long as there is no case."""
    if before is None:
        found = _find(api, begun)
        if found is None:
            return None
        case, interaction_id = found
        before = _routed(case, interaction_id, begun)
    else:
        case = api.get(f"/api/v1/cases/{segment(before.case)}")
        interaction_id = _interaction(case, begun)
    return _offered(api, case, interaction_id, begun, before)


def _find(api: Api, begun: Begun) -> tuple[dict[str, Any], str | None] | None:
    """The case that holds the mail as an interaction which the router has decided on."""
    listed = api.get("/api/v1/cases", q=begun.sender, limit=CASES_MAX)
    for item in listed["items"]:
        case: dict[str, Any] = api.get(f"/api/v1/cases/{segment(item['number'])}")
        interaction_id = _interaction(case, begun)
        if interaction_id is not None and _contact(case, interaction_id) is not None:
            return case, interaction_id
    return None


def _interaction(case: dict[str, Any], begun: Begun) -> str | None:
    found = (entry for entry in reversed(case["timeline"]) if begun.is_it(entry))
    return next((str(entry["message"]["id"]) for entry in found), None)


def _contact(case: dict[str, Any], interaction_id: str | None) -> int | None:
    """The place in the timeline of the decision that took the interaction in."""
    for index, entry in enumerate(case["timeline"]):
        if (
            entry["type"] in _CONTACT
            and (entry.get("data") or {}).get("contact_id") == interaction_id
        ):
            return index
    return None


def _routed(case: dict[str, Any], interaction_id: str | None, begun: Begun) -> Routed:
    place = _contact(case, interaction_id)
    what = _CONTACT[case["timeline"][place]["type"]] if place is not None else "joined"
    return Routed(case["number"], what, case["queue"], case["status"], begun.elapsed_ms())


def _offered(
    api: Api, case: dict[str, Any], interaction_id: str | None, begun: Begun, before: Routed
) -> Routed:
    """With the offer or owner that the case has by now."""
    after = replace(before, queue=case["queue"], status=case["status"])
    place = _contact(case, interaction_id) or 0
    for entry in case["timeline"][place:]:
        if entry["type"] == "offer.made":
            return replace(
                after,
                offered_to=entry["agent"],
                offered_name=_name(api, entry["agent"]),
                offered_after_ms=begun.elapsed_ms(),
                settled=True,
            )
    for offer in case["offers"]:
        if offer["state"] == "pending":
            name = _name(api, offer["agent"])
            return replace(after, offered_to=offer["agent"], offered_name=name, settled=True)
    in_hand = next(
        (w["agent"] for w in case["works"] if w["state"] in ("assigned", "wrapping")), None
    )
    waited = begun.elapsed_ms() - before.case_after_ms >= SETTLE_MS
    return replace(after, agent=in_hand, settled=in_hand is not None or waited)


def _name(api: Api, agent_id: str) -> str | None:
    for agent in api.get("/api/v1/agents")["items"]:
        if agent["id"] == agent_id:
            return str(agent["name"]) if agent["name"] else None
    return None


def instant_ms(text: str) -> int:
    """ISO 8601 as milliseconds UTC."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)
