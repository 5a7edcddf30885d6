"""Metrics, each declared once; a name not declared here doesn't exist.

Prometheus conventions: base units, ``_total`` for counters. Labels are bounded sets only (never an
id of a case, an agent or a customer).
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

CONSUMED = Counter("vaxel_records_consumed", "Records read, by topic.", ["topic"])
PRODUCED = Counter("vaxel_records_produced", "Records acknowledged by the broker.", ["topic"])
DEAD = Counter("vaxel_deadletters", "Records parked as dead letters.", ["topic", "reason"])
LAG = Gauge("vaxel_lag_records", "Records not yet handled.", ["topic", "partition"])
RETRIES = Counter("vaxel_retries", "Pauses because the surroundings failed.", ["what"])
READY = Gauge("vaxel_ready", "1 when ready, else 0.")

MAILS = Counter("vaxel_mail_received", "Mails by SMTP reply class.", ["result"])
MAIL_SECONDS = Histogram(
    "vaxel_mail_seconds", "End of DATA to reply.", buckets=(0.01, 0.05, 0.1, 0.5, 1, 5, 10, 25)
)
CONTACTS = Counter("vaxel_contacts_triaged", "Interactions handed to the router.", ["channel"])
SKIPPED = Counter(
    "vaxel_interactions_skipped", "Interactions that are no contact, by reason.", ["reason"]
)
RULE_FAILURES = Counter(
    "vaxel_rule_failures", "Rules that failed on a contact and counted as not matching."
)
CONFIG_LOADS = Counter(
    "vaxel_config_loads", "Times that changed configuration was read.", ["result"]
)
CONFIG_VALID = Gauge(
    "vaxel_config_valid", "1 when the files are what runs, 0 when they are invalid."
)

DECISIONS = Counter("vaxel_decisions", "Decisions confirmed, by type.", ["type"])
COMMIT_SECONDS = Histogram(
    "vaxel_commit_seconds",
    "One append of decisions, send to acknowledgement.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5),
)
VOID = Counter(
    "vaxel_void_records", "Records of decisions that the chain made void.", ["partition"]
)
QUEUED = Gauge("vaxel_work_waiting", "Work that waits.", ["pool", "queue"])
OLDEST = Gauge(
    "vaxel_work_oldest_wait_seconds", "Age of the oldest waiting work.", ["pool", "queue"]
)
AGENTS = Gauge("vaxel_agents", "Agents by presence.", ["pool", "presence"])
RESTORE_SECONDS = Gauge("vaxel_restore_seconds", "How long the last restore took.", ["partition"])

EFFECTS = Counter("vaxel_effects", "Effects by kind and outcome.", ["kind", "state"])
EFFECTS_PENDING = Gauge("vaxel_effects_pending", "Effects not done yet.")
RELAY_UP = Gauge("vaxel_relay_up", "1 while the mail relay answers, else 0.")
API_REQUESTS = Counter("vaxel_api_requests", "API requests.", ["route", "status"])
API_SECONDS = Histogram("vaxel_api_seconds", "Time to answer.", ["route"])
