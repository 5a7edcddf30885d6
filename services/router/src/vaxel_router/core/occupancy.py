"""How much of the latest hour, or any such time, somebody had work in hand; and when it is enough.

Occupancy is the share of a window, up to now, in which at least one work was in hand: being done,
or wrapped up. The window slides, so it changes with every millisecond; what is asked is only when
it next reaches its cap or falls below, and that is found exactly, since between the edges of the
spans it is a straight line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vaxel_router.core.limits import SPANS_MAX

Span = tuple[int, int]
"""From, until: ms since 1970; until isn't in it."""


def most_ms(percent: int, within_ms: int) -> int:
    """What a cap allows, in whole milliseconds, at least one."""
    return max(1, percent * within_ms // 100)


def busy_ms(spans: Sequence[Span], since_ms: int | None, at_ms: int, within_ms: int) -> int:
    """How long there was work in hand in the ``within_ms`` up to ``at_ms``.

    ``spans`` are over, in order and apart; from ``since_ms`` on there is work in hand, None: none.
    """
    begin_ms = at_ms - within_ms
    busy = sum(max(0, min(end, at_ms) - max(start, begin_ms)) for start, end in spans)
    return busy + (max(0, at_ms - max(since_ms, begin_ms)) if since_ms is not None else 0)


def turn(
    spans: Sequence[Span], since_ms: int | None, at_ms: int, within_ms: int, cap_ms: int
) -> tuple[bool, int | None]:
    """Whether the cap is reached at an instant, and when that next changes if nothing happens.

    None: it stays so. The spans are all before ``at_ms``.
    """
    busy, head = busy_ms(spans, since_ms, at_ms, within_ms), int(since_ms is not None)
    full, start_ms = busy >= cap_ms, at_ms
    for begin_ms, end_ms in _leaving(spans, since_ms, at_ms, within_ms):
        for until_ms, rises in ((begin_ms, head), (end_ms, head - 1)):
            lacks_ms = busy - cap_ms + 1 if full else cap_ms - busy
            if rises == (-1 if full else 1) and start_ms + lacks_ms <= until_ms:
                return full, start_ms + lacks_ms
            busy += rises * (until_ms - start_ms)
            start_ms = until_ms
    return full, None


def _leaving(
    spans: Sequence[Span], since_ms: int | None, at_ms: int, within_ms: int
) -> Iterator[Span]:
    """When what was work slides out of the window, in order and apart, from now on."""
    for start, end in spans:
        if end + within_ms > at_ms:
            yield max(at_ms, start + within_ms), end + within_ms
    if since_ms is not None:
        leaves_ms = max(at_ms, since_ms + within_ms)
        yield leaves_ms, leaves_ms


def kept(spans: Sequence[Span], at_ms: int, within_ms: int) -> list[Span]:
    """The spans that still count, :data:`SPANS_MAX` at most.

    With more, those that were hardest to tell apart become one: what lay between counts as work.
    """
    left = [span for span in spans if span[1] > at_ms - within_ms]
    while len(left) > SPANS_MAX:
        near = min(range(1, len(left)), key=lambda i: left[i][0] - left[i - 1][1])
        left[near - 1 : near + 1] = [(left[near - 1][0], left[near][1])]
    return left
