"""German."""

from vaxel_delivery.core.texts.shape import Texts

TEXTS = Texts(
    language="de",
    acknowledgement=(
        "Guten Tag,\n\n"
        "wir haben Ihre Nachricht erhalten. Sie hat die Nummer {number}.\n"
        "Wir lesen sie und antworten Ihnen. Wenn Sie etwas ergänzen möchten, antworten Sie auf "
        "diese E-Mail und lassen Sie den Betreff unverändert.\n\n"
        "{team}\n\n"
        "Diese Nachricht wurde automatisch verschickt."
    ),
    chat_acknowledgement=(
        "Wir haben Ihre Nachricht erhalten. Sie hat die Nummer {number}. Wir antworten Ihnen hier."
    ),
    full=(
        "Guten Tag,\n\n"
        "wir haben Ihre Nachricht erhalten. Sie hat die Nummer {number}.\n"
        "Uns haben so viele geschrieben, dass wir sie jetzt nicht bearbeiten können.\n"
        "Wenn es nicht warten kann, antworten Sie auf diese E-Mail: Dann liest sie "
        "jemand.\n\n"
        "{team}\n\n"
        "Diese Nachricht wurde automatisch verschickt."
    ),
    chat_full=(
        "Uns haben so viele geschrieben, dass wir Ihre Nachricht jetzt nicht "
        "bearbeiten können. Sie hat die Nummer {number}. Wenn es nicht warten kann, "
        "schreiben Sie hier noch einmal: Dann liest sie jemand."
    ),
    offer_subject="Angebot {number}: {queue}",
    offer_intro="Ein Fall wartet und wird Ihnen angeboten.",
    number="Nummer",
    queue="Warteschlange",
    case_language="Sprache",
    priority="Priorität",
    waiting="Wartet seit",
    subject="Betreff",
    first_lines="Erste Zeilen",
    why_you="Warum Sie",
    until="Das Angebot gilt {limit}, bis {instant}.",
    assigned_subject="Ihr Fall: {number}, {queue}",
    assigned_auto="Ein Fall gehört jetzt Ihnen; nach solcher Arbeit wird niemand gefragt.",
    assigned_override="Die Teamleitung hat Ihnen einen Fall gegeben.",
    open_link="Hier annehmen oder ablehnen (die Seite zu öffnen ändert nichts):",
    do_not_answer="Bitte antworten Sie nicht auf diese E-Mail: Antworten liest niemand.",
    candidates="{eligible} von {candidates} Personen könnten ihn jetzt übernehmen.",
    only_one="Von {candidates} Personen können jetzt nur Sie ihn übernehmen.",
    terms={
        "sticky": "Sie hatten diesen Fall schon",
        "tier": "Stufe {value}",
        "idle_since_ms": "Sie sind am längsten frei",
    },
    accept="Annehmen",
    decline="Ablehnen",
    decline_reason="Warum ablehnen",
    decline_reasons={
        "busy": "Ich bin beschäftigt",
        "not_my_skill": "Ich kenne das Thema nicht",
        "language": "Ich kann die Sprache nicht gut genug",
        "conflict": "Ich sollte diesen Fall nicht bearbeiten",
        "other": "Ein anderer Grund",
    },
    is_open="Das Angebot ist offen.",
    accepted="Angenommen: Der Fall gehört Ihnen.",
    declined="Abgelehnt: Der Fall geht an jemand anderen.",
    expired="Zu spät: Das Angebot ist abgelaufen.",
    withdrawn="Zu spät: Das Angebot wurde zurückgezogen.",
    refused="Das war nicht möglich ({code}).",
    pending=(
        "Ihre Antwort ist gespeichert, die Entscheidung aber noch nicht da. Laden Sie die "
        "Seite bald neu."
    ),
    not_found=(
        "Unter dieser Adresse gibt es kein Angebot. Öffnen Sie den Link genau so, wie er in "
        "der E-Mail steht."
    ),
    try_again="Das geht gerade nicht. Bitte versuchen Sie es in einer Minute noch einmal.",
    nothing_changed="Es hat sich nichts geändert.",
)
