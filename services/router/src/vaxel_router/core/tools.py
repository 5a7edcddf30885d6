"""What agents' own tools say: what somebody has in hand there, and which of our cases they show.

What a tool shows and what we know differ for a moment whenever either changes. Only what differs
twice in a row is a drift: it is decided upon, so that it can be counted and the tool told again.
"""

from __future__ import annotations

from typing import Any

from vaxel_router.core.elsewhere import Elsewhere
from vaxel_router.core.limits import DRIFT_MAX, ELSEWHERE_MAX, ELSEWHERE_MS_MAX, SOURCES_MAX
from vaxel_router.core.queueing import match_agent
from vaxel_router.core.state import Agent
from vaxel_router.core.step import Refused, Step
from vaxel_shared.contracts.wire import Command

EMPTY = Elsewhere(0)


def elsewhere(step: Step, command: Command) -> None:
    """``agent.elsewhere``: all that an agent has in one tool, until it says otherwise."""
    agent, data = step.agent(command.agent_id), command.data
    source, channels, until_ms = data["source"], data["channels"], data["until_ms"]
    counts = channels.values()
    if not source or min(counts, default=0) < 0 or sum(counts) > ELSEWHERE_MAX:
        raise Refused("invalid_data", {"channels": channels, "most": ELSEWHERE_MAX})
    if not step.now_ms < until_ms <= step.now_ms + ELSEWHERE_MS_MAX:
        raise Refused("invalid_data", {"until_ms": until_ms})
    if len(agent.elsewhere.keys() | {source}) > SOURCES_MAX:
        raise Refused("invalid_data", {"sources": sorted(agent.elsewhere)})
    before = agent.elsewhere.get(source, EMPTY)
    missing, lingering = _differing(step, agent, data.get("cases"))
    told_missing = [one for one in missing if one in before.missing][:DRIFT_MAX]
    told_lingering = [one for one in lingering if one in before.lingering][:DRIFT_MAX]
    said: dict[str, Any] = {
        "source": source,
        "until_ms": until_ms,
        "works": {
            channel: [count, agent.channels.get(channel, (1, 1))[0]]
            for channel, count in sorted(channels.items())
            if count
        },
    }
    if rest := [one for one in missing if one not in told_missing]:
        said["missing"] = rest
    if rest := [one for one in lingering if one not in told_lingering]:
        said["lingering"] = rest
    step.emit("agent.changed", agent_id=agent.id, elsewhere=said, reason="elsewhere")
    for work_id in told_missing:
        work = step.pool.works[work_id]
        step.emit(
            "tool.drifted", agent_id=agent.id, case_id=work.case_id, work_id=work_id,
            source=source, drift="missing", token=work.token,
        )  # fmt: skip
    for case_id in told_lingering:
        step.emit(
            "tool.drifted", agent_id=agent.id, case_id=case_id, source=source, drift="lingering"
        )
    match_agent(step, agent)


def _differing(step: Step, agent: Agent, shown: list[str] | None) -> tuple[list[str], list[str]]:
    """The agent's works that a tool doesn't show, and the cases that it shows in vain."""
    if shown is None:
        return [], []
    works = [step.pool.works[work_id] for work_id in agent.works]
    missing = [w.id for w in works if w.state == "assigned" and w.case_id not in shown]
    mine = {work.case_id for work in works}
    return missing, [case_id for case_id in dict.fromkeys(shown) if case_id not in mine]


def unsaid(step: Step, agent: Agent) -> None:
    """A tool fell silent: what it said of the agent counts no longer."""
    for source, said in sorted(agent.elsewhere.items()):
        if said.until_ms <= step.now_ms:
            over = {"source": source, "until_ms": said.until_ms, "works": {}}
            step.emit("agent.changed", agent_id=agent.id, elsewhere=over, reason="elsewhere_over")
    match_agent(step, agent)
