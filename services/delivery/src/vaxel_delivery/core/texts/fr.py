"""French."""

from vaxel_delivery.core.texts.shape import Texts

TEXTS = Texts(
    language="fr",
    acknowledgement=(
        "Bonjour,\n\n"
        "nous avons bien reçu votre message. Il porte le numéro {number}.\n"
        "Nous le lirons et vous répondrons. Pour ajouter quelque chose, répondez à cet e-mail "
        "sans en modifier l'objet.\n\n"
        "{team}\n\n"
        "Ce message a été envoyé automatiquement."
    ),
    chat_acknowledgement=(
        "Nous avons bien reçu votre message. Il porte le numéro {number}. Nous vous répondrons ici."
    ),
    full=(
        "Bonjour,\n\n"
        "nous avons bien reçu votre message. Il porte le numéro {number}.\n"
        "Nous avons reçu tant de messages que nous ne pouvons pas le traiter "
        "maintenant.\n"
        "Si cela ne peut pas attendre, répondez à cet e-mail : quelqu'un le lira.\n\n"
        "{team}\n\n"
        "Ce message a été envoyé automatiquement."
    ),
    chat_full=(
        "Nous avons reçu tant de messages que nous ne pouvons pas traiter le vôtre "
        "maintenant. Il porte le numéro {number}. Si cela ne peut pas attendre, "
        "écrivez de nouveau ici : quelqu'un le lira."
    ),
    offer_subject="Proposition {number} : {queue}",
    offer_intro="Un dossier attend et vous est proposé.",
    number="Numéro",
    queue="File",
    case_language="Langue",
    priority="Priorité",
    waiting="Attend depuis",
    subject="Objet",
    first_lines="Premières lignes",
    why_you="Pourquoi vous",
    until="La proposition vaut {limit}, jusqu'à {instant}.",
    assigned_subject="À vous : {number}, {queue}",
    assigned_auto="Un dossier est désormais à vous ; ce genre de travail n'est proposé à personne.",
    assigned_override="Un superviseur vous a confié un dossier.",
    open_link="Accepter ou refuser ici (ouvrir la page ne change rien) :",
    do_not_answer="Merci de ne pas répondre à cet e-mail : personne ne lit les réponses.",
    candidates="{eligible} personnes sur {candidates} pourraient le prendre maintenant.",
    only_one="Sur {candidates} personnes, vous seul(e) pouvez le prendre maintenant.",
    terms={
        "sticky": "vous avez déjà eu ce dossier",
        "tier": "niveau {value}",
        "idle_since_ms": "vous êtes libre depuis le plus longtemps",
    },
    accept="Accepter",
    decline="Refuser",
    decline_reason="Raison du refus",
    decline_reasons={
        "busy": "Je suis occupé(e)",
        "not_my_skill": "Je ne connais pas le sujet",
        "language": "Je ne maîtrise pas assez la langue",
        "conflict": "Je ne devrais pas traiter ce dossier",
        "other": "Une autre raison",
    },
    is_open="La proposition est ouverte.",
    accepted="Accepté : le dossier est à vous.",
    declined="Refusé : le dossier va à quelqu'un d'autre.",
    expired="Trop tard : la proposition a expiré.",
    withdrawn="Trop tard : la proposition a été retirée.",
    refused="Cela n'a pas été possible ({code}).",
    pending=(
        "Votre réponse est enregistrée, mais la décision n'est pas encore là. Rechargez "
        "bientôt la page."
    ),
    not_found=(
        "Il n'y a pas de proposition à cette adresse. Ouvrez le lien exactement tel qu'il "
        "figure dans l'e-mail."
    ),
    try_again="Ce n'est pas possible pour l'instant. Réessayez dans une minute.",
    nothing_changed="Rien n'a changé.",
)
