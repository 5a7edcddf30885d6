"""What the decisions say, folded once more by other code than the services': who held what, how
each case and work stands, which offers were due when. Judges nothing but what it is handed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

STATUS = {
    "case.opened": "open",
    "case.reopened": "open",
    "case.resolved": "resolved",
    "case.closed": "closed",
    "case.handed_over": "closed",
    "case.merged": "merged",
    "case.split": "open",
    "work.queued": "open",
}
WORK_STATE = {
    "work.queued": "queued",
    "work.assigned": "assigned",
    "work.scheduled": "scheduled",
    "work.suspended": "suspended",
    "work.resumed": "queued",
    "work.wrapping": "wrapping",
    "work.closed": "closed",
    "work.cancelled": "cancelled",
    "work.abandoned": "abandoned",
}
ENDED = ("closed", "cancelled", "abandoned")


class Ownership:
    """Owners, offers and capacity; what must never be goes into ``overlapping`` and ``over``."""

    def __init__(self) -> None:
        self.overlapping: list[str] = []
        self.over: list[str] = []
        self.assigned = 0
        self._owner: dict[str, str] = {}
        self._open: dict[str, str] = {}
        self._held: dict[str, dict[str, tuple[int, str]]] = defaultdict(dict)
        self._capacity: dict[str, int] = {}
        self._most: dict[str, dict[str, int]] = {}
        self._channel: dict[str, str] = {}
        """Case → channel."""

    def see(self, decision: Json) -> None:
        """Fold one decision."""
        kind, agent = decision["type"], decision.get("agent_id", "")
        work, data = decision.get("work_id", ""), decision.get("data", {})
        if kind == "agent.changed" and "profile" in data:
            profile = data["profile"]
            self._capacity[agent] = profile.get("capacity", 1)
            channels = profile.get("channels", {}).items()
            self._most[agent] = {name: item.get("max", 1) for name, item in channels}
        elif kind == "agent.removed":
            self._capacity.pop(agent, None)
        elif kind == "case.opened":
            self._channel[decision["case_id"]] = data.get("channel", "")
        elif kind == "case.closed":
            self._channel.pop(decision["case_id"], None)
        elif kind == "work.queued":
            self._queued(decision["case_id"], work)
        elif kind == "offer.made":
            self._take(decision, decision["offer_id"])
        elif kind == "offer.ended":
            self._held[agent].pop(decision["offer_id"], None)
        elif kind == "work.assigned":
            if work in self._owner:
                self.overlapping.append(f"{work}: {self._owner[work]} and {agent}")
            self._owner[work] = agent
            self.assigned += 1
            self._take(decision, work)
        elif WORK_STATE.get(kind) in ENDED:
            self._free(work)
            self._open.pop(decision["case_id"], None)

    def _queued(self, case: str, work: str) -> None:
        """New work, or the same again: then nobody owns it any more."""
        if self._open.get(case, work) != work:
            self.overlapping.append(f"{case}: {work} beside {self._open[case]}")
        self._open[case] = work
        self._free(work)

    def _free(self, work: str) -> None:
        owner = self._owner.pop(work, None)
        if owner is not None:
            self._held[owner].pop(work, None)

    def _take(self, decision: Json, what: str) -> None:
        agent, data = decision["agent_id"], decision["data"]
        channel = self._channel.get(decision["case_id"], "")
        self._held[agent][what] = (data["cost"], channel)
        if data.get("via") == "override":
            return
        held = self._held[agent].values()
        total, limit = sum(cost for cost, _ in held), self._capacity.get(agent, 0)
        count = sum(1 for _, other in held if other == channel)
        most = self._most.get(agent, {}).get(channel, count)
        if total > limit:
            self.over.append(f"{agent}: {total} of {limit}, with {what}")
        elif count > most:
            self.over.append(f"{agent}: {count} by {channel} of {most}, with {what}")


@dataclass
class Cases:
    """How each case, work and offer stands at the end: what the register must show."""

    number: dict[str, str] = field(default_factory=dict)
    status: dict[str, str] = field(default_factory=dict)
    agent: dict[str, str | None] = field(default_factory=dict)
    works: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    offers: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))

    def see(self, decision: Json) -> None:
        """Fold one decision."""
        kind, case, data = decision["type"], decision.get("case_id"), decision.get("data", {})
        if case is None:
            return
        if "number" in data and kind == "case.opened":
            self.number[case] = data["number"]
        if kind in STATUS:
            self.status[case] = STATUS[kind]
        elif kind == "case.waiting":
            self.status[case] = f"waiting_{data.get('waits_for', 'customer')}"
        if kind in ("case.opened", "work.queued"):
            self.agent[case] = None
        elif kind == "work.assigned":
            self.agent[case] = decision["agent_id"]
        self._work(kind, case, decision)

    def _work(self, kind: str, case: str, decision: Json) -> None:
        work, offer = decision.get("work_id"), decision.get("offer_id")
        if work is not None and kind in WORK_STATE:
            in_hand = kind == "work.resumed" and decision.get("agent_id") is not None
            self.works[case][work] = "assigned" if in_hand else WORK_STATE[kind]
        elif kind == "offer.made":
            self.offers[case][str(offer)] = "pending"
            self.works[case][str(work)] = "offered"
        elif kind == "offer.ended":
            outcome = decision["data"]["outcome"]
            self.offers[case][str(offer)] = outcome
            if outcome != "accepted" and self.works[case].get(str(work)) == "offered":
                self.works[case][str(work)] = "queued"


GOES_ON = ("match", "look", "owed", "give")
"""No deadlines: the router goes on where a record was full."""
NOT_FOLLOWED = ("shift", "share", "rest", "open", "grace", "lease")
"""When somebody takes work by the clock, or has it for a time: computed from calendars and from what
was taken, which the router's invariants hold; a decision doesn't state all of it."""


@dataclass
class Timers:
    """What was set for when, against when it happened, while somebody could decide.

    ``excused``: spans of ms in which the harness itself was in the way. Besides, an owner counts
    as alive only from its claim on. Kinds are those of the decisions' causes, ``timer:<kind>:…``.
    """

    excused: list[tuple[int, int]] = field(default_factory=list)
    early: list[str] = field(default_factory=list)
    ended_twice: list[str] = field(default_factory=list)
    late: list[tuple[int, str]] = field(default_factory=list)
    """Of each that fired: ms too late, and which."""
    fired: Counter[str] = field(default_factory=Counter)
    due_ms: dict[str, int] = field(default_factory=dict)
    """``kind:id`` → when it is due, of what is set now."""
    ended: int = 0
    _alive_ms: dict[int, int] = field(default_factory=dict)
    _sent: set[str] = field(default_factory=set)
    _works: dict[str, Waiting] = field(default_factory=dict)
    _last: dict[int, tuple[str, int]] = field(default_factory=dict)

    @property
    def late_ms(self) -> list[int]:
        """How late each was."""
        return [ms for ms, _ in self.late]

    def claimed(self, partition: int, at_ms: int) -> None:
        """An owner of the partition is there from here on."""
        self._alive_ms[partition] = at_ms

    def see(self, decision: Json, partition: int, ts_ms: int = 0) -> None:
        """Fold one decision; ``ts_ms``: when its record was appended, if that is known."""
        kind, at_ms, cause = decision["type"], decision["at_ms"], decision["cause"]
        new = self._last.get(partition) != (cause, at_ms)
        self._last[partition] = (cause, at_ms)
        if new and cause.startswith("timer:"):
            self._fire(cause.removeprefix("timer:"), at_ms, ts_ms or at_ms, partition)
        if kind in ("offer.made", "offer.ended", "effect.reported"):
            self._offer(kind, decision, at_ms)
        elif kind.startswith("work."):
            self._work(kind, decision, at_ms)
        elif kind.startswith("case."):
            self._case(kind, decision)
        elif kind == "switch.changed" and decision["data"]["switch"] not in ("look", "window"):
            name = f"{decision['data']['switch']}:{decision['data'].get('queue') or ''}"
            self._set(f"switch:{name}", decision["data"].get("until_ms"))
        elif kind == "agent.changed" and "presence" in decision.get("data", {}):
            self._set(f"back:{decision['agent_id']}", decision["data"].get("until_ms"))

    def missed(self, now_ms: int, patience_ms: int) -> list[str]:
        """What should have happened long ago, and didn't."""
        return sorted(
            f"{timer}: due {now_ms - due} ms ago"
            for timer, due in self.due_ms.items()
            if self._since(due, now_ms, -1) + patience_ms < now_ms
        )

    def _fire(self, timer: str, at_ms: int, ts_ms: int, partition: int) -> None:
        name = timer.partition(":")[0]
        if name in GOES_ON or name in NOT_FOLLOWED:
            return
        due = self.due_ms.pop(timer, None)
        self.fired[name] += 1
        if due is None:
            self.early.append(f"{timer} at {at_ms}: nothing was set")
        elif at_ms < due:
            self.early.append(f"{timer}: {due - at_ms} ms before its time")
        else:
            self.late.append((max(0, ts_ms - self._since(due, ts_ms, partition)), timer))

    def _set(self, timer: str, due_ms: int | None) -> None:
        if due_ms is None:
            self.due_ms.pop(timer, None)
        else:
            self.due_ms[timer] = due_ms

    def _offer(self, kind: str, decision: Json, at_ms: int) -> None:
        offer, data = decision.get("offer_id"), decision.get("data", {})
        work = self._works.get(decision.get("work_id") or "")
        if kind == "offer.made":
            self._set(f"offer:{offer}", data["expires_ms"])
            self._sent.add(str(offer))
            self._free(decision["work_id"])
        elif kind == "effect.reported":
            if data.get("expires_ms") and offer in self._sent:
                self._sent.discard(str(offer))  # its time counts from its first sending
                self._set(f"offer:{offer}", data["expires_ms"])
        else:
            timed = decision["cause"] == f"timer:offer:{offer}"
            if self.due_ms.pop(f"offer:{offer}", None) is None and not timed:
                self.ended_twice.append(str(offer))
            if not timed and data["outcome"] in ("expired", "unseen"):
                self.early.append(f"{offer}: {data['outcome']} without its timer")
            self._sent.discard(str(offer))
            self.ended += 1
            if work is not None and data["outcome"] != "accepted":
                if "bar_until_ms" in data:
                    work.barred[decision["agent_id"]] = data["bar_until_ms"]
                self._queued(decision["work_id"], work, at_ms)

    def _work(self, kind: str, decision: Json, at_ms: int) -> None:
        name, data = decision["work_id"], decision.get("data", {})
        if kind == "work.queued":
            found = Waiting(data.get("next_ms"), data.get("prefer_until_ms"))
            found.barred |= data.get("barred") or {}
            self._works[name] = found
            self._queued(name, found, at_ms)
        elif kind == "work.stepped" and name in self._works:
            self._works[name].next_ms = data.get("next_ms")
            self._queued(name, self._works[name], at_ms)
        elif kind == "work.assigned":
            self._free(name)
        elif kind == "work.suspended":
            self._free(name)
            self._set(f"resume:{name}", data.get("until_ms"))
        elif kind == "work.resumed":
            self._set(f"resume:{name}", None)
        elif kind == "work.wrapping":
            self._set(f"wrap:{name}", data["until_ms"])
        elif WORK_STATE.get(kind) in ENDED:
            self._free(name)
            self._set(f"wrap:{name}", None)
            self._works.pop(name, None)

    def _case(self, kind: str, decision: Json) -> None:
        case, data = decision.get("case_id"), decision.get("data", {})
        if kind == "case.waiting":
            self._set(f"wake:{case}", data.get("wake_ms"))
        elif kind == "case.resolved":
            self._set(f"wake:{case}", None)
            self._set(f"close:{case}", data.get("close_ms"))
        elif kind in ("case.reopened", "case.closed", "case.handed_over", "case.merged"):
            self._set(f"wake:{case}", None)
            self._set(f"close:{case}", None)

    def _queued(self, name: str, work: Waiting, at_ms: int) -> None:
        """It waits: for its queue's next step, and for who is barred or preferred."""
        self._set(f"step:{name}", work.next_ms)
        ends = [until for until in (*work.barred.values(), work.prefer_ms or 0) if until > at_ms]
        self._set(f"free:{name}", min(ends, default=None))

    def _free(self, name: str) -> None:
        self._set(f"step:{name}", None)
        self._set(f"free:{name}", None)

    def _since(self, due_ms: int, at_ms: int, partition: int) -> int:
        """From when on somebody could have done it."""
        since = max(due_ms, min(self._alive_ms.get(partition, due_ms), at_ms))
        for begin, end in sorted(self.excused):
            if begin < at_ms and end > since and begin <= since:
                since = min(end, at_ms)
        return since


@dataclass
class Waiting:
    """A work that waits, as far as time is about it."""

    next_ms: int | None
    prefer_ms: int | None
    barred: dict[str, int] = field(default_factory=dict)
