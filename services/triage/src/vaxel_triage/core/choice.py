"""What the rules make of a contact: its queue, priority, skills and labels, and the rule that did.

All rules that hold count, from the top: the first to set the queue or the priority wins; skills and
labels add up, the higher level wins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vaxel_shared.config.routing import Queue, Rule
from vaxel_shared.contracts import commands
from vaxel_triage.core.view import Home, automatic_queue, queue_of

LABELS_MAX = 50
"""On one contact: they are copied into every decision about it."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Where a contact goes and what it asks for. ``rule`` is the one that chose the queue."""

    queue: str
    priority: int
    skills: dict[str, int]
    labels: list[str]
    rule: commands.Rule
    automatic: bool


def choose(home: Home, rules: Sequence[Rule], automatic: Sequence[str]) -> Choice:
    """The choice for a contact for which ``rules`` hold, in their order.

    ``automatic`` says why nobody wrote it (codes; empty if somebody did). Such mail goes to the
    pool's automatic queue, or to another automatic one that a rule names; other rules would act on
    text that it only quotes. A rule whose queue the pool doesn't have chooses none.
    """
    queue, rule = _start(home, automatic)
    counted = [
        item
        for item in rules
        if not automatic or _is_automatic(queue_of(home.pool, item.set.queue))
    ]
    for item in counted:
        if (found := queue_of(home.pool, item.set.queue)) is not None:
            queue, rule = found, commands.Rule(id=item.id, at=item.at)
            break
    labels = [*automatic, *(label for item in counted for label in item.set.labels)]
    if home.account is None:
        labels.insert(0, "unknown_account")
    return Choice(
        queue=queue.name,
        priority=next(
            (item.set.priority for item in counted if item.set.priority is not None), queue.priority
        ),
        skills=_highest(counted),
        labels=list(dict.fromkeys(labels))[:LABELS_MAX],
        rule=rule,
        automatic=bool(automatic) or queue.automatic,
    )


def _start(home: Home, automatic: Sequence[str]) -> tuple[Queue, commands.Rule]:
    """The queue before any rule, and what chose it."""
    special = automatic_queue(home.pool) if automatic else None
    if special is not None:
        return special, commands.Rule(id="automatic-mail", at=special.at)
    queue = queue_of(home.pool, home.queue) or home.pool.queues[0]
    if home.account is None:
        return queue, commands.Rule(id="unknown-account", at=queue.at)
    return queue, commands.Rule(id="account-default", at=home.account.at)


def _is_automatic(queue: Queue | None) -> bool:
    return queue is not None and queue.automatic


def _highest(rules: Sequence[Rule]) -> dict[str, int]:
    """The skills of all rules, the higher level of each, by name."""
    levels: dict[str, int] = {}
    for rule in rules:
        for name, level in rule.set.skills.items():
            levels[name] = max(level, levels.get(name, 0))
    return dict(sorted(levels.items()))
