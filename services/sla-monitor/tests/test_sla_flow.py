"""Nothing that was read is left out: the flow of records that Faust is given, and the check on it."""

import pytest
from mode.utils.queues import FlowControlEvent, FlowControlQueue

from vaxel_shared.errors import Fatal
from vaxel_sla_monitor.shell.flow import Places, SteadyFlow


def queued(flow):
    """What is left of a record that is queued between two calls of resume."""
    queue = FlowControlQueue(flow_control=flow, clear_on_resume=True)
    flow.resume()
    queue.put_nowait("record")
    flow.resume()
    return queue.qsize()


async def test_a_flow_that_flows_is_not_emptied_when_it_is_resumed_again():
    assert queued(SteadyFlow()) == 1


async def test_fausts_own_flow_loses_what_was_queued_which_is_why_ours_is_used():
    assert queued(FlowControlEvent()) == 0


async def test_what_was_queued_before_the_flow_was_stopped_is_not_handed_over_after_it():
    flow = SteadyFlow()
    queue = FlowControlQueue(flow_control=flow, clear_on_resume=True)
    flow.resume()
    queue.put_nowait("record of a partition that may be another's now")
    flow.suspend()
    flow.resume()
    assert queue.qsize() == 0


@pytest.mark.parametrize(
    ("committed", "offsets"),
    [
        (None, [5, 6, 7]),
        (5, [5, 6, 7]),
        (5, [5, 6, 5, 6, 7]),
        (5, [3, 4, 5, 6]),
        (None, [0, 1]),
    ],
)
def test_records_in_a_row_and_repeats_are_as_they_should_be(committed, offsets):
    places = Places()
    for offset in offsets:
        places.read(0, offset, committed)


@pytest.mark.parametrize(("committed", "offsets"), [(5, [6]), (None, [5, 7]), (5, [5, 6, 5, 7])])
def test_a_record_that_was_left_out_ends_the_process(committed, offsets):
    places = Places()
    for offset in offsets[:-1]:
        places.read(0, offset, committed)
    with pytest.raises(Fatal, match="left out"):
        places.read(0, offsets[-1], committed)


def test_after_a_recovery_counting_begins_anew_and_partitions_do_not_mix():
    places = Places()
    places.read(0, 5, None)
    places.read(1, 90, None)
    places.clear()
    places.read(0, 40, 40)
