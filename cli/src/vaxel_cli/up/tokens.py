"""The bearer tokens of the API that `vaxel up` hands to scripts through ``run.json``."""

from __future__ import annotations

from vaxel_cli.runinfo import Tokens
from vaxel_shared.config.deployment import Deployment
from vaxel_shared.crypto.keys import Keyring
from vaxel_shared.crypto.tokens import api_token
from vaxel_shared.settings import Settings


def tokens(settings: Settings, deployment: Deployment) -> Tokens:
    """One for an administrator, one for a supervisor, one for each agent of the roster."""
    keyring = Keyring.load(settings.secrets)
    agent_ids = sorted(agent.id for agent in deployment.roster.agents)
    return Tokens(
        admin=api_token(keyring, "admin", "admin"),
        supervisor=api_token(keyring, "supervisor", "supervisor"),
        agents={agent_id: api_token(keyring, "agent", agent_id) for agent_id in agent_ids},
    )
