"""A process that holds much is looked through rarely."""

from __future__ import annotations

import gc

from vaxel_shared import heap


def test_only_full_collections_become_rarer() -> None:
    before = gc.get_threshold()
    try:
        heap.expect_much()
        assert gc.get_threshold() == (*before[:2], heap.FULL_EVERY)
        assert before[2] < heap.FULL_EVERY
    finally:
        gc.set_threshold(*before)
