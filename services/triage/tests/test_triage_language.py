"""Languages: told where they can be, ``und`` where they can't, foreign ones never taken for ours."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaxel_triage.core.language import detect, matching, of_message
from vaxel_triage.shell.detector import Detector

LANGUAGES = ["en", "fi", "sv", "de", "et", "fr"]

OURS = {
    "en": [
        "Hello, my invoice is wrong", "I was charged twice this month", "Hi", "ok thanks",
        "The app crashes when I log in", "Please send me a refund",
        "My parcel never arrived, where is it?", "invoice", "Thanks!",
        "I want to return these shoes, wrong size", "Can you help me?",
        "Your service is unacceptable",
        "Hi, I got invoice 4711 today but the amount is wrong. Could you check? Thanks, Bob",
        "How do I send back the shoes? They are too small.", "Question about my invoice",
    ],
    "fi": [
        "Hei, laskuni on väärin", "Minulta veloitettiin kahdesti", "Hei", "kiitos",
        "Sovellus kaatuu kun kirjaudun sisään", "Haluaisin palauttaa tuotteen",
        "Pakettini ei ole saapunut, missä se on?", "lasku", "Laskussa on virhe",
        "Milloin saan rahat takaisin?", "Voitteko auttaa minua?", "Palvelunne on törkeää",
        "Hei, sain tänään laskun numero 4711, mutta summa on väärä. Voisitteko tarkistaa sen? Matti",
        "Tilasin teiltä kengät viime viikolla ja ne ovat liian pienet. Miten palautan ne?",
    ],
    "sv": [
        "Hej, min faktura är fel", "Jag har debiterats två gånger", "Hej", "tack",
        "Appen kraschar när jag loggar in", "Jag vill returnera skorna",
        "Mitt paket har inte kommit, var är det?", "faktura", "Fakturan stämmer inte",
        "När får jag pengarna tillbaka?", "Kan ni hjälpa mig?", "Er service är oacceptabel",
        "Hej! Jag fick faktura 4711 idag men beloppet är fel. Kan ni kontrollera? Mvh Karin",
        "Jag beställde skor förra veckan och de är för små. Hur gör jag för att lämna dem?",
        "Fråga om faktura", "Fel på beloppet",
    ],
    "de": [
        "Hallo, meine Rechnung ist falsch", "Mir wurde zweimal abgebucht", "Hallo", "danke",
        "Die App stürzt beim Anmelden ab", "Ich möchte die Schuhe zurückschicken",
        "Mein Paket ist nicht angekommen, wo ist es?", "Rechnung", "Die Rechnung stimmt nicht",
        "Wann bekomme ich mein Geld zurück?", "Können Sie mir helfen?",
        "Ihr Service ist unzumutbar",
        "Guten Tag, heute kam die Rechnung 4711, aber der Betrag ist falsch. Bitte prüfen. MfG",
        "Wie kann ich die Schuhe zurückgeben? Sie sind zu klein.", "Frage zur Rechnung",
    ],
    "et": [
        "Tere, minu arve on vale", "Minult võeti kaks korda raha", "Tere", "aitäh",
        "Rakendus jookseb sisselogimisel kokku", "Soovin kingad tagastada",
        "Minu pakk ei ole saabunud, kus see on?", "arve", "Arvel on viga",
        "Millal ma raha tagasi saan?", "Kas te saate mind aidata?",
        "Teie teenindus on vastuvõetamatu",
        "Tere! Sain täna arve 4711, aga summa on vale. Palun kontrollige. Tervitades Mart",
        "Tellisin eelmisel nädalal kingad ja need on liiga väikesed. Kuidas need tagastada?",
        "Küsimus arve kohta",
    ],
    "fr": [
        "Bonjour, ma facture est fausse", "J'ai été débité deux fois", "Bonjour", "merci",
        "L'application plante à la connexion", "Je souhaite retourner les chaussures",
        "Mon colis n'est pas arrivé, où est-il ?", "facture", "La facture est erronée",
        "Quand serai-je remboursé ?", "Pouvez-vous m'aider ?", "Votre service est inadmissible",
        "Bonjour, j'ai reçu la facture 4711 mais le montant est faux. Merci de vérifier.",
        "Comment renvoyer les chaussures ? Elles sont trop petites.", "Question sur ma facture",
    ],
}  # fmt: skip

FOREIGN = [
    "Hola, recibí la factura 4711 pero el importe es incorrecto. ¿Podrían revisarlo? Gracias",
    "¿Cómo devuelvo los zapatos? Me quedan pequeños.",
    "Mi pedido no ha llegado todavía",
    "Buongiorno, ho ricevuto la fattura 4711 ma l'importo è sbagliato. Potete controllare?",
    "Come posso restituire le scarpe? Sono troppo piccole.",
    "Il mio pacco non è arrivato",
    "Olá, recebi a fatura 4711 mas o valor está errado. Podem verificar? Obrigado",
    "Como devolvo os sapatos? São pequenos demais.",
    "Goedendag, ik heb factuur 4711 ontvangen maar het bedrag klopt niet. Kunt u dit nakijken?",
    "Hoe kan ik de schoenen terugsturen? Ze zijn te klein.",
    "Mijn pakket is niet aangekomen",
    "Hej, jeg har modtaget faktura 4711, men beløbet er forkert. Kan I tjekke det? Venlig hilsen",
    "Hvordan returnerer jeg skoene? De er for små.",
    "Min pakke er ikke kommet",
    "Hei, jeg har fått faktura 4711, men beløpet er feil. Kan dere sjekke? Hilsen",
    "Dzień dobry, otrzymałem fakturę 4711, ale kwota jest błędna. Proszę o sprawdzenie.",
    "Jak mogę zwrócić buty? Są za małe.",
    "Labdien, es saņēmu rēķinu 4711, bet summa ir nepareiza. Lūdzu pārbaudiet.",
    "Kā es varu atgriezt kurpes?",
    "Jó napot, megkaptam a 4711-es számlát, de az összeg hibás. Kérem ellenőrizzék.",
    "Здравствуйте, я получил счёт 4711, но сумма неверна. Проверьте, пожалуйста.",
    "Dobrý den, dostal jsem fakturu 4711, ale částka je špatná. Prosím o kontrolu.",
]

NO_LANGUAGE = ["", "12345", "??", "OK", "RE: 4711-22", "\x00\x01", "😀😀😀😀😀😀😀😀", "   \n\n"]


@pytest.fixture(scope="module")
def detector(model: Any) -> Detector:
    return Detector(model, LANGUAGES)


def test_our_languages_are_told_apart_and_never_confused(detector: Detector) -> None:
    answers = [
        (language, detect(text, LANGUAGES, detector) or "und", text)
        for language, texts in OURS.items()
        for text in texts
    ]
    wrong = [answer for answer in answers if answer[1] not in (answer[0], "und")]
    right = sum(language == found for language, found, _ in answers)
    assert wrong == []
    assert (right, len(answers)) >= (75, 90)


@pytest.mark.parametrize("text", FOREIGN)
def test_what_is_none_of_our_languages_is_not_taken_for_one(detector: Detector, text: str) -> None:
    assert detect(text, LANGUAGES, detector) in (None, "und")


@pytest.mark.parametrize("text", NO_LANGUAGE)
def test_what_says_too_little_is_not_guessed_at(detector: Detector, text: str) -> None:
    assert detect(text, LANGUAGES, detector) is None


TAGS = [
    # declared, the deployment's tags, which of them it is
    ("fi", ["en", "fi"], "fi"),
    ("fi-FI", ["en", "fi"], "fi"),
    ("FI_fi", ["en", "fi"], "fi"),
    ("pt", ["pt-BR", "pt-PT"], "pt-BR"),
    ("PT-pt", ["pt-BR", "pt-PT"], "pt-PT"),
    ("es", ["en", "fi"], None),
    ("", ["en"], None),
    (None, ["en"], None),
]


@pytest.mark.parametrize(("tag", "languages", "expected"), TAGS)
def test_a_tag_is_matched_with_the_deployments_own(
    tag: str | None, languages: list[str], expected: str | None
) -> None:
    assert matching(tag, languages) == expected


FINNISH = "Hei, laskuni on väärin"
DUTCH = "Hoe kan ik de schoenen terugsturen? Ze zijn te klein."

SOURCES = [
    # texts, what the customer chose, what the program says, the answer
    ([FINNISH], None, None, "fi"),
    (["Hi", FINNISH], None, None, "fi"),
    ([FINNISH], "sv-FI", None, "sv"),
    ([FINNISH], "nl", None, "und"),
    ([FINNISH], "und", None, "fi"),
    ([FINNISH], None, "en-US", "fi"),
    (["Hi"], None, "de-AT", "de"),
    (["Hi"], None, "nl", "und"),
    ([DUTCH], None, "en-US", "und"),
    ([DUTCH, FINNISH], None, None, "und"),
    ([], None, None, "und"),
]


@pytest.mark.parametrize(("texts", "chosen", "hinted", "expected"), SOURCES)
def test_a_choice_comes_before_the_text_and_the_text_before_a_programs_setting(
    detector: Detector, texts: list[str], chosen: str | None, hinted: str | None, expected: str
) -> None:
    found = of_message(texts, LANGUAGES, detector, chosen=chosen, hinted=hinted)
    assert found == expected


def test_regional_tags_are_answered_as_the_deployment_writes_them(model: Any) -> None:
    ours = ["en-GB", "pt-BR"]
    found = detect(
        "Olá, recebi a fatura 4711 mas o valor está errado.", ours, Detector(model, ours)
    )
    assert found == "pt-BR"


def test_languages_that_the_model_does_not_know_are_told_and_never_guessed(model: Any) -> None:
    detector = Detector(model, ["en", "tlh"])
    assert detector.unknown == ["tlh"]
    assert detect("Hello, my invoice is wrong", ["en", "tlh"], detector) == "en"
    alone = Detector(model, ["tlh"])
    assert detect("Hello, my invoice is wrong", ["tlh"], alone) == "und"
    assert detect("xqzt xqzt wvwv", ["tlh"], alone) in (None, "und")


@given(st.text(max_size=300))
def test_every_text_has_an_answer(detector: Detector, text: str) -> None:
    assert detect(text, LANGUAGES, detector) in [*LANGUAGES, "und", None]
