"""Interactions as ingest would have written them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vaxel_shared.contracts.interaction import Interaction

EXAMPLE = Path(__file__).resolve().parents[2] / "config"
"""The configuration that the project comes with."""
CONVERSATION = "support|email|support|"


def mail(id_: str, conversation: str = "a", **changed: Any) -> Interaction:
    """A mail from a customer to the example's support address."""
    plain = {
        "id": id_, "conversation_key": CONVERSATION + conversation, "channel": "email",
        "account": "support@vaxel.example", "direction": "inbound", "kind": "message",
        "sender": {"external_id": "maija@customer.example", "name": "Maija"},
        "recipients": [{"role": "to", "external_id": "support@vaxel.example"}],
        "subject": "Lasku", "text": "Hei, lasku 7 on väärin.",
        "provider": {"message_id": f"{id_}@customer.example"},
        "received_at": "2026-11-22T10:00:00.000Z",
    }  # fmt: skip
    return Interaction.model_validate(plain | changed)
