"""What a history is made of: chosen once from its seed, the rare on purpose.

Swarm testing: each history has some kinds of fault and not others, small limits or large ones, few
agents or more. Together they see more than histories which are all alike.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import msgspec
from simulation.simlog import Fate

from vaxel_router.core import policy as policies

POOL = "support"
QUEUES = ("billing", "general", "vip")


@dataclass(frozen=True)
class Plan:
    """The setting of one history."""

    contacts: int
    spacing_ms: int
    """Between contacts, on average."""
    rich: bool
    """Whether all else that a policy, a roster and people may do is on, besides the plainest."""
    agents: list[dict[str, Any]]
    policies: list[bytes]
    policy_limit_s: float
    queues: tuple[str, ...]
    duplicates: float
    fates: dict[Fate, float]
    faults: tuple[str, ...]
    """The kinds that are on."""
    faults_count: int
    latency_us: int
    """At most, one way between a process and the broker."""
    burst: int
    """At most so many contacts come at once."""
    services: tuple[str, ...]
    """Those besides triage, router and register: delivery, the SLA monitor's two halves."""
    checks: tuple[str, ...]
    """The dearer checks that are made in this one."""
    dies: float
    """How likely a process is killed at one of its calls."""
    routers: int
    snapshot_records: int
    poll_ms: int
    batch_inputs: int
    decisions_max: int
    stirs: int
    wall_jumps: tuple[int, ...]
    """Milliseconds by which a process's wall clock may be moved at once."""


KINDS = (
    "kill", "pause", "cut", "slow", "broker", "blobs_full", "blob_torn", "blob_lost",
    "policy_gone", "trim", "garbage", "defect",
    "wall_jump", "drift", "broker_jump", "double", "roll", "outage", "long_outage",
)  # fmt: skip


def make(seed: int, *, contacts: int | None = None) -> Plan:
    """The plan of a seed."""
    rng = random.Random(f"plan {seed}")
    rich = rng.random() < 0.5
    made = [_policy(rng, rich=rich) for _ in range(2)]
    weights = {fate: rng.choice([0.0, 0.0, 0.002, 0.01]) for fate in Fate if fate is not Fate.FINE}
    number = contacts or rng.choice([40, 80, 120, 160])
    faults = tuple(kind for kind in KINDS if rng.random() < 0.5)
    poll_ms = rng.choice([50, 200, 500, 1_000, 1_000, 2_000])
    burst = rng.choice([1, 4, 10, 20])
    far = poll_ms >= 500 and "outage" not in faults and "long_outage" not in faults
    return Plan(
        contacts=number,
        spacing_ms=burst * rng.choice([10, 30, 60, 150]),
        rich=rich,
        agents=_agents(rng, rich=rich),
        policies=[msgspec.json.encode(one) for one in made],
        policy_limit_s=made[0].offer.limit_ms / 1000,
        queues=QUEUES,
        duplicates=rng.choice([0.0, 0.02, 0.1, 0.3]),
        fates=weights if rng.random() < 0.85 else {},
        faults=faults,
        faults_count=round(number * rng.choice([0.03, 0.08, 0.15])),
        latency_us=rng.choice([2_000, 30_000, 100_000, 200_000]),
        burst=burst,
        services=tuple(
            name for name, share in (("delivery", 0.2), ("clocks", 0.1)) if rng.random() < share
        ),
        checks=tuple(
            name
            for name, share in (("register", 0.15), ("replay", 0.2), ("repeats", 0.05))
            if rng.random() < share
        ),
        dies=rng.choice([0.0, 0.0005, 0.002, 0.006]),
        routers=rng.choice([1, 1, 1, 2]),
        snapshot_records=rng.choice([1, 3, 3, 3, 10, 10, 10, 40, 40, 40, 500, 500]),
        poll_ms=poll_ms,
        batch_inputs=rng.choice([1, 3, 20, *[500] * 5]),
        decisions_max=rng.choice([3, 20, 20, *[500] * 7]),
        stirs=rng.choice([0, 3, 10]),
        wall_jumps=(-3_600_000, -5_000, 5_000, 3_600_000) if far else (-20_000, -500, 500, 60_000),
    )


def _policy(rng: random.Random, *, rich: bool) -> policies.Policy:
    def steps(*tiers: list[int]) -> list[policies.Step]:
        gap = rng.choice([1_500, 5_000])
        return [
            policies.Step(at=f"r:{index}", after_ms=index * gap, tiers=item)
            for index, item in enumerate(tiers)
        ]

    fallback = policies.LanguageFallback(after_ms=4_000, to=["en"])
    queues = [
        policies.Queue(
            at="r:1",
            name="billing",
            steps=steps([1], [1, 2], [1, 2, 3]),
            skills=rng.choice([{}, {"billing": 1}]),
            language_fallback=fallback,
            lapse_ms={"billing": 3_000},
            choice="round_robin",
        ),
        policies.Queue(
            at="r:2",
            name="general",
            steps=steps([1, 2, 3]),
            choice="least_loaded",
            keep_rare_free=True,
        ),
        policies.Queue(
            at="r:3",
            name="vip",
            steps=steps([2, 3], [1, 2, 3]),
            priority=10,
            wishes={"billing": 1},
            needs="billing or not technical",
        ),
    ]
    plain = policies.Policy(
        at="r:0",
        name=POOL,
        letter="S",
        queues=queues,
        order=policies.Order(by="promise", point_ms=1_000, at_most_ms=3_000, within_ms=5_000),
        reopen_within_ms=rng.choice([5_000, 30_000]),
        sticky_wait_ms=rng.choice([0, 3_000]),
        wrap_up_ms=rng.choice([0, 1_500]),
        offer=policies.OfferPolicy(
            limit_ms=rng.choice([3_000, 10_000]),
            bar_after_decline_ms=rng.choice([0, 4_000]),
            bar_after_miss_ms=rng.choice([0, 4_000]),
            misses_before_away=rng.choice([0, 2]),
        ),
        after_reply={"email": "waiting"},
    )
    return _richer(rng, plain) if rich else plain


def _richer(rng: random.Random, plain: policies.Policy) -> policies.Policy:
    """The same with leases, overflow, pauses, grace, quality and complaints, some on and some off."""
    billing, general, vip = plain.queues
    away = policies.Overflow(at="r:4", to="general", after_ms=rng.choice([4_000, 9_000]))
    queues = [
        msgspec.structs.replace(billing, overflow=rng.choice([[], [away]])),
        msgspec.structs.replace(general, cool_down_ms=rng.choice([0, 2_000])),
        msgspec.structs.replace(vip, auto_accept=rng.random() < 0.3),
    ]
    return msgspec.structs.replace(
        plain,
        queues=queues,
        lease_ms=rng.choice([{}, {"email": 6_000, "chat": 3_000}]),
        bounce_limit=rng.choice([0, 3]),
        presence=policies.PresencePolicy(grace_ms=rng.choice([0, 3_000])),
        quality=rng.choice([None, policies.Quality(percent=30, queue="general")]),
        complaints=rng.choice([None, policies.Complaints(stages=["vip"])]),
        give_up_after_leaving=rng.choice([[], ["email", "chat"]]),
        in_flight=rng.choice(["new", "old", "next_step"]),
    )


def _agents(rng: random.Random, *, rich: bool) -> list[dict[str, Any]]:
    made = []
    for number in range(rng.choice([2, 3, 5])):
        most = rng.choice([1, 2, 4])
        made.append(
            {
                "id": f"a{number}",
                "tier": rng.choice([1, 1, 2, 3]),
                "skills": {"billing": rng.randint(1, 9)} if rng.random() < 0.7 else {},
                "languages": {tag: 9 for tag in ("fi", "en", "sv") if rng.random() < 0.7},
                "capacity": most,
                "channels": {
                    "email": {"cost": 1, "max": most},
                    "chat": {"cost": rng.choice([1, most]), "max": rng.choice([1, most])},
                },
                "present": rng.random() < 0.9,
                **(_richer_agent(rng, most) if rich else {}),
            }
        )
    return made


def _richer_agent(rng: random.Random, most: int) -> dict[str, Any]:
    """What few agents have, each with a chance of its own."""
    some: dict[str, Any] = {
        "max_offers": rng.randint(1, most), "auto_accept": ["chat"], "backup": "a0", "authority": 500,
        "share": {"most": 3, "within_ms": 15_000}, "occupancy": {"most": 70, "within_ms": 60_000},
        "queue_order": rng.sample(QUEUES, 2),
    }  # fmt: skip
    return {name: value for name, value in some.items() if rng.random() < 0.3}


def rescuers() -> list[dict[str, Any]]:
    """Agents who can take anything: there when everything is to come to its end."""
    channels = {"email": {"cost": 1, "max": 30}, "chat": {"cost": 1, "max": 30}}
    return [
        {
            "id": f"r{tier}", "tier": tier, "skills": {"billing": 10}, "authority": 5_000,
            "languages": {"fi": 9, "en": 9, "sv": 9}, "capacity": 30, "channels": channels,
            "present": True,
        }
        for tier in (1, 2, 3)
    ]  # fmt: skip
