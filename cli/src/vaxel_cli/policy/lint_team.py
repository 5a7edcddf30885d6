"""Agents who can take nothing, languages nobody speaks, skills nobody asks for."""

from __future__ import annotations

from collections.abc import Iterator

from vaxel_cli.policy.deck import Deck, Seat
from vaxel_cli.policy.findings import Finding, at
from vaxel_cli.policy.lint_wants import asked_by
from vaxel_shared.config.document import Path_
from vaxel_shared.config.roster import Agent


def findings(deck: Deck) -> Iterator[Finding]:
    """Everything about agents and languages."""
    seats = {seat.pool.name: seat for seat in deck.seats}
    reached = {agent_id for seat in deck.seats for agent_id in _reached(deck, seat)}
    for index, agent in enumerate(deck.loaded.roster.agents):
        yield from _agent(deck, seats[agent.pool], index, agent, reached)
    yield from _same_people(deck)
    yield from _unused_skills(deck)
    yield from _languages(deck)
    yield from _promised_tiers(deck)


def _agent(
    deck: Deck, seat: Seat, index: int, agent: Agent, reached: set[str]
) -> Iterator[Finding]:
    path: Path_ = ("agents", index)
    if agent.capacity == 0 or not any(item.max for item in agent.channels.values()):
        key = "capacity" if agent.capacity == 0 else "channels"
        text = f"agent {agent.id} takes nothing: {key} is 0; raise it, or say `present: false`"
        yield at(deck.roster, (*path, key), "warning", "agent_takes_nothing", text)
        return
    for name, item in agent.channels.items():
        place = (*path, "channels", name)
        if item.max and item.cost > agent.capacity:
            text = f"agent {agent.id} can never take {name}: one costs {item.cost} and the capacity"
            text += f" is {agent.capacity}; lower the one, or raise the other"
            yield at(deck.roster, place, "warning", "channel_never_fits", text)
        if seat.channels and name not in seat.channels and place in deck.roster.lines:
            text = f"no account of pool {agent.pool!r} has the channel {name!r}; its channels are "
            text += ", ".join(seat.channels)
            yield at(deck.roster, place, "warning", "channel_without_account", text)
    for name in agent.auto_accept:
        if name not in agent.channels:
            text = f"agent {agent.id} doesn't take {name}, so auto_accept of it does nothing; the "
            text += f"agent's channels are {', '.join(agent.channels)}"
            yield at(deck.roster, (*path, "auto_accept"), "warning", "auto_accept_unused", text)
    if seat.channels and agent.id not in reached:
        text = f"no queue of pool {agent.pool!r} ever reaches agent {agent.id}; look at tier, "
        text += "skills, languages and channels"
        yield at(deck.roster, path, "warning", "agent_unreached", text)


def _reached(deck: Deck, seat: Seat) -> set[str]:
    """Who can take some contact of some queue at some age."""
    return {
        agent_id
        for queue in seat.pool.queues
        for contact in deck.contacts(seat, queue)
        for agent_id in seat.team.ever(queue.name, contact)
    }


def _same_people(deck: Deck) -> Iterator[Finding]:
    """One name twice, and so the capacity; with ids and addresses that is an error already."""
    seen: dict[str, Agent] = {}
    for index, agent in enumerate(deck.loaded.roster.agents):
        other = seen.setdefault(" ".join(agent.name.casefold().split()), agent)
        if other is not agent:
            where = "two pools" if other.pool != agent.pool else f"pool {agent.pool!r}"
            text = f"agents {other.id} and {agent.id} have the same name, in {where}; one person "
            text += "serves one pool with one id: keep one, or tell the names apart"
            yield at(deck.roster, ("agents", index, "name"), "warning", "same_name", text)


def _unused_skills(deck: Deck) -> Iterator[Finding]:
    asked = {name for rule in deck.loaded.routing.rules for name in asked_by(rule.set)}
    for seat in deck.seats:
        for queue in seat.pool.queues:
            asked |= asked_by(queue)
            asked |= {name for step in queue.steps for name in asked_by(step)}
    told: set[str] = set()
    for index, agent in enumerate(deck.loaded.roster.agents):
        for skill in agent.skills:
            if skill not in asked and skill not in told:
                told.add(skill)
                text = f"no queue and no rule asks for the skill {skill!r} (asked for are "
                text += f"{', '.join(sorted(asked)) or 'none'}); is it misspelt?"
                path = ("agents", index, "skills", skill)
                yield at(deck.roster, path, "warning", "skill_nobody_asks_for", text)


def _languages(deck: Deck) -> Iterator[Finding]:
    agents = deck.loaded.roster.agents
    spoken = {tag for agent in agents for tag in agent.languages}
    for index, tag in enumerate(deck.loaded.channels.languages):
        if agents and tag not in spoken:
            text = f"nobody in roster.yaml speaks {tag!r}; add a speaker, or don't offer it"
            path: Path_ = ("languages", index)
            yield at(deck.channels, path, "warning", "language_nobody_speaks", text)


def _promised_tiers(deck: Deck) -> Iterator[Finding]:
    """Alerts that raise work to a tier above everybody: it would wait there for nobody."""
    top = max((agent.tier for agent in deck.loaded.roster.agents), default=None)
    for index, policy in enumerate(deck.loaded.sla.file.policies):
        for key in ("on_warning", "on_breach"):
            tier = getattr(policy, key).tier_at_least
            if top is not None and tier is not None and tier > top:
                text = f"nobody is in tier {tier} or above, the highest is {top}: raised work would"
                text += " wait for nobody; name a tier that somebody is in"
                document = deck.loaded.sla.document
                path = ("policies", index, key, "tier_at_least")
                yield at(document, path, "error", "alert_tier_nobody", text)
