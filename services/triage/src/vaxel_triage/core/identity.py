"""Who the customer is: the strongest alias that we know, hidden under the deployment's key.

The same address gives the same customer whatever the case of its letters, in every service.
"""

from __future__ import annotations

from collections.abc import Callable

from vaxel_shared.contracts.interaction import Interaction
from vaxel_shared.ids import event_id

Pseudonym = Callable[[str, str], str]
"""``(purpose, value)`` → the value, hidden (``Keyring.pseudonym``)."""

_STRENGTH = ("crm", "mailto", "tel")
"""Schemes that outlive a platform's account, strongest first; others follow in their own order."""

_SCHEMES = {
    "email": "mailto", "sms": "tel", "whatsapp": "tel", "voice": "tel", "chat": "visitor",
}  # fmt: skip
"""What a sender's ``external_id`` is, by channel; elsewhere it is an id of the channel's own."""

_OWN_BY_ACCOUNT = frozenset({"webhook"})
"""Channels on which two accounts may give the same id to different people."""


def alias(interaction: Interaction) -> str | None:
    """What stands for the customer, e.g. ``mailto:a@b.example``; None without a sender."""
    proven = [item for item in interaction.sender.aliases if item.verified and item.value.strip()]
    if proven:
        best = min(proven, key=lambda item: _rank(item.scheme))
        return _canonical(best.scheme, best.value)
    own = interaction.sender.external_id.strip()
    if not own:
        return None
    if interaction.channel in _OWN_BY_ACCOUNT:
        own = f"{interaction.account}:{own}"
    return _canonical(_SCHEMES.get(interaction.channel, interaction.channel), own)


def customer_id(interaction: Interaction, pseudonym: Pseudonym) -> str:
    """The customer's id. A message without a sender (a bounce) has a customer of its own."""
    known = alias(interaction) or f"interaction:{interaction.id}"
    return event_id("customer", pseudonym("customer", known))


def _rank(scheme: str) -> int:
    scheme = scheme.lower()
    return _STRENGTH.index(scheme) if scheme in _STRENGTH else len(_STRENGTH)


def _canonical(scheme: str, value: str) -> str:
    """One spelling for one alias. Addresses are compared without case; other ids are exact."""
    scheme, value = scheme.lower(), value.strip()
    return f"{scheme}:{value.lower() if scheme == 'mailto' else value}"
