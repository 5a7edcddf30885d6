"""Metrics, each declared once; a name not declared here doesn't exist.

``docs/metrics.md`` is made from this file (``python tools/metrics_doc.py``); how to declare one,
and what bounds its labels, stands in :mod:`vaxel_shared.obs.declare`.
"""

from __future__ import annotations

from vaxel_shared.obs.declare import counter, gauge, histogram

# Every service
READY = gauge("vaxel_ready", "1 when ready, else 0.")
TASKS = gauge("vaxel_asyncio_tasks", "Tasks of the event loop: flat, whatever comes in.")
CONSUMED = counter("vaxel_records_consumed", "Records read.", "topic")
PRODUCED = counter("vaxel_records_produced", "Records acknowledged by the broker.", "topic")
LAG = gauge("vaxel_lag_records", "Records not yet handled.", "topic", "partition")
DEAD = counter("vaxel_deadletters", "Records parked as dead letters.", "topic", "reason")
PARTITION_HALTED = gauge(
    "vaxel_partition_halted",
    "1 while a partition is read no further because too much of it can't be handled.",
    "topic",
    "partition",
)
RETRIES = counter("vaxel_retries", "Pauses because the surroundings failed.", "what")
API_REQUESTS = counter("vaxel_api_requests", "Requests answered.", "route", "status")
API_SECONDS = histogram(
    "vaxel_api_seconds",
    "From a request to its answer.",
    "route",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)

# Ways in
MAILS = counter(
    "vaxel_mail_received", "Mails offered by SMTP, by how they were answered.", "result"
)
MAIL_SECONDS = histogram(
    "vaxel_mail_seconds",
    "From the end of a mail's DATA to our reply.",
    buckets=(0.01, 0.05, 0.1, 0.5, 1, 5, 10, 25),
)
CHAT_SOCKETS = gauge("vaxel_chat_sockets", "Open sockets and event streams of visitors.")
CHAT_FRAMES = counter("vaxel_chat_frames", "Frames from visitors.", "kind")
CHAT_REFUSED = counter("vaxel_chat_refused", "Visitors refused or closed, by code.", "reason")
CHAT_ACK_SECONDS = histogram(
    "vaxel_chat_ack_seconds",
    "From a visitor's message to its acknowledgement.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
SPOOL_RECORDS = gauge(
    "vaxel_spool_records", "Acknowledged entries that wait on the disk until Kafka is back."
)
SPOOL_BYTES = gauge("vaxel_spool_bytes", "What they take on the disk.")
SPOOL_OLDEST = gauge("vaxel_spool_oldest_seconds", "How long the oldest of them has waited.")
SPOOLED = counter(
    "vaxel_spooled", "Entries of the spool: kept, sent, refused; corrupt counts files.", "result"
)
WEBHOOKS = counter("vaxel_webhooks", "Webhook requests, by how they were answered.", "result")
WEBHOOK_SECONDS = histogram(
    "vaxel_webhook_seconds",
    "From a webhook's request to its answer.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)

# Triage
CONTACTS = counter("vaxel_contacts_triaged", "Interactions handed to the router.", "channel")
SKIPPED = counter("vaxel_interactions_skipped", "Interactions that are no contact.", "reason")
RULE_FAILURES = counter(
    "vaxel_rule_failures", "Rules that failed on a contact and counted as not matching."
)
CONFIG_LOADS = counter("vaxel_config_loads", "Times that changed configuration was read.", "result")
CONFIG_VALID = gauge(
    "vaxel_config_valid", "1 when the files are what runs, 0 when they are invalid."
)

# Router, and whoever reads decisions
DECISIONS = counter("vaxel_decisions", "Decisions confirmed.", "type")
SHADOW = counter(
    "vaxel_shadow_decisions",
    "New work that a second policy would have offered to the same agent, or not.",
    "pool",
    "result",
)
COMMIT_SECONDS = histogram(
    "vaxel_commit_seconds",
    "One append of decisions, from sending to acknowledgement.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5),
)
VOID = counter("vaxel_void_records", "Records of decisions that the chain made void.", "partition")
QUEUED = gauge("vaxel_work_waiting", "Work that waits.", "pool", "queue")
OLDEST = gauge("vaxel_work_oldest_wait_seconds", "Age of the oldest waiting work.", "pool", "queue")
AGENTS = gauge("vaxel_agents", "Agents, by presence.", "pool", "presence")
RESTORE_SECONDS = gauge("vaxel_restore_seconds", "How long the last restore took.", "partition")
RESTORE_RECORDS = gauge(
    "vaxel_restore_records", "Records that the last restore folded.", "partition"
)
SNAPSHOT_BEHIND = gauge(
    "vaxel_snapshot_behind_records",
    "Records since the last stored snapshot: what a restore would fold now.",
    "partition",
)

# SLA monitor
SLA_EVENTS = counter("vaxel_sla_events", "What became of clocks.", "clock", "kind")
SLA_CLOCKS = gauge("vaxel_sla_open_clocks", "Clocks that run or stand still.", "clock", "state")
SLA_WATERMARK = gauge(
    "vaxel_sla_watermark_seconds",
    "How far decisions are known, in Unix time; no clock fires beyond.",
    "partition",
)
SLA_DETECTION_SECONDS = histogram(
    "vaxel_sla_detection_delay_seconds",
    "From the instant that something was due to its telling.",
    "clock",
    buckets=(0.5, 1, 2, 3, 5, 10, 30, 60, 300, 3_600, 86_400),
)
SLA_TIMERS = gauge("vaxel_sla_timers", "Deadlines that are waited for.")
SLA_SKIPPED = counter(
    "vaxel_sla_ticks_skipped", "Looks at the deadlines that had to be left out.", "reason"
)
SLA_NOTICES = counter("vaxel_sla_notices", "Alerts to webhooks and mailboxes.", "kind", "state")
SLA_INFO = gauge("vaxel_sla_policy_loaded_seconds", "When the policy in use was read, Unix time.")

# Delivery
EFFECTS = counter("vaxel_effects", "Effects by kind and outcome.", "kind", "state")
EFFECTS_PENDING = gauge("vaxel_effects_pending", "Effects not done yet.")
RELAY_UP = gauge("vaxel_relay_up", "1 while the mail relay answers, else 0.")
WEBHOOK_UP = gauge("vaxel_webhook_up", "1 while an agents' tool answers, else 0.", "connector")
