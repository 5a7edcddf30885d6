"""What is otherwise in the world that happens again: other people, another policy.

All of it is done to the acts that came from outside; nothing of the router is touched.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from vaxel_cli import staff
from vaxel_cli.publish import publications
from vaxel_cli.whatif.replayed import Cast
from vaxel_cli.whatif.told import Act, Story
from vaxel_router.core.policy import Policy
from vaxel_router.core.policy import decode as decode_policy
from vaxel_shared.config.deployment import Deployment
from vaxel_shared.config.roster import Roster
from vaxel_shared.config.source import hint
from vaxel_shared.contracts import wire

RUNS_MAX = 100
"""Combinations in one go."""
AGENTS_MAX = 5_000
"""In a group."""
FIRST = -1
"""The offset of what is put before all that was recorded."""
_RANGE = re.compile(
    r"^(?:(?P<pool>[a-z][a-z0-9-]*)\.)?(?P<name>[^=.]+)"
    r"=(?P<low>\d{1,4})(?:\.\.(?P<high>\d{1,4})(?::(?P<by>\d{1,4}))?)?$"
)

Profile = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Range:
    """A group of agents, and the numbers to try."""

    label: str
    pool: str | None
    name: str
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Changes:
    """``staff``: group → how many; the rest as it is published. They hold from ``since_ms`` on."""

    staff: tuple[tuple[Range, int], ...] = ()
    roster: Roster | None = None
    policy: Deployment | None = None
    since_ms: int | None = None
    """None: from the first instant."""

    @property
    def none(self) -> bool:
        """Whether all is as it was."""
        return not self.staff and self.roster is None and self.policy is None


def parse(text: str) -> Range:
    """``fi=6..12``, ``support.tier1=8``. Raises ``ValueError`` with the remedy."""
    found = _RANGE.match(text)
    if found is None:
        raise ValueError(f"{text!r} is no range; write it like fi=6..12 or support.tier1=8..20:4")
    tried = staff.counts(text, found, AGENTS_MAX)
    return Range(text.partition("=")[0], found["pool"], found["name"].strip(), tried)


def combinations(ranges: list[Range]) -> list[tuple[tuple[Range, int], ...]]:
    """All that is to be tried, in order. Raises ``ValueError`` where it is too much."""
    labels, tried = [item.label for item in ranges], [item.counts for item in ranges]
    return [
        tuple(zip(ranges, some, strict=True))
        for some in staff.combinations(labels, tried, RUNS_MAX)
    ]


def belongs(profile: Profile, name: str) -> bool:
    """Whether an agent is of a group: ``all``, ``tierN``, a language's, or a skill's."""
    return (
        name == "all"
        or name == f"tier{profile.get('tier', 1)}"
        or name in profile.get("languages", {})
        or name in profile.get("skills", {})
    )


def groups(stories: list[Story], roster: Roster | None = None) -> dict[str, set[str]]:
    """The groups that anybody belongs to, in the log or in the roster instead, by pool."""
    found: dict[str, set[str]] = {}
    for story in stories:
        for act in story.outside:
            if act.command.type != "roster.set":
                continue
            agents = act.command.data["agents"]
            if roster is not None:
                agents = [one.profile().to_dict() for one in roster.of_pool(act.command.pool)]
            names = found.setdefault(act.command.pool, {"all"})
            for profile in agents:
                names |= {f"tier{profile.get('tier', 1)}"}
                names |= set(profile.get("languages", {})) | set(profile.get("skills", {}))
    return found


def check(ranges: list[Range], known: Mapping[str, set[str]]) -> None:
    """Whether the groups are anybody's. Raises ``ValueError`` with the remedy."""
    for item in ranges:
        pools = [item.pool] if item.pool is not None else list(known)
        if item.pool is not None and item.pool not in known:
            raise ValueError(f"no pool {item.pool!r} in this log; {hint(item.pool, list(known))}")
        having = [pool for pool in pools if item.name in known[pool]]
        if not having:
            names = sorted({name for pool in pools for name in known[pool]})
            raise ValueError(f"nobody of {item.name!r} in this log; {hint(item.name, names)}")
        if len(having) > 1:
            raise ValueError(
                f"{item.name!r} is in {' and '.join(having)}; write {having[0]}.{item.label}=…"
            )


@dataclass(slots=True)
class Changed:
    """The acts of a story with the changes, and what the replay must know of them."""

    outside: list[Act]
    library: Mapping[str, Policy]
    cast: Cast = field(default_factory=Cast)
    unknown_pools: list[str] = field(default_factory=list)
    """Pools of the log that the other policy hasn't: they keep theirs."""


def changed(story: Story, library: Mapping[str, Policy], changes: Changes) -> Changed:
    """The story's acts from outside, as the changes make them."""
    found = Changed(story.outside, library)
    if changes.none:
        return found
    before, since_ms = [], story.begin_ms
    if changes.since_ms is not None and changes.since_ms > story.begin_ms:
        since_ms = changes.since_ms
        before = [act for act in story.outside if act.at_ms < since_ms]
        found.outside = [act for act in story.outside if act.at_ms >= since_ms]
        if changes.staff or changes.roster is not None:
            found.outside = [*_rosters_of_then(before, story, since_ms), *found.outside]
    if changes.policy is not None:
        pools = list(dict.fromkeys(act.command.pool for act in story.outside))
        _publish(found, pools, since_ms, changes.policy)
    if changes.roster is not None:
        _instead(found, changes.roster)
    if changes.staff:
        _staff(found, changes.staff)
    if changes.staff or changes.roster is not None:
        _presence(found, story)
    found.outside = [*before, *found.outside]
    return found


def _rosters_of_then(before: list[Act], story: Story, since_ms: int) -> list[Act]:
    """The roster that each pool had, once more; whoever is there then is there as a copy too."""
    there: set[str] = set()
    for made in story.decisions:
        if made.at_ms >= since_ms:
            break
        if made.type == "agent.changed" and made.data.get("presence") is not None:
            (there.add if made.data["presence"] == "available" else there.discard)(
                f"{made.pool}/{made.agent_id}"
            )
    last = {act.command.pool: act for act in before if act.command.type == "roster.set"}
    found = []
    for pool, act in last.items():
        agents = [
            {**one, "present": f"{pool}/{one['id']}" in there} for one in act.command.data["agents"]
        ]
        found.append(Act(FIRST, since_ms, with_agents(act.command, agents)))
    return found


def _publish(found: Changed, pools: list[str], since_ms: int, loaded: Deployment) -> None:
    """The other policy from that instant on, instead of all that were published."""
    ours = {pool.name: pool for pool in loaded.routing.pools}
    found.unknown_pools = [name for name in pools if name not in ours]
    acts = []
    library = dict(found.library)
    for name in pools:
        if name in ours:
            item = publications.policy(loaded, ours[name])
            library[item.version] = decode_policy(item.blob)
            command = wire.decode_command(item.command(0).to_json())
            acts.append(Act(FIRST, since_ms, command))
    rest = [
        act
        for act in found.outside
        if act.command.type != "policy.publish" or act.command.pool not in ours
    ]
    found.outside, found.library = [*acts, *rest], library


def _instead(found: Changed, roster: Roster) -> None:
    """The other roster in the place of the first, and no other after it."""
    seen: set[str] = set()
    acts = []
    for act in found.outside:
        if act.command.type != "roster.set":
            acts.append(act)
        elif act.command.pool not in seen:
            pool = act.command.pool
            seen.add(pool)
            was = {profile["id"] for profile in act.command.data["agents"]}
            item = publications.roster(pool, roster.of_pool(pool))
            command = wire.decode_command(item.command(0).to_json())
            agents = [
                # Nobody said when somebody new comes: there from the first instant.
                {**profile, "present": profile.get("present", False) or profile["id"] not in was}
                for profile in command.data["agents"]
            ]
            acts.append(act._replace(command=with_agents(command, agents)))
    found.outside = acts


def with_agents(command: wire.Command, agents: list[Profile]) -> wire.Command:
    """A ``roster.set`` of others."""
    return msgspec.structs.replace(command, data={**command.data, "agents": agents})


def _staff(found: Changed, staff: tuple[tuple[Range, int], ...]) -> None:
    acts = []
    for act in found.outside:
        command = act.command
        if command.type == "roster.set":
            agents = command.data["agents"]
            for item, count in staff:
                if item.pool in (None, command.pool):
                    agents = staffed(agents, item.name, count, found.cast.like)
            command = with_agents(command, agents)
        acts.append(act._replace(command=command))
    found.outside = acts


def staffed(
    agents: list[Profile], name: str, count: int, like: dict[str, str] | None = None
) -> list[Profile]:
    """As many of a group: the last by id leave, or more come who are copies of each in turn.

    ``like`` learns whom each copy copies. Where nobody is of the group all stays as it is.
    """
    members = sorted((one for one in agents if belongs(one, name)), key=lambda one: str(one["id"]))
    if not members:
        return agents
    if count < len(members):
        leave = {one["id"] for one in members[count:]}
        return [one for one in agents if one["id"] not in leave]
    added = []
    for number in range(count - len(members)):
        model = members[number % len(members)]
        whom = str(model["id"])
        copy = f"{whom}+{number // len(members) + 1}"
        added.append({**model, "id": copy})
        if like is not None:
            like[copy] = like.get(whom, whom)
    return [*agents, *added]


def _presence(found: Changed, story: Story) -> None:
    """Copies come, go and are busy elsewhere with whom they copy; whoever isn't there doesn't."""
    found.cast.gone = _ids(story.outside) - _ids(found.outside)
    copies: dict[str, list[str]] = {}
    for other, model in found.cast.like.items():
        copies.setdefault(model, []).append(other)
    acts = []
    for act in found.outside:
        if not act.command.type.startswith("agent."):
            acts.append(act)
            continue
        agent_id = act.command.agent_id or ""
        if agent_id not in found.cast.gone:
            acts.append(act)
        acts += [act._replace(command=_as(act.command, one)) for one in copies.get(agent_id, [])]
    found.outside = acts


def _ids(acts: list[Act]) -> set[str]:
    """Everybody who is ever in a roster."""
    rosters = [act.command.data for act in acts if act.command.type == "roster.set"]
    return {str(profile["id"]) for data in rosters for profile in data["agents"]}


def _as(command: wire.Command, agent_id: str) -> wire.Command:
    own = command.actor.kind == "agent"
    actor = wire.Actor(kind="agent", id=agent_id) if own else command.actor
    return msgspec.structs.replace(
        command, id=f"{command.id} {agent_id}", agent_id=agent_id, actor=actor
    )


def with_staff(changes: Changes, staff: tuple[tuple[Range, int], ...]) -> Changes:
    """The same with so many."""
    return replace(changes, staff=staff)
