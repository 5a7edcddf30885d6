"""The example deployment does what its comments say, with the mails that `vaxel send` sends."""

from __future__ import annotations

import email
import email.policy
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from vaxel_shared.config import deployment
from vaxel_shared.config.deployment import Deployment
from vaxel_shared.config.roster import Agent
from vaxel_shared.contracts.interaction import Interaction
from vaxel_shared.crypto.keys import Keyring
from vaxel_triage.core.contact import Tools, to_command
from vaxel_triage.core.view import View
from vaxel_triage.shell.detector import Detector

ROOT = Path(__file__).parents[3]
MAILS = ROOT / "cli" / "src" / "vaxel_cli" / "examples"


@pytest.fixture(scope="module")
def example() -> Deployment:
    return deployment.load(ROOT / "config")


def handed_over(loaded: Deployment, model: Any, subject: str, text: str, to: str) -> dict[str, Any]:
    """The ``contact.add`` of a mail."""
    view = View.of(loaded.channels, loaded.routing)
    tools = Tools(Keyring(b"k" * 32).pseudonym, Detector(model, loaded.channels.languages))
    interaction = Interaction.model_validate(
        {
            "id": "m",
            "conversation_key": "support|email|support|r",
            "channel": "email",
            "account": to,
            "direction": "inbound",
            "kind": "message",
            "sender": {"external_id": "someone@customer.example"},
            "subject": subject,
            "text": text,
            "received_at": "2026-11-22T03:00:00Z",
        }
    )
    return to_command(interaction, src=(0, 0), view=view, tools=tools, lacking=[]).data


def of_file(loaded: Deployment, model: Any, name: str) -> dict[str, Any]:
    mail = email.message_from_bytes(
        (MAILS / f"{name}.eml").read_bytes(), policy=email.policy.default
    )
    body = mail.get_body(("plain",))
    assert body is not None
    return handed_over(loaded, model, str(mail["Subject"]), body.get_content(), str(mail["To"]))


def ruled_out(loaded: Deployment, agent: Agent, contact: dict[str, Any]) -> str | None:
    """What keeps an agent from a contact at its queue's first step; None if nothing does."""
    queue = next(item for item in loaded.routing.pools[0].queues if item.name == contact["queue"])
    needs = queue.skills | contact["requires"]["skills"]
    spoken = contact["requires"]["languages"]
    if agent.tier not in queue.steps[0].tiers:
        return "tier"
    if any(agent.skills.get(skill, 0) < level for skill, level in needs.items()):
        return "skill"
    if spoken and not set(spoken) & set(agent.languages):
        return "language"
    return None if agent.present else "presence"


EXAMPLES = [
    # mail, its language, queue, what chose the queue, labels
    ("fi-billing", "fi", "billing", "billing", ["billing"]),
    ("en-billing", "en", "billing", "billing", ["billing"]),
    ("et-billing", "et", "billing", "billing", ["billing"]),
    ("en-general", "en", "general", "account-default", []),
    ("en-technical", "en", "technical", "technical", ["technical"]),
    ("sv-technical", "sv", "technical", "technical", ["technical"]),
    ("sv-urgent", "sv", "billing", "billing", ["billing", "urgent"]),
    ("de-complaint", "de", "complaints", "complaints", ["complaint"]),
    ("fr-legal", "fr", "complaints", "legal", ["legal"]),
    ("fr-return", "fr", "returns", "returns", ["return"]),
]


@pytest.mark.parametrize(("name", "language", "queue", "rule", "labels"), EXAMPLES)
def test_an_example_mail_goes_where_its_name_says(
    example: Deployment, model: Any, name: str, language: str, queue: str, rule: str, labels: list[str]
) -> None:  # fmt: skip
    contact = of_file(example, model, name)
    found = (contact["language"], contact["queue"], contact["rule"]["id"], contact["labels"])
    assert found == (language, queue, rule, labels)
    assert contact["missing"] == []


def test_the_finnish_invoice_leaves_one_of_twelve(example: Deployment, model: Any) -> None:
    contact = of_file(example, model, "fi-billing")
    reasons = {agent.id: ruled_out(example, agent, contact) for agent in example.roster.agents}
    assert [agent for agent, reason in reasons.items() if reason is None] == ["a01"]
    assert Counter(reasons.values()) == {
        "tier": 5, "skill": 2, "language": 3, "presence": 1, None: 1,
    }  # fmt: skip
    line = (ROOT / "config" / "routing.yaml").read_text("utf-8").splitlines()
    place = int(contact["rule"]["at"].removeprefix("routing.yaml:"))
    assert line[place - 1] == "  - id: billing"


def test_with_a01_away_the_skill_that_the_roster_suggests_helps(
    example: Deployment, model: Any
) -> None:
    contact = of_file(example, model, "fi-billing")
    (second,) = [agent for agent in example.roster.agents if agent.id == "a02"]
    assert ruled_out(example, second, contact) == "skill"
    taught = second.model_copy(update={"skills": second.skills | {"billing": 5}})
    assert ruled_out(example, taught, contact) is None


@pytest.mark.parametrize("language", ["en", "fi", "sv", "de", "et", "fr"])
def test_somebody_present_answers_every_language_from_the_first_second(
    example: Deployment, language: str
) -> None:
    contact = {"queue": "general", "requires": {"skills": {}, "languages": [language]}}
    assert any(ruled_out(example, agent, contact) is None for agent in example.roster.agents)


@pytest.mark.parametrize(
    "queue", ["general", "billing", "technical", "complaints", "returns", "automatic"]
)
def test_somebody_present_can_take_from_every_queue(example: Deployment, queue: str) -> None:
    contact = {"queue": queue, "requires": {"skills": {}, "languages": []}}
    assert any(ruled_out(example, agent, contact) is None for agent in example.roster.agents)


MENTIONS = [
    ("Avvikelse", "Min elfaktura stämmer inte", "billing"),
    ("Frage", "Die Stromrechnung ist zu hoch", "billing"),
    ("Question", "Vous avez débité deux fois le paiement", "billing"),
    ("Küsimus", "Makse ei läinud läbi", "billing"),
    ("Palautus", "Haluan palauttaa kengät", "returns"),
    ("Rückgabe", "Ich möchte die Jacke zurückschicken", "returns"),
    ("Tagastamine", "Soovin jope tagastada", "returns"),
    ("Ongelma", "Sovellus ei toimi enää", "technical"),
    ("Viga", "Rakendus annab veateate", "technical"),
    ("Valitus", "Palvelu oli huonoa", "complaints"),
    ("Klagomål", "Jag är mycket missnöjd", "complaints"),
    ("Kaebus", "Olen väga pettunud", "complaints"),
    ("Hello Bill", "Dear Bill, what is the weather like?", "general"),
]


@pytest.mark.parametrize(("subject", "text", "queue"), MENTIONS)
def test_the_rules_read_six_languages(
    example: Deployment, model: Any, subject: str, text: str, queue: str
) -> None:
    contact = handed_over(example, model, subject, text, "support@vaxel.example")
    assert contact["queue"] == queue
