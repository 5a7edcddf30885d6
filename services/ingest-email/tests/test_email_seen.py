"""Message ids that are used again: for the same words a repeat, for other words a flag."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from vaxel_ingest_email.core.fields import Envelope
from vaxel_ingest_email.core.normalize import AccountRef, Parsed, parse
from vaxel_ingest_email.shell import seen as module
from vaxel_ingest_email.shell.intake import Intake
from vaxel_ingest_email.shell.seen import DAY_MS, Seen, key_of
from vaxel_shared.blobs import FolderBlobs
from vaxel_shared.clock import ManualClock
from vaxel_shared.contracts.interaction import Interaction
from vaxel_shared.crypto.keys import Keyring
from vaxel_shared.kafka.producer import Ack, Outgoing
from vaxel_shared.settings import Settings

NAME = "ingest-email"
ACCOUNT = AccountRef("support", "support@vaxel.example", "main")
OTHER = AccountRef("billing", "billing@vaxel.example", "main")


def mail(words: str, message_id: str = "<1@shop.example>") -> bytes:
    return (
        f"From: Jane <jane@shop.example>\r\nTo: support@vaxel.example\r\nSubject: A bill\r\n"
        f"Message-ID: {message_id}\r\n\r\n{words}\r\n"
    ).encode()


class Here:
    """An intake with its memory; the log is a list."""

    def __init__(self, folder: Path, clock: ManualClock, url: str | None = None) -> None:
        settings = Settings(data_dir=folder, database_url=url)
        self.seen = Seen(settings, NAME, clock)
        self.told: list[Interaction] = []
        self.intake = Intake(
            parser=self, blobs=FolderBlobs(folder / "blobs"), sender=self,
            keyring=Keyring(b"k" * 32), clock=clock, timeout_ms=5_000, seen=self.seen,
        )  # fmt: skip

    async def parse(self, raw: bytes, envelope: Envelope, received_at_ms: int) -> Parsed:
        return parse(raw, envelope, received_at_ms)

    async def send_many(self, records: Any) -> list[Ack]:
        made: list[Outgoing] = list(records)
        self.told += [Interaction.model_validate_json(one.value) for one in made]
        return [Ack(0, 0, 0) for _ in made]

    async def take(self, words: str, message_id: str = "<1@shop.example>") -> Interaction:
        await self.intake.take(mail(words, message_id), Envelope("j@x.example", ()), [ACCOUNT])
        return self.told[-1]

    async def settled(self) -> None:
        async with asyncio.timeout(60):
            while self.seen._unwritten or not self.seen._pruned_ms:  # noqa: ASYNC110
                await asyncio.sleep(0.02)


@asynccontextmanager
async def process(folder: Path, clock: ManualClock, url: str | None = None) -> AsyncIterator[Here]:
    """One life of the service; what is known in memory ends with it."""
    here = Here(folder, clock, url)
    stop = asyncio.Event()
    task = asyncio.ensure_future(here.seen.run(stop))
    try:
        yield here
    finally:
        stop.set()
        await task
        await here.seen.close()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest) -> Any:
    if request.param == "sqlite":
        yield None
        return
    server = request.getfixturevalue("postgres")
    server.create("seen_test")
    yield server.url("seen_test")
    server.drop("seen_test")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WRITE_EVERY_S", 0.02)
    monkeypatch.setattr(module, "LOOK_S_MAX", 20)  # the machine may be busy; mails don't wait here


def flagged(one: Interaction) -> bool:
    return one.flags is not None and one.flags.reused_id is not None and one.flags.reused_id.value


async def test_a_used_id_is_known_over_restarts_for_eight_days_and_then_forgotten(
    tmp_path: Path, url: str | None
) -> None:
    clock = ManualClock()
    begin_ms = clock.wall_ms()
    async with process(tmp_path, clock, url) as here:
        first = await here.take("Hello.")
        again = await here.take("Hello.")
        assert (flagged(first), flagged(again)) == (False, False)
        assert first.id == again.id
        await here.settled()
    for day in (1, 5, 8):
        clock.advance(begin_ms + day * DAY_MS - clock.wall_ms())
        async with process(tmp_path, clock, url) as here:
            await here.settled()
            other = await here.take(f"Other words {day}.")
            assert flagged(other)
            assert other.flags is not None
            assert other.flags.reused_id is not None
            assert other.flags.reused_id.evidence == ["message_id_seen_with_other_content"]
            repeat = await here.take("Hello.")
            assert (flagged(repeat), repeat.id) == (False, first.id)
    clock.advance(3 * DAY_MS)
    async with process(tmp_path, clock, url) as here:
        await here.settled()
        assert not flagged(await here.take("Other words in the end."))


async def test_accounts_are_apart_and_a_mail_without_an_id_is_itself(tmp_path: Path) -> None:
    async with process(tmp_path, ManualClock()) as here:
        await here.take("Hello.")
        await here.intake.take(mail("Else."), Envelope("j@x.example", ()), [OTHER])
        assert not flagged(here.told[-1])
        await here.intake.take(mail("Else."), Envelope("j@x.example", ()), [OTHER, ACCOUNT])
        assert [flagged(one) for one in here.told[-2:]] == [False, True]
        await here.take("One.", "")
        assert not flagged(await here.take("Two.", ""))


async def test_mail_is_taken_while_the_database_is_away(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / f"{NAME}.db").mkdir()  # no database can be opened there
    async with process(folder, ManualClock()) as here:
        await here.take("Hello.")
        assert flagged(await here.take("Other words."))  # what this process knows itself
        assert len(here.told) == 2
        (folder / f"{NAME}.db").rmdir()
        await here.settled()
    async with process(folder, ManualClock()) as here:
        await here.settled()
        assert flagged(await here.take("Other words again."))


async def test_what_waits_for_the_database_is_known_however_much_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RECENT_MAX", 5)
    seen = Seen(Settings(data_dir=tmp_path), NAME, ManualClock())
    for number in range(20):
        seen.note(key_of("a", str(number)), "content")
    assert await seen.other_words({key_of("a", "0"): "other"}) == {key_of("a", "0")}
    assert await seen.other_words({key_of("a", "0"): "content"}) == set()


async def test_memory_and_table_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "UNWRITTEN_MAX", 50)
    monkeypatch.setattr(module, "RECENT_MAX", 50)
    monkeypatch.setattr(module, "ROWS_MAX", 60)
    monkeypatch.setattr(module, "PRUNE_EVERY_MS", 0)
    clock = ManualClock()
    async with process(tmp_path, clock) as here:
        await here.settled()
        for day in range(4):
            for number in range(40):
                here.seen.note(key_of("a", f"{day} {number}"), "content")
            await here.settled()
            clock.advance(DAY_MS)
        await asyncio.sleep(0.1)
        assert here.seen._engine is not None
        async with here.seen._engine.connect() as connection:
            rows = (
                await connection.execute(text("SELECT day, count(*) FROM seen GROUP BY day"))
            ).all()
        assert [count for _, count in rows] == [40]
        assert len(here.seen._recent) == 50
