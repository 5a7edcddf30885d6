"""The one place that wires the register together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from vaxel_register.config import RegisterSettings
from vaxel_register.core.limits import COMMAND_WAIT_MS
from vaxel_register.shell.api import Handlers, api_routes
from vaxel_register.shell.arrivals import Arrivals
from vaxel_register.shell.attendance import Attendance
from vaxel_register.shell.commander import Commander
from vaxel_register.shell.console import Console, load_words
from vaxel_register.shell.demo import Demo
from vaxel_register.shell.desk import Desk
from vaxel_register.shell.directory import Directory
from vaxel_register.shell.drafts import Drafts
from vaxel_register.shell.edge import Edge
from vaxel_register.shell.feed import Feed
from vaxel_register.shell.live import RouterLive
from vaxel_register.shell.posts import Posts
from vaxel_register.shell.queries import Queries
from vaxel_register.shell.readers import followers
from vaxel_register.shell.reads import Reads
from vaxel_register.shell.sender import Outlet, Sender
from vaxel_register.shell.sessions import Sessions
from vaxel_register.shell.store import Store
from vaxel_register.shell.streams import Streams
from vaxel_shared.blobs import FolderBlobs
from vaxel_shared.clock import Clock, SystemClock
from vaxel_shared.crypto.keys import Keyring
from vaxel_shared.service import Service, Task
from vaxel_shared.sql import make_engine, migrate

NAME = "register"
MIGRATIONS = Path(__file__).parent / "migrations"


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything of the register that doesn't know Kafka."""

    store: Store
    queries: Queries
    arrivals: Arrivals
    commander: Commander
    feed: Feed
    attendance: Attendance
    demo: Demo
    routes: list[web.RouteDef]
    close: tuple[Callable[[], Awaitable[None]], ...]


def wire(
    settings: RegisterSettings, keyring: Keyring, outlet: Outlet, clock: Clock,
    *, wait_ms: int = COMMAND_WAIT_MS,
) -> Parts:  # fmt: skip
    """API and console over the database; commands go out by ``outlet``."""
    engine = make_engine(settings, NAME)
    store, queries, arrivals = Store(engine), Queries(engine), Arrivals()
    blobs, live, words = FolderBlobs(settings.blobs), RouterLive(settings.router), load_words()
    feed, directory = Feed(queries, store), Directory(queries, blobs)
    demo = Demo(url=settings.demo_url, keyring=keyring)
    sessions = Sessions(
        engine=engine, store=store, keyring=keyring, clock=clock, port=settings.port(NAME),
        secure=settings.secure_cookies,
    )  # fmt: skip
    edge = Edge(
        keyring=keyring, queries=queries, sessions=sessions, clock=clock,
        rate_per_s=settings.api_rate_per_s, burst=settings.api_burst,
    )  # fmt: skip
    commander = Commander(
        store=store, queries=queries, arrivals=arrivals, blobs=blobs, outlet=outlet, clock=clock,
        wait_ms=wait_ms,
    )  # fmt: skip
    attendance = Attendance(
        commander=commander, queries=queries, clock=clock, enabled=settings.console_presence
    )
    seen = settings.agents_see_reasons
    by = Handlers(
        reads=Reads(
            queries=queries, directory=directory, blobs=blobs, live=live, agents_see_reasons=seen
        ),
        posts=Posts(queries=queries, commander=commander, agents_see_reasons=seen),
        drafts=Drafts(queries=queries, store=store, feed=feed, clock=clock),
        desk=Desk(
            queries=queries, directory=directory, sessions=sessions, words=words, demo=demo.there
        ),
        streams=Streams(
            feed=feed, queries=queries, again=edge.principal, clock=clock, attendance=attendance
        ),
        demo=demo,
    )
    routes = [*api_routes(edge, by), *Console(sessions=sessions, words=words).routes()]
    return Parts(
        store,
        queries,
        arrivals,
        commander,
        feed,
        attendance,
        demo,
        routes,
        (engine.dispose, live.close, demo.close),
    )


async def build(settings: RegisterSettings) -> Service:
    """Bring the database up to date and wire readers, writer, API and console.

    The API answers from the database at once, also while the broker or the router is away.
    """
    keyring = Keyring.load(settings.secrets)
    await migrate(settings, NAME, MIGRATIONS)
    clock, sender = SystemClock(), Sender(settings)
    parts = wire(settings, keyring, sender, clock)
    reading = followers(
        settings, store=parts.store, arrivals=parts.arrivals, clock=clock, park=sender.park,
        stored=parts.feed.grown,
    )  # fmt: skip

    def not_ready() -> list[str]:
        reasons = [f"{one.topic} isn't read to its end yet" for one in reading if not one.caught_up]
        reasons += [one.trouble for one in reading if one.trouble is not None]
        if not sender.connected:
            reasons.append(f"the log at {settings.broker} wasn't reached yet")
        return reasons

    tasks: dict[str, Task] = {"sender": sender.run, "feed": parts.feed.run}
    tasks["attendance"] = parts.attendance.run
    tasks |= {one.topic: one.run for one in reading}
    return Service(
        name=NAME,
        settings=settings,
        tasks=tasks,
        routes=parts.routes,
        not_ready=not_ready,
        closers=list(parts.close),
    )
