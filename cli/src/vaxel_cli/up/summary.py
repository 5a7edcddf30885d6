"""What `vaxel up` says when everything is ready: where it is, and what to try next. Pure."""

from __future__ import annotations

from vaxel_shared.config.deployment import Deployment
from vaxel_shared.settings import Settings


def summary(settings: Settings, deployment: Deployment, services: list[str], took_s: float) -> str:
    """Some lines for a person."""
    rows: list[tuple[str, str]] = []
    if "ingest-email" in services:
        addresses = ", ".join(account.address for account in deployment.channels.accounts)
        rows.append(("mail in", f"smtp://{settings.bind}:{settings.port('smtp')}  for {addresses}"))
    if "register" in services:
        rows.append(("API", f"{settings.url('register')}/api/v1  tokens in run.json"))
    if "sink" in services:
        rows.append(("mail out", f"{settings.url('sink')}  the mailbox of agents and customers"))
    rows.append(("Kafka", settings.broker))
    rows.append(("data", f"{settings.data_dir}  (run.json, logs/, kafka/)"))
    rows.append(("config", f"{settings.config_dir}  (save a file: it is checked and published)"))
    width = max(len(name) for name, _ in rows)
    lines = ["", f"Ready after {took_s:.1f} s.", ""]
    lines += [f"  {name:<{width}}  {where}" for name, where in rows]
    lines += ["", "Try next:"]
    lines += [f"  {command:<44}{what}" for command, what in TRY_NEXT]
    lines += ["", "Ctrl-C stops everything; what was done stays in the data folder."]
    return "\n".join(lines)


TRY_NEXT = (
    ("./vaxel send email --example fi-billing", "a customer writes, in Finnish, about a bill"),
    ("./vaxel status", "queues, agents, lag"),
    ("./vaxel explain CASE", "why it went where it went"),
)


def farewell(settings: Settings) -> str:
    """The last line."""
    return f"Stopped. Everything is kept in {settings.data_dir}; `vaxel up` goes on from there."
