"""Metrics, each declared once; a name not declared here doesn't exist.

``docs/metrics.md`` is made from this file (``python tools/metrics_doc.py``); how to declare one,
and what bounds its labels, stands in :mod:`vaxel_shared.obs.declare`.
"""

from __future__ import annotations

from vaxel_shared.obs.declare import counter, gauge, histogram

# Every service
READY = gauge("vaxel_ready", "1 when ready, else 0.")
CONSUMED = counter("vaxel_records_consumed", "Records read.", "topic")
PRODUCED = counter("vaxel_records_produced", "Records acknowledged by the broker.", "topic")
LAG = gauge("vaxel_lag_records", "Records not yet handled.", "topic", "partition")
DEAD = counter("vaxel_deadletters", "Records parked as dead letters.", "topic", "reason")
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

# Delivery
EFFECTS = counter("vaxel_effects", "Effects by kind and outcome.", "kind", "state")
EFFECTS_PENDING = gauge("vaxel_effects_pending", "Effects not done yet.")
RELAY_UP = gauge("vaxel_relay_up", "1 while the mail relay answers, else 0.")
