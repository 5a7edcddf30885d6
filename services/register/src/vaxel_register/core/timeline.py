"""A case's timeline: interactions and decisions in one order, whatever order they were read in.

Sorted by (time, rank of the topic, partition, offset, index in the batch).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from vaxel_register.core.projection import RANK_INTERACTION, RANK_SLA
from vaxel_register.core.views import Place, TimelineEntry
from vaxel_shared.contracts.cloudevents import iso_ms

SAID = ("body_ref", "note_ref")
"""Fields of ``data`` that name what somebody wrote."""

Sortable = tuple[tuple[int, int, int, int, int], TimelineEntry]


def merge(
    messages: Iterable[Mapping[str, Any]],
    decisions: Iterable[Mapping[str, Any]],
    texts: Mapping[str, str],
) -> list[TimelineEntry]:
    """Rows of ``interactions`` and ``timeline`` (decisions, SLA events) as entries, in order.

    ``texts`` are the blobs that they name, by reference; one that isn't there is left out.
    """
    entries = [_message(row, texts) for row in messages]
    entries += [_decision(row, texts) for row in _once(decisions)]
    return [entry for _, entry in sorted(entries, key=lambda item: item[0])]


def refs(
    messages: Iterable[Mapping[str, Any]], decisions: Iterable[Mapping[str, Any]]
) -> list[str]:
    """The blobs that :func:`merge` wants, each once, in order."""
    wanted = [row["text_ref"] for row in messages if row["text"] is None and row["text_ref"]]
    wanted += [ref for row in decisions if (ref := _said(row["data"])) is not None]
    return list(dict.fromkeys(wanted))


def own_reasons(value: Any, agent_id: str) -> Any:
    """``value`` without what ruled others out: an agent sees their own reasons only.

    How many failed at what stays; who they were, and with what, goes.
    """
    if isinstance(value, dict):
        shown = {name: own_reasons(item, agent_id) for name, item in value.items()}
        if isinstance(value.get("window"), dict) and value["window"].get("alone") != agent_id:
            shown["window"].pop("alone", None)
        if value.get("agent_id") != agent_id and isinstance(value.get("explain"), dict):
            shown["explain"].pop("queue_order", None)
        if isinstance(value.get("rejected"), list):
            shown["rejected"] = [
                item
                for item in value["rejected"]
                if isinstance(item, dict) and item.get("agent_id") == agent_id
            ]
        return shown
    if isinstance(value, list):
        return [own_reasons(item, agent_id) for item in value]
    return value


def _once(rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Without repeats of SLA events: their writer may say one twice, with the same id."""
    kept: list[Mapping[str, Any]] = []
    seen: set[str] = set()
    for row in sorted(rows, key=lambda row: (row["partition"], row["offset"], row["index"])):
        if row["topic_rank"] == RANK_SLA:
            if row["cause"] in seen:
                continue
            seen.add(row["cause"])
        kept.append(row)
    return kept


def _said(data: Mapping[str, Any] | None) -> str | None:
    for name in SAID:
        ref = (data or {}).get(name)
        if isinstance(ref, str):
            return ref
    return None


def _message(row: Mapping[str, Any], texts: Mapping[str, str]) -> Sortable:
    text = row["text"] if row["text"] is not None else texts.get(row["text_ref"] or "")
    message = {
        "id": row["id"],
        "direction": row["direction"],
        "channel": row["channel"],
        "account": row["account"],
        "sender": {"external_id": row["sender_id"], "name": row["sender_name"]},
        "recipients": row["recipients"],
        "subject": row["subject"],
        "text": text,
        "reply_text": row["reply_text"],
        "language": row["language"],
        "attachments": row["attachments"],
        "flags": row["flags"],
    }
    entry = TimelineEntry(
        kind="interaction",
        at=iso_ms(row["at_ms"]),
        type=row["kind"],
        place=Place(partition=row["partition"], offset=row["offset"], seq=None, index=0),
        message={name: value for name, value in message.items() if value is not None},
    )
    return (row["at_ms"], RANK_INTERACTION, row["partition"], row["offset"], 0), entry


def _decision(row: Mapping[str, Any], texts: Mapping[str, str]) -> Sortable:
    entry = TimelineEntry(
        kind="sla" if row["topic_rank"] == RANK_SLA else "decision",
        at=iso_ms(row["at_ms"]),
        type=row["type"],
        place=Place(
            partition=row["partition"], offset=row["offset"], seq=row["seq"], index=row["index"]
        ),
        cause=row["cause"],
        policy=row["policy"],
        work_id=row["work_id"],
        offer_id=row["offer_id"],
        agent=row["agent_id"],
        data=row["data"],
        text=texts.get(_said(row["data"]) or ""),
    )
    order = (row["at_ms"], row["topic_rank"], row["partition"], row["offset"], row["index"])
    return order, entry
