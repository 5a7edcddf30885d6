"""Finnish."""

from vaxel_delivery.core.texts.shape import Texts

TEXTS = Texts(
    language="fi",
    acknowledgement=(
        "Hei,\n\n"
        "olemme vastaanottaneet viestisi. Sen numero on {number}.\n"
        "Luemme viestin ja vastaamme sinulle. Jos haluat lisätä jotain, vastaa tähän viestiin ja "
        "jätä otsikko ennalleen.\n\n"
        "{team}\n\n"
        "Tämä viesti on lähetetty automaattisesti."
    ),
    chat_acknowledgement=(
        "Olemme vastaanottaneet viestisi. Sen numero on {number}. Vastaamme sinulle täällä."
    ),
    full=(
        "Hei,\n\n"
        "olemme vastaanottaneet viestisi. Sen numero on {number}.\n"
        "Olemme saaneet niin paljon viestejä, ettemme voi nyt ottaa sitä käsittelyyn.\n"
        "Jos asia ei voi odottaa, vastaa tähän viestiin: silloin joku lukee sen.\n\n"
        "{team}\n\n"
        "Tämä viesti on lähetetty automaattisesti."
    ),
    chat_full=(
        "Olemme saaneet niin paljon viestejä, ettemme voi nyt ottaa viestiäsi "
        "käsittelyyn. Sen numero on {number}. Jos asia ei voi odottaa, kirjoita tänne "
        "uudelleen: silloin joku lukee sen."
    ),
    offer_subject="Tarjous {number}: {queue}",
    offer_intro="Tapaus odottaa, ja sitä tarjotaan sinulle.",
    number="Numero",
    queue="Jono",
    case_language="Kieli",
    priority="Prioriteetti",
    waiting="Odottanut",
    subject="Otsikko",
    first_lines="Ensimmäiset rivit",
    why_you="Miksi sinä",
    until="Tarjous on voimassa {limit}, {instant} asti.",
    assigned_subject="Sinulle: {number}, {queue}",
    assigned_auto="Tapaus on nyt sinun; tällaisesta työstä ei kysytä erikseen.",
    assigned_override="Esihenkilö on antanut sinulle tapauksen.",
    open_link="Hyväksy tai hylkää täällä (sivun avaaminen ei muuta mitään):",
    do_not_answer="Älä vastaa tähän viestiin: vastauksia ei lueta.",
    candidates="{eligible} henkilöä {candidates}:sta voisi ottaa sen nyt.",
    only_one="{candidates} henkilöstä vain sinä voit ottaa sen nyt.",
    terms={
        "sticky": "tapaus on ollut sinulla aiemmin",
        "tier": "taso {value}",
        "idle_since_ms": "olet ollut pisimpään vapaana",
    },
    accept="Hyväksy",
    decline="Hylkää",
    decline_reason="Hylkäämisen syy",
    decline_reasons={
        "busy": "Minulla on kiire",
        "not_my_skill": "En tunne asiaa",
        "language": "En osaa kieltä riittävän hyvin",
        "conflict": "Minun ei pitäisi käsitellä tätä",
        "other": "Muu syy",
    },
    is_open="Tarjous on voimassa.",
    accepted="Hyväksytty: tapaus on sinun.",
    declined="Hylätty: tapaus menee jollekin toiselle.",
    expired="Liian myöhään: tarjous on vanhentunut.",
    withdrawn="Liian myöhään: tarjous on peruttu.",
    refused="Se ei ollut mahdollista ({code}).",
    pending=(
        "Vastauksesi on tallennettu, mutta päätös ei ole vielä täällä. Lataa sivu pian uudelleen."
    ),
    not_found=(
        "Tässä osoitteessa ei ole tarjousta. Avaa linkki täsmälleen sellaisena kuin se on "
        "viestissä."
    ),
    try_again="Tämä ei onnistu juuri nyt. Yritä uudelleen minuutin kuluttua.",
    nothing_changed="Mikään ei muuttunut.",
)
