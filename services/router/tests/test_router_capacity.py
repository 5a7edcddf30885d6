"""What is put aside for something else, and who stands in for whom."""

from __future__ import annotations

import pytest
from router_harness import ROSTER, ROUTING, Router, types

from vaxel_router.core import views
from vaxel_shared.config import source
from vaxel_shared.config.document import ConfigError
from vaxel_shared.config.roster import Roster
from vaxel_shared.config.source import validate

ASIDE = ROSTER.replace(
    "{email: {cost: 1, max: 2}}",
    "{email: {cost: 1, max: 2, interrupted_by: [chat]}, chat: {cost: 1, max: 2}}",
)
TWO = ROSTER.replace("skills: {technical: 5}", "skills: {billing: 5}").replace(
    "tier: 1, skills: {billing: 5}, languages: {fi: 10, en: 8}, capacity: 2, channels: {email: "
    "{cost: 1, max: 2}}, present: true}",
    "tier: 1, skills: {billing: 5}, languages: {fi: 10, en: 8}, capacity: 2, channels: {email: "
    "{cost: 1, max: 2}}, present: true, backup: BACKUP}",
)


def test_mail_in_hand_is_put_aside_for_a_chat() -> None:
    router = Router(ROUTING.replace("    wrap_up: 30s\n", ""), ASIDE)
    for name in ("mail-1", "mail-2"):
        router.contact(name)
        router.accept()
    mails = list(router.pool().agents["a01"].works)
    for name in ("chat-1", "chat-2"):
        assert types(router.contact(name, channel="chat"))[-1] == "offer.made", (
            "mail is no hindrance"
        )
        router.accept()
    assert types(router.contact("chat-3", channel="chat"))[-1] == "work.queued", "its own limit is"
    [shown] = [one for one in views.agents(router.world) if one["id"] == "a01"]
    assert shown["aside"] == mails
    chat = router.pool().cases[router.pool().works[router.pool().agents["a01"].works[-1]].case_id]
    assert types(router.act("case.resolve", chat))[-1] == "offer.made", "the chat that waited"
    router.replay()


def test_a_chat_in_hand_keeps_new_mail_away() -> None:
    router = Router(ROUTING, ASIDE)
    for name in ("chat-1", "chat-2"):
        router.contact(name, channel="chat")
        router.accept()
    made = router.contact("mail-1")
    assert types(made)[-1] == "work.queued"
    why = views.case(router.world, made[-1].case_id or "")
    assert why is not None
    rejected = {one["agent_id"]: one for one in why["why_not_yet"]["rejected"]}
    assert rejected["a01"]["code"] == "capacity_full"
    assert rejected["a01"]["params"] == {"used": 2, "capacity": 2}
    router.replay()


@pytest.mark.parametrize("by", ["email", "voice"])
def test_a_channel_is_interrupted_only_by_another_that_the_agent_takes(by: str) -> None:
    text = ASIDE.replace("interrupted_by: [chat]", f"interrupted_by: [{by}]")
    with pytest.raises(ConfigError, match="can't be interrupted"):
        validate(Roster, source.parse("roster.yaml", text.encode()))


def returning(backup: str, *away: str) -> tuple[Router, str | None]:
    """A customer of a01's comes back while some are away: whom it is kept for."""
    router = Router(ROUTING, TWO.replace("BACKUP", backup, 1).replace(", backup: BACKUP", ""))
    router.contact("mail-1")
    assert router.offer().agent_id == "a01"
    router.accept()
    router.reply(router.case())
    router.wait(30_000)
    for agent in away:
        router.send("agent.presence", kind="agent", agent=agent, data={"presence": "away"})
    router.contact("mail-2", conversation="mail-1")
    router.replay()
    return router, router.last("work.queued").data.get("prefer_agent")


def test_the_backup_stands_in_with_an_agents_own_customers() -> None:
    router, prefer = returning("a02", "a01")
    assert prefer == "a02"
    assert router.last("work.queued").data["stands_in_for"] == "a01"
    assert router.last("offer.made").agent_id == "a02"
    assert router.last("offer.made").data["explain"]["terms"][0] == {"code": "sticky", "value": 1}


@pytest.mark.parametrize(
    ("away", "prefer"), [((), "a01"), (("a01", "a02"), "a01"), (("a02",), "a01")]
)
def test_nobody_stands_in_who_is_not_there_or_not_needed(
    away: tuple[str, ...], prefer: str
) -> None:
    router, found = returning("a02", *away)
    assert found == prefer
    assert "stands_in_for" not in router.last("work.queued").data


def test_a_transfer_to_somebody_who_is_away_goes_to_the_backup() -> None:
    router = Router(ROUTING, TWO.replace("BACKUP", "a02", 1).replace(", backup: BACKUP", ""))
    router.send("agent.presence", kind="agent", agent="a01", data={"presence": "away"})
    router.contact("mail-1", queue="general")
    router.accept()
    note = {"note_ref": "note/" + "0" * 64, "note_sha256": "0" * 64, "note_size": 3}
    router.act("case.transfer", router.case(), **note, to_agent="a01")
    assert router.last("work.queued").data["prefer_agent"] in ("a01", "a02")
    router.replay()
