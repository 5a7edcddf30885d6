"""The AsyncAPI 3.0 document: every topic, its key, its headers and the messages on it.

Payloads are references to the JSON Schemas beside it (:mod:`vaxel_shared.contracts.schema`).
Partitions and retention are an operator's choice and stand in the topic declaration, not here.

Source: AsyncAPI 3.0.0; its Kafka bindings 0.5.0; CloudEvents Kafka Protocol Binding 1.0.2.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import get_args

from vaxel_shared.contracts import commands, decisions, sla
from vaxel_shared.contracts.deadletters import DEADLETTER_TYPE
from vaxel_shared.contracts.interaction import INTERACTION_TYPE
from vaxel_shared.contracts.schema import DIALECT, Schema
from vaxel_shared.contracts.snapshots import LOG_TYPE, SNAPSHOT_TYPE

FILE_NAME = "asyncapi.json"
BINDING_VERSION = "0.5.0"
_SCHEMA_FORMAT = "application/schema+json;version=draft-2020-12"


@dataclass(frozen=True, slots=True)
class Channel:
    """A topic as its readers and writers see it; ``messages`` maps a message to its schema."""

    address: str
    holds: str
    key: str
    writers: tuple[str, ...]
    messages: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


CHANNELS = (
    Channel(
        "vaxel.interactions",
        "Every message or call event, normalised.",
        "The conversation's key.",
        ("ingest-email", "ingest-chat", "delivery"),
        {INTERACTION_TYPE: "interaction.v1.json"},
    ),
    Channel(
        "vaxel.signals",
        "Typing and read marks: best effort.",
        "The conversation's key.",
        ("ingest-chat",),
    ),
    Channel(
        "vaxel.work",
        "Commands: all that the router reacts to.",
        "The pool.",
        ("triage", "register", "delivery", "sla-monitor", "cli"),
        {commands.event_type(name): f"command.v1.json#/$defs/{name}" for name in commands.DATA},
    ),
    Channel(
        "vaxel.decisions",
        "All that the router decided: one record is one batch, chained to the one before it by "
        "hash. A fixed binary header stands before the JSON; a record whose prev_sha256 isn't "
        "the hash of the last valid one is void for every reader.",
        "The input's partition; the router writes to it explicitly.",
        ("router",),
        {decisions.BATCH_TYPE: "decisions.v1.json"},
        content_type="application/octet-stream",
    ),
    Channel(
        "vaxel.snapshots",
        "Where a verified state of each partition can be found, and the log's identity.",
        "The partition; 'log' for the log's identity.",
        ("router", "cli"),
        {SNAPSHOT_TYPE: "snapshot.v1.json", LOG_TYPE: "log.v1.json"},
    ),
    Channel(
        "vaxel.sla",
        "Clock events: started, paused, warned, breached, met, retracted.",
        "The case's id.",
        ("sla-monitor",),
        {sla.event_type(kind): "sla.v1.json" for kind in get_args(sla.EventKind)},
    ),
    Channel(
        "vaxel.clocks",
        "What moves a clock, and how far each partition is known.",
        "The case's id; 'mark' for how far each partition is known.",
        ("sla-monitor",),
        {
            sla.MOVE_TYPE: "clocks.v1.json#/$defs/move",
            sla.DUE_TYPE: "clocks.v1.json#/$defs/due",
            sla.MARK_TYPE: "clocks.v1.json#/$defs/mark",
        },
    ),
    Channel(
        "vaxel.deadletters",
        "Records that could not be handled: the original bytes, where from, and why.",
        "The source's topic and partition.",
        ("every service",),
        {DEADLETTER_TYPE: "deadletter.v1.json"},
    ),
)
"""Every topic of the contract; a test holds it against the topic declaration."""


def document(version: str) -> Schema:
    """The AsyncAPI document of this version of the code."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Vaxel topics",
            "version": version,
            "description": (
                "Commands ask (vaxel.work), decisions tell (vaxel.decisions), effects follow "
                f"decisions, results come back as commands. Payloads are JSON Schema ({DIALECT}). "
                f"Decision types: {', '.join(decisions.DATA)}."
            ),
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {item.address: _channel(item) for item in CHANNELS},
        "operations": _operations(),
        "components": {
            "messageTraits": {"cloudevent": {"headers": _headers()}},
            "messages": {
                name: _message(name, reference, item)
                for item in CHANNELS
                for name, reference in item.messages.items()
            },
        },
    }


def _channel(item: Channel) -> Schema:
    return {
        "address": item.address,
        "description": item.holds,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in item.messages},
        "bindings": {"kafka": {"topic": item.address, "bindingVersion": BINDING_VERSION}},
    }


def _message(name: str, reference: str, item: Channel) -> Schema:
    return {
        "name": name,
        "contentType": item.content_type,
        "traits": [{"$ref": "#/components/messageTraits/cloudevent"}],
        "payload": {"schemaFormat": _SCHEMA_FORMAT, "schema": {"$ref": f"./{reference}"}},
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": item.key},
                "bindingVersion": BINDING_VERSION,
            }
        },
    }


def _operations() -> Schema:
    """One ``send`` a topic and writer: who may write what (the broker's ACLs say the same)."""
    return {
        f"{writer.replace(' ', '-')}.{item.address}": {
            "action": "send",
            "channel": {"$ref": f"#/channels/{item.address}"},
            "summary": f"{writer} writes {item.address}",
        }
        for item in CHANNELS
        for writer in item.writers
    }


def _headers() -> Schema:
    """CloudEvents 1.0 in binary mode, and W3C Trace Context."""
    text = {"type": "string"}
    return {
        "type": "object",
        "required": ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time"],
        "properties": {
            "ce_specversion": {"type": "string", "const": "1.0"},
            "ce_id": {**text, "description": "Deterministic: a repeat has the id it had before."},
            "ce_source": {**text, "description": "The service that wrote it."},
            "ce_type": {**text, "description": "The message's name."},
            "ce_time": {**text, "format": "date-time"},
            "ce_subject": text,
            "content-type": text,
            "traceparent": {**text, "description": "W3C Trace Context."},
        },
    }
