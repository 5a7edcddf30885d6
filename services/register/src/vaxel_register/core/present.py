"""Rows as what the API shows. Pure; the only place that knows both names of a thing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vaxel_register.core import views
from vaxel_register.core.writes import outcome
from vaxel_shared.contracts.cloudevents import iso_ms

Columns = Mapping[str, Any]
Directory = Mapping[str, Mapping[str, str]]
"""Agent id → name, email, role: the roster's directory."""


def iso(instant_ms: int | None) -> str | None:
    """ISO 8601 UTC, or nothing."""
    return None if instant_ms is None else iso_ms(instant_ms)


def case_item(row: Columns, clocks: Iterable[Columns] = ()) -> views.CaseItem:
    """A case in a list; ``row`` has the first message's subject and sender besides."""
    return views.CaseItem(**_case(row), sla=sla(clocks))


def sla(clocks: Iterable[Columns]) -> dict[str, Any]:
    """A case's clocks by name, of each the newest cycle; ``clocks`` come with rising cycles."""
    return {
        row["clock"]: {
            "cycle": row["cycle"],
            "state": row["state"],
            "risk": row["risk"],
            "due_at": iso(row["due_ms"]),
        }
        for row in clocks
    }


def sla_item(row: Columns) -> views.SlaItem:
    """A running clock with its case."""
    return views.SlaItem(
        number=row["number"],
        subject=row["subject"],
        status=row["status"],
        queue=row["queue"],
        agent=row["agent_id"],
        priority=row["priority"],
        tier=row["tier"],
        clock=row["clock"],
        cycle=row["cycle"],
        state=row["state"],
        risk=row["risk"],
        due_at=iso(row["due_ms"]),
    )


def case_detail(
    row: Columns,
    *,
    works: Iterable[Columns],
    offers: Iterable[Columns],
    timeline: list[views.TimelineEntry],
    truncated: bool,
    clocks: Iterable[Columns] = (),
    draft_by: str | None = None,
) -> views.CaseDetail:
    """A case with all that belongs to it."""
    return views.CaseDetail(
        **_case(row),
        sla=sla(clocks),
        draft_by=draft_by,
        case_id=row["id"],
        pool=row["pool"],
        account=row["account"],
        labels=row["labels"] or [],
        rule=row["rule"],
        wake_at=iso(row["wake_ms"]),
        linked_case_id=row["linked_case_id"],
        stage=row["stage"],
        last_contact_seq=row["last_contact_seq"],
        works=[views.WorkItem(**_work(item)) for item in works],
        offers=[views.OfferItem(**_offer(item)) for item in offers],
        timeline=timeline,
        timeline_truncated=truncated,
    )


def _case(row: Columns) -> dict[str, Any]:
    customer = views.Customer(
        id=row["customer_id"], name=row["sender_name"], address=row["sender_id"]
    )
    return {
        "number": row["number"],
        "subject": row["subject"],
        "status": row["status"],
        "channel": row["channel"],
        "language": row["language"],
        "queue": row["queue"],
        "agent": row["agent_id"],
        "priority": row["priority"],
        "tier": row["tier"],
        "customer": customer,
        "opened_at": iso(row["opened_ms"]),
        "updated_at": iso(row["updated_ms"]),
    }


def _work(row: Columns) -> dict[str, Any]:
    return {
        "id": row["id"],
        "case_id": row["case_id"],
        "stretch": row["number"],
        "state": row["state"],
        "queue": row["queue"],
        "language": row["language"],
        "priority": row["priority"],
        "requires": row["requires"],
        "tiers": row["tiers"],
        "agent": row["agent_id"],
        "token": row["token"],
        "since": iso(row["since_ms"]),
        "assigned_at": iso(row["assigned_ms"]),
        "until": iso(row["until_ms"]),
        "ended_at": iso(row["ended_ms"]),
    }


def _offer(row: Columns) -> dict[str, Any]:
    return {
        "id": row["id"],
        "case_id": row["case_id"],
        "work_id": row["work_id"],
        "agent": row["agent_id"],
        "state": row["state"],
        "token": row["token"],
        "queue": row["queue"],
        "attempt": row["attempt"],
        "reason": row["reason"],
        "made_at": iso(row["made_ms"]),
        "expires_at": iso(row["expires_ms"]),
        "ended_at": iso(row["ended_ms"]),
    }


def inbox(agent_id: str, offers: Iterable[Columns], works: Iterable[Columns]) -> views.Inbox:
    """What an agent has before them; the rows carry ``case_…`` columns and the subject besides."""
    return views.Inbox(
        agent=agent_id,
        offers=[
            views.InboxOffer(
                **_offer(row),
                number=row["case_number"],
                subject=row["subject"],
                channel=row["case_channel"],
                language=row["case_language"],
                priority=row["case_priority"],
            )
            for row in offers
        ],
        works=[
            views.InboxWork(
                **_work(row),
                number=row["case_number"],
                subject=row["subject"],
                channel=row["case_channel"],
                status=row["case_status"],
            )
            for row in works
        ],
    )


def queues(
    names: Mapping[str, list[str]], counts: Iterable[tuple[str, str, str, int, int | None]]
) -> views.QueueList:
    """All queues of the policies, in their order, then any other that still holds work.

    ``names``: pool → queues. ``counts``: (pool, queue, state, how many, oldest since).
    """
    found: dict[tuple[str, str], dict[str, Any]] = {
        (pool, queue): {} for pool in sorted(names) for queue in names[pool]
    }
    for pool, queue, state, count, oldest_ms in counts:
        item = found.setdefault((pool, queue), {})
        item[state] = item.get(state, 0) + count
        if state in ("queued", "offered") and oldest_ms is not None:
            item["oldest"] = min(oldest_ms, item.get("oldest", oldest_ms))
    items = [
        views.QueueItem(
            pool=pool,
            queue=queue,
            waiting=item.get("queued", 0),
            offered=item.get("offered", 0),
            assigned=item.get("assigned", 0) + item.get("wrapping", 0),
            oldest_since=iso(item.get("oldest")),
        )
        for (pool, queue), item in found.items()
    ]
    return views.QueueList(items=items)


def agent(
    row: Columns,
    directory: Directory,
    offers: int,
    works: int,
    tools: Sequence[Columns] = (),
) -> views.AgentItem:
    """An agent; the name is the roster's, if its directory could be read."""
    person = directory.get(row["id"], {})
    return views.AgentItem(
        id=row["id"],
        name=person.get("name"),
        role=person.get("role"),
        pool=row["pool"],
        presence=row["presence"],
        mode=row["mode"],
        until=iso(row["until_ms"]),
        reachable_until=iso(row["grace_ms"]),
        closed={name: iso(until or None) for name, until in (row["closed"] or {}).items()},
        off_shift=bool(row["off_shift"]),
        shift_changes_at=iso(row["shift_ms"]),
        rests_until=iso(row["rest_ms"]),
        occupied=bool(row["occupied"]),
        tier=row["tier"],
        skills=row["skills"] or {},
        languages=row["languages"] or {},
        capacity=row["capacity"],
        offers=offers,
        works=works,
        elsewhere=[_elsewhere(tool) for tool in tools],
    )


def _elsewhere(row: Columns) -> views.ElsewhereItem:
    works: dict[str, tuple[int, int]] = row["works"]
    return views.ElsewhereItem(
        source=row["source"],
        channels={channel: count for channel, (count, _) in works.items()},
        capacity=sum(count * cost for count, cost in works.values()),
        until=iso(row["until_ms"]),
    )


def command_result(command_id: str, rows: Iterable[Columns]) -> views.CommandResult:
    """What became of a command, out of the timeline's rows that it caused."""
    decisions = [dict(row) for row in rows]
    status, code, _ = outcome(decisions)
    return views.CommandResult(
        command_id=command_id,
        status=status,
        code=code,
        decisions=[
            views.DecisionItem(
                type=row["type"],
                at=iso_ms(row["at_ms"]),
                case_id=row["case_id"],
                work_id=row["work_id"],
                offer_id=row["offer_id"],
                agent=row["agent_id"],
                data=row["data"] or {},
            )
            for row in decisions
        ],
    )


def letter(row: Columns) -> views.LetterItem:
    """A dead letter."""
    return views.LetterItem(
        id=row["id"],
        service=row["service"],
        topic=row["topic"],
        partition=row["source_partition"],
        offset=row["source_offset"],
        at=iso(row["at_ms"]),
        error_class=row["error_class"],
        reason=row["reason"],
        code_version=row["code_version"],
    )
