"""Customers, agents and supervisors: who writes, answers, errs, repeats and vanishes.

They see what the register shows, late, and send commands as the register and delivery do: until one
is acknowledged, under the same id; and, where inputs are delivered more than once, a few times
more.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from typing import Any

import msgspec
from simulation.world.broker import APPEND_TIMEOUT, Broker, Link
from simulation.world.plan import POOL, Plan
from simulation.world.routing import LOG_ID
from simulation.world.timeline import MS, SECOND

from vaxel_shared import ids
from vaxel_shared.contracts import wire
from vaxel_shared.kafka.log import Acknowledged
from vaxel_shared.kafka.topics import WORK

Json = dict[str, Any]
REF = "0" * 64
DEFECT = "sim.defect"
"""A type of command whose handler raises, in the simulation only."""


class Edge:
    """Sends commands at least once, as the services at the edge do."""

    def __init__(self, broker: Broker, link: Link, rng: random.Random, plan: Plan) -> None:
        self._broker = broker
        self._link = link
        self._rng = rng
        self._plan = plan
        self._work = broker.partition(WORK)
        self.acked: set[str] = set()
        self.unacked: set[str] = set()
        self.calm = False

    def send(self, command: wire.Command) -> None:
        """Until it is acknowledged."""
        value = wire.encode(command)
        self.unacked.add(command.id)
        self._try(command, value, SECOND)
        if not self.calm and self._rng.random() < self._plan.duplicates:
            for _ in range(self._rng.randint(1, 4)):
                delay = self._rng.randrange(20 * SECOND)
                self._broker.timeline.after(delay, self._try, command, value, SECOND)

    def throw(self, value: bytes) -> None:
        """Something lands on the commands' topic, once."""
        self._broker.submit(self._work, POOL.encode(), value, self._link, lambda _answer: None)

    def _try(self, command: wire.Command, value: bytes, pause: int) -> None:
        over: list[bool] = []

        def done(answer: Acknowledged | None) -> None:
            if over:
                return
            over.append(True)
            if answer is not None:
                self.acked.add(command.id)
                self.unacked.discard(command.id)
            elif command.id not in self.acked:
                self._broker.timeline.after(pause, self._try, command, value, pause * 2)

        self._broker.submit(self._work, command.pool.encode(), value, self._link, done)
        self._broker.timeline.after(APPEND_TIMEOUT, done, None)


class People:
    """All of them. ``see`` is called with every decision that the register has stored."""

    def __init__(self, broker: Broker, edge: Edge, rng: random.Random, plan: Plan) -> None:
        self._timeline = broker.timeline
        self._edge = edge
        self._rng = rng
        self._plan = plan
        self._serial = 0
        self._tokens: dict[str, tuple[str, str]] = {}
        """Work → (agent, token), as last seen."""
        self._cases: dict[str, str] = {}
        """Case → its open work, as last seen."""
        self._offers: dict[str, Json] = {}
        self._waiting: dict[str, int] = {}
        """Case → since when its work waits."""
        self._swept: dict[str, int] = {}
        self._keys: dict[str, str | None] = {}
        """Case → the conversation that opened it."""
        self._questions: dict[str, str] = {}
        """Case → what is asked: it has no customer."""
        self.calm = False

    # --- what they send

    def command(
        self,
        type_: str,
        data: Json,
        *,
        kind: str = "system",
        actor: str = "somebody",
        id_: str | None = None,
        **more: Any,
    ) -> None:
        """Send one command; ``id_`` left out, a new one."""
        self._serial += 1
        self._edge.send(
            wire.Command(
                id=id_ or f"cmd-{self._serial}",
                type=type_,
                pool=POOL,
                actor=wire.Actor(kind=kind, id=actor),
                via="sim",
                data=data,
                **more,
            )
        )

    def _agent(self, type_: str, agent: str, data: Json, **more: Any) -> None:
        self.command(type_, data, kind="agent", actor=agent, agent_id=agent, **more)

    def publish(self, blob: bytes) -> None:
        """A policy whose blob is stored already, or will be."""
        version = hashlib.sha256(blob).hexdigest()
        data = {"kind": "routing", "version": version, "ref": f"policy/{version}"}
        self.command("policy.publish", data)

    def roster(self, agents: list[Json]) -> None:
        """All agents of the pool."""
        version = hashlib.sha256(msgspec.json.encode(agents)).hexdigest()[:12]
        self._serial += 1
        self.command(
            "roster.set",
            {
                "source": "file", "version": f"{version}-{self._serial}",
                "directory_ref": f"roster/{REF}", "directory_sha256": REF, "agents": agents,
            },
        )  # fmt: skip

    # --- what they see

    def see(self, decision: wire.Decision, place: tuple[int, int]) -> None:
        """The register shows a decision now."""
        handle = self._SEES.get(decision.type)
        if handle is not None:
            handle(self, decision, f"{place[0]}.{place[1]}")

    def _later(self, seconds: float, call: Callable[..., None], *args: Any) -> None:
        self._timeline.after(int(self._rng.expovariate(1 / seconds) * SECOND) + MS, call, *args)

    def _offered(self, d: wire.Decision, token: str) -> None:
        place = token
        self._waiting.pop(str(d.case_id), None)
        offer = {"id": d.offer_id, "agent": d.agent_id, "token": token, "case": d.case_id}
        self._offers[str(d.offer_id)] = offer
        if "delivery" not in self._plan.services and self._rng.random() < 0.8:
            self._later(0.3, self._shown, offer, place)
        point = self._rng.random()
        if self.calm or point < 0.62:
            self._later(1.0, self._answer, "accept", offer)
        elif point < 0.74:
            self._later(1.0, self._answer, "decline", offer)
        elif point < 0.82:
            self._later(1.5, self._answer, "accept", offer)
            self._later(1.5, self._answer, "decline", offer)
        elif point < 0.90:  # too late, perhaps
            self._later(self._plan.policy_limit_s, self._answer, "accept", offer)

    def _shown(self, offer: Json, place: str) -> None:
        """What delivery says, where there is none."""
        state = "sent" if self._rng.random() < 0.95 else "failed"
        effect = f"{LOG_ID}:0:{place.replace('.', ':')}"
        self.command(
            "delivery.result",
            {"effect_id": effect, "effect": "offer", "state": state, "offer_id": offer["id"]},
            case_id=offer["case"],
            agent_id=offer["agent"],
            id_=ids.event_id("delivery.result", effect, state),
        )

    def _answer(self, verb: str, offer: Json) -> None:
        agent = offer["agent"]
        self._agent(
            f"offer.{verb}",
            agent,
            {"offer_id": offer["id"]},
            token=offer["token"],
            case_id=offer["case"],
            id_=ids.event_id(f"offer.{verb}", offer["token"], offer["id"], agent),
        )

    def _offer_ended(self, d: wire.Decision, _token: str) -> None:
        self._offers.pop(str(d.offer_id), None)
        self._queued(d, _token)

    def _opened(self, d: wire.Decision, _token: str) -> None:
        parent = d.data.get("parent")
        self._keys[str(d.case_id)] = d.data.get("conversation_key")
        if parent is not None:
            self._questions[str(d.case_id)] = parent["kind"]

    def _queued(self, d: wire.Decision, _token: str) -> None:
        self._waiting.setdefault(str(d.case_id), self._timeline.now)

    def _assigned(self, d: wire.Decision, token: str) -> None:
        work, agent, case = str(d.work_id), str(d.agent_id), str(d.case_id)
        self._waiting.pop(case, None)
        self._tokens[work], self._cases[case] = (agent, token), work
        self._later(1.5, self._work_on, case, agent, token)
        if not self.calm and self._rng.random() < 0.1:
            self._later(4.0, self._work_on, case, agent, token)

    def _ended(self, d: wire.Decision, _token: str) -> None:
        self._waiting.pop(str(d.case_id), None)
        self._tokens.pop(str(d.work_id), None)
        self._cases.pop(str(d.case_id), None)

    def _work_on(self, case: str, agent: str, token: str) -> None:
        point = 0.3 if self.calm else self._rng.random()
        note = {"note_ref": f"note/{REF}", "note_sha256": REF, "note_size": 3}
        body = {"body_ref": f"body/{REF}", "body_sha256": REF, "body_size": 3}
        act = {"token": token, "case_id": case}
        if case in self._questions:
            self._say(case, agent, token)
        elif self._plan.rich and not self.calm and self._rng.random() < 0.25:
            self._ask(case, agent, token)
        elif point < 0.25:
            self._agent("case.reply", agent, body | {"then": "waiting"}, **act)
        elif point < 0.55:
            explains = {"explanation": True} if self.calm or self._rng.random() < 0.5 else {}
            self._agent("case.reply", agent, body | {"then": "resolved"} | explains, **act)
        elif point < 0.68:
            self._agent("case.resolve", agent, {}, **act)
        elif point < 0.74:
            self._agent("case.reply", agent, body | {"then": "open"}, **act)
            self._later(2.0, self._work_on, case, agent, token)
        elif point < 0.79:
            wake_ms = self._timeline.wall_ms + self._rng.randint(2_000, 20_000)
            waits = {"waits_for": "third_party", "wake_ms": wake_ms}
            self._agent("case.wait", agent, waits, **act)
        elif point < 0.84:
            to = self._rng.choice(self._plan.queues)
            self._agent("case.transfer", agent, note | {"to_queue": to}, **act)
        elif point < 0.87:
            to = self._rng.choice(self._plan.agents)["id"]
            self._agent("case.transfer", agent, note | {"to_agent": to}, **act)
        elif point < 0.91:
            self._agent("case.escalate", agent, {}, **act)
        elif point < 0.94:
            self._agent("case.note", agent, note, **act)
            self._later(2.0, self._work_on, case, agent, token)
        elif point < 0.97:
            stale = f"{int(token.partition('.')[0]) - 1}.0"
            self._agent("case.resolve", agent, {}, token=stale, case_id=case)
            self._later(2.0, self._work_on, case, agent, token)
        # else: the agent vanishes with it; presence or a supervisor takes it back

    def _say(self, case: str, agent: str, token: str) -> None:
        """An answer to what was asked."""
        verdicts = {"consult": ["answered"], "approve": ["approved", "refused"]}
        verdict = self._rng.choice(verdicts.get(self._questions[case], ["passed", "failed"]))
        data = {"verdict": verdict, "note_ref": f"note/{REF}", "note_sha256": REF, "note_size": 3}
        self._agent("case.answer", agent, data, token=token, case_id=case)

    def _ask(self, case: str, agent: str, token: str) -> None:
        """Somebody else is asked; the agent goes on, or lets the case wait."""
        note: Json = {"note_ref": f"note/{REF}", "note_sha256": REF, "note_size": 3}
        amount = self._rng.choice([None, 300, 4_000])
        kind: Json = (
            {"kind": "consult"} if amount is None else {"kind": "approve", "amount": amount}
        )
        wait: Json = {"wait": True} if self._rng.random() < 0.5 else {}
        self._agent("case.consult", agent, note | kind | wait, token=token, case_id=case)
        self._later(2.0, self._work_on, case, agent, token)

    # --- what they do of their own

    def stir(self) -> None:
        """Somebody does something that nobody asked for."""
        rng, plan = self._rng, self._plan
        agent = rng.choice(plan.agents)["id"]
        if plan.rich and rng.random() < 0.6:
            self._stir_richly(agent)
            return
        point = rng.random()
        if point < 0.35:
            mode = rng.choice(["keep", "keep_no_new", "return_work"])
            until = self._timeline.wall_ms + rng.randint(2_000, 15_000)
            away = {"presence": "away", "mode": mode}
            self._agent("agent.presence", agent, away | {"until_ms": until})
        elif point < 0.65:
            self._agent("agent.presence", agent, {"presence": "available"})
        elif point < 0.75 and self._cases:
            case = rng.choice(sorted(self._cases))
            self.command(
                "case.assign",
                {"to_agent": agent, "reason": "help"},
                kind="supervisor",
                case_id=case,
            )
        elif point < 0.85:
            some = [item for item in plan.agents if rng.random() < 0.8] or plan.agents[:1]
            self.roster(some)
        elif point < 0.92:
            self.roster(plan.agents)
        else:
            self.publish(rng.choice(plan.policies))

    def _stir_richly(self, agent: str) -> None:
        """What the plainest pools know nothing of."""
        rng = self._rng
        until: Json = {"until_ms": self._timeline.wall_ms + rng.randint(2_000, 15_000)}
        of_agents = {"lost": 20, "channels": 14, "elsewhere": 14}
        of_waiting = {"end": 20, "cancel": 12, "suspend": 14, "resume": 6}
        kinds = of_agents | (of_waiting if self._waiting else {})
        (kind,) = rng.choices(list(kinds), list(kinds.values()))
        if kind in of_waiting:
            self._stir_waiting(kind, rng.choice(sorted(self._waiting)), until)
        elif kind == "lost":
            lost = {"presence": "offline", "lost": True}
            self.command("agent.presence", lost, agent_id=agent)
        elif kind == "channels":
            channels: Json = {"presence": rng.choice(["away", "available"]), "channels": ["email"]}
            away = channels["presence"] == "away"
            self._agent("agent.presence", agent, channels | (until if away else {}))
        else:
            some: Json = {"source": "crm", "channels": {"email": rng.randint(0, 2)}}
            shown: Json = {"cases": sorted(self._cases)[:2]} if rng.random() < 0.7 else {}
            for _ in range(rng.randint(1, 2)):
                self._agent("agent.elsewhere", agent, some | until | shown)

    def _stir_waiting(self, kind: str, case: str, until: Json) -> None:
        """The same of a case that waits."""
        key = self._keys.get(case)
        if kind == "end" and key is not None:
            gone = {"conversation_key": key, "reason": "left"}
            self.command("contact.end", gone, kind="customer")
        elif kind in ("end", "cancel"):
            self.command("case.cancel", {"reason": "spam"}, kind="supervisor", case_id=case)
        else:
            data = until if kind == "suspend" else {}
            self.command(f"case.{kind}", data, kind="supervisor", case_id=case)

    def garbage(self) -> None:
        """Something that is no command, or none that makes sense, lands among them."""
        one = {"id": f"bad-{self._serial}", "type": "case.note", "pool": POOL, "via": "sim"}
        actor = {"actor": {"kind": "system", "id": "x"}}
        value = self._rng.choice(
            [
                b"",
                b"\xff\x00",
                b"[1, 2]",
                b'{"id": 7}',
                msgspec.json.encode(one),
                msgspec.json.encode(one | actor | {"data": {"note_ref": 7}}),
                msgspec.json.encode(one | actor | {"pool": "NO POOL"}),
                msgspec.json.encode(one | actor | {"data": {"x": "x" * 70_000}}),
            ]
        )
        self._edge.throw(value)

    def defect(self) -> None:
        """A command over which the engine breaks; see :data:`history.DEFECT`."""
        self.command(DEFECT, {})

    def _is_time(self, what: str) -> bool:
        due = self._timeline.now >= self._swept.get(what, 0) + 60 * SECOND
        if due:
            self._swept[what] = self._timeline.now
        return due

    def sweep(self) -> None:
        """Everybody does what is left to do, by what they see; nobody the same twice a minute."""
        for offer in list(self._offers.values()):
            if self._is_time(offer["id"]):
                self._answer("accept", offer)
        for case, work in list(self._cases.items()):
            agent, token = self._tokens[work]
            if not self._is_time(token):
                continue
            if case in self._questions:
                self._say(case, agent, token)
                continue
            body = {"body_ref": f"body/{REF}", "body_sha256": REF, "body_size": 3}
            said = body | {"then": "resolved", "explanation": True}
            self._agent("case.reply", agent, said, token=token, case_id=case)
        for case, since in list(self._waiting.items()):
            if self._timeline.now - since > 60 * SECOND and self._is_time(case):
                # After a thousand offers a work waits for a person.
                data = {"to_agent": "r3", "reason": "nobody takes it"}
                self.command("case.assign", data, kind="supervisor", case_id=case)

    _SEES: dict[str, Callable[[People, wire.Decision, str], None]] = {
        "case.opened": _opened,
        "offer.made": _offered,
        "offer.ended": _offer_ended,
        "work.queued": _queued,
        "work.assigned": _assigned,
        "work.closed": _ended,
        "work.wrapping": _ended,
    }
