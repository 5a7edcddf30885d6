"""Any history: the invariants hold after each input, decisions keep the contract, replay agrees."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from router_harness import ROSTER, ROUTING, Router

from vaxel_router.core import state as states
from vaxel_router.core import step
from vaxel_router.core.policy import Policy, decode
from vaxel_router.core.state import World
from vaxel_shared.config import source
from vaxel_shared.config.routing import Routing, pool_policy
from vaxel_shared.config.source import validate
from vaxel_shared.contracts.decisions import DATA, Decision

AGENTS = ["a01", "a02", "a03", "a04"]
QUEUES = ["billing", "general", "automatic", "nowhere"]
SKILLS = ["{billing: 5}", "{technical: 5}", "{}", "{billing: 1, technical: 2}"]


class AnyHistory(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.router = Router()
        self.count = 0
        self.checked = 0

    @rule(
        queue=st.sampled_from(QUEUES),
        language=st.sampled_from(["fi", "sv", "en"]),
        priority=st.integers(-2, 2),
        known=st.integers(0, 6),
    )
    def contact(self, queue: str, language: str, priority: int, known: int) -> None:
        self.count += 1
        self.router.contact(
            f"mail-{self.count}",
            conversation=f"thread-{self.count if known > 3 else known}",
            queue=queue,
            priority=priority,
            requires={"skills": {}, "languages": [language]},
        )

    @rule(seconds=st.sampled_from([0, 1, 31, 301, 601, 3_700, 90_000, 1_300_000]))
    def time_passes(self, seconds: int) -> None:
        self.router.wait(seconds * 1000)

    @rule(
        index=st.integers(0, 5),
        verb=st.sampled_from(["accept", "accept", "decline", "sent", "failed", "stale"]),
    )
    def offer(self, index: int, verb: str) -> None:
        offers = list(self.router.pool().offers.values())
        if not offers:
            return
        offer = offers[index % len(offers)]
        if verb == "accept":
            self.router.accept(offer)
        elif verb == "decline":
            self.router.decline(offer)
        elif verb == "stale":
            self.router.accept(offer, token="9.9")
        else:
            self.router.send(
                "delivery.result",
                data={
                    "effect_id": offer.id,
                    "effect": "offer",
                    "state": verb,
                    "offer_id": offer.id,
                },
            )

    @rule(
        index=st.integers(0, 9),
        verb=st.sampled_from(
            [
                "case.reply",
                "case.resolve",
                "case.wait",
                "case.transfer",
                "case.escalate",
                "case.reopen",
                "case.note",
                "case.assign",
            ]
        ),
        then=st.sampled_from(["open", "waiting", "resolved", None]),
        agent=st.sampled_from(AGENTS),
        kind=st.sampled_from(["agent", "agent", "supervisor"]),
    )
    def case(self, index: int, verb: str, then: str | None, agent: str, kind: str) -> None:
        cases = list(self.router.pool().cases.values())
        if not cases:
            return
        case = cases[index % len(cases)]
        work = self.router.pool().works.get(case.work_id or "")
        text = {
            "body_ref": "b",
            "body_sha256": "b",
            "body_size": 1,
            "note_ref": "n",
            "note_sha256": "n",
            "note_size": 1,
        }
        data = {
            "case.wait": {"waits_for": "third_party", "wake_ms": self.router.now_ms + 60_000},
            "case.transfer": text | ({"to_agent": agent} if index % 2 else {"to_queue": "general"}),
            "case.assign": {"to_agent": agent, "reason": "x"},
            "case.escalate": {"tier": 2 if index % 3 == 0 else None},
        }.get(verb, text | {"then": then})
        if verb == "case.assign":
            self.router.overridden.add(agent)
            kind = "supervisor"
        self.router.send(
            verb,
            kind=kind,
            agent=work.agent_id if work and kind == "agent" else None,
            case=case.id,
            token=work.token if work else None,
            data=data,
        )

    @rule(
        agent=st.sampled_from(AGENTS),
        presence=st.sampled_from(["available", "available", "away", "offline"]),
        mode=st.sampled_from(["keep", "keep_no_new", "return_work"]),
        until=st.booleans(),
        more=st.sampled_from([{}, {}, {"lost": True}, {"channels": ["email"]}, {"name": "lunch"}]),
    )
    def presence(
        self, *, agent: str, presence: str, mode: str, until: bool, more: dict[str, Any]
    ) -> None:
        until_ms = self.router.now_ms + 120_000 if until and presence != "offline" else None
        self.router.send(
            "agent.presence",
            kind="agent",
            agent=agent,
            data={"presence": presence, "mode": mode, "until_ms": until_ms, **more},
        )

    @rule(
        skills=st.sampled_from(SKILLS),
        gone=st.sampled_from([*AGENTS, "nobody"]),
        more=st.sampled_from(
            ["", ", max_offers: 1", ", auto_accept: [email]", ", share: {most: 1, within: 5m}"]
        ),
    )
    def roster(self, skills: str, gone: str, more: str) -> None:
        lines = [line for line in ROSTER.splitlines() if f"id: {gone}" not in line]
        text = "\n".join(lines).replace("{technical: 5}", skills)
        if more == ", max_offers: 1":  # more may be open than a lowered limit allows
            self.router.overridden.update(AGENTS)
        self.router.roster(text.replace("present: true}", f"present: true{more}}}"))

    @rule(
        limit=st.sampled_from(["10m", "1m"]),
        misses=st.integers(0, 2),
        presence=st.sampled_from(["{grace: 0s}", "{grace: 1m, after_grace: keep}", "{grace: 5m}"]),
    )
    def policy(self, limit: str, misses: int, presence: str) -> None:
        offer = f"offer: {{limit: {limit}, misses_before_away: {misses}, "
        names = presence.replace("}", ", names: {lunch: {presence: away}}}")
        lease = "lease: {email: 20m}\n    bounce_limit: 2\n    " if misses else ""
        more = f"    presence: {names}\n    {lease}{offer}"
        text = ROUTING.replace("    offer: {limit: 10m, ", more)
        if misses > 1:
            text = text.replace("- name: general", "- name: general\n        broadcast: 3")
        self.router.publish(text)

    @rule()
    def restart(self) -> None:
        state = states.decode(states.encode(self.router.world.state))
        assert states.digest(state) == states.digest(self.router.world.state)
        self.router.world = World(state)

    @invariant()
    def decisions_keep_the_contract(self) -> None:
        for made in self.router.decisions[self.checked :]:
            DATA[made.type].model_validate(made.data)
            Decision.model_validate({f: getattr(made, f) for f in made.__struct_fields__})
        self.checked = len(self.router.decisions)

    def teardown(self) -> None:
        self.router.replay()


AnyHistory.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestAnyHistory = AnyHistory.TestCase


class AnyHistoryInWindows(AnyHistory):
    """The same with what can be matched collected for a while."""

    def __init__(self) -> None:
        super().__init__()
        self.router.publish(ROUTING.replace("wrap_up:", "match: {window: 20s}\n    wrap_up:"))


AnyHistoryInWindows.TestCase.settings = AnyHistory.TestCase.settings
TestAnyHistoryInWindows = AnyHistoryInWindows.TestCase


class AnyHistoryInSmallRecords(AnyHistory):
    """The same with records so small that everything large is cut."""

    def __init__(self) -> None:
        self.before = step.DECISIONS_MAX
        step.DECISIONS_MAX = 3
        super().__init__()

    def teardown(self) -> None:
        try:
            super().teardown()
        finally:
            step.DECISIONS_MAX = self.before


AnyHistoryInSmallRecords.TestCase.settings = AnyHistory.TestCase.settings
TestAnyHistoryInSmallRecords = AnyHistoryInSmallRecords.TestCase


def test_policy_struct_and_configuration_model_hold_the_same() -> None:
    routing = validate(Routing, source.parse("routing.yaml", ROUTING.encode()))
    pool = routing.pools[0]
    policy = decode(pool_policy(pool))
    assert set(Policy.__struct_fields__) == {*type(pool).model_fields, "calendars"}
    assert set(policy.queues[0].__struct_fields__) == set(type(pool.queues[0]).model_fields)
    assert set(policy.queues[0].steps[0].__struct_fields__) == set(
        type(pool.queues[0].steps[0]).model_fields
    )
    assert set(policy.offer.__struct_fields__) == set(type(pool.offer).model_fields)
    assert set(policy.presence.__struct_fields__) == set(type(pool.presence).model_fields)
    assert policy.queues[0].steps[1].after_ms == pool.queues[0].steps[1].after_ms == 300_000
