"""What `vaxel up` says when everything is ready: where it is, and what to try next."""

from __future__ import annotations

from pathlib import Path

from vaxel_cli import links, runinfo
from vaxel_shared.config.deployment import Deployment
from vaxel_shared.settings import Settings


def summary(settings: Settings, deployment: Deployment, services: list[str], took_s: float) -> str:
    """Some lines for a person."""
    rows = console(settings, deployment) if "register" in services else []
    if "ingest-email" in services:
        addresses = ", ".join(deployment.channels.addresses)
        rows.append(("mail in", f"smtp://{settings.bind}:{settings.port('smtp')}  for {addresses}"))
    if "ingest-chat" in services and deployment.channels.ids("chat"):
        rows.append(
            ("chat", f"{settings.url('ingest-chat')}/  a page with the widget, as customer")
        )
    if "register" in services:
        rows.append(("API", f"{settings.url('register')}/api/v1  tokens in run.json"))
    if "sink" in services:
        rows.append(("mail out", f"{settings.url('sink')}  the mailbox of agents and customers"))
    rows.append(("Kafka", settings.broker))
    rows.append(("data", f"{shown(settings.data_dir)}  holds run.json, logs, Kafka's log"))
    rows.append(("config", f"{shown(settings.config_dir)}  save a file: it is checked and used"))
    width = max(len(name) for name, _ in rows)
    lines = ["", f"Ready after {took_s:.1f} s.", ""]
    lines += [f"  {name:<{width}}  {where}" for name, where in rows]
    lines += ["", "Try next, in another terminal:"]
    lines += [f"  {command}" for command in try_next(settings, services)]
    lines += ["", "Ctrl-C stops everything; what was done stays in the data folder."]
    return "\n".join(lines)


def console(settings: Settings, deployment: Deployment) -> list[tuple[str, str]]:
    """Links into the console: as supervisor, and as the first agent who is there."""
    agents = deployment.roster.agents
    rows = [("console", f"{links.for_supervisor(settings)}  as supervisor")]
    agent = next((agent for agent in agents if agent.present), agents[0] if agents else None)
    if agent is not None:
        rows.append(("", f"{links.for_agent(settings, agent)}  as {agent.name} ({agent.id})"))
    rows.append(("", "each opens once, within 15 minutes; `vaxel login` prints another"))
    return rows


TRY_NEXT = (
    ("ingest-email", "send email --example fi-billing", "a Finnish customer writes about a bill"),
    ("ingest-chat", 'send chat --text "My parcel is late"', "a visitor chats"),
    ("", "status", "queues, agents, lag"),
    ("register", "explain CASE", "why it went where it went"),
)
"""The service that each needs, the command, what it does."""


def try_next(settings: Settings, services: list[str]) -> list[str]:
    """Commands that work as they stand, here."""
    program = "./vaxel" if runinfo.project_root() == Path.cwd() else "vaxel"
    where = ""
    if runinfo.find_data_dir() != settings.data_dir:
        where = f" --data-dir {shown(settings.data_dir)}"
    commands = [
        (f"{program} {command}{where}", what)
        for needs, command, what in TRY_NEXT
        if not needs or needs in services
    ]
    width = max(len(command) for command, _ in commands)
    return [f"{command:<{width}}   {what}" for command, what in commands]


def shown(path: Path) -> str:
    """A path as a person here would write it."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def farewell(settings: Settings) -> str:
    """The last line."""
    return (
        f"Stopped. Everything is kept in {shown(settings.data_dir)}; `vaxel up` goes on from there."
    )
