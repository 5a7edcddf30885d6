"""Any traffic: commands of every kind that the router reacts to, drawn from one seed.

The commands follow a world: most of them make sense in it, some come too late or from the wrong
hands. The same seed and the same world give the same commands.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from random import Random
from typing import Any

from vaxel_router.core.policy import Policy
from vaxel_router.core.policy import decode as decode_policy
from vaxel_router.core.state import Case, Offer, Pool, World
from vaxel_shared.config.routing import policy_version
from vaxel_shared.contracts import wire

POOL = "support"
SKILLS = ("billing", "returns", "technical")
LANGUAGES = ("en", "fi", "sv")
NEEDS = (
    "billing or technical",
    "not billing >= 4",
    "(returns 2..4 or not technical) and not billing",
)
QUEUES = ("automatic", "billing", "general", "technical", "nowhere")
BODY = {"body_ref": "body/" + "0" * 64, "body_sha256": "0" * 64, "body_size": 3}
NOTE = {"note_ref": "note/" + "0" * 64, "note_sha256": "0" * 64, "note_size": 3}


def draw_some(draw: Random, names: Sequence[str]) -> list[str]:
    return [name for name in names if draw.random() < 0.5]


class Traffic:
    """``library`` holds the policies that its commands publish."""

    def __init__(self, seed: int, world: World, agents: int) -> None:
        self.random = Random(seed)
        self.world = world
        self.serial = 0
        self.now_ms = 1_700_000_000_000
        self.names = [f"a{i:02}" for i in range(agents)]
        self.library: dict[str, Policy] = {}
        self.blobs: list[bytes] = []
        self.versions = [self._policy() for _ in range(3)]
        self.roster: dict[str, dict[str, Any]] = {n: self._profile(n) for n in self.names}

    @property
    def pool(self) -> Pool:
        return self.world.pool(POOL)

    def first(self) -> list[bytes]:
        """What a pool begins with."""
        return [self._publish(), self._roster()]

    def next(self) -> bytes:
        """One command more; time has passed, perhaps."""
        draw = self.random
        if draw.random() < 0.3:
            self.now_ms += draw.choice((1, 1_000, 31_000, 301_000, 700_000, 3_700_000))
        kinds = {
            self._contact: 30, self._accept: 22, self._decline: 6, self._sent: 8, self._reply: 22,
            self._end: 6, self._move: 6, self._presence: 7, self._alert: 3, self._repeat: 1,
            self._profiles: 1.0, self._publish: 0.3, self._switch: 0.8, self._rest: 2, self._join: 1,
            self._across: 2, self._ask: 3, self._leave: 2,
            self._elsewhere: 3,
        }  # fmt: skip
        (kind,) = draw.choices(list(kinds), list(kinds.values()))
        return kind()

    # Customers

    def _contact(self) -> bytes:
        draw = self.random
        self.serial += 1
        thread = draw.choice((self.serial, draw.randint(0, 20)))
        data = {
            "contact_id": f"mail-{self.serial}",
            "conversation_key": f"{POOL}|email|support|{thread}",
            "customer_id": f"customer-{thread}",
            "channel": draw.choice(("email", "email", "chat", "voice")),
            "account": "support",
            "language": "fi",
            "queue": draw.choice(QUEUES),
            "priority": draw.choice((0, 0, 0, 5, -3)),
            "requires": {
                "skills": {s: draw.randint(1, 4) for s in SKILLS if draw.random() < 0.15},
                "languages": [tag for tag in LANGUAGES if draw.random() < 0.3],
                **(self._wants() if draw.random() < 0.2 else {}),
            },
            "received_at_ms": self.now_ms,
            "begin_ms": self.now_ms + 500_000 if draw.random() < 0.05 else None,
            "src": [0, self.serial],
            "rule": {"id": "drawn", "at": "routing.yaml:1"},
        }
        return self._command("contact.add", data, id_=f"mail-{self.serial}", kind="customer")

    def _leave(self) -> bytes:
        """A customer leaves one of the conversations, or says so of none."""
        keys = sorted(self.pool.conversations) or ["none"]
        data = {"conversation_key": self.random.choice(keys), "reason": "left"}
        return self._command("contact.end", data, kind="customer")

    def _wants(self) -> dict[str, Any]:
        """What is asked for besides skills and languages."""
        draw, names = self.random, draw_some(self.random, SKILLS)
        return draw.choice((
            {"at_most": {name: draw.randint(2, 5) for name in names}},
            {"lapse_ms": {name: draw.choice((90_000, 400_000)) for name in names}},
            {"wishes": {name: draw.randint(-1, 3) for name in names}},
            {"needs": draw.choice(NEEDS)},
        ))  # fmt: skip

    def _order(self) -> dict[str, Any]:
        draw = self.random
        return {
            "by": draw.choice(("priority", "waiting", "promise")), "point_ms": draw.choice((0, 60_000)),
            "at_most_ms": draw.choice((0, 180_000, 3_600_000)), "within_ms": 600_000,
        }  # fmt: skip

    def _choosing(self) -> dict[str, Any]:
        """What only a policy says: whom to choose, and by what."""
        draw, some = self.random, draw_some(self.random, self.names[:4])
        return draw.choice((
            {"only": some}, {"without": some}, {"prefer": {name: draw.randint(1, 2) for name in some}},
            {"choice": "round_robin"}, {"choice": "least_loaded"}, {"choice": "most_loaded"},
            {"promise": {"within_ms": draw.choice((60_000, 3_600_000)), "cost": draw.randint(1, 4)}},
            {"keep_rare_free": True}, {"keep_rare_free": True, "choice": "least_loaded"},
        ))  # fmt: skip

    def _repeat(self) -> bytes:
        name = f"mail-{self.random.randint(1, self.serial + 1)}"
        data = {"contact_id": name, "channel": "email"}
        return self._command("contact.add", data, id_=name, kind="customer")

    # Agents

    def _offer(self) -> Offer | None:
        offers = self.pool.offers
        return offers[self.random.choice(sorted(offers))] if offers else None

    def _accept(self) -> bytes:
        offer = self._offer()
        if offer is None:
            return self._contact()
        token = offer.token if self.random.random() < 0.97 else "1.1"
        data = {"offer_id": offer.id}
        return self._command("offer.accept", data, agent=offer.agent_id, token=token)

    def _decline(self) -> bytes:
        offer = self._offer()
        if offer is None:
            return self._contact()
        data: dict[str, Any] = {"offer_id": offer.id, "reason": "busy"}
        if self.random.random() < 0.3:
            data["retry_at_ms"] = self.now_ms + self.random.choice((-1, 1_000, 900_000))
        return self._command("offer.decline", data, agent=offer.agent_id, token=offer.token)

    def _sent(self) -> bytes:
        offer = self._offer()
        if offer is None:
            return self._contact()
        state = self.random.choice(("sent", "sent", "sent", "failed"))
        said = [case for case in self.pool.cases.values() if case.explanation is not None]
        if said and self.random.random() < 0.2:
            case = self.random.choice(said)
            data = {"effect_id": case.explanation, "effect": "reply", "state": state}
            return self._command("delivery.result", data, case=case.id)
        effect = f"effect-{offer.id}"
        data = {"effect_id": effect, "effect": "offer", "state": state, "offer_id": offer.id}
        return self._command("delivery.result", data)

    def _case(self) -> Case | None:
        cases = self.pool.cases
        return cases[self.random.choice(sorted(cases))] if cases else None

    def _held(self) -> Case | None:
        held = sorted(w.case_id for w in self.pool.works.values() if w.agent_id is not None)
        return self.pool.cases[self.random.choice(held)] if held else None

    def _act(self, type_: str, case: Case, data: dict[str, Any]) -> bytes:
        work = self.pool.works.get(case.work_id or "")
        if work is None or work.agent_id is None or self.random.random() < 0.05:
            return self._command(type_, data, kind="supervisor", case=case.id)
        return self._command(type_, data, agent=work.agent_id, token=work.token, case=case.id)

    def _reply(self) -> bytes:
        case = self._held()
        if case is None:
            return self._accept()
        then = self.random.choice((None, "open", "waiting", "resolved"))
        explains = {"explanation": True} if self.random.random() < 0.4 else {}
        return self._act("case.reply", case, BODY | ({"then": then} if then else {}) | explains)

    def _end(self) -> bytes:
        case = self._held() or self._case()
        if case is None:
            return self._contact()
        wake = {"wake_ms": self.now_ms + 60_000} if self.random.random() < 0.5 else {}
        type_, data = self.random.choice((
            ("case.resolve", {}), ("case.cancel", {"reason": "spam"}),
            ("case.resolve", {"follow_up_ms": self.now_ms + 700_000}), ("case.wait", {"waits_for": "third_party"} | wake),
        ))  # fmt: skip
        return self._act(type_, case, data)

    def _move(self) -> bytes:
        draw, case = self.random, self._case()
        if case is None:
            return self._contact()
        type_ = draw.choice(("case.transfer", "case.escalate", "case.assign", "case.reopen"))
        target: dict[str, Any] = {"to_agent": draw.choice(self.names)}
        if type_ == "case.transfer":
            target = draw.choice((target, {"to_queue": draw.choice(QUEUES)})) | NOTE
        elif type_ == "case.escalate":
            target = draw.choice(({}, {"tier": draw.randint(1, 3)}, {"tier": draw.randint(1, 3)}))
            if draw.random() < 0.3:
                ago_ms = draw.choice((0, 60_000, 10_000_000))
                target = {"since_ms": self.now_ms - ago_ms}
                return self._command(type_, target, kind="supervisor", case=case.id)
        elif type_ == "case.assign":
            target["reason"] = "override"
            return self._command(type_, target, kind="supervisor", case=case.id)
        else:
            target = {}
        return self._act(type_, case, target)

    def _alert(self) -> bytes:
        case = self._case()
        if case is None:
            return self._contact()
        data = {
            "clock": "first_response", "cycle": 0, "stage": "warning", "due_ms": self.now_ms,
            "tier_at_least": self.random.randint(1, 3), "priority_at_least": self.random.randint(0, 9),
        }  # fmt: skip
        return self._command("sla.alert", data, case=case.id)

    def _presence(self) -> bytes:
        draw = self.random
        data: dict[str, Any] = {
            "presence": draw.choice(("available", "available", "away", "offline")),
            "mode": draw.choice(("keep", "keep_no_new", "return_work")),
        }
        if data["presence"] != "available" and draw.random() < 0.5:
            data["until_ms"] = self.now_ms + draw.choice((1_000, 600_000))
        name = draw.choice(self.names)
        kind = draw.random()
        if kind < 0.2:
            some = draw.sample(("chat", "email", "voice"), draw.randint(0, 2))
            data |= {"channels": some}
        elif kind < 0.4:
            data |= {"presence": "offline", "lost": True}
        elif kind < 0.5:
            data |= {"name": draw.choice(("lunch", "calls_only", "nonsense"))}
        elif kind < 0.6:
            data |= {"presence": "available", "until_ms": self.now_ms + 90_000}
        return self._command("agent.presence", data, agent=name)

    def _elsewhere(self) -> bytes:
        """What one of two tools says that somebody has, and sometimes which of our cases."""
        draw, name = self.random, self.random.choice(self.names)
        data: dict[str, Any] = {
            "source": draw.choice(("crm", "phone")),
            "channels": {c: draw.randint(0, 2) for c in draw_some(draw, ("chat", "email", "fax"))},
            "until_ms": self.now_ms + draw.choice((-1, 60_000, 900_000)),
        }
        agent = self.pool.agents.get(name)
        if agent is not None and draw.random() < 0.6:
            mine = [self.pool.works[work_id].case_id for work_id in agent.works]
            data["cases"] = mine if draw.random() < 0.5 else [*mine[1:], "long-gone"]
        return self._command("agent.elsewhere", data, agent=name)

    # Managers

    def _profiles(self) -> bytes:
        draw = self.random
        name = draw.choice(self.names)
        if name in self.roster and draw.random() < 0.4:
            del self.roster[name]
        else:
            self.roster[name] = self._profile(name)
        return self._roster()

    def _roster(self) -> bytes:
        self.serial += 1
        data = {
            "source": "file",
            "version": f"v{self.serial}",
            "directory_ref": "roster/" + "0" * 64,
            "directory_sha256": "0" * 64,
            "agents": [self.roster[name] for name in sorted(self.roster)],
        }
        return self._command("roster.set", data)

    def _profile(self, name: str) -> dict[str, Any]:
        draw = self.random
        channels = draw.sample(("chat", "email", "voice"), draw.randint(1, 3))
        aside = draw.random() < 0.3
        return {
            "id": name,
            "tier": draw.randint(1, 3),
            "skills": {s: draw.randint(1, 5) for s in SKILLS if draw.random() < 0.7},
            "languages": {tag: 9 for tag in LANGUAGES if draw.random() < 0.7},
            "capacity": draw.randint(1, 5),
            "channels": {
                c: {"cost": draw.randint(1, 2), "max": draw.randint(1, 3)}
                | ({"interrupted_by": [o for o in channels if o > c]} if aside else {})
                for c in channels
            },
            "present": draw.random() < 0.8,
            **({"authority": draw.choice((500, 10_000))} if draw.random() < 0.3 else {}),
            **({"max_offers": draw.randint(1, 2)} if draw.random() < 0.2 else {}),
            **({"auto_accept": ["voice"]} if draw.random() < 0.2 else {}),
            **({"shift": draw.choice(("early", "late", "none"))} if draw.random() < 0.2 else {}),
            **({"share": {"most": 2, "within_ms": 900_000}} if draw.random() < 0.2 else {}),
            **({"occupancy": {"most": 60, "within_ms": 900_000}} if draw.random() < 0.2 else {}),
            **({"backup": draw.choice(self.names)} if draw.random() < 0.3 else {}),
            **({"queue_order": draw.sample(QUEUES, 2)} if draw.random() < 0.3 else {}),
        }

    def _policy(self) -> str:
        draw = self.random

        def detours(name: str) -> dict[str, Any]:
            others = [other for other in QUEUES[:-1] if other != name]
            limit = {"at": "routing.yaml:2", "waiting": draw.randint(3, 30)}
            way = {"refuse": True} if draw.random() < 0.3 else {"to": draw.choice(others)}
            there = {
                "waiting_below": draw.choice((None, 2, 9)), "staffed": draw.random() < 0.5,
                "expected_wait_below_ms": draw.choice((None, 900_000)),
            }  # fmt: skip
            rules = [
                {
                    "at": "routing.yaml:3", "to": draw.choice(others),
                    "after_ms": draw.choice((0, 90_000, 900_000)),
                    "every_ms": draw.choice((None, None, 1_200_000)),
                    "expected_wait_ms": draw.choice((None, 1_000_000)),
                    "if_there": draw.choice((None, there)),
                }
                for _ in range(draw.choice((0, 0, 1, 2)))
            ]  # fmt: skip
            week = [[[28_800_000, 64_800_000]]] * 5 + [[], [[0, 86_400_000]]]
            hours = {
                "at": "routing.yaml:4", "calendar": "office",
                "to": draw.choice((None, None, *others)),
                "open": {"zone": "Europe/Helsinki", "week": week, "dates": {"2023-11-15": []}},
            }  # fmt: skip
            rules_and_hours = {"overflow": rules, "hours": draw.choice((None, None, None, hours))}
            return rules_and_hours | ({"limit": limit | way} if draw.random() < 0.3 else {})

        def queue(name: str) -> dict[str, Any]:
            edges = sorted({0, *draw.sample((60_000, 300_000, 1_200_000), draw.randint(0, 3))})
            steps = []
            for place, after in enumerate(edges):
                tiers = list(range(1, 2 + place)) if draw.random() < 0.7 else [1, 2, 3]
                some: dict[str, Any] = {"skills": {}} if place and draw.random() < 0.3 else {}
                if draw.random() < 0.2:
                    some["skip_if_unstaffed"] = True
                if place and draw.random() < 0.2:
                    some |= draw.choice((
                        {"at_most": {"billing": 4}}, {"needs": ""}, {"only": []}, {"prefer": {}},
                    ))  # fmt: skip
                steps.append(
                    {"at": f"routing.yaml:{after}", "after_ms": after, "tiers": tiers} | some
                )
            skills = {name: draw.randint(1, 3)} if name in SKILLS else {}
            return {
                "at": "routing.yaml:1", "name": name, "steps": steps, "skills": skills,
                "priority": draw.choice((0, 0, 7)), "automatic": name == "automatic",
                "broadcast": draw.choice((1, 1, 1, 3)), "auto_accept": draw.random() < 0.1, "cool_down_ms": draw.choice((0, 0, 120_000)),
                "language_fallback": draw.choice((None, {"after_ms": 600_000, "to": ["en"]})),
                **detours(name),
            } | ({"shares": {"billing": 60, "technical": 40}} if name == "general" and draw.random() < 0.4 else {}) | (self._wants() if draw.random() < 0.3 else {}) | (
                self._choosing() if draw.random() < 0.4 else {}
            )  # fmt: skip

        plain = {
            "at": "routing.yaml:1", "name": POOL, "letter": "S",
            "queues": [queue(name) for name in QUEUES if name != "nowhere"],
            "sticky_wait_ms": draw.choice((0, 600_000, 86_400_000)), "wrap_up_ms": draw.choice((0, 30_000)),
            "offer": {
                "limit_ms": 600_000, "bar_after_decline_ms": draw.choice((0, 1_800_000)),
                "bar_after_miss_ms": 600_000, "misses_before_away": draw.choice((0, 2)),
            },
            "limits": draw.choice((None, None, {"waiting": 90, "cases": 300})),
            "match": draw.choice((None, None, {"window_ms": 2_000}, {"window_ms": 30_000})),
            "complaints": draw.choice((None, {"stages": ["billing", "technical"]})),
            "quality": draw.choice((None, {"percent": 40, "queue": "general"})),
            "in_flight": draw.choice(("new", "old", "next_step")),
            "after_reply": {"email": "waiting", "chat": "open"},
            "give_up_after_leaving": draw_some(draw, ("chat", "email")),
            "lease_ms": draw.choice(({}, {"chat": 60_000, "email": 1_200_000})),
            "lease_hours": draw.choice(({}, {"email": "early"})),
            **({"order": self._order()} if draw.random() < 0.5 else {}),
            "bounce_limit": draw.choice((0, 2)),
            "calendars": {
                "early": {"zone": "Europe/Helsinki", "week": [[[0, 43_200_000]]] * 7},
                "late": {"zone": "Asia/Kolkata", "week": [[[43_200_000, 86_400_000]]] * 7},
            },
            "presence": {
                "grace_ms": draw.choice((0, 60_000)),
                "after_grace": draw.choice(("keep", "keep_no_new", "return_work")),
                "names": {"lunch": {"presence": "away"}, "calls_only": {"presence": "offline", "mode": "return_work"}},
            },
        }  # fmt: skip
        blob = json.dumps(plain).encode()
        version = policy_version(blob)
        self.library[version] = decode_policy(blob)
        self.blobs.append(blob)
        return version

    def _join(self) -> bytes:
        """Two cases become one, or what became one is two again."""
        case, other = self._case(), self._case()
        if case is None or other is None:
            return self._contact()
        if case.merged and self.random.random() < 0.5:
            data = {"target": self.random.choice(case.merged)}
            return self._act("case.split", case, data)
        return self._act("case.merge", case, {"target": other.id})

    def _across(self) -> bytes:
        """A case goes to another pool, or one comes from there; and what it says of that."""
        draw, case = self.random, self._case()
        gone = [one for one in self.pool.cases.values() if one.handed is not None]
        if gone and draw.random() < 0.5:
            about = draw.choice(gone)
            data: dict[str, Any] = {
                "hand_over": about.handed.id if about.handed and draw.random() < 0.9 else "other",
                "state": draw.choice(("taken", "taken", "refused", "closed")),
                "to_case_id": "there", "to_number": "B-1", "code": "queue_full",
            }  # fmt: skip
            return self._command("case.handed", data, case=about.id)
        if case is None or draw.random() < 0.3:
            return self._brought()
        target = {"to_pool": "other"} | draw.choice(({}, {"to_queue": "general"})) | NOTE
        if draw.random() < 0.5:
            return self._act("case.transfer", case, target)
        return self._command("case.transfer", target, kind="supervisor", case=case.id)

    def _ask(self) -> bytes:
        """Others are asked about a case, or answer."""
        draw, case = self.random, self._held()
        asked = [c for c in self.pool.cases.values() if c.parent is not None and c.status == "open"]
        if asked and draw.random() < 0.5:
            question = draw.choice(asked)
            data = {
                "verdict": draw.choice(("answered", "approved", "refused", "passed", "failed"))
            } | NOTE
            return self._act("case.answer", question, data)
        if case is None:
            return self._accept()
        data = {"kind": "consult"} | NOTE
        if draw.random() < 0.4:
            data |= {"kind": "approve", "amount": draw.choice((100, 5_000, 90_000))}
        if draw.random() < 0.3:
            data["to_agent"] = draw.choice(self.names)
        data |= draw.choice(({}, {"wait": True}, {"to_queue": draw.choice(QUEUES)}, {"tier": 2}))
        return self._act("case.consult", case, data)

    def _brought(self) -> bytes:
        """What another pool hands over or passes on."""
        draw = self.random
        self.serial += 1
        thread = draw.randint(0, 20)
        data = {
            "contact_id": f"mail-{self.serial}",
            "conversation_key": f"{POOL}|email|support|{thread}",
            "customer_id": f"customer-{thread}", "channel": draw.choice(("email", "chat", "fax")),
            "account": "support", "language": "fi", "queue": draw.choice(QUEUES), "priority": 1,
            "requires": {"skills": {"billing": 2, "unheard-of": 1}, "languages": ["fi"]},
            "received_at_ms": self.now_ms, "src": [0, -1],
        }  # fmt: skip
        if draw.random() < 0.4:
            data["forwarded"] = {
                "from_pool": "other",
                "case_id": "there",
                "hops": draw.randint(1, 6),
            }
        else:
            data["handed"] = {
                "from_pool": "other", "case_id": "there", "number": "B-1", "hand_over": f"h{self.serial}",
                "opened_ms": self.now_ms - 900_000, "since_ms": self.now_ms - 600_000, "bounces": 1,
                "conversations": [f"{POOL}|email|support|{thread}", f"other|email|sales|{thread}"],
                **draw.choice(({}, {"to_queue": draw.choice(QUEUES)})), **NOTE,
            }  # fmt: skip
        return self._command("contact.add", data, id_=f"relay-{self.serial}")

    def _rest(self) -> bytes:
        case, draw = self._case(), self.random
        if case is None:
            return self._contact()
        if draw.random() < 0.4:
            return self._command("case.resume", {}, kind="supervisor", case=case.id)
        until = {"until_ms": self.now_ms + 400_000} if draw.random() < 0.5 else {}
        return self._command("case.suspend", until, kind="supervisor", case=case.id)

    def _switch(self) -> bytes:
        draw, on = self.random, self.random.random() < 0.7
        kind = draw.choice(("close", "divert", "all_hands"))
        data: dict[str, Any] = {"switch": kind, "on": on, "queue": draw.choice(QUEUES)}
        if kind == "all_hands" and draw.random() < 0.5:
            del data["queue"]
        if kind == "divert":
            data["value"] = draw.choice(QUEUES)
        if on:
            data |= {"reason": "drill", "until_ms": self.now_ms + draw.choice((60_000, 1_000_000))}
        return self._command("switch.set", data, kind="supervisor")

    def _publish(self) -> bytes:
        version = self.random.choice(self.versions)
        data: dict[str, Any] = {"kind": "routing", "version": version, "ref": f"policy/{version}"}
        if self.serial and self.random.random() < 0.4:
            data |= {"kind": "shadow", "share": self.random.choice((None, 30))}
        return self._command("policy.publish", data)

    def _command(
        self,
        type_: str,
        data: dict[str, Any],
        *,
        id_: str | None = None,
        kind: str = "system",
        agent: str | None = None,
        token: str | None = None,
        case: str | None = None,
    ) -> bytes:
        self.serial += 1
        return wire.encode(
            wire.Command(
                id=id_ or f"command-{self.serial}",
                type=type_,
                pool=POOL,
                actor=wire.Actor(kind="agent" if agent else kind, id=agent or "somebody"),
                via="drawn",
                case_id=case,
                agent_id=agent,
                token=token,
                data=data,
            )
        )
