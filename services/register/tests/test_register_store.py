"""How the store asks: whatever a batch holds, there are few different statements."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vaxel_register.shell.store import KEYS_PER_QUERY, _chunks


@given(st.lists(st.text(max_size=3), max_size=3 * KEYS_PER_QUERY))
def test_all_keys_are_asked_for_in_few_sizes(keys: list[str]) -> None:
    chunks = list(_chunks(keys))
    assert {key for chunk in chunks for key in chunk} == set(keys)
    sizes = {1 << power for power in range(KEYS_PER_QUERY.bit_length())} | {KEYS_PER_QUERY}
    assert {len(chunk) for chunk in chunks} <= sizes
