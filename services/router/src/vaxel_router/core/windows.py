"""A short window: what could be matched is collected, and matched together at its end.

A pool's policy may say for how long (``match: {window: 2s}``). As long as there is nothing to
choose (one work that one agent may take, and that agent nothing else) it is given at once, as ever;
else the window opens, with a timer on the log. Until then nothing of the pool is offered, whatever
comes: so nobody is passed meanwhile, and nobody who could be served waits for longer than that.
At the end :mod:`vaxel_router.core.cycle` matches all of it.
"""

from __future__ import annotations

from vaxel_router.core.state import Agent, Work
from vaxel_router.core.step import Step
from vaxel_router.core.written.queues import WINDOW, window_timer


def is_open(step: Step) -> bool:
    """Whether the pool collects now."""
    policy = step.policy
    if policy is None or policy.match is None:
        return False
    return window_timer(step.pool) in step.world.state.timers


def collects_for(step: Step, work: Work) -> bool:
    """Whether a waiting work is left to a window: the open one, or one that opens for it."""
    if step.policy is None or step.policy.match is None:
        return False
    return is_open(step) or (_has_choice(step, work) and _open(step))


def collects_from(step: Step, agent: Agent) -> bool:
    """The same of an agent who may take something that waits."""
    if step.policy is None or step.policy.match is None:
        return False
    return is_open(step) or (step.matcher.has_choice(agent.id) and _open(step))


def _has_choice(step: Step, work: Work) -> bool:
    """Whether two may take it. Whatever else they might take they would have been given before."""
    first = step.matcher.choose(work.id, step.now_ms)
    return first is not None and step.matcher.choose_but(work.id, {first}) is not None


def _open(step: Step) -> bool:
    assert step.policy is not None
    assert step.policy.match is not None
    until_ms = step.now_ms + step.policy.match.window_ms
    step.emit("switch.changed", switch=WINDOW, reason="collecting", until_ms=until_ms)
    return True
