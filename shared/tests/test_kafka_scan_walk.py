"""How a stretch of a partition is walked: nothing missing goes unseen, nothing beyond it is taken.

Reading from a real broker is tested with the commands that do it.
"""

import pytest

from vaxel_shared.errors import Fatal
from vaxel_shared.kafka.scan import Bounds, _Walk
from vaxel_shared.kafka.topics import SNAPSHOTS, WORK


def test_records_of_the_stretch_are_taken_and_later_ones_are_not():
    walk = _Walk(WORK, {0: Bounds(3, 5), 1: Bounds(0, 1)})
    assert [walk.takes(0, offset) for offset in (3, 4, 5)] == [True, True, False]
    assert walk.takes(2, 0) is False


def test_a_gap_is_an_error_that_names_the_place():
    walk = _Walk(WORK, {1: Bounds(3, 9)})
    walk.takes(1, 3)
    with pytest.raises(Fatal, match=r"vaxel.work partition 1: expected offset 4, got 6"):
        walk.takes(1, 6)


def test_a_compacted_topic_has_gaps():
    walk = _Walk(SNAPSHOTS, {0: Bounds(0, 9)})
    assert [walk.takes(0, offset) for offset in (2, 7)] == [True, True]


def test_a_stretch_ends_where_the_position_says_so():
    walk = _Walk(SNAPSHOTS, {0: Bounds(0, 9), 1: Bounds(0, 2)})
    walk.reached(0, 8)
    walk.reached(1, 2)
    assert set(walk.left) == {0}
    walk.reached(0, 9)
    assert walk.left == {}


def test_an_empty_stretch_is_known_as_such():
    assert Bounds(4, 4).is_empty
    assert not Bounds(4, 5).is_empty
