"""``roster.yaml``: who works, what each can do, and where each is reached.

The router only ever sees :class:`~vaxel_shared.contracts.commands.AgentProfile`; names and
addresses go into the *directory*, a blob that decisions name by reference.
"""

from __future__ import annotations

import hashlib
import json
from typing import Literal

from pydantic import Field, model_validator

from vaxel_shared.config.base import ConfigModel, Duration, LanguageTag, Located
from vaxel_shared.contracts import commands
from vaxel_shared.contracts.commands import AgentProfile, ChannelCapacity

Role = Literal["agent", "senior", "supervisor"]


class Capacity(ConfigModel):
    """What one work of a channel costs of the total, and how many at once."""

    cost: int = Field(default=1, ge=1, le=1000)
    max: int = Field(default=1, ge=0, le=1000)
    interrupted_by: list[str] = Field(default_factory=list, max_length=50)
    """Channels for whose work this one's is put aside, and takes no capacity from them."""


class Share(ConfigModel):
    """So many works within a time."""

    most: int = Field(ge=1, le=1000)
    within_ms: Duration = Field(alias="within", ge=60_000, le=31 * 86_400_000)


class Occupancy(ConfigModel):
    """Work in hand for at most so many percent of any such time."""

    most: int = Field(ge=1, le=99)
    within_ms: Duration = Field(alias="within", ge=60_000, le=86_400_000)


class Agent(Located):
    """One person. ``id`` is a pseudonym: it stands in logs and decisions, so make it no name."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")
    name: str
    email: str
    pool: str
    role: Role = "agent"
    tier: int = Field(default=1, ge=1, le=9)
    skills: dict[str, int] = Field(default_factory=dict)
    languages: dict[LanguageTag, int] = Field(min_length=1)
    capacity: int = Field(default=4, ge=0, le=1000)
    channels: dict[str, Capacity] = Field(default_factory=lambda: {"email": Capacity(max=4)})
    present: bool = False
    """Available from the first second, until somebody says otherwise."""
    max_offers: int | None = Field(default=None, ge=1, le=1000)
    """So many offers may be open at once; left out, as many as there is capacity for."""
    auto_accept: list[str] = Field(default_factory=list, max_length=50)
    """Channels whose work is the agent's at once, without being asked."""

    backup: str | None = None
    """The id of who stands in with this agent's own customers, while away."""
    shift: str | None = None
    """A calendar of `sla.yaml`: new work comes within its hours only."""
    authority: int | None = Field(default=None, ge=1, le=2**31)
    """What the agent may grant a customer, and approve, in the smallest unit (cents)."""
    share: Share | None = None
    """Like `{most: 6, within: 1h}`: so many works are given out in that time, and no more."""
    occupancy: Occupancy | None = None
    """Like `{most: 85, within: 2h}`: work in hand for so many percent of any two hours at most."""
    queue_order: list[str] = Field(default_factory=list, max_length=50)
    """Queues whose work the agent takes before that of others, the first of them first."""

    @model_validator(mode="after")
    def _interrupts(self) -> Agent:
        for name, item in self.channels.items():
            for other in item.interrupted_by:
                if other == name or other not in self.channels:
                    known = ", ".join(one for one in self.channels if one != name) or "none"
                    raise ValueError(f"{name} can't be interrupted by {other!r}; known are {known}")
        return self

    @model_validator(mode="after")
    def _levels(self) -> Agent:
        for what, levels in (("skill", self.skills), ("language", self.languages)):
            for name, level in levels.items():
                if not 1 <= level <= 10:
                    raise ValueError(f"{what} {name!r} has level {level}; levels are 1 to 10")
        if "authority" in self.skills:
            raise ValueError("authority is no skill: write `authority: 5000` beside the skills")
        return self

    def profile(self) -> AgentProfile:
        """What the router may know."""
        return AgentProfile(
            id=self.id,
            tier=self.tier,
            skills=dict(sorted(self.skills.items())),
            languages=dict(sorted(self.languages.items())),
            capacity=self.capacity,
            channels={
                name: ChannelCapacity(
                    cost=item.cost,
                    max=item.max,
                    interrupted_by=sorted(item.interrupted_by) or None,
                )
                for name, item in sorted(self.channels.items())
            },
            present=self.present,
            max_offers=self.max_offers,
            auto_accept=sorted(self.auto_accept) or None,
            backup=self.backup,
            shift=self.shift,
            share=commands.Share(most=self.share.most, within_ms=self.share.within_ms)
            if self.share is not None
            else None,
            occupancy=commands.Occupancy(
                most=self.occupancy.most, within_ms=self.occupancy.within_ms
            )
            if self.occupancy is not None
            else None,
            authority=self.authority,
            queue_order=self.queue_order or None,
        )


class Roster(ConfigModel):
    """The whole file."""

    agents: list[Agent] = Field(max_length=20_000)

    @model_validator(mode="after")
    def _unique(self) -> Roster:
        ids = [agent.id for agent in self.agents]
        doubled = sorted({name for name in ids if ids.count(name) > 1}) if len(ids) < 2000 else []
        if len(ids) != len(set(ids)):
            raise ValueError(f"agents with the same id: {', '.join(doubled) or 'some'}; rename one")
        return self

    def of_pool(self, pool: str) -> list[Agent]:
        """The agents of one pool, by id."""
        return sorted((a for a in self.agents if a.pool == pool), key=lambda agent: agent.id)


def directory(agents: list[Agent]) -> bytes:
    """The directory blob: names, addresses and roles by agent id, canonical JSON."""
    plain = {a.id: {"name": a.name, "email": a.email, "role": a.role} for a in agents}
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def roster_version(agents: list[Agent]) -> str:
    """The sha256 of profiles and directory together: it changes when anything does."""
    digest = hashlib.sha256(directory(agents))
    for agent in agents:
        digest.update(agent.profile().to_json())
    return digest.hexdigest()
