"""A visitor left when no line of theirs was open for some time, and had written something."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

House = Callable[..., Any]
SOON_MS = 50


def ends(running: Any) -> list[dict[str, Any]]:
    return [one for one in running.log.told if one["kind"] == "membership"]


async def test_who_wrote_and_is_gone_for_long_enough_has_left(house: House) -> None:
    async with house(chat_left_after_ms=SOON_MS) as running:
        async with running.talk() as talk:
            await talk.hello()
            await talk.message("Hei!")
        await running.until(lambda: ends(running))
        (told,) = ends(running)
        assert told["status"] == {"state": "left"}
        assert told["conversation_key"] == running.log.told[0]["conversation_key"]
        await asyncio.sleep(SOON_MS * 3 / 1000)
        assert len(ends(running)) == 1


async def test_who_comes_back_in_time_or_has_another_tab_has_not_left(house: House) -> None:
    async with house(chat_left_after_ms=SOON_MS * 4) as running:
        async with running.talk() as talk:
            token = (await talk.hello())["token"]
            await talk.message("Hei!")
            async with running.talk() as tab:
                await tab.hello(token)
            await asyncio.sleep(SOON_MS * 6 / 1000)
            assert ends(running) == [], "the other tab is open"
        async with running.talk() as talk:
            await talk.hello(token)
            await asyncio.sleep(SOON_MS * 6 / 1000)
            assert ends(running) == []
        await running.until(lambda: ends(running))


async def test_who_wrote_before_a_restart_leaves_as_well(house: House) -> None:
    async with house(chat_left_after_ms=SOON_MS) as running:
        async with running.talk() as talk:
            token = (await talk.hello())["token"]
            await talk.message("Hei!")
        await running.until(lambda: ends(running))
        async with running.talk() as talk:
            await talk.hello(token)
        await running.until(lambda: len(ends(running)) == 2)


async def test_who_wrote_nothing_leaves_nothing_and_a_time_of_0_tells_nothing(house: House) -> None:
    async with house(chat_left_after_ms=SOON_MS) as running:
        async with running.talk() as talk:
            await talk.hello()
        await asyncio.sleep(SOON_MS * 3 / 1000)
        assert running.log.told == []
    async with house(chat_left_after_ms=0) as running:
        async with running.talk() as talk:
            await talk.hello()
            await talk.message("Hei!")
        await asyncio.sleep(SOON_MS * 3 / 1000)
        assert ends(running) == []


async def test_it_is_told_again_and_again_until_the_log_has_it(house: House) -> None:
    async with house(chat_left_after_ms=SOON_MS) as running:
        async with running.talk() as talk:
            await talk.hello()
            await talk.message("Hei!")
            running.log.away = True
        await asyncio.sleep(SOON_MS * 3 / 1000)
        assert ends(running) == []
        running.log.away = False
        await running.until(lambda: ends(running))
