"""``accept()``: which records count, and what halts every reader."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vaxel_shared.contracts import wire
from vaxel_shared.errors import Fatal
from vaxel_shared.kafka import chain
from vaxel_shared.kafka.chain import Accepted, ChainHalt, ChainState, Header, Void, VoidWatch

LOG_ID = "0123456789abcdef" * 2
BODY = wire.encode(wire.Batch(engine="e", wall_ms=1))
HASH = hashlib.sha256(b"input").digest()


def record(state: ChainState, body: bytes = BODY, **changes: object) -> bytes:
    """The record that rightly continues ``state`` with one input, but for ``changes``."""
    fields: dict[str, object] = {
        "log_id": state.log_id,
        "seq": state.seq + 1,
        "prev_sha256": state.sha256,
        "from_": state.through + 1,
        "through": state.through + 1,
        "through_sha256": HASH,
    }
    return chain.pack(Header(**(fields | changes)), body)  # type: ignore[arg-type]


def after(count: int) -> ChainState:
    """The state after ``count`` valid records."""
    state = chain.genesis(LOG_ID, 3)
    for _ in range(count):
        state = chain.accept(state, state.read + 1, record(state)).state
    return state


def test_a_record_that_continues_the_chain_is_accepted() -> None:
    state, raw = after(2), record(after(2))
    outcome = chain.accept(state, 2, raw)
    assert isinstance(outcome, Accepted)
    assert outcome.batch == wire.Batch(engine="e", wall_ms=1)
    assert outcome.state == ChainState(
        log_id=LOG_ID,
        partition=3,
        sha256=hashlib.sha256(raw).digest(),
        offset=2,
        seq=2,
        through=2,
        through_sha256=HASH,
        read=2,
        voids=0,
    )


def test_rule_02_the_genesis_belongs_to_log_and_partition() -> None:
    ids = {chain.genesis_sha256(log, p) for log in (LOG_ID, "ff" * 16) for p in (0, 1)}
    assert len(ids) == 4
    assert chain.genesis_sha256(LOG_ID, 1) == hashlib.sha256(f"{LOG_ID}:1".encode()).digest()


@pytest.mark.parametrize("valid", [True, False])
def test_rule_02_a_record_of_another_log_halts(valid: bool) -> None:
    state = after(1)
    prev = state.sha256 if valid else bytes(32)
    with pytest.raises(ChainHalt, match=f"belongs to log {'ff' * 16}"):
        chain.accept(state, 1, record(state, log_id="ff" * 16, prev_sha256=prev))


@pytest.mark.parametrize("offset", [0, 1, 3, 100])
def test_rule_03_a_jump_in_offsets_halts(offset: int) -> None:
    with pytest.raises(ChainHalt, match="expected offset 2"):
        chain.accept(after(2), offset, record(after(2)))


def test_rule_04_only_the_hash_of_the_last_valid_record_makes_a_record_valid() -> None:
    state = after(3)
    loser = record(after(2))
    outcome = chain.accept(state, 3, loser)
    assert outcome == Void(replace(state, read=3, voids=1), seq=2)
    assert isinstance(chain.accept(outcome.state, 4, record(state)), Accepted)


def test_rule_04_nothing_else_voids_a_record() -> None:
    """A void record before it, a strange engine, no decisions: it still counts."""
    state = chain.accept(after(1), 1, b"noise").state
    odd = wire.encode(wire.Batch(engine="", wall_ms=0))
    assert isinstance(chain.accept(state, 2, record(state, body=odd)), Accepted)


@pytest.mark.parametrize(
    "raw",
    [b"", b"VXLC", b"\x00" * 500, record(after(0))[: chain.HEADER_BYTES - 1], BODY],
    ids=["empty", "magic only", "zeros", "one byte short", "json"],
)
def test_rule_05_bad_magic_or_a_short_header_is_void(raw: bytes) -> None:
    outcome = chain.accept(after(1), 1, raw)
    assert isinstance(outcome, Void)
    assert outcome.seq == -1


def test_rule_05_the_header_is_frozen() -> None:
    """Byte for byte: a reader of any later release finds the same fields in the same places."""
    header = Header(LOG_ID, 258, b"\1" * 32, 3, 2, b"\2" * 32)
    raw = chain.pack(header, b"{}")
    assert chain.HEADER_BYTES == 110
    assert raw.hex() == (
        "56584c43"  # VXLC
        "0001"
        "0123456789abcdef0123456789abcdef"
        "0000000000000102"
        + "01" * 32
        + "0000000000000003"
        + "0000000000000002"
        + "02" * 32
        + "7b7d"
    )


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"seq": 5}, "seq 5 after 1"),
        ({"seq": 1}, "seq 1 after 1"),
        ({"from_": 1}, "folds inputs 1 to 2 after 1"),
        ({"from_": 3}, "folds inputs 3"),
        ({"from_": 2, "through": 0}, "folds inputs 2 to 0"),
        ({"version": 2}, "version 2 of a record; this code knows 1"),
    ],
)
def test_rule_06_a_valid_record_that_breaks_the_rules_halts(
    changes: dict[str, object], says: str
) -> None:
    with pytest.raises(ChainHalt, match=says):
        chain.accept(after(2), 2, record(after(2), **changes))


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"{}", b'{"engine":1,"wall_ms":1}', b"\xff\xfe", BODY[:-1]]
)
def test_rule_06_a_valid_record_with_an_unreadable_body_halts(body: bytes) -> None:
    with pytest.raises(ChainHalt, match="body of a valid record can't be read"):
        chain.accept(after(2), 2, record(after(2), body=body))


def test_rule_06_a_void_record_may_hold_anything() -> None:
    """Only the chain's own records are looked into: what lost the race is nobody's business."""
    raw = record(after(2), body=b"{", version=9, prev_sha256=bytes(32))
    assert isinstance(chain.accept(after(2), 2, raw), Void)


def test_rule_07_a_record_without_input_keeps_the_cursor() -> None:
    state = after(2)
    raw = record(state, through=state.through, through_sha256=state.through_sha256)
    outcome = chain.accept(state, 2, raw)
    assert isinstance(outcome, Accepted)
    assert (outcome.state.through, outcome.state.seq) == (1, 2)
    assert isinstance(chain.accept(outcome.state, 3, record(outcome.state)), Accepted)


def test_rule_16_a_void_record_ahead_of_the_chain_halts() -> None:
    state = after(2)
    lost = record(state, seq=2, prev_sha256=bytes(32))
    assert isinstance(chain.accept(state, 2, lost), Void)
    ahead = record(state, seq=3, prev_sha256=bytes(32))
    with pytest.raises(ChainHalt, match="another chain grows in this log"):
        chain.accept(state, 2, ahead)


def test_rule_16_a_storm_of_void_records_halts_and_a_valid_one_ends_it() -> None:
    state = after(1)
    for _ in range(chain.VOIDS_MAX):
        state = chain.accept(state, state.read + 1, b"noise").state
    calm = chain.accept(state, state.read + 1, record(state)).state
    assert calm.voids == 0
    with pytest.raises(ChainHalt, match="65 void records in a row"):
        chain.accept(state, state.read + 1, b"noise")


def test_rule_16_a_log_that_grows_without_a_valid_record_halts() -> None:
    watch, void = VoidWatch(), chain.accept(after(1), 1, b"noise")
    for instant_ms in range(0, 30_001, 10_000):
        watch.observe(void, instant_ms)
    with pytest.raises(ChainHalt, match="grew for 40000 ms"):
        watch.observe(void, 40_000)


def test_rule_16_stragglers_in_an_idle_log_are_no_fork() -> None:
    watch, void = VoidWatch(), chain.accept(after(1), 1, b"noise")
    valid = chain.accept(after(1), 1, record(after(1)))
    for instant_ms in (0, 60_000, 120_000, 125_000):
        watch.observe(void, instant_ms)
    watch.observe(valid, 140_000)
    watch.observe(void, 160_000)
    watch.observe(void, 185_000)


def test_halting_is_fatal_and_says_what_to_do() -> None:
    with pytest.raises(Fatal, match="fold again from") as halted:
        chain.accept(after(1), 9, b"")
    assert "\n" not in str(halted.value)


headers = st.builds(
    Header,
    log_id=st.binary(min_size=16, max_size=16).map(bytes.hex),
    seq=st.integers(0, 2**64 - 1),
    prev_sha256=st.binary(min_size=32, max_size=32),
    from_=st.integers(-(2**63), 2**63 - 1),
    through=st.integers(-(2**63), 2**63 - 1),
    through_sha256=st.binary(min_size=32, max_size=32),
    version=st.integers(0, 2**16 - 1),
)


@given(headers, st.binary(max_size=50))
def test_rule_05_any_header_is_read_as_it_was_written(header: Header, body: bytes) -> None:
    assert chain.unpack(chain.pack(header, body)) == (header, body)


@given(st.binary(max_size=300))
def test_rule_05_any_bytes_are_judged_without_a_crash(raw: bytes) -> None:
    try:
        outcome = chain.accept(after(1), 1, raw)
    except ChainHalt:
        assert raw.startswith(chain.MAGIC)
    else:
        assert isinstance(outcome, Void)


@settings(max_examples=200)
@given(st.lists(st.integers(0, 3), max_size=40), st.integers(0, 200), st.integers(0, 7))
def test_rule_04_one_flipped_bit_cuts_the_chain_there(
    kinds: list[int], byte: int, bit: int
) -> None:
    """Any change to a record, wherever it is, is noticed: it or what follows no longer counts."""
    state, raws = chain.genesis(LOG_ID, 0), []
    for inputs in kinds:
        raws.append(record(state, through=state.through + inputs))
        state = chain.accept(state, state.read + 1, raws[-1]).state
    if not raws:
        return
    damaged = bytearray(raws[0])
    damaged[byte % len(damaged)] ^= 1 << bit
    reread = chain.genesis(LOG_ID, 0)
    try:
        for raw in [bytes(damaged), *raws[1:]]:
            reread = chain.accept(reread, reread.read + 1, raw).state
    except ChainHalt:
        return
    assert reread.sha256 != state.sha256
