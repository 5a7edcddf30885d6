"""What `vaxel up` runs: which services there are, and which ports each listens on."""

from __future__ import annotations

from dataclasses import dataclass

from vaxel_cli.console import wrong_use


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """One process. Its port for health, readiness and metrics has its own name."""

    name: str
    module: str
    does: str
    listens: tuple[str, ...] = ()
    """Ports besides its own."""
    infrastructure: bool = False
    """Stopped only after the services that use it."""

    @property
    def ports(self) -> tuple[str, ...]:
        """All of its ports, by name."""
        return (self.name, *self.listens)


SERVICES = (
    ServiceSpec("sink", "vaxel_cli.sink", "local mailbox", ("sink-smtp",), infrastructure=True),
    ServiceSpec("router", "vaxel_router", "decides"),
    ServiceSpec("triage", "vaxel_triage", "understands"),
    ServiceSpec("ingest-email", "vaxel_ingest_email", "takes mail in", ("smtp",)),
    ServiceSpec("ingest-chat", "vaxel_ingest_chat", "takes chats and webhooks in"),
    ServiceSpec("sla-monitor", "vaxel_sla_monitor", "keeps the clocks"),
    ServiceSpec("delivery", "vaxel_delivery", "does what was decided"),
    ServiceSpec("register", "vaxel_register", "cases and API"),
)

BROKER_PORTS = ("broker", "controller")


def select(only: str | None) -> tuple[ServiceSpec, ...]:
    """The services that ``--only`` names, all when it is left out. Raises (exit 2) for others."""
    if only is None:
        return SERVICES
    names = [name.strip() for name in only.split(",") if name.strip()]
    known = {spec.name for spec in SERVICES}
    for name in names:
        if name not in known:
            raise wrong_use(f"--only {name}: no such service; known are {', '.join(sorted(known))}")
    if not names:
        raise wrong_use("--only needs a service, e.g. --only router,triage")
    return tuple(spec for spec in SERVICES if spec.name in names)
