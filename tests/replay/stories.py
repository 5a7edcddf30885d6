"""The golden histories: what happens in each.

    .venv/bin/python tests/replay/stories.py      records those of this engine that aren't there yet

What was recorded stays as it is: an engine that decides otherwise gets another version
(``vaxel_shared.version.ENGINE_VERSION``) and histories of its own beside the old ones.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1] / "services/router/tests")]

from random_desk import Traffic  # noqa: E402 - the router's own tests have it
from replay.recording import BODY, NOTE, Recorder  # noqa: E402

from vaxel_shared.contracts import wire  # noqa: E402
from vaxel_shared.version import ENGINE_VERSION  # noqa: E402

GOLDEN = HERE / "golden"


def mail(r: Recorder) -> None:
    """A mail is answered, answered back, answered again and resolved; much later it is closed."""
    r.contact("m1")
    r.sent()
    r.answer("accept")
    r.act("case.note", r.case, **NOTE)
    r.act("case.reply", r.case, **BODY)
    r.wait(600)
    r.contact("m2", "m1")
    r.answer("accept")
    r.contact("m3", "m1")
    r.act("case.reply", r.case, **BODY, then="resolved")
    r.wait(86_400)
    r.contact("m4", "m1")
    r.answer("accept")
    r.act("case.resolve", r.case, reason="done")
    r.wait(15 * 86_400)
    r.contact("m5", "m1")


def escalation(r: Recorder) -> None:
    """Nobody comes, so higher tiers may; somebody asks for them; a supervisor gives it away."""
    for agent in sorted(r.pool.agents):
        r.say("agent.presence", agent_id=agent, data={"presence": "away"})
    r.contact("e1")
    r.contact("e2", queue="complaints", priority=5)
    r.wait(5 * 3_600)
    for agent in sorted(r.pool.agents):
        r.say("agent.presence", agent_id=agent, data={"presence": "available"})
    r.answer("accept")
    holder = r.case
    r.act("case.escalate", holder, reason="beyond_me")
    r.act("case.transfer", holder, to_queue="general", **NOTE)
    agent = min(r.pool.agents)
    data = {"to_agent": agent, "reason": "knows_the_customer"}
    r.say("case.assign", kind="supervisor", case_id=holder.id, data=data)


def refusal(r: Recorder) -> None:
    """Offers are declined, missed, never shown, and answered by the wrong ones and too late."""
    r.contact("d1")
    first = list(r.pool.offers.values())[-1]
    r.answer("decline", reason="busy")
    r.answer("accept", first)
    r.sent()
    r.wait(601)
    r.sent("failed")
    r.wait(601)
    r.answer("accept")
    r.contact("d2", queue="nowhere")
    r.say("case.reply", agent_id="nobody", case_id=r.case.id, data=BODY)
    r.say("case.transfer", agent_id="nobody", case_id=r.case.id, data={})
    r.say("case.merge", agent_id="nobody", case_id=r.case.id, data={})
    r.wait(4_000)


def presence(r: Recorder) -> None:
    """Agents go with and without their work, come back by themselves, and leave for good."""
    for number in range(6):
        r.contact(f"p{number}", language="fi", requires={"skills": {}, "languages": ["fi"]})
    for offer in list(r.pool.offers.values())[:3]:
        r.answer("accept", offer)
    busy = [agent for agent in r.pool.agents.values() if agent.works]
    away = {"presence": "away", "mode": "return_work", "until_ms": r.now_ms + 1_800_000}
    r.say("agent.presence", agent_id=busy[0].id, data=away)
    r.say("agent.presence", agent_id=busy[-1].id, data={"presence": "offline", "mode": "keep"})
    r.wait(3_600)
    r.hear(_roster(r, without=busy[0].id))
    r.wait(60)
    r.hear(_roster(r, without=None))
    r.answer("accept")
    lost = {"presence": "offline", "lost": True}
    holder = r.pool.works[r.case.work_id or ""].agent_id
    r.say("agent.presence", agent_id=holder, data=lost)
    r.wait(30)
    r.say("agent.presence", agent_id=holder, data={"presence": "available"})
    r.say("agent.presence", agent_id=holder, data={"presence": "away", "channels": ["chat"]})
    r.say("agent.presence", agent_id=holder, data={"presence": "away", "name": "lunch"})
    r.say("agent.presence", agent_id=holder, data={"presence": "available"})
    r.say("agent.presence", agent_id=holder, data=lost)
    r.wait(61)


def alerts(r: Recorder) -> None:
    """A clock warns about what waits, breaches, and is told twice."""
    for number in range(9):
        r.contact(f"s{number}", queue="billing", language="fi",
                  requires={"skills": {}, "languages": ["fi"]})  # fmt: skip
    alert = {"clock": "first_response", "cycle": 0, "due_ms": r.now_ms + 900_000}
    case = r.case
    r.say("sla.alert", id="w", case_id=case.id,
          data=alert | {"stage": "warning", "priority_at_least": 50})  # fmt: skip
    r.say("sla.alert", id="b", case_id=case.id,
          data=alert | {"stage": "breach", "priority_at_least": 90, "tier_at_least": 2})  # fmt: skip
    r.say("sla.alert", id="b", case_id=case.id,
          data=alert | {"stage": "breach", "priority_at_least": 90, "tier_at_least": 2})  # fmt: skip
    r.answer("accept")
    r.act("case.reply", r.case, **BODY)
    r.wait(2_000)


def poison(r: Recorder) -> None:
    """Records that are no commands, commands that make no sense, one that an engine stumbled over."""
    r.contact("x1")
    r.hear(b"{]", b"", b"null", b'{"id":"\xff"}', b'{"id":"a","type":"t","pool":"p"}')
    r.contact("x2", priority="high")
    r.contact("x3", requires={"skills": {"billing": 1.0}})
    r.contact("x4", language="x" * 5_000)
    r.poison(r.work[-1].value)
    r.contact("x1")
    r.contact("x5")


def anything(r: Recorder) -> None:
    """Four hundred commands of every kind, many to a batch."""
    traffic = Traffic(11, r.world, 5)
    for blob in traffic.blobs:
        r.adopt(blob)
    r.hear(*traffic.first())
    while len(r.work) < 400:
        before = traffic.now_ms
        values = [traffic.next() for _ in range(traffic.random.choice((1, 1, 5)))]
        r.hear(*values, after_ms=traffic.now_ms - before)
        if traffic.random.random() < 0.2:
            r.wait(61)
            traffic.now_ms += 61_000


def _roster(r: Recorder, without: str | None) -> bytes:
    """The roster that was published, perhaps without somebody."""
    command = wire.decode_command(next(w.value for w in r.work if b'"roster.set"' in w.value))
    agents = [agent for agent in command.data["agents"] if agent["id"] != without]
    data = command.data | {"agents": agents, "version": f"without-{without}"}
    changed = msgspec.structs.replace(command, id=f"roster-without-{without}", data=data)
    return wire.encode(changed)


STORIES: dict[str, Callable[[Recorder], None]] = {
    story.__name__: story
    for story in (mail, escalation, refusal, presence, alerts, poison, anything)
}


def tell(name: str, folder: Path) -> Recorder:
    """Tell one, with its blobs in ``folder``."""
    recorder = Recorder(folder)
    STORIES[name](recorder)
    return recorder


def main() -> None:
    """Record what isn't there yet."""
    for name, story in STORIES.items():
        target = GOLDEN / ENGINE_VERSION / name
        if target.exists():
            print(f"{target.relative_to(HERE)}: is there and stays")
            continue
        with tempfile.TemporaryDirectory() as folder:
            recorder = tell(name, Path(folder))
            target.parent.mkdir(parents=True, exist_ok=True)
            recorder.write(target, (story.__doc__ or "").strip())
        print(
            f"{target.relative_to(HERE)}: {len(recorder.work)} inputs, {len(recorder.raws)} records"
        )


if __name__ == "__main__":
    main()
