"""Which message ids were seen, for longer than any sender tries again; an advice, never a verdict.

It tells a Message-ID that is used again for other words (``flags.reused_id``) from a repeat. A
repeat itself is sent on with its old id, and the router ends it: the memory that counts is in the
log, this one may be lost. So mail is taken while the database is away, without the flag, and what
is seen is written a little later, many at a time.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import delete, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncEngine

from vaxel_ingest_email.shell.tables import SEEN
from vaxel_shared.clock import Clock
from vaxel_shared.errors import Retryable
from vaxel_shared.kafka.retry import Backoff, Stopping
from vaxel_shared.obs import metrics
from vaxel_shared.obs.logging import get_logger
from vaxel_shared.settings import Settings
from vaxel_shared.sql import answering, make_engine, migrate

MIGRATIONS = Path(__file__).parents[1] / "migrations"
DAYS = 9
"""Kept: eight whole days and the one that has begun. Senders give up after five."""
ROWS_MAX = 20_000_000
"""About 3 GB; beyond it the oldest day goes first."""
UNWRITTEN_MAX = 20_000
"""Waiting for the database; beyond it the oldest are forgotten."""
RECENT_MAX = 2_000
"""Remembered without asking the database, besides what waits for it."""
LOOK_S_MAX = 0.5
"""A mail waits no longer for this advice."""
WRITE_EVERY_S = 0.5
WRITE_ROWS_MAX = 1_000
PRUNE_EVERY_MS = 3_600_000
DAY_MS = 86_400_000
AWAY_MS_MAX = 30 * DAY_MS


class Seen:
    """Ask :meth:`other_words` before, tell :meth:`note` after a mail was taken."""

    def __init__(self, settings: Settings, name: str, clock: Clock) -> None:
        self._settings = settings
        self._name = name
        self._clock = clock
        self._engine: AsyncEngine | None = None
        self._recent: OrderedDict[str, str] = OrderedDict()
        self._unwritten: OrderedDict[str, tuple[str, int]] = OrderedDict()
        self._pruned_ms = 0

    async def other_words(self, asked: Mapping[str, str]) -> set[str]:
        """Of ``asked`` (key → content) the keys that were seen with other content. Never raises."""
        found = {key: content for key in asked if (content := self._known(key)) is not None}
        unknown = [key for key in asked if key not in found]
        if unknown and self._engine is not None:
            try:
                async with asyncio.timeout(LOOK_S_MAX):
                    stored = await self._stored(self._engine, unknown)
                found |= stored
                for key, content in stored.items():
                    self._remember(key, content)  # the first content stays, whatever comes now
            except (Retryable, TimeoutError):
                metrics.RETRIES.labels("seen").inc()
        return {key for key, content in found.items() if content != asked[key]}

    def note(self, key: str, content: str) -> None:
        """A mail with this id was taken; the first content of an id is the one that stays."""
        if self._known(key) is not None:
            return
        self._remember(key, content)
        self._unwritten[key] = (content, self._clock.wall_ms() // DAY_MS)
        if len(self._unwritten) > UNWRITTEN_MAX:
            self._unwritten.popitem(last=False)

    def _known(self, key: str) -> str | None:
        """The content that is remembered here, if it is."""
        if (waiting := self._unwritten.get(key)) is not None:
            return waiting[0]
        return self._recent.get(key)

    def _remember(self, key: str, content: str) -> None:
        self._recent[key] = content
        if len(self._recent) > RECENT_MAX:
            self._recent.popitem(last=False)

    async def run(self, stop: asyncio.Event) -> None:
        """Write what is noted until asked to stop; then what is left, if that works at once."""
        backoff = Backoff(AWAY_MS_MAX)
        while not stop.is_set():
            try:
                await self._work()
                backoff.reset()
                await asyncio.wait_for(stop.wait(), WRITE_EVERY_S)
            except TimeoutError:
                continue
            except Retryable as error:
                try:
                    await backoff.pause("seen", error, stop)
                except Stopping:
                    return
        try:
            await self._work()
        except Retryable as error:
            get_logger().info("seen_unwritten", count=len(self._unwritten), error=str(error))

    async def close(self) -> None:
        """Let go of the database."""
        if self._engine is not None:
            await self._engine.dispose()

    async def _work(self) -> None:
        """Open the database if need be, write, and prune now and then. Raises Retryable."""
        if self._engine is None:
            await migrate(self._settings, self._name, MIGRATIONS)
            self._engine = make_engine(self._settings, self._name)
        while self._unwritten:
            rows = list(self._unwritten.items())[:WRITE_ROWS_MAX]
            await self._write(self._engine, rows)
            for key, _ in rows:
                self._unwritten.pop(key, None)
        now_ms = self._clock.wall_ms()
        if now_ms - self._pruned_ms >= PRUNE_EVERY_MS:
            await self._prune(self._engine, now_ms // DAY_MS)
            self._pruned_ms = now_ms

    async def _stored(self, engine: AsyncEngine, keys: list[str]) -> dict[str, str]:
        with answering():
            async with engine.connect() as connection:
                rows = await connection.execute(
                    select(SEEN.c.key, SEEN.c.content).where(SEEN.c.key.in_(keys))
                )
                return {row.key: row.content for row in rows}

    async def _write(self, engine: AsyncEngine, rows: list[tuple[str, tuple[str, int]]]) -> None:
        insert = sqlite.insert if engine.dialect.name == "sqlite" else postgresql.insert
        values = [{"key": key, "content": content, "day": day} for key, (content, day) in rows]
        with answering():
            async with engine.begin() as connection:
                await connection.execute(insert(SEEN).on_conflict_do_nothing(), values)

    async def _prune(self, engine: AsyncEngine, today: int) -> None:
        """Forget what is too old, and of too many the oldest days; never today's."""
        with answering():
            async with engine.begin() as connection:
                await connection.execute(delete(SEEN).where(SEEN.c.day <= today - DAYS))
                by_day = select(SEEN.c.day, func.count()).group_by(SEEN.c.day).order_by(SEEN.c.day)
                counts = [(row[0], row[1]) for row in await connection.execute(by_day)]
                total = sum(count for _, count in counts)
                for day, count in counts:
                    if total <= ROWS_MAX or day >= today:
                        break
                    await connection.execute(delete(SEEN).where(SEEN.c.day == day))
                    total -= count


def key_of(account_id: str, message_id: str) -> str:
    """What an id of an account is remembered by: no address can be read from it."""
    return hashlib.sha256(f"{account_id}\x1f{message_id}".encode()).hexdigest()
