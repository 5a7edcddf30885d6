"""Work that comes back without a first reply, and an end to being handed on."""

from __future__ import annotations

from datetime import datetime

import msgspec
import pytest
from router_harness import ROSTER, ROUTING, Router, types

from vaxel_router.core.policy import decode
from vaxel_router.core.state import Case
from vaxel_shared.contracts import wire

LEASE = ROUTING.replace(
    "    wrap_up: 30s\n", "    wrap_up: 30s\n    lease: {email: 1h}\n    bounce_limit: 2\n"
).replace("bar_after_miss: 10m", "bar_after_miss: 10m, bar_after_lapse: 2h")
NOTE = {"note_ref": "note/" + "0" * 64, "note_sha256": "0" * 64, "note_size": 3}
HOUR_MS = 3_600_000


def pass_ms(router: Router, ms: int) -> list[wire.Decision]:
    """Time passes with the router there all the while."""
    made, end_ms = [], router.now_ms + ms
    while (due := router.world.next_timer()) is not None and due[0] <= end_ms:
        made += router.wait(max(due[0] - router.now_ms, 0))
    return made + router.wait(end_ms - router.now_ms)


def hold(routing: str = LEASE, roster: str = ROSTER) -> tuple[Router, Case]:
    """A work of queue `general` in somebody's hands."""
    router = Router(routing, roster)
    router.contact("mail-1", queue="general")
    router.accept()
    return router, router.case()


def holder(router: Router, case: Case) -> str | None:
    return router.pool().works[case.work_id or ""].agent_id


def test_work_without_a_first_reply_goes_to_somebody_else_with_its_age() -> None:
    router, case = hold()
    first, since = holder(router, case), router.last("work.queued").data["since_ms"]
    assert router.last("work.assigned").data["lease_until_ms"] == router.now_ms + HOUR_MS
    made = pass_ms(router, HOUR_MS)
    assert types(made) == ["work.closed", "work.queued", "offer.made"]
    assert [d.data["reason"] for d in made[:2]] == ["lease_lapsed", "lease_lapsed"]
    assert made[1].data["since_ms"] == since
    assert made[1].data["bounces"] == 1
    assert made[2].agent_id != first
    assert router.pool().works[case.work_id or ""].barred == {first: router.now_ms + 2 * HOUR_MS}
    router.replay()


@pytest.mark.parametrize("then", ["open", "waiting", "resolved"])
def test_the_first_reply_ends_the_lease(then: str) -> None:
    router, case = hold()
    pass_ms(router, HOUR_MS - 1)
    router.reply(case, then=then)
    assert "lease_lapsed" not in [d.data.get("reason") for d in pass_ms(router, 5 * HOUR_MS)]
    router.replay()


def test_a_note_is_no_reply() -> None:
    router, case = hold()
    router.act("case.note", case, **NOTE)
    assert types(pass_ms(router, HOUR_MS))[0] == "work.closed"


def test_a_channel_without_a_lease_has_none() -> None:
    router, _ = hold(LEASE.replace("{email: 1h}", "{chat: 1m}"))
    assert "lease_until_ms" not in router.last("work.assigned").data
    assert pass_ms(router, 50 * HOUR_MS) == []


def test_nobody_loses_work_because_no_reply_had_a_way_to_us() -> None:
    router, case = hold()
    first = holder(router, case)
    made = router.wait(HOUR_MS + 60_000)
    assert types(made) == ["work.resumed"]
    assert made[0].data["lease_until_ms"] == router.now_ms + HOUR_MS
    assert holder(router, case) == first
    assert types(pass_ms(router, HOUR_MS))[0] == "work.closed"
    router.replay()


def test_a_policy_without_leases_ends_those_there_are() -> None:
    router, case = hold()
    router.publish(ROUTING)
    made = pass_ms(router, HOUR_MS)
    assert types(made) == ["work.resumed"]
    assert "lease_until_ms" not in made[0].data
    assert router.pool().works[case.work_id or ""].lease_ms is None
    router.replay()


def test_work_that_nobody_begins_with_ends_with_a_person_of_the_highest_tier() -> None:
    everybody = ROSTER.replace("present: false", "present: true").replace("{sv: 10", "{fi: 10")
    router, case = hold(LEASE, everybody)
    seen = [holder(router, case)]
    for _ in range(3):
        pass_ms(router, HOUR_MS)
        router.accept()
        seen.append(holder(router, case))
    assert len(set(seen)) == 4
    assert seen[-1] == "a04", "the one of the third tier"
    escalated = [d for d in router.decisions if d.type == "work.escalated"]
    assert [(d.data["reason"], d.data["floor"]) for d in escalated] == [("bounce_limit", 3)]
    assert "lease_until_ms" not in router.last("work.assigned").data
    assert pass_ms(router, 9 * HOUR_MS) == [], "there it stays"
    router.replay()


def test_agents_hand_on_only_so_often_a_supervisor_always() -> None:
    router, case = hold()

    def transfer(to: str, kind: str = "agent") -> list[wire.Decision]:
        work = router.pool().works[case.work_id or ""]
        agent = work.agent_id if kind == "agent" else None
        return router.send(
            "case.transfer", kind=kind, agent=agent, case=case.id, token=work.token,
            data=NOTE | {"to_agent": to},
        )  # fmt: skip

    for to in ("a02", "a01"):
        if holder(router, case) != to:
            assert "work.queued" in types(transfer(to))
            router.accept()
    while router.pool().works[case.work_id or ""].bounces < 2:
        to = "a03" if holder(router, case) != "a03" else "a02"
        transfer(to)
        router.accept()
    made = transfer("a02" if holder(router, case) != "a02" else "a01")
    assert [(d.type, d.data["code"]) for d in made] == [("command.refused", "bounce_limit")]
    assert made[0].data["params"] == {"bounces": 2, "max": 2}
    made = transfer("a02" if holder(router, case) != "a02" else "a01", kind="supervisor")
    assert router.last("work.queued").data["bounces"] == 2
    assert "offer.made" in types(made)
    router.replay()


OFFICE = {"zone": "Europe/Helsinki", "week": [[[8 * HOUR_MS, 16 * HOUR_MS]]] * 5 + [[], []]}
IN_HOURS = LEASE.replace(
    "    lease: {email: 1h}\n", "    lease: {email: 1h}\n    lease_hours: {email: office}\n"
)


@pytest.mark.parametrize(
    ("assigned", "until"),
    [
        ("2023-11-15T09:00:00+02:00", "2023-11-15T10:00:00+02:00"),
        ("2023-11-15T15:30:00+02:00", "2023-11-16T08:30:00+02:00"),
        ("2023-11-17T15:30:00+02:00", "2023-11-20T08:30:00+02:00"),
        ("2023-11-18T12:00:00+02:00", "2023-11-20T09:00:00+02:00"),
    ],
)
def test_a_lease_by_a_calendar_counts_its_open_time_alone(assigned: str, until: str) -> None:
    router = Router(publish=False)
    router.now_ms = _ms(assigned)
    router.publish(IN_HOURS, {"office": OFFICE})
    router.roster(ROSTER)
    router.contact("mail-1", queue="general")
    router.accept()
    assert router.last("work.assigned").data["lease_until_ms"] == _ms(until)
    made = pass_ms(router, _ms(until) - router.now_ms)
    assert made[0].data["reason"] == "lease_lapsed"
    router.replay()


def test_a_calendar_that_is_never_open_lets_no_lease_lapse() -> None:
    router = Router(publish=False)
    router.publish(IN_HOURS, {"office": OFFICE | {"week": [[]] * 7}})
    router.roster(ROSTER)
    router.contact("mail-1", queue="general")
    router.accept()
    assert "lease_until_ms" not in router.last("work.assigned").data
    router.replay()


def test_a_policy_whose_lease_goes_by_no_calendar_is_none() -> None:
    blob = msgspec.json.decode(next(iter(Router().blobs.values())))
    blob |= {"lease_ms": {"email": 1}, "lease_hours": {"email": "office"}}
    with pytest.raises(msgspec.ValidationError, match="calendar"):
        decode(msgspec.json.encode(blob))


def _ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)
