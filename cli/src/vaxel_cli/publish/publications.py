"""What a deployment's files amount to as commands and blobs: pure.

For each pool its policy, then its roster: a roster without a policy routes nothing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

from vaxel_shared import ids
from vaxel_shared.blobs import ref_of
from vaxel_shared.config.deployment import Deployment, policy_blob
from vaxel_shared.config.roster import Agent, directory, roster_version
from vaxel_shared.config.routing import Pool, policy_version
from vaxel_shared.contracts.base import Contract
from vaxel_shared.contracts.commands import Actor, Command, PolicyPublish, RosterSet

SOURCE = "file"
ACTOR = Actor(kind="system", id="publisher")

Kind = Literal["policy", "roster"]


@dataclass(frozen=True, slots=True)
class Publication:
    """One pool's policy or roster: the command's type and data, and the blob that it names."""

    pool: str
    kind: Kind
    version: str
    command_type: str
    data: Contract
    blob: bytes
    agents: frozenset[str] = frozenset()
    """Of a roster: who is in it."""

    def command(self, serial: int) -> Command:
        """The command; ``serial`` tells A, then B, then A again from A twice."""
        return Command(
            id=ids.event_id(self.command_type, self.pool, self.version, str(serial)),
            type=self.command_type,
            pool=self.pool,
            actor=ACTOR,
            via=SOURCE,
            data=self.data.to_dict(),
        )


def publications(deployment: Deployment) -> list[Publication]:
    """Everything that should be published, in the order in which to send it."""
    pools = deployment.routing.pools
    policies = [policy(deployment, pool) for pool in pools]
    rosters = [roster(pool.name, deployment.roster.of_pool(pool.name)) for pool in pools]
    return policies + rosters


def policy(deployment: Deployment, pool: Pool) -> Publication:
    """A pool's policy."""
    blob = policy_blob(deployment, pool)
    version = policy_version(blob)
    data = PolicyPublish(kind="routing", version=version, ref=ref_of("policy", blob))
    return Publication(pool.name, "policy", version, "policy.publish", data, blob)


def roster(pool: str, agents: list[Agent]) -> Publication:
    """A pool's agents: profiles in the command, names and addresses in the blob."""
    blob = directory(agents)
    version = roster_version(agents)
    data = RosterSet(
        source=SOURCE,
        version=version,
        directory_ref=ref_of("roster", blob),
        directory_sha256=hashlib.sha256(blob).hexdigest(),
        agents=[agent.profile() for agent in agents],
    )
    ids_ = frozenset(agent.id for agent in agents)
    return Publication(pool, "roster", version, "roster.set", data, blob, ids_)
