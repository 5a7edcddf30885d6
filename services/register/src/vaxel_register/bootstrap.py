"""The one place that wires the register together."""

from __future__ import annotations

from pathlib import Path

from vaxel_register.config import RegisterSettings
from vaxel_register.shell.api import api_routes
from vaxel_register.shell.arrivals import Arrivals
from vaxel_register.shell.commander import Commander
from vaxel_register.shell.directory import Directory
from vaxel_register.shell.edge import Edge
from vaxel_register.shell.live import RouterLive
from vaxel_register.shell.posts import Posts
from vaxel_register.shell.queries import Queries
from vaxel_register.shell.readers import followers
from vaxel_register.shell.reads import Reads
from vaxel_register.shell.sender import Sender
from vaxel_register.shell.store import Store
from vaxel_shared.blobs import FolderBlobs
from vaxel_shared.clock import SystemClock
from vaxel_shared.crypto.keys import Keyring
from vaxel_shared.service import Service, Task
from vaxel_shared.sql import make_engine, migrate

NAME = "register"
MIGRATIONS = Path(__file__).parent / "migrations"


async def build(settings: RegisterSettings) -> Service:
    """Bring the database up to date and wire readers, writer and API.

    The API answers from the database at once, also while the broker or the router is away.
    """
    keyring = Keyring.load(settings.secrets)
    await migrate(settings, NAME, MIGRATIONS)
    engine = make_engine(settings, NAME)
    clock, arrivals, sender = SystemClock(), Arrivals(), Sender(settings)
    store, queries = Store(engine), Queries(engine)
    blobs, live = FolderBlobs(settings.blobs), RouterLive(settings.router)
    reading = followers(settings, store=store, arrivals=arrivals, clock=clock, park=sender.park)
    commander = Commander(
        store=store, queries=queries, arrivals=arrivals, blobs=blobs, outlet=sender, clock=clock
    )
    edge = Edge(
        keyring=keyring,
        queries=queries,
        clock=clock,
        rate_per_s=settings.api_rate_per_s,
        burst=settings.api_burst,
    )
    reads = Reads(
        queries=queries,
        directory=Directory(queries, blobs),
        blobs=blobs,
        live=live,
        agents_see_reasons=settings.agents_see_reasons,
    )
    posts = Posts(
        queries=queries, commander=commander, agents_see_reasons=settings.agents_see_reasons
    )

    def not_ready() -> list[str]:
        reasons = [f"{one.topic} isn't read to its end yet" for one in reading if not one.caught_up]
        if not sender.connected:
            reasons.append(f"the log at {settings.broker} wasn't reached yet")
        return reasons

    tasks: dict[str, Task] = {"sender": sender.run}
    tasks |= {one.topic: one.run for one in reading}
    return Service(
        name=NAME,
        settings=settings,
        tasks=tasks,
        routes=api_routes(edge, reads, posts),
        not_ready=not_ready,
        closers=[engine.dispose, live.close],
    )
