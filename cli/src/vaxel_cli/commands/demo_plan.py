"""What the customers of a demo write: pure, and the same for the same seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

Way = Literal["email", "chat", "webhook"]
WAYS: tuple[Way, ...] = ("email", "chat", "webhook")
WEIGHTS: dict[Way, int] = {"email": 7, "chat": 2, "webhook": 1}
CUSTOMERS = 500
"""Some write twice."""

NAMES = ("Aino", "Sven", "Grete", "Marc", "Linda", "Omar", "Jonas", "Ida", "Paul", "Reet")
TEXTS: tuple[tuple[str, str, str], ...] = (
    ("fi", "Lasku on väärin", "Hei, laskussani on virhe. Voisitteko tarkistaa sen ja hyvittää?"),
    ("fi", "Palautus", "Hei, haluaisin palauttaa takin, se on liian pieni."),
    ("en", "My invoice is wrong", "Hello, I was charged twice on my invoice. Please refund one."),
    ("en", "The app crashes", "Hello, since yesterday the app crashes with error 500."),
    ("en", "Opening hours", "Good morning, when are you open at the weekend?"),
    ("sv", "Kan inte logga in", "Hej, jag kan inte logga in i appen sedan i går."),
    ("sv", "Fakturan", "Hej, jag undrar över fakturan från oktober, beloppet stämmer inte."),
    ("de", "Beschwerde", "Guten Tag, ich möchte mich über den Service beschweren."),
    ("de", "Rechnung", "Guten Tag, meine Rechnung vom Oktober ist doppelt abgebucht worden."),
    ("et", "Sisse logida ei saa", "Tere, ma ei saa enam rakendusse sisse logida, palun aidake."),
    ("fr", "Retour de commande", "Bonjour, je voudrais retourner ma commande, trop petite."),
    ("fr", "Facture", "Bonjour, ma facture du mois d'octobre ne me semble pas correcte."),
)
ANSWERS = {
    "de": "Vielen Dank für Ihre Nachricht. Das haben wir für Sie erledigt.",
    "en": "Thank you for writing. We have taken care of it.",
    "et": "Täname kirja eest. Asi on lahendatud.",
    "fi": "Kiitos viestistänne. Asia on hoidettu.",
    "fr": "Merci de votre message. C'est fait.",
    "sv": "Tack för ditt meddelande. Det är ordnat.",
}


@dataclass(frozen=True, slots=True)
class Contact:
    """One customer's message. ``key`` is unique in all demos, ``due_s`` counts from the start."""

    key: str
    way: Way
    due_s: float
    name: str
    address: str
    language: str
    subject: str
    text: str


def plan(
    rate: float, seconds: float, *, run: str, seed: int, ways: Sequence[Way] = WAYS
) -> Iterator[Contact]:
    """``rate`` contacts a second on average for so many seconds, as customers come: at random.

    ``run`` tells one demo's messages from another's. Gaps are exponential (a Poisson process).
    """
    random = Random(seed)  # noqa: S311 - what customers write is no secret
    at_s, number = random.expovariate(rate), 0
    while at_s < seconds:
        way = random.choices(ways, [WEIGHTS[one] for one in ways])[0]
        language, subject, text = random.choice(TEXTS)
        name = random.choice(NAMES)
        customer = random.randrange(CUSTOMERS)
        yield Contact(
            key=f"{run}-{number}",
            way=way,
            due_s=at_s,
            name=name,
            address=f"{name.lower()}.{customer}@demo.example",
            language=language,
            subject=subject,
            text=text,
        )
        at_s += random.expovariate(rate)
        number += 1
