"""Estonian."""

from vaxel_delivery.core.texts.shape import Texts

TEXTS = Texts(
    language="et",
    acknowledgement=(
        "Tere,\n\n"
        "oleme teie kirja kätte saanud. Selle number on {number}.\n"
        "Loeme selle läbi ja vastame teile. Kui soovite midagi lisada, vastake sellele kirjale ja "
        "jätke pealkiri muutmata.\n\n"
        "{team}\n\n"
        "See kiri on saadetud automaatselt."
    ),
    chat_acknowledgement=(
        "Oleme teie sõnumi kätte saanud. Selle number on {number}. Vastame teile siin."
    ),
    full=(
        "Tere,\n\n"
        "oleme teie kirja kätte saanud. Selle number on {number}.\n"
        "Meile on kirjutanud nii paljud, et me ei saa seda praegu menetleda.\n"
        "Kui asi ei kannata oodata, vastake sellele kirjale: siis keegi loeb selle "
        "läbi.\n\n"
        "{team}\n\n"
        "See kiri on saadetud automaatselt."
    ),
    chat_full=(
        "Meile on kirjutanud nii paljud, et me ei saa teie sõnumit praegu menetleda. "
        "Selle number on {number}. Kui asi ei kannata oodata, kirjutage siia uuesti: "
        "siis keegi loeb selle läbi."
    ),
    offer_subject="Pakkumine {number}: {queue}",
    offer_intro="Üks juhtum ootab ja seda pakutakse teile.",
    number="Number",
    queue="Järjekord",
    case_language="Keel",
    priority="Prioriteet",
    waiting="Oodanud",
    subject="Pealkiri",
    first_lines="Esimesed read",
    why_you="Miks teie",
    until="Pakkumine kehtib {limit}, kuni {instant}.",
    assigned_subject="Teie: {number}, {queue}",
    assigned_auto="Juhtum on nüüd teie; sellise töö kohta ei küsita kelleltki.",
    assigned_override="Juhendaja on andnud teile juhtumi.",
    open_link="Võtke vastu või keelduge siin (lehe avamine ei muuda midagi):",
    do_not_answer="Palun ärge sellele kirjale vastake: vastuseid ei loeta.",
    candidates="{eligible} inimest {candidates}-st saaks selle praegu võtta.",
    only_one="{candidates} inimesest saate selle praegu võtta ainult teie.",
    terms={
        "sticky": "see juhtum oli varem teie käes",
        "tier": "tase {value}",
        "idle_since_ms": "te olete kõige kauem vaba olnud",
    },
    accept="Võtan vastu",
    decline="Keeldun",
    decline_reason="Keeldumise põhjus",
    decline_reasons={
        "busy": "Mul on kiire",
        "not_my_skill": "Ma ei tunne seda teemat",
        "language": "Ma ei oska keelt piisavalt hästi",
        "conflict": "Ma ei peaks sellega tegelema",
        "other": "Muu põhjus",
    },
    is_open="Pakkumine on avatud.",
    accepted="Vastu võetud: juhtum on teie.",
    declined="Keeldutud: juhtum läheb kellelegi teisele.",
    expired="Liiga hilja: pakkumine on aegunud.",
    withdrawn="Liiga hilja: pakkumine on tagasi võetud.",
    refused="See ei olnud võimalik ({code}).",
    pending="Teie vastus on salvestatud, aga otsus ei ole veel kohal. Laadige leht varsti uuesti.",
    not_found="Sellel aadressil pakkumist ei ole. Avage link täpselt nii, nagu see kirjas on.",
    try_again="Praegu see ei õnnestu. Palun proovige minuti pärast uuesti.",
    nothing_changed="Midagi ei muutunud.",
)
