"""Why a case went where it went, out of its timeline: pure, so that every sentence can be tested.

Input are the register's answers; output is plain data, the same that `vaxel explain --json` prints.
Reason codes stay codes here and get their words beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from vaxel_shared import reasons
from vaxel_shared.contracts.cloudevents import iso_ms

Data = dict[str, Any]
Names = Mapping[str, str]

_TOLD = (
    "case.opened", "case.joined", "case.reopened", "case.replied", "case.waiting", "case.resolved",
    "case.closed", "case.handed_over", "work.queued", "work.stepped", "work.escalated",
    "work.assigned", "work.wrapping", "work.suspended", "work.resumed", "work.cancelled",
    "work.abandoned", "offer.made", "offer.ended", "command.refused", "case.merged", "case.split",
    "contact.ended", "tool.drifted",
)  # fmt: skip
"""Decisions that say something of the way; effects and repeats don't."""


def story(case: Data, live: Data | None, names: Names) -> Data:
    """Everything that explains a case: ``rule``, ``steps`` in order, and ``now``.

    ``case`` is the register's detail, ``live`` the router's view or None, ``names`` the agents' by
    id, as far as the viewer may know them.
    """
    decisions = [entry for entry in case["timeline"] if entry["kind"] == "decision"]
    return {
        "case": case["number"],
        "status": case["status"],
        "channel": case["channel"],
        "language": case["language"],
        "queue": case["queue"],
        "priority": case["priority"],
        "agent": person(case["agent"], names),
        "rule": case.get("rule"),
        "labels": case.get("labels", []),
        "steps": [_step(entry, names) for entry in decisions if entry["type"] in _TOLD],
        "now": _now(live, case, names) if live is not None else None,
    }


def person(agent_id: str | None, names: Names) -> Data | None:
    """An agent as shown: the id, and the name where it may be known."""
    if agent_id is None:
        return None
    return {"id": agent_id} | ({"name": names[agent_id]} if agent_id in names else {})


def called(who: Data | None) -> str:
    """A person in one phrase: ``Aino Koskela (a01)``."""
    if who is None:
        return "nobody"
    return f"{who['name']} ({who['id']})" if "name" in who else str(who["id"])


def _step(entry: Data, names: Names) -> Data:
    """One decision: when, what in words, and its reasons where it has some."""
    data = entry.get("data") or {}
    step: Data = {"at": entry["at"], "type": entry["type"], "policy": entry.get("policy")}
    step["text"] = _sentence(entry["type"], data, person(entry.get("agent"), names))
    step["agent"] = person(entry.get("agent"), names)
    if isinstance(data.get("rule"), dict):
        step["rule"] = data["rule"]
    if "step_at" in data:
        step["step"] = {"id": f"{data.get('queue', '')}[{data['step']}]", "at": data["step_at"]}
    if isinstance(data.get("explain"), dict):
        step["explain"] = explained(data["explain"], names)
    return {name: value for name, value in step.items() if value is not None}


def explained(explain: Data, names: Names) -> Data:
    """An ``Explain`` with words: rejected grouped by code, the largest group first."""
    rejected = explain.get("rejected") or []
    counts = explain.get("by_code") or {}
    groups = [
        {
            "code": code,
            "text": reasons.rejection(code),
            "count": count,
            "agents": [
                {**(person(item["agent_id"], names) or {}), "text": _detail(item)}
                for item in rejected
                if item["code"] == code
            ],
        }
        for code, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]
    told: Data = {
        "candidates": explain.get("candidates"),
        "eligible": explain.get("eligible"),
        "rejected": groups,
        "step": explain.get("step"),
    }
    if explain.get("terms"):
        told["terms"] = [
            {**term, "text": reasons.term(term["code"], term["value"])} for term in explain["terms"]
        ]
        told["tie_break"] = explain.get("tie_break")
    if (order := explain.get("queue_order")) is not None:
        told["queue_order"] = {"queues": order, "text": reasons.queue_order(order)}
    if (window := explain.get("window")) is not None:
        alone = person(window.get("alone"), names)
        text = reasons.window(window, called(alone) if alone is not None else None)
        told["window"] = {**window, "text": text}
    return told


def _detail(item: Data) -> str:
    return reasons.rejection(item["code"], item.get("params"))


def _now(live: Data, case: Data, names: Names) -> Data:
    """What the router says right now."""
    work = live.get("work")
    now: Data = {"as_of": live.get("as_of"), "position": live.get("position")}
    if work is None:
        now["text"] = "nobody has anything to do on it"
        return now
    now["state"] = work["state"]
    now["step"] = {"id": f"{work['queue']}[{work['step']}]", "at": work["step_at"]}
    now["agent"] = person(work.get("agent_id") or _offered_to(case, work), names)
    why = live.get("why_not_yet")
    if why:
        now["next_at"] = iso_ms(work["next_ms"]) if work.get("next_ms") else None
        now["why_not_yet"] = explained(why, names)
        now["text"] = f"waits in {work['queue']} at position {live.get('position')}"
        if (expected_ms := live.get("expected_wait_ms")) is not None:
            now["expected_wait_ms"] = expected_ms
            now["text"] += f", about {max(1, round(expected_ms / 60_000))} min to go"
        if (held := live.get("held")) is not None:
            params = {name: value for name, value in held.items() if name != "code"}
            now["text"] += f": {reasons.held(held['code'], params)}"
    else:
        now["text"] = f"{work['state']}" + (f" to {called(now['agent'])}" if now["agent"] else "")
    return {name: value for name, value in now.items() if value is not None}


def _offered_to(case: Data, work: Data) -> str | None:
    """Whose answer an offered work waits for."""
    for offer in case["offers"]:
        if offer["id"] == work.get("offer_id"):
            return str(offer["agent"])
    return None


def _sentence(type_: str, data: Data, who: Data | None) -> str:
    """What a decision says, in one line."""
    says = _SENTENCES.get(type_)
    return says(data, called(who)) if says is not None else type_.replace(".", " ") + _because(data)


def _took(what: str) -> Callable[[Data, str], str]:
    return lambda data, _who: f"{what} {data.get('number', '')}: {_contact(data)}"


def _queued(data: Data, _who: str) -> str:
    return f"queued in {data.get('queue')}: {_wants(data)} ({data.get('reason')})"


def _stepped(data: Data, _who: str) -> str:
    return f"widened to step {data.get('step')}: {_wants(data)} ({data.get('reason')})"


def _escalated(data: Data, _who: str) -> str:
    return f"escalated to tier {_list(data.get('to_tiers'))} ({data.get('reason')})"


def _offered(data: Data, who: str) -> str:
    return f"offered to {who}, attempt {data.get('attempt')}"


def _offer_ended(data: Data, who: str) -> str:
    return f"{who}: {reasons.outcome(str(data.get('outcome')))}" + _because(data)


def _assigned(data: Data, who: str) -> str:
    return f"assigned to {who} (by {data.get('via')})"


def _waiting(data: Data, _who: str) -> str:
    return f"waits for the {str(data.get('waits_for')).replace('_', ' ')}" + _because(data)


def _handed_over(data: Data, _who: str) -> str:
    if data.get("to_number"):
        return f"is {data['to_number']} in pool {data.get('to_pool')} now"
    return f"handed over to pool {data.get('to_pool')}"


def _merged(data: Data, _who: str) -> str:
    return f"went into {data.get('into_number')}" + _because(data)


def _split(data: Data, _who: str) -> str:
    return f"{data.get('number')} is a case of its own again" + _because(data)


def _suspended(data: Data, _who: str) -> str:
    until = f" until {iso_ms(data['until_ms'])}" if data.get("until_ms") else ""
    return f"suspended{until}" + _because(data)


def _replied(data: Data, who: str) -> str:
    return f"answered by {who}; then {data.get('then')}"


def _left(data: Data, _who: str) -> str:
    return "the customer " + ("hung up" if data.get("reason") == "hung_up" else "left")


def _drifted(data: Data, who: str) -> str:
    what = "doesn't show it to" if data.get("drift") == "missing" else "still shows it to"
    return f"{data.get('source')} {what} {who}: told again"


def _refused(data: Data, _who: str) -> str:
    return f"refused: {reasons.refusal(str(data.get('code')), data.get('params'))}"


_SENTENCES: dict[str, Callable[[Data, str], str]] = {
    "case.opened": _took("opened"),
    "case.joined": _took("joined"),
    "case.reopened": _took("reopened"),
    "case.waiting": _waiting,
    "case.replied": _replied,
    "contact.ended": _left,
    "work.queued": _queued,
    "work.stepped": _stepped,
    "work.escalated": _escalated,
    "case.merged": _merged,
    "case.handed_over": _handed_over,
    "case.split": _split,
    "work.assigned": _assigned,
    "work.suspended": _suspended,
    "offer.made": _offered,
    "offer.ended": _offer_ended,
    "tool.drifted": _drifted,
    "command.refused": _refused,
}


def _contact(data: Data) -> str:
    """What triage said of a contact."""
    said = [f"queue {data.get('queue')}"] if data.get("queue") else []
    if isinstance(data.get("rule"), dict):
        said.append(f"rule {data['rule'].get('id')} ({data['rule'].get('at')})")
    elif data.get("queue"):
        said.append("no rule held: the account's queue")
    if data.get("labels"):
        said.append(f"labels {_list(data['labels'])}")
    return ", ".join(said) or "the conversation goes on"


def _wants(data: Data) -> str:
    needs = data.get("requires") or {}
    said = [f"tier {_list(data.get('tiers'))}"]
    said += [f"{skill} {level} or better" for skill, level in (needs.get("skills") or {}).items()]
    if needs.get("languages"):
        said.append(f"speaks {' or '.join(needs['languages'])}")
    return ", ".join(said)


def _because(data: Data) -> str:
    return f" ({data['reason']})" if data.get("reason") else ""


def _list(items: Iterable[Any] | None) -> str:
    return ", ".join(str(item) for item in items or ()) or "none"
