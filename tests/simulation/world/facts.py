"""What the decisions say, folded once more by other code: works, offers, agents and deadlines.

Whatever must never be raises :class:`Violation` at the very decision that breaks it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from heapq import heappop, heappush
from typing import Any

Json = dict[str, Any]
ENDED = ("work.closed", "work.cancelled", "work.abandoned")
ATTEMPTS_MAX = 1_000
"""After so many offers a work waits for a person."""
MEMORY_MS = 8 * 86_400_000


class Violation(AssertionError):
    """Something happened that must never happen."""


class Facts:
    """What the decisions say of works, offers, agents and deadlines, folded by other code."""

    def __init__(self) -> None:
        self.contacts: dict[str, Json] = {}
        self.conversations: dict[str, list[str]] = defaultdict(list)
        self.works: dict[str, Json] = {}
        self.cases: dict[str, Json] = {}
        self.offers: dict[str, Json] = {}
        self.agents: dict[str, Json] = {}
        self.effects: Counter[str] = Counter()
        self.timers = 0
        self._cause = ""
        self._queued_so_far = 0
        self._held_of: dict[str, str] = {}
        """What an agent holds → its channel."""
        self._due: dict[str, int] = {}
        self._heap: list[tuple[int, str]] = []

    # --- deadlines

    def _arm(self, key: str, due_ms: int | None) -> None:
        if due_ms is None:
            self._due.pop(key, None)
        elif self._due.get(key) != due_ms:
            self._due[key] = due_ms
            heappush(self._heap, (due_ms, key))

    def _first(self) -> tuple[int, str] | None:
        heap, due = self._heap, self._due
        while heap and due.get(heap[0][1]) != heap[0][0]:
            heappop(heap)
        return heap[0] if heap else None

    def passed(self, now_ms: int) -> None:
        """The clock stands at ``now_ms``: nothing before may still wait."""
        first = self._first()
        if first is not None and first[0] < now_ms:
            raise Violation(f"{first[1]} was due at {first[0]}, and it is {now_ms}")

    @property
    def open_cases(self) -> list[str]:
        """Cases of which something is still to come: all but the closed, and those that wait for
        a customer."""
        return [
            case
            for case, said in self.cases.items()
            if said["work"] is not None
            or said["status"] not in ("closed", "waiting")
            or f"wake:{case}" in self._due
        ]

    def waiting(self) -> list[str]:
        """Every deadline that is still to come."""
        return sorted(self._due)

    def _timer(self, decision: Json) -> None:
        """A decision that a timer caused: not early, once, and none due before it waits."""
        _, kind, name = decision["cause"].split(":", 2)
        key, at_ms = f"{kind}:{name}", decision["at_ms"]
        due_ms = self._due.get(key)
        if due_ms is None:
            return  # what else the same timer led to, or one of those that aren't followed here
        if due_ms > at_ms:
            raise Violation(f"{key} fired at {at_ms}, {due_ms - at_ms} ms early")
        first = self._first()
        if first is not None and first[0] < due_ms:
            raise Violation(f"{key}, due at {due_ms}, fired before {first}")
        self.timers += 1

    @staticmethod
    def _late(due_ms: int, decision: Json) -> bool:
        """An input waits for what is due at its instant; one that is set aside, for what was due."""
        set_aside = decision["type"] == "input.rejected"
        return bool(due_ms < decision["at_ms"] if set_aside else due_ms <= decision["at_ms"])

    # --- decisions

    def see(self, decision: Json, place: tuple[int, int]) -> None:
        """Fold one decision."""
        if decision["cause"] != self._cause:
            self._cause = decision["cause"]
            if self._cause.startswith("timer:"):
                self._timer(decision)
            elif (first := self._first()) is not None and self._late(first[0], decision):
                raise Violation(f"{first[1]}, due at {first[0]}, was missed at {decision['at_ms']}")
        handle = _SEE.get(decision["type"])
        if handle is not None:
            handle(self, decision, place)

    def _contact(self, d: Json, _place: tuple[int, int]) -> None:
        data, case_id = d["data"], d["case_id"]
        contact = data.get("contact_id")
        if contact is not None and data.get("parent") is None:
            self._once(contact, d)
            self.conversations[data["conversation_key"]].append(contact)
        if d["type"] == "case.opened":
            if case_id in self.cases:
                raise Violation(f"case {case_id} was opened twice")
            self.cases[case_id] = {"status": "open", "work": None, "channel": data["channel"]}
        elif d["type"] == "case.reopened":
            case = self.cases[case_id]
            if case["status"] == "open":
                raise Violation(f"case {case_id} is open, and was reopened")
            case["status"] = "open"
            self._arm(f"close:{case_id}", None)
            self._arm(f"wake:{case_id}", None)
        elif self.cases[case_id]["status"] != "open":
            raise Violation(f"a contact joined {case_id}, which is {self.cases[case_id]}")

    def _once(self, contact: str, d: Json) -> None:
        """Again only after longer than ids are remembered, and from a later record: see 4."""
        before, src = self.contacts.get(contact), d["data"]["src"]
        if before is not None and not (
            d["at_ms"] - before["at_ms"] > MEMORY_MS - 86_400_000 and src[1] > before["src"][1]
        ):
            raise Violation(f"contact {contact} was decided twice")
        self.contacts[contact] = {"at_ms": d["at_ms"], "src": src}

    def _case_waiting(self, d: Json, _place: tuple[int, int]) -> None:
        self.cases[d["case_id"]]["status"] = "waiting"
        self._arm(f"wake:{d['case_id']}", d["data"].get("wake_ms"))

    def _case_resolved(self, d: Json, _place: tuple[int, int]) -> None:
        case = self.cases[d["case_id"]]
        if case["status"] == "resolved":
            raise Violation(f"case {d['case_id']} was resolved twice")
        case["status"] = "resolved"
        self._arm(f"wake:{d['case_id']}", None)
        self._arm(f"close:{d['case_id']}", d["data"].get("close_ms"))

    def _case_closed(self, d: Json, _place: tuple[int, int]) -> None:
        case = self.cases[d["case_id"]]
        if case["status"] != "resolved" or case["work"] is not None:
            raise Violation(f"case {d['case_id']} was closed as {case}")
        case["status"] = "closed"
        self._arm(f"close:{d['case_id']}", None)

    def _queued(self, d: Json, _place: tuple[int, int]) -> None:
        data, work_id, case = d["data"], d["work_id"], self.cases[d["case_id"]]
        if case["work"] is not None:
            raise Violation(f"case {d['case_id']} has {case['work']}, and now {work_id}")
        if work_id in self.works:
            raise Violation(f"work {work_id} was queued twice")
        case["work"] = work_id
        self._queued_so_far += 1
        self.works[work_id] = {
            "case": d["case_id"], "pool": d["pool"], "owner": None, "offer": None, "token": None,
            "waits": True, "queue": data["queue"], "priority": data["priority"],
            "place": data.get("place_ms", data["since_ms"]), "order": self._queued_so_far, "needs": data["requires"],
            "channel": case["channel"], "attempts": 0,
            "tiers": data["tiers"], "prefer": data.get("prefer_agent"),
            "barred": dict(data.get("barred") or {}), "next": data.get("next_ms"), "cost": 0,
        }  # fmt: skip
        self._arm(f"step:{work_id}", data.get("next_ms"))

    def _stepped(self, d: Json, _place: tuple[int, int]) -> None:
        work, data = self.works[d["work_id"]], d["data"]
        work["needs"], work["tiers"] = data["requires"], data["tiers"]
        work["next"] = data.get("next_ms")
        work["place"] = data.get("place_ms", work["place"])
        work["queue"] = data.get("queue", work["queue"])
        self._arm(f"step:{d['work_id']}", work["next"])

    def _suspended(self, d: Json, _place: tuple[int, int]) -> None:
        work = self.works[d["work_id"]]
        if not work["waits"]:
            raise Violation(f"{d['work_id']} was suspended, and doesn't wait: {work}")
        work["waits"], work["suspended"] = False, d["at_ms"]
        self._arm(f"step:{d['work_id']}", None)

    def _resumed(self, d: Json, _place: tuple[int, int]) -> None:
        work = self.works[d["work_id"]]
        since_ms = work.pop("suspended", None)
        if since_ms is None and work["owner"] is None:
            raise Violation(f"{d['work_id']} was resumed, and wasn't suspended: {work}")
        if since_ms is None:
            return  # in hand: its lease begins again
        work["waits"] = True
        if work["next"] is not None:
            work["next"] += d["at_ms"] - since_ms
        self._arm(f"step:{d['work_id']}", work["next"])

    def _escalated(self, d: Json, _place: tuple[int, int]) -> None:
        work, data = self.works[d["work_id"]], d["data"]
        work["tiers"] = data["to_tiers"]
        work["priority"] = data.get("to_priority", work["priority"])
        work["place"] = data.get("place_ms", work["place"])

    def _offered(self, d: Json, place: tuple[int, int]) -> None:
        work, agent, data = self.works[d["work_id"]], self.agents[d["agent_id"]], d["data"]
        if not work["waits"]:
            raise Violation(f"{d['work_id']} was offered, and doesn't wait: {work}")
        if agent["presence"] != "available":
            raise Violation(f"{d['agent_id']} was offered work, and is {agent['presence']}")
        self._not_passed(d, work)
        self.offers[d["offer_id"]] = {
            "work": d["work_id"], "agent": d["agent_id"], "token": f"{place[0]}.{place[1]}",
            "limit": data["limit_ms"], "sent": None,
        }  # fmt: skip
        work["waits"], work["offer"] = False, d["offer_id"]
        work["attempts"] = data["attempt"]
        cost, most = agent["channels"].get(work["channel"], (1, 0))
        agent["held"][d["offer_id"]] = cost
        self._held_of[d["offer_id"]] = work["channel"]
        same = sum(self._held_of.get(what) == work["channel"] for what in agent["held"])
        if same > most:
            raise Violation(f"{d['agent_id']} has {same} of {most} of {work['channel']}")
        total = sum(agent["held"].values())
        if total > agent["capacity"]:
            raise Violation(f"{d['agent_id']} holds {total} of {agent['capacity']}")
        self._arm(f"offer:{d['offer_id']}", data["expires_ms"])
        self._arm(f"step:{d['work_id']}", None)

    def _not_passed(self, d: Json, work: Json) -> None:
        """No equal that waited longer is passed by."""
        agent_id = d["agent_id"]
        for other in self.works.values():
            if (
                other["waits"]
                and other is not work
                and other["pool"] == work["pool"]
                and other["priority"] == work["priority"]
                and (other["place"], other["order"]) < (work["place"], work["order"])
                and other["channel"] == work["channel"]
                and other["needs"] == work["needs"]
                and other["tiers"] == work["tiers"]
                and agent_id not in other["barred"]
                and other["attempts"] < ATTEMPTS_MAX
                and other["prefer"] is None
                and work["prefer"] is None
                and (other["queue"] == work["queue"] or not self.agents[agent_id]["order"])
            ):
                raise Violation(
                    f"{d['work_id']} was offered to {agent_id} before an equal that waited longer:"
                    f" {work} before {other}"
                )

    def _offer_ended(self, d: Json, _place: tuple[int, int]) -> None:
        offer = self.offers.pop(d["offer_id"], None)
        if offer is None:
            raise Violation(f"offer {d['offer_id']} ended twice")
        work, data = self.works[offer["work"]], d["data"]
        work["offer"], work["waits"] = None, True
        self.agents[offer["agent"]]["held"].pop(d["offer_id"])
        if data.get("bar_until_ms") is not None:
            work["barred"][offer["agent"]] = data["bar_until_ms"]
        self._arm(f"offer:{d['offer_id']}", None)
        outcome = data["outcome"]
        if outcome != "accepted":
            self._arm(f"step:{offer['work']}", work["next"])
        by_timer = d["cause"].startswith("timer:offer:")
        if (outcome in ("expired", "unseen")) != by_timer:
            raise Violation(f"offer {d['offer_id']} was {outcome} by {d['cause']}")
        if outcome == "expired" and (
            offer["sent"] is None or d["at_ms"] - offer["sent"] < offer["limit"]
        ):
            raise Violation(f"offer {d['offer_id']} counts as missed, and wasn't shown so long")

    def _assigned(self, d: Json, place: tuple[int, int]) -> None:
        work, agent = self.works[d["work_id"]], self.agents[d["agent_id"]]
        if work["owner"] is not None:
            raise Violation(
                f"{d['work_id']} is {work['owner']}'s, and was given to {d['agent_id']}"
            )
        if work["offer"] is not None:
            raise Violation(f"{d['work_id']} was given to {d['agent_id']} while it was offered")
        work["owner"], work["waits"] = d["agent_id"], False
        work["token"] = f"{place[0]}.{place[1]}"
        agent["held"][d["work_id"]] = agent["channels"].get(work["channel"], (1, 0))[0]
        self._held_of[d["work_id"]] = work["channel"]
        total = sum(agent["held"].values())
        if d["data"]["via"] == "accept" and total > max(agent["capacity"], agent["most"]):
            raise Violation(f"{d['agent_id']} holds {total} of {agent['capacity']}")
        agent["most"] = max(agent["most"], total) if d["data"]["via"] == "override" else total
        self._arm(f"step:{d['work_id']}", None)

    def _wrapping(self, d: Json, _place: tuple[int, int]) -> None:
        self._arm(f"wrap:{d['work_id']}", d["data"]["until_ms"])

    def _work_ended(self, d: Json, _place: tuple[int, int]) -> None:
        work = self.works.pop(d["work_id"], None)
        if work is None or work["offer"] is not None:
            raise Violation(f"{d['work_id']} ended as {work}")
        self.cases[work["case"]]["work"] = None
        if work["owner"] is not None:
            self.agents[work["owner"]]["held"].pop(d["work_id"])
        self._arm(f"step:{d['work_id']}", None)
        self._arm(f"wrap:{d['work_id']}", None)

    def _agent(self, d: Json, _place: tuple[int, int]) -> None:
        data, agent_id = d["data"], d["agent_id"]
        profile = data.get("profile")
        agent = self.agents.get(agent_id)
        if agent is None:
            agent = self.agents[agent_id] = {
                "presence": "offline", "capacity": 0, "held": {}, "most": 0, "channels": {},
                "order": [],
            }  # fmt: skip
        if profile is not None:
            agent["capacity"] = profile.get("capacity", 1)
            agent["order"] = profile.get("queue_order") or []
            agent["channels"] = {
                name: (item.get("cost", 1), item.get("max", 1))
                for name, item in profile.get("channels", {}).items()
            }
            agent["most"] = sum(agent["held"].values())  # a lowered limit takes nothing away
        if data.get("presence") is not None:
            agent["presence"] = data["presence"]
            self._arm(f"back:{agent_id}", data.get("until_ms"))

    def _agent_removed(self, d: Json, _place: tuple[int, int]) -> None:
        agent = self.agents.pop(d["agent_id"])
        if agent["held"]:
            raise Violation(f"{d['agent_id']} left with {agent['held']}")
        self._arm(f"back:{d['agent_id']}", None)

    def _reported(self, d: Json, _place: tuple[int, int]) -> None:
        data = d["data"]
        self.effects[f"{data['effect']} {data['state']}"] += 1
        offer = self.offers.get(d.get("offer_id", ""))
        if offer is not None and data["state"] == "sent" and offer["sent"] is None:
            offer["sent"] = d["at_ms"]
            self._arm(f"offer:{d['offer_id']}", data["expires_ms"])

    # --- what commands were answered

    def answer(self, command: Json, made: list[Json]) -> None:
        """A command was applied: what an agent got had to be asked for with the right token."""
        if command["type"] != "offer.accept":
            return
        for decision in made:
            if decision["type"] == "work.assigned" and decision["data"]["via"] != "auto":
                offered = decision.get("offer_id")
                if offered != command["data"]["offer_id"]:
                    raise Violation(f"{command['id']} asked for another offer than it got")


_SEE = {
    "case.opened": Facts._contact,
    "case.joined": Facts._contact,
    "case.reopened": Facts._contact,
    "case.waiting": Facts._case_waiting,
    "case.resolved": Facts._case_resolved,
    "case.closed": Facts._case_closed,
    "work.queued": Facts._queued,
    "work.stepped": Facts._stepped,
    "work.escalated": Facts._escalated,
    "work.suspended": Facts._suspended,
    "work.resumed": Facts._resumed,
    "offer.made": Facts._offered,
    "offer.ended": Facts._offer_ended,
    "work.assigned": Facts._assigned,
    "work.wrapping": Facts._wrapping,
    **dict.fromkeys(ENDED, Facts._work_ended),
    "agent.changed": Facts._agent,
    "agent.removed": Facts._agent_removed,
    "effect.reported": Facts._reported,
}
