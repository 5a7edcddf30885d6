"""Swedish."""

from vaxel_delivery.core.texts.shape import Texts

TEXTS = Texts(
    language="sv",
    acknowledgement=(
        "Hej,\n\n"
        "vi har tagit emot ditt meddelande. Dess nummer är {number}.\n"
        "Någon läser det och svarar dig. Om du vill lägga till något, svara på det här mejlet och "
        "låt ämnesraden stå kvar.\n\n"
        "{team}\n\n"
        "Det här meddelandet skickades automatiskt."
    ),
    chat_acknowledgement=(
        "Vi har tagit emot ditt meddelande. Dess nummer är {number}. Någon svarar dig här."
    ),
    full=(
        "Hej,\n\n"
        "vi har tagit emot ditt meddelande. Dess nummer är {number}.\n"
        "Så många har skrivit till oss att vi inte kan ta hand om det nu.\n"
        "Om det inte kan vänta, svara på det här mejlet: då läser någon det.\n\n"
        "{team}\n\n"
        "Det här meddelandet skickades automatiskt."
    ),
    chat_full=(
        "Så många har skrivit att vi inte kan ta hand om ditt meddelande nu. Dess "
        "nummer är {number}. Om det inte kan vänta, skriv igen här: då läser någon "
        "det."
    ),
    offer_subject="Erbjudande {number}: {queue}",
    offer_intro="Ett ärende väntar och erbjuds dig.",
    number="Nummer",
    queue="Kö",
    case_language="Språk",
    priority="Prioritet",
    waiting="Har väntat",
    subject="Ämne",
    first_lines="Första raderna",
    why_you="Varför du",
    until="Erbjudandet gäller i {limit}, till {instant}.",
    assigned_subject="Ditt: {number}, {queue}",
    assigned_auto="Ett ärende är nu ditt; om sådant arbete frågas ingen.",
    assigned_override="En arbetsledare har gett dig ett ärende.",
    open_link="Ta emot eller avböj här (att öppna sidan ändrar ingenting):",
    do_not_answer="Svara inte på det här mejlet: ingen läser svaren.",
    candidates="{eligible} av {candidates} personer kunde ta det nu.",
    only_one="Av {candidates} personer är det bara du som kan ta det nu.",
    terms={
        "sticky": "du har haft ärendet tidigare",
        "tier": "nivå {value}",
        "idle_since_ms": "du har varit ledig längst",
    },
    accept="Ta emot",
    decline="Avböj",
    decline_reason="Varför avböja",
    decline_reasons={
        "busy": "Jag är upptagen",
        "not_my_skill": "Jag kan inte ämnet",
        "language": "Jag kan inte språket tillräckligt bra",
        "conflict": "Jag bör inte handlägga det här",
        "other": "Ett annat skäl",
    },
    is_open="Erbjudandet är öppet.",
    accepted="Mottaget: ärendet är ditt.",
    declined="Avböjt: ärendet går till någon annan.",
    expired="För sent: erbjudandet har gått ut.",
    withdrawn="För sent: erbjudandet har dragits tillbaka.",
    refused="Det gick inte ({code}).",
    pending="Ditt svar är sparat, men beslutet har inte kommit än. Ladda om sidan om en stund.",
    not_found=(
        "Det finns inget erbjudande på den här adressen. Öppna länken precis som den står i mejlet."
    ),
    try_again="Det går inte just nu. Försök igen om en minut.",
    nothing_changed="Ingenting har ändrats.",
)
