"""Broken builds are caught: what each of them loses, doubles or hangs on shows up as a violation."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from everycall.faults import Kind, Plan
from everycall.run import scenario
from everycall.sweep import run_once

from vaxel_delivery.shell.outbox import Outbox
from vaxel_delivery.shell.store import Store
from vaxel_delivery.shell.tables import CURSORS, EFFECTS
from vaxel_ingest_email.shell.intake import Intake, Taken
from vaxel_shared import blobs
from vaxel_shared.errors import Retryable
from vaxel_shared.kafka import topic_reader
from vaxel_shared.kafka.consumer import GroupConsumer
from vaxel_shared.kafka.writer import ChainWriter
from vaxel_shared.sql import save_cursor


def violations(service: str, kind: Kind, port: str) -> list[str]:
    """What is wrong with the first history that breaks because a call to ``port`` goes wrong."""
    make, undisturbed = scenario(service), Plan()
    found, _ = run_once(make, undisturbed)
    assert not found, "the broken build must look whole while nothing goes wrong"
    for at, name in enumerate(undisturbed.ports, start=1):
        if name == port:
            found, _ = run_once(make, Plan(kind, at))
            if found:
                return found
    return []


def test_an_offset_that_moves_before_the_commands_are_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    async def early(self: Any, consumer: Any, tp: Any, records: Any, handle: Any) -> None:
        await self._cursor.check(records)
        await self._commit(consumer, tp, records[-1])
        await self._handled(records, handle)

    monkeypatch.setattr(GroupConsumer, "_batch", early)
    assert "commands" in str(violations("triage", Kind.DIES, "log.append"))


def test_a_cursor_that_is_stored_before_its_effects(monkeypatch: pytest.MonkeyPatch) -> None:
    fold = Store.fold

    async def early(self: Any, changes: Any, cursors: Any) -> None:
        for row in cursors:
            await self.write(lambda connection, row=row: save_cursor(connection, CURSORS, row))
        await fold(self, changes, [])

    monkeypatch.setattr(Store, "fold", early)
    assert "isn't through in time" in str(violations("delivery", Kind.DIES_AFTER, "sql.commit"))


def test_a_mail_of_a_dead_run_that_is_taken_for_unsent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its repeat says nothing of being one."""

    async def forget(self: Any, _now_ms: int) -> int:
        statement = EFFECTS.update().where(EFFECTS.c.state == "sending").values(state="pending")
        await self._store.write(lambda connection: connection.execute(statement).rowcount)
        return 0

    monkeypatch.setattr(Outbox, "recover", forget)
    assert "told nothing of it" in str(violations("delivery", Kind.DIES_AFTER, "smtp.data"))


def test_a_250_before_the_broker_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    take = Intake.take

    async def hasty(self: Any, *args: Any) -> Any:
        try:
            return await take(self, *args)
        except Retryable:
            return Taken(["lost"], "message", None)

    monkeypatch.setattr(Intake, "take", hasty)
    assert "was taken as" in str(violations("ingest-email", Kind.RAISES, "log.append"))


def test_an_append_that_is_taken_for_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """The state goes on from a record that isn't there."""

    async def trusting(self: Any, reason: str) -> Any:
        self._ready = True
        return Retryable(reason + "; going on")

    monkeypatch.setattr(ChainWriter, "_missed", trusting)
    monkeypatch.setattr(ChainWriter, "restore", _once(ChainWriter.restore))
    assert violations("router", Kind.RAISES_AFTER, "log.append")


def _once(restore: Any) -> Any:
    async def only_first(self: Any, fold: Any, start: Any) -> None:
        if not self.claimed:
            await restore(self, fold, start)

    return only_first


def test_a_read_without_a_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topic_reader, "REQUEST_TIMEOUT_MS", 3_600_000)
    assert "at most 30" in str(violations("router", Kind.HANGS, "log.read"))


def test_a_disk_without_a_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    @asynccontextmanager
    async def patient(_self: Any) -> AsyncIterator[None]:
        yield

    monkeypatch.setattr(blobs.FolderBlobs, "_in_time", patient)
    assert "at most 30" in str(violations("router", Kind.HANGS, "blobs.get"))


def test_an_error_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def mute(*_: Any) -> Any:
        raise KeyError("through")

    monkeypatch.setattr(ChainWriter, "_missed", mute)
    found = violations("router", Kind.RAISES, "log.append")
    assert "neither Poison, Retryable nor Fatal" in str(found)
