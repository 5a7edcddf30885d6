"""A scenario's contact as the command that triage would write, by triage's own core."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any

from vaxel_cli.policy.scenario import Contact, Ready
from vaxel_shared.config.channels import Account
from vaxel_shared.config.deployment import Deployment
from vaxel_shared.contracts.cloudevents import iso_ms
from vaxel_shared.contracts.commands import Actor, Command, ContactAdd, Requires, Rule
from vaxel_shared.contracts.interaction import (
    Attachment,
    Flag,
    Flags,
    Interaction,
    Party,
    Relations,
)
from vaxel_shared.ids import event_id
from vaxel_triage.core.contact import Tools, to_command
from vaxel_triage.core.language import Guesser
from vaxel_triage.core.view import View
from vaxel_triage.shell.detector import Detector, load_model


def pseudonym(purpose: str, value: str) -> str:
    """Stands in for the deployment's key, which a scenario has no use for."""
    return hashlib.sha256(f"{purpose}\x1f{value}".encode()).hexdigest()[:32]


class Told:
    """A language that is stated: whatever is asked, that is it, for certain."""

    def __init__(self, language: str) -> None:
        self._language = language

    def among_ours(self, _text: str) -> tuple[str, float]:
        """See the protocol."""
        return self._language, 1.0

    def among_all(self, _text: str) -> tuple[str, float]:
        """See the protocol."""
        return self._language, 1.0


@lru_cache(maxsize=8)
def detector(languages: tuple[str, ...]) -> Guesser:
    """Triage's own, over a deployment's languages; the model is loaded when first asked for."""
    return Detector(_model(), languages)


@lru_cache(maxsize=1)
def _model() -> Any:
    return load_model()


class Desk:
    """Takes a scenario's contacts in, and knows the conversation of each."""

    def __init__(self, loaded: Deployment) -> None:
        self._loaded = loaded
        self._view = View.of(loaded.channels, loaded.routing)
        self._conversations: dict[str, str] = {}
        self._offset = -1

    def command(self, contact: Contact, now_ms: int) -> Command:
        """The ``contact.add`` of a message. Raises ``LookupError`` for an unknown name."""
        self._offset += 1
        guesser: Guesser
        if contact.language is not None:
            guesser = Told(contact.language)
        else:
            guesser = detector(tuple(self._loaded.channels.languages))
        return to_command(
            self.interaction(contact, now_ms),
            src=(0, self._offset),
            view=self._view,
            tools=Tools(pseudonym, guesser),
            lacking=[],
        )

    def ready(self, contact: Ready, now_ms: int) -> Command:
        """The ``contact.add`` as it is given. Raises ``LookupError`` for an unknown name."""
        account = self._account(contact.account)
        self._offset += 1
        known = event_id("scenario", contact.id)
        customer = event_id("customer", contact.id)
        data = ContactAdd(
            contact_id=known,
            conversation_key=self._conversation(contact.id, contact.reply_to, account),
            customer_id=customer,
            channel=account.channel,
            account=account.id,
            language=contact.language,
            queue=contact.queue or account.queue,
            priority=contact.priority,
            requires=Requires(
                skills=contact.skills,
                languages=contact.languages,
                at_most=contact.at_most or None,
                lapse_ms=contact.lapse_ms or None,
                wishes=contact.wishes or None,
                needs=contact.needs or None,
            ),
            labels=contact.labels,
            received_at_ms=now_ms,
            src=(0, self._offset),
            automatic=contact.automatic,
            no_auto_response=contact.automatic,
            rule=Rule(id="given", at=""),
        )
        return Command(
            id=known, type="contact.add", pool=account.pool,
            actor=Actor(kind="customer", id=customer), via="scenario", data=data.to_dict(),
        )  # fmt: skip

    def interaction(self, contact: Contact, now_ms: int) -> Interaction:
        """What stands on ``vaxel.interactions``. Raises ``LookupError`` for an unknown name."""
        account = self._account(contact.account)
        instant = iso_ms(now_ms)
        flags = {name: Flag(value=True, evidence=["scenario"]) for name in contact.flags}
        return Interaction(
            id=event_id("scenario", contact.id),
            conversation_key=self._conversation(contact.id, contact.reply_to, account),
            channel=account.channel,
            account=account.name,
            direction="inbound",
            kind="message",
            sender=Party(external_id=contact.from_),
            subject=contact.subject or None,
            text=contact.text,
            reply_text=contact.text,
            language=contact.language,
            attachments=[
                Attachment(name=None, mime=mime, size=1, sha256="0" * 64)
                for mime in contact.attachments
            ],
            relations=Relations(in_reply_to=contact.reply_to) if contact.reply_to else None,
            flags=Flags.model_validate(flags) if flags else None,
            occurred_at=instant,
            received_at=instant,
        )

    def _account(self, name: str | None) -> Account:
        if name is None:
            return self._loaded.channels.accounts[0]
        account = self._loaded.channels.by_id(name)
        if account is None:
            known = ", ".join(item.id for item in self._loaded.channels.accounts)
            raise LookupError(f"no account {name!r} in channels.yaml; known are {known}")
        return account

    def _conversation(self, contact_id: str, reply_to: str | None, account: Account) -> str:
        if reply_to is not None and reply_to not in self._conversations:
            raise LookupError(f"reply_to: no contact {reply_to!r} before this one")
        key = (
            f"{account.pool}|{account.channel}|{account.id}|{pseudonym('conversation', contact_id)}"
        )
        if reply_to is not None:
            key = self._conversations[reply_to]
        self._conversations[contact_id] = key
        return key
