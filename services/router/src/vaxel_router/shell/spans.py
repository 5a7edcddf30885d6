"""What the router decided, as spans: one for each case in a confirmed record.

A record folds many inputs, so no header of it could name one trace. None has to: a case's trace has
the case's id, and the span that of the record, which offers and effects name by themselves.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from vaxel_shared.contracts import cloudevents, wire
from vaxel_shared.kafka.topic_reader import Record
from vaxel_shared.obs import tracing

TYPES_MAX = 20
"""Decisions named in one span."""


def tell(
    body: wire.Batch, records: Sequence[Record], *, partition: int, seq: int, seconds: float
) -> None:
    """Record the spans of a record that was confirmed just now, after an append of ``seconds``."""
    if not tracing.enabled():
        return
    end_ns = time.time_ns()
    causes = {
        cloudevents.header(record.headers, "ce_id"): tracing.Place.of(
            cloudevents.header(record.headers, "traceparent")
        )
        for record in records
    }
    cases: dict[str, list[wire.Decision]] = {}
    for decision in body.decisions:
        if decision.case_id is not None:
            cases.setdefault(decision.case_id, []).append(decision)
    for case_id, decisions in cases.items():
        first = decisions[0]
        tracing.record(
            "router.decide",
            tracing.decided(case_id, seq),
            start_ns=end_ns - int(seconds * 1e9),
            end_ns=end_ns,
            parents=[causes.get(cause) for cause in dict.fromkeys(d.cause for d in decisions)],
            case_id=case_id,
            pool=first.pool,
            partition=partition,
            seq=seq,
            cause=first.cause,
            type=" ".join(decision.type for decision in decisions[:TYPES_MAX]),
            batch_count=len(body.decisions),
        )
