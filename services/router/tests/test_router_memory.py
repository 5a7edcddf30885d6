"""Which commands were applied: what is remembered, in which bytes, and for how long."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from router_harness import Router

from vaxel_router.core import memory as memories
from vaxel_router.core import state as states
from vaxel_router.core.limits import DAY_MS, MEMORY_DAYS
from vaxel_router.core.memory import MARK_BYTES, Memory, fingerprint

IDS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 25)), max_size=60)


@given(IDS)
def test_the_marks_of_a_state_hold_all_that_its_memory_knows(told: list[tuple[int, int]]) -> None:
    days: dict[str, bytearray] = {}
    memory = Memory(days)
    known: dict[int, set[str]] = {}
    for number, day in sorted(told, key=lambda one: one[1]):
        name = f"command-{number}"
        held = any(name in names for names in known.values())
        assert (name in memory) == held
        if not held:
            memory.add(name, day * DAY_MS)
            known.setdefault(day, set()).add(name)
            known = {day: known[day] for day in sorted(known)[-MEMORY_DAYS - 1 :]}
    again = Memory(days)
    assert len(again) == len(memory) == sum(map(len, known.values()))
    assert list(days) == [str(day) for day in known]
    for names in known.values():
        assert all(name in again for name in names)


def test_a_day_s_marks_stand_in_the_order_in_which_they_came() -> None:
    days: dict[str, bytearray] = {}
    memory = Memory(days)
    for name in ("one", "two", "three"):
        memory.add(name, 0)
    marks = [fingerprint(name).to_bytes(MARK_BYTES) for name in ("one", "two", "three")]
    assert days == {"0": bytearray(b"".join(marks))}


def test_too_many_ids_cost_the_oldest_day_and_never_the_present_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memories, "MEMORY_IDS_MAX", 5)
    memory = Memory({})
    for number in range(12):
        memory.add(str(number), number // 4 * DAY_MS)
    assert [str(number) in memory for number in range(12)] == [False] * 8 + [True] * 4
    memory.add("12", 2 * DAY_MS)
    memory.add("13", 2 * DAY_MS)
    assert len(memory) == 6, "all of one day, although they are too many"


def test_a_snapshot_of_an_engine_that_wrote_marks_as_numbers_is_read() -> None:
    router = Router()
    router.contact("mail-1")
    router.wait(DAY_MS)
    router.contact("mail-2")
    raw = states.encode(router.world.state)
    fields = msgspec.json.decode(raw)
    fields["memory"] = {
        day: [int.from_bytes(marks[at : at + 8]) for at in range(0, len(marks), 8)]
        for day, marks in router.world.state.memory.items()
    }
    assert states.encode(states.decode(msgspec.json.encode(fields))) == raw
    for wrong in ({"memory": {"1": "no base64"}}, {"memory": {"1": ["x"]}}, {}):
        with pytest.raises(msgspec.MsgspecError):
            states.decode(msgspec.json.encode(fields | wrong if wrong else wrong))
