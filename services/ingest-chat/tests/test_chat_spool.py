"""The spool: acknowledged means kept, over kills, full disks and damage; in order, by ids."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_chat_hooks import BODY, post, signed

from vaxel_ingest_chat.core.spoolfile import MAGIC, Entry, decode, encode
from vaxel_ingest_chat.shell.spool import Spool
from vaxel_shared.contracts.cloudevents import Event
from vaxel_shared.errors import Fatal, Poison, Retryable
from vaxel_shared.kafka.producer import Ack, Outgoing
from vaxel_shared.kafka.topics import INTERACTIONS

House = Callable[..., Any]


def entry(name: str, count: int = 1) -> Entry:
    return tuple(
        Outgoing(
            INTERACTIONS, "key", f'{{"name": "{name} {n}"}}'.encode(), Event(name, "t", "s", 5)
        )
        for n in range(count)
    )


class Log:
    """Takes records, unless it is away."""

    def __init__(self, away: bool = False) -> None:
        self.away = away
        self.refuses = ""
        self.ids: list[str] = []

    async def send_many(self, records: Sequence[Outgoing]) -> list[Ack]:
        if self.away:
            raise Retryable("is Kafka up?")
        if self.refuses in [record.event.id for record in records]:
            raise Poison("too_large", "never")
        self.ids += [record.event.id for record in records]
        return [Ack(0, 0, 0) for _ in records]


class Open:
    """A spool in a folder while the block lasts."""

    def __init__(self, folder: Path, log: Log, bytes_max: int = 2**30, free: int = 0) -> None:
        self.spool = Spool(folder, log, bytes_max=bytes_max, free_bytes_min=free)
        self._stop = asyncio.Event()

    async def __aenter__(self) -> Spool:
        self.spool.open()
        self._running = asyncio.ensure_future(self.spool.run(self._stop))
        return self.spool

    async def __aexit__(self, *_error: object) -> None:
        self._stop.set()
        await self._running
        await self.spool.close()


async def emptied(spool: Spool) -> None:
    async with asyncio.timeout(20):
        while spool.busy:  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.01)


def files(folder: Path, kind: str = "*.spool") -> list[Path]:
    return sorted(folder.glob(kind))


entries = st.lists(
    st.lists(
        st.builds(
            Outgoing,
            st.just(INTERACTIONS),
            st.text(st.characters(exclude_categories=["Cs"])),
            st.text(st.characters(exclude_categories=["Cs"])).map(str.encode),
            st.builds(Event, st.text("ab"), st.just("t"), st.just("s"), st.integers(0, 2**50)),
        ),
        max_size=3,
    ).map(tuple),
    max_size=4,
)


@given(entries)
def test_a_file_gives_back_what_was_put_in(given_entries: list[Entry]) -> None:
    assert decode(encode(given_entries)) == (given_entries, False)


@given(entries, st.integers(0, 400), st.binary(min_size=1, max_size=3))
def test_a_damaged_file_never_gives_what_was_not_put_in(
    given_entries: list[Entry], place: int, noise: bytes
) -> None:
    data = encode(given_entries)
    place = min(place, len(data) - 1)
    for broken in (data[:place], data[:place] + noise + data[place + len(noise) :], data + noise):
        found, damaged = decode(broken)
        assert all(one in given_entries for one in found)
        assert damaged or found == given_entries or broken[:place] == broken


async def test_what_waited_is_sent_in_order_when_the_log_is_back(tmp_path: Path) -> None:
    log = Log(away=True)
    async with Open(tmp_path, log) as spool:
        await asyncio.gather(*(spool.put(entry(f"{n:03}", 1 + n % 3)) for n in range(300)))
        assert spool.busy
        assert files(tmp_path)
        log.away = False
        await emptied(spool)
        assert list(dict.fromkeys(log.ids)) == [f"{n:03}" for n in range(300)]
        assert files(tmp_path) == []


async def test_what_was_kept_is_sent_by_the_next_process_and_what_was_not_told_is_dropped(
    tmp_path: Path,
) -> None:
    async with Open(tmp_path, Log(away=True)) as spool:
        for name in ("a", "b"):
            await spool.put(entry(name))
    (tmp_path / "0000000000000009-1.partial").write_bytes(encode([entry("half")])[:50])
    log = Log()
    async with Open(tmp_path, log) as spool:
        await emptied(spool)
        await spool.put(entry("c"))
        await emptied(spool)
    assert log.ids == ["a", "b", "c"]
    assert [path.name for path in files(tmp_path, "*")] == ["lock"]


@pytest.mark.parametrize("broken", ["half", "first", "magic", "nothing"])
async def test_a_damaged_file_is_sent_as_far_as_it_goes_and_then_put_aside(
    tmp_path: Path, broken: str
) -> None:
    async with Open(tmp_path, Log(away=True)) as spool:
        await asyncio.gather(spool.put(entry("a")), spool.put(entry("b")))
        await spool.put(entry("z"))
    first = files(tmp_path)[0]
    data = first.read_bytes()
    at = len(MAGIC) + 60
    damaged = {
        "half": data[: len(data) - 10],
        "first": data[:at] + b"X" + data[at + 1 :],
        "magic": b"nonsense" + data[8:],
        "nothing": b"",
    }[broken]
    first.write_bytes(damaged)
    log = Log()
    async with Open(tmp_path, log) as spool:
        await emptied(spool)
    expected = {"half": ["a", "z"], "first": ["b", "z"], "magic": ["a", "b", "z"], "nothing": ["z"]}
    assert log.ids == expected[broken]
    assert [path.read_bytes() for path in files(tmp_path / "corrupt")] == [damaged]
    assert files(tmp_path) == []


async def test_a_record_that_the_log_never_takes_is_put_aside_and_holds_nobody_up(
    tmp_path: Path,
) -> None:
    log = Log(away=True)
    async with Open(tmp_path, log) as spool:
        await asyncio.gather(*(spool.put(entry(name)) for name in "abc"))
        log.refuses, log.away = "b", False
        await emptied(spool)
    assert log.ids == ["a", "c"]
    assert len(files(tmp_path / "corrupt")) == 1


async def test_a_full_spool_refuses_and_what_it_has_stays(tmp_path: Path) -> None:
    log = Log(away=True)
    async with Open(tmp_path, log, bytes_max=3_000) as spool:
        done = await asyncio.gather(
            *(spool.put(entry(str(n))) for n in range(20)), return_exceptions=True
        )
        refused = [str(one) for one in done if isinstance(one, Retryable)]
        kept = done.count(None)
        assert 3 < kept == 20 - len(refused) < 20
        assert "spool_bytes_max" in refused[0]
        log.away = False
        await emptied(spool)
        await spool.put(entry("again"))
        await emptied(spool)
    assert log.ids == [*map(str, range(kept)), "again"]


async def test_a_disk_without_room_refuses_leaves_nothing_half_and_says_why(tmp_path: Path) -> None:
    log = Log(away=True)
    async with Open(tmp_path, log, free=2**60) as spool:
        with pytest.raises(Retryable, match="nearly full"):
            await spool.put(entry("a"))
        assert "nearly full" in spool.reasons()[0]
        assert files(tmp_path, "*-*") == []
        assert spool.depth == 0


async def test_a_disk_that_fails_in_the_middle_refuses_and_works_again_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log(away=True)
    async with Open(tmp_path, log) as spool:
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", _no_room)
            with pytest.raises(Retryable, match="No space left"):
                await spool.put(entry("a"))
        assert files(tmp_path, "*-*") == []
        await spool.put(entry("b"))
        assert spool.reasons() == []
        log.away = False
        await emptied(spool)
    assert log.ids == ["b"]


def _no_room(_descriptor: int) -> None:
    raise OSError(28, "No space left on device")


async def test_two_processes_never_share_a_spool(tmp_path: Path) -> None:
    async with Open(tmp_path, Log()):
        with pytest.raises(Fatal, match="VAXEL_INSTANCE"):
            Spool(tmp_path, Log(), bytes_max=1, free_bytes_min=0).open()


KILLED = """
import asyncio, os, sys
from pathlib import Path
sys.path.insert(0, {here!r})
from test_chat_spool import Log, Open, entry

async def main():
    async with Open(Path({folder!r}), Log(away=True)) as spool:
        async def one(n):
            await spool.put(entry(str(n)))
            os.write(1, f"{{n}}\\n".encode())
            if n == 40:
                os.kill(os.getpid(), 9)
        await asyncio.gather(*(one(n) for n in range(2_000)))

asyncio.run(main())
"""


async def test_whatever_was_acknowledged_before_a_kill_is_sent_after_it(tmp_path: Path) -> None:
    script = KILLED.format(here=str(Path(__file__).parent), folder=str(tmp_path))
    killed = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", script], capture_output=True, check=False
    )
    assert killed.returncode == -9
    told = killed.stdout.decode().split()
    assert len(told) > 20
    log = Log()
    async with Open(tmp_path, log) as spool:
        await emptied(spool)
    assert log.ids == sorted(log.ids, key=int)
    assert set(told) <= set(log.ids)


async def test_a_webhook_is_acknowledged_without_a_broker_and_nothing_overtakes_it(
    house: House,
) -> None:
    async with house(spooled=True, spool_free_bytes_min=0) as running:
        running.log.away = True
        for number in range(3):
            assert await post(running, headers=signed(id_=f"m{number}")) == (204, "")
        assert running.log.told == []
        running.log.away = False
        assert await post(running, headers=signed(id_="m3")) == (204, "")
        await running.until(lambda: not running.spool.busy)
        told = [one["provider"]["message_id"] for one in running.log.told]
        assert told == ["m0", "m1", "m2", "m3"]
        assert await post(running, headers=signed(id_="m4")) == (204, "")
        assert len(running.log.told) == 5  # not by the spool any more


async def test_a_broker_that_hangs_delays_a_webhook_by_less_than_providers_wait(
    house: House,
) -> None:
    async with house(spooled=True, spool_free_bytes_min=0, chat_send_timeout_ms=100) as running:
        running.log.gate = asyncio.Event()
        assert await post(running) == (204, "")
        running.log.gate.set()
        await running.until(lambda: not running.spool.busy)
        assert {one["provider"]["message_id"] for one in running.log.told} == {"m1"}


async def test_a_visitor_without_a_broker_is_acknowledged_too(house: House) -> None:
    async with house(spooled=True, spool_free_bytes_min=0) as running, running.talk() as talk:
        await talk.hello()
        running.log.away = True
        frames = await talk.message("please call me back", 1)
        assert frames[-1]["type"] == "ack"
        running.log.away = False
        shown = (await talk.hear_until("message"))[-1]
        assert (shown["text"], shown["id"]) == ("please call me back", frames[-1]["message_id"])


async def test_where_neither_log_nor_disk_takes_it_the_sender_is_told_to_come_again(
    house: House,
) -> None:
    async with house(spooled=True, spool_free_bytes_min=2**60) as running:
        running.log.away = True
        assert await post(running) == (503, "later")
        async with running.talk() as talk:
            await talk.hello()
            await talk.say(type="message", id="message-0001", text="hello")
            assert (await talk.hear())["type"] == "not_sent"
        running.log.away = False
        assert await post(running) == (204, "")
        assert json.loads(BODY)["data"]["text"] == running.log.told[0]["text"]
