"""English."""

from vaxel_delivery.core.texts.shape import Texts

TEXTS = Texts(
    language="en",
    acknowledgement=(
        "Hello,\n\n"
        "we have received your message. Its number is {number}.\n"
        "Somebody will read it and answer you. If you want to add anything, answer this mail and "
        "leave its subject as it is.\n\n"
        "{team}\n\n"
        "This message was sent automatically."
    ),
    chat_acknowledgement=(
        "We have received your message. Its number is {number}. Somebody will answer you here."
    ),
    full=(
        "Hello,\n\n"
        "we have received your message. Its number is {number}.\n"
        "So many people have written to us that we can't take it up now.\n"
        "If it can't wait, answer this mail: then somebody will read it.\n\n"
        "{team}\n\n"
        "This message was sent automatically."
    ),
    chat_full=(
        "So many people have written that we can't take your message up now. Its "
        "number is {number}. If it can't wait, write again here: then somebody will "
        "read it."
    ),
    offer_subject="Offer {number}: {queue}",
    offer_intro="A case is waiting and is offered to you.",
    number="Number",
    queue="Queue",
    case_language="Language",
    priority="Priority",
    waiting="Waiting for",
    subject="Subject",
    first_lines="First lines",
    why_you="Why you",
    until="The offer lasts {limit}, until {instant}.",
    assigned_subject="Yours: {number}, {queue}",
    assigned_auto="A case is yours now; nobody is asked about work of this kind.",
    assigned_override="A supervisor has given you a case.",
    open_link="Accept or decline here (opening the page changes nothing):",
    do_not_answer="Please don't answer this mail: nobody reads the answers.",
    candidates="{eligible} of {candidates} people could take it now.",
    only_one="Of {candidates} people you alone can take it now.",
    terms={
        "sticky": "you had this case before",
        "tier": "tier {value}",
        "idle_since_ms": "you have been free for longest",
    },
    accept="Accept",
    decline="Decline",
    decline_reason="Why decline",
    decline_reasons={
        "busy": "I am busy",
        "not_my_skill": "I don't know the matter",
        "language": "I don't know the language well enough",
        "conflict": "I should not handle this one",
        "other": "Another reason",
    },
    is_open="This offer is open.",
    accepted="Accepted: the case is yours.",
    declined="Declined: the case goes to somebody else.",
    expired="Too late: the offer has expired.",
    withdrawn="Too late: the offer has been withdrawn.",
    refused="That was not possible ({code}).",
    pending="Your answer is recorded, but the decision isn't here yet. Load the page again soon.",
    not_found=(
        "There is no offer at this address. Please open the link exactly as it is in the mail."
    ),
    try_again="This can't be done just now. Please try again in a minute.",
    nothing_changed="Nothing has changed.",
)
