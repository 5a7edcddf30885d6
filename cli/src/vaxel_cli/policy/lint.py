"""``vaxel policy check``: what is allowed in a deployment's files and yet can't be meant.

Only what can be proven is said. An error is work that would wait for ever, or a file that can't be
loaded; a warning is a line that does nothing, or less than it looks like.
"""

from __future__ import annotations

from pathlib import Path

from vaxel_cli.policy import lint_detours, lint_queues, lint_rules, lint_team, lint_wants
from vaxel_cli.policy.deck import Deck
from vaxel_cli.policy.findings import Finding, Severity, invalid, ordered
from vaxel_shared.config import deployment as deployment_files
from vaxel_shared.config import sla_lint
from vaxel_shared.config.deployment import Deployment
from vaxel_shared.config.document import ConfigError


def check(folder: Path, now_ms: int) -> list[Finding]:
    """Everything that is wrong with a folder, by file and line."""
    try:
        loaded = deployment_files.load(folder)
    except ConfigError as error:
        return ordered([invalid(problem) for problem in error.problems])
    return lint(loaded, now_ms)


def lint(loaded: Deployment, now_ms: int) -> list[Finding]:
    """What can't be meant in a deployment that loads; ``now_ms`` is when it would begin to hold."""
    deck = Deck(loaded)
    found = [*lint_queues.findings(deck), *lint_detours.findings(deck)]
    found += [*lint_rules.findings(deck), *lint_team.findings(deck)]
    found += lint_wants.findings(deck)
    used = {agent.shift for agent in loaded.roster.agents if agent.shift is not None}
    queues = (queue for pool in loaded.routing.pools for queue in pool.queues)
    used |= {queue.hours.calendar for queue in queues if queue.hours is not None}
    used |= {name for pool in loaded.routing.pools for name in pool.lease_hours.values()}
    for item in sla_lint.lint(loaded.sla, now_ms, used):
        severity: Severity = item.severity
        place = item.problem
        found.append(Finding(severity, item.code, place.file, place.line, place.message))
    return ordered(found)
