"""``vaxel login``: a one-time link into the console."""

from __future__ import annotations

from pathlib import Path

import click

from vaxel_cli import links, runinfo
from vaxel_cli.commands.options import json_option
from vaxel_cli.console import out, print_json, wrong_use
from vaxel_shared.config import deployment as deployment_files
from vaxel_shared.settings import Settings, from_environment


@click.command()
@click.option("--agent", "agent_id", metavar="ID", help="As this agent; left out, as supervisor.")
@click.option(
    "--url",
    metavar="URL",
    help="Of a register that `vaxel up` doesn't run here; the key is among the secrets.",
)
@runinfo.data_dir_option
@json_option
def login(*, agent_id: str | None, url: str | None, data_dir: Path | None, as_json: bool) -> None:
    """Print a link that opens the console, once, within a quarter of an hour."""
    if url is None:
        run = runinfo.load(data_dir)
        run.url("register")
        settings = run.settings()
    else:
        settings = from_environment(Settings)  # as the services have it
    if agent_id is None:
        role, subject = "supervisor", links.SUPERVISOR
        link = links.for_supervisor(settings, url)
    else:
        agents = {a.id: a for a in deployment_files.load(settings.config_dir).roster.agents}
        if agent_id not in agents:
            raise wrong_use(f"no agent {agent_id!r} in roster.yaml; known are {', '.join(agents)}")
        agent = agents[agent_id]
        role, subject, link = agent.role, agent.id, links.for_agent(settings, agent, url)
    if as_json:
        print_json({"url": link, "role": role, "subject": subject, "valid_ms": links.LINK_MS})
        return
    out.print(link, markup=False)
