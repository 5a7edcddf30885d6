"""The indexed engine decides as one that looks at everybody; `make chaos-full` has the large run."""

from __future__ import annotations

import pytest
from oracle_run import DEFECTS, Differs, broken, compare

from vaxel_router.core.engine import TimerFailed

EVENTS = 20_000


def test_the_indexed_engine_decides_byte_for_byte_as_one_that_looks_at_everybody() -> None:
    count = compare(EVENTS, 1)
    assert count.events >= EVENTS
    assert count.offers > EVENTS / 5
    assert count.waiting_most > 60


@pytest.mark.parametrize("defect", sorted(DEFECTS))
def test_a_defect_in_the_index_is_found(defect: str) -> None:
    with broken(defect), pytest.raises((Differs, TimerFailed, AssertionError, KeyError)):
        compare(5 * EVENTS, 100)  # it ends with the first difference
