"""How mail programs of many languages set off what they quote, forward and sign with.

Everything here looks at one line of bounded length, or at a few of them; no pattern can wander.
"""

from __future__ import annotations

import re

# ruff: noqa: RUF001 - other alphabets are what this file is about

LINE_CHARS_MAX = 400
"""No separator is longer; only so much of a line is looked at."""

_WROTE = (
    "wrote|writes|a écrit|schrieb|schreibt|geschrieben|escribió|escribio|ha scritto|scrisse"
    "|escreveu|schreef|skrev|skrifaði|kirjoitti|napisał|napisała|napisał\\(a\\)|napísal|napsal"
    "|napsala|írta|a scris|написал|написала|написав|написала|пишет|писал|wrote in message|yazdı"
    "|şunu yazdı|έγραψε|viết|đã viết|menulis|写道|寫道|のメッセージ|のメール|作成|님이 작성"
    "|เขียน|כתב|كتب|rašė|kirjutas|rakstīja|je napisao|je napisala|је написао|написа|hat am"
    "|shkroi"
)
_VERB = re.compile(rf"(?:{_WROTE})", re.IGNORECASE)
_ENDS = re.compile(
    r"[:：]\s*$|(?:wrote|écrit|schrieb|escribió|napisał\(a\)|yazdı|写道|dixit)\s*$", re.IGNORECASE
)
_DATE = re.compile(
    r"\b\d{1,2}[:.h]\d{2}\b|\b\d{4}[-/.年]\s?\d{1,2}|\b\d{1,2}[-/.]\s?\d{1,2}[-/.]\s?\d{2,4}\b"
    r"|\b(?:19|20)\d{2}\b"
)
_TIME = re.compile(r"\b\d{1,2}[:.h]\d{2}\b")
_OWN_SENTENCE = re.compile(
    r"\b(?:i|we|you|ich|wir|sie|j'ai|nous|vous|jag|vi|jeg|ik|wij|yo|io|eu|minä|kirjoitin)"
    r" (?:\S{1,20} ){0,2}(?:wrote|schrieb(?:en)?|écrit|skrev|schreef|escrib|scritto|escrevi)",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"[^\s<>()\[\]]{1,64}@[^\s<>()\[\]]{1,190}")
_STARTS = re.compile(
    r"^(?:on|le|am|el|il|em|op|den|på|w dniu|dnia|dne|dňa|dana|ngày|pada|vào|în data|la data|ke"
    r"|at|по|от|tarihinde|von|\d)\b",
    re.IGNORECASE,
)
_GMAIL_OLD = re.compile(
    r"^\d{4}[-/]\d{1,2}[-/]\d{1,2}\s.{0,200}<[^<>\s]{1,254}@[^<>\s]{1,254}>:?\s*$"
)

_ORIGINAL = re.compile(
    r"^\s*(?:[-_=*]{2,}|\*)\s*(?:original message|original-nachricht|ursprüngliche nachricht"
    r"|ursprungliche nachricht|originalnachricht|message d'origine|message original"
    r"|message d’origine|mensaje original|messaggio originale|mensagem original"
    r"|oorspronkelijk bericht|oprindelig meddelelse|opprinnelig melding|ursprungligt meddelande"
    r"|originalmeddelande|alkuperäinen viesti|wiadomość oryginalna|oryginalna wiadomość"
    r"|původní zpráva|pôvodná správa|eredeti üzenet|исходное сообщение|оригинальное сообщение"
    r"|вихідне повідомлення|özgün ileti|orijinal mesaj|izvorna poruka|mesaj original|原始邮件"
    r"|原始郵件|元のメッセージ|오리지널 메시지|원본 메시지|original appointment|reply message"
    r"|antwort|reply above this line)\s*(?:[-_=*:]+\s*)?$",
    re.IGNORECASE,
)
_FORWARDED = re.compile(
    r"^\s*(?:[-_=*]{2,}\s*(?:forwarded message|forwarded by .{1,100}|weitergeleitete nachricht"
    r"|message transféré|message transmis|mensaje reenviado|messaggio inoltrato"
    r"|mensagem encaminhada|mensagem reencaminhada|doorgestuurd bericht|videresendt meddelelse"
    r"|videresendt melding|vidarebefordrat meddelande|välitetty viesti|wiadomość przekazana dalej"
    r"|treść przekazanej wiadomości|přeposlaná zpráva|továbbított üzenet|пересылаемое сообщение"
    r"|пересланное сообщение|переслане повідомлення|iletilen mesaj|yönlendirilmiş ileti|转发的邮件"
    r"|轉寄郵件|転送メッセージ|전달된 메시지)\s*[-_=*]*"
    r"|begin forwarded message:|anfang der weitergeleiteten (?:nachricht|e-mail):"
    r"|début du message (?:réexpédié|transféré)\s?:|inicio del mensaje reenviado:"
    r"|inizio messaggio inoltrato:|início da mensagem (?:reencaminhada|encaminhada):"
    r"|begin doorgestuurd bericht:|vidarebefordrat brev:|start på videresendt besked:"
    r"|videresendt melding:|välitetty viesti alkaa:|początek przekazywanej wiadomości:"
    r"|начало переадресованного сообщения:|下面是被转发的邮件：)\s*$",
    re.IGNORECASE,
)
_ABOVE = re.compile(
    r"^\s*(?:[-#=_*]{2,}.{0,20}(?:reply above|type your reply above|write above|respond above"
    r"|antworten sie oberhalb|über dieser (?:linie|zeile)|au-dessus de cette ligne"
    r"|por encima de esta línea|skriv over denne linje|skriv ovanför|kirjoita vastauksesi tämän"
    r"|boven deze regel|sopra questa (?:riga|linea)|acima desta linha).{0,60}$)",
    re.IGNORECASE,
)

_LABELS = {
    "from": (
        "from|von|de|da|van|fra|från|lähettäjä|od|от|від|от кого|kimden|gönderen|发件人|寄件者"
        "|寄件人|差出人|送信者|보낸 사람|보낸사람|feladó|expéditeur|remitente|mittente|afzender"
        "|nadawca|από|שולח|מאת|من|saatja|nuo|no|expeditor|pošiljatelj|odesílatel|odosielateľ|từ"
        "|dari"
    ),
    "date": (
        "sent|date|gesendet|datum|envoyé|envoye|date d'envoi|enviado|enviado el|enviada em"
        "|enviada|fecha|inviato|data|verzonden|sendt|dato|skickat|lähetetty|päivämäärä|päiväys"
        "|wysłano|odesláno|odoslané|отправлено|дата|надіслано|gönderilen|gönderme tarihi"
        "|gönderildi|tarih|发送时间|时间|日期|寄件日期|送信日時|日時|送信|보낸 날짜|날짜"
        "|elküldve|dátum|poslano|trimis|ημερομηνία|saadetud|תאריך|נשלח|ngày"
    ),
    "to": (
        "to|an|à|para|a|aan|til|till|vastaanottaja|do|komu|кому|kime|alıcı|收件人|收件者|宛先"
        "|받는 사람|받는사람|címzett|destinataire|destinatario|destinatário|pro|za|către|προς"
        "|kellele|אל"
    ),
    "cc": (
        "cc|kopie|copie|copia|kopi|kopia|kopio|kopija|копия|копія|bilgi|抄送|副本|참조"
        "|másolatot kap|cópia"
    ),
    "subject": (
        "subject|betreff|objet|asunto|oggetto|assunto|onderwerp|emne|ämne|aihe|temat|předmět"
        "|predmet|тема|konu|主题|主旨|件名|제목|tárgy|subiect|θέμα|teema|נושא|chủ đề"
    ),
    "reply": "reply-to|répondre à|antwort an|responder a|rispondi a",
}
_LABEL_OF = {word: kind for kind, words in _LABELS.items() for word in words.split("|")}
_LABEL = re.compile(
    r"^\s*[*_]{0,2}\s*([^\s:：*][^:：*\n]{0,28}?)\s*[*_]{0,2}\s*[:：]\s*[*_]{0,2}(?:\s|$|\S)"
)

_DELIMITER = re.compile(r"^(?:-- ?|—|--\xa0)$")
_RULE = re.compile(r"^\s*_{5,}\s*$")
_LOOSE_DELIMITER = re.compile(r"^\s*(?:[-–—]{2,3}|[-*=_]{8,}|__+)\s*$")
_MOBILE = re.compile(
    r"^\W{0,4}(?:sent (?:from|via|using|with) (?:my |mail |outlook|samsung|the |yahoo|proton"
    r"|blackberry|iphone|ipad|an? |gmail|fastmail|windows|mobile|hey)|get outlook for "
    r"|von meinem |gesendet (?:von|mit|über) |diese nachricht wurde von meinem|envoyé (?:de mon"
    r"|depuis|à partir de)|enviado (?:desde|do meu|de meu|a partir)|inviato da"
    r"|verzonden (?:vanaf|met|via)|verstuurd vanaf|sendt fra|skickat från|lähetetty (?:iphone"
    r"|ipad|samsung|androi|puhelim|outlook|minun|yahoo|laitteest)|wysłan[eoy] z|odesláno z"
    r"|отправлено (?:с|из)|надіслано з|iphone'umdan|iphone’dan gönderildi|发自我的|從我的|从我的"
    r"|iphoneから送信|나의 iphone에서|outlook (?:for|für|pour) |hanki outlook|hämta outlook"
    r"|téléchargez outlook|obtener outlook|descarga outlook|scarica outlook|yahoo mail (?:for"
    r"|auf|sur)|skickad från|trimis de pe|küldve |elküldve az?|στάλθηκε από)",
    re.IGNORECASE,
)
_DASH_NAME = re.compile(r"^\s{0,4}[-–—~]{1,2}\s?[^\W\d_][^\d:?!,;]{1,40}$")
_DISCLAIMER = re.compile(
    r"^\W{0,10}(?:confidentiality (?:notice|note)|disclaimer|(?:this"
    r"|the information (?:contained )?in this) (?:e-?mail|message"
    r"|communication).{0,120}(?:confidential|intended|privileged)|the (?:content"
    r"|information)s? (?:of|contained in) this (?:e-?mail|message)|diese (?:e-?mail"
    r"|nachricht).{0,60}(?:enthält|ist) vertraulich|ce (?:message|courriel"
    r"|mail).{0,100}confidentiel|este (?:mensaje|correo|e-?mail).{0,120}confidencial"
    r"|esta mensagem.{0,120}confidencia|denna? (?:e-?post|meddelande).{0,80}(?:konfident"
    r"|sekretess)|questo (?:messaggio|e-?mail).{0,120}riservat|avis de confidentialité"
    r"|please consider the environment before printing)",
    re.IGNORECASE,
)


def is_original(line: str) -> bool:
    """``-----Original Message-----`` and its kin: the rest of the mail is quoted."""
    return _ORIGINAL.match(line) is not None or _ABOVE.match(line) is not None


def is_forwarded(line: str) -> bool:
    """``---------- Forwarded message ---------`` and its kin."""
    return _FORWARDED.match(line) is not None


def is_attribution(text: str) -> bool:
    """``On <date>, <name> wrote:``, on one line or several joined by a space."""
    text = text.strip().lstrip("*> ").rstrip("* ")
    if len(text) > LINE_CHARS_MAX or len(text) < 6:
        return False
    if _GMAIL_OLD.match(text):
        return True
    if not _ENDS.search(text):
        return False
    verb, date, address = _VERB.search(text), _DATE.search(text), _ADDRESS.search(text)
    if verb:
        return bool(date or address)
    return bool(date and address)


def is_plain_attribution(text: str) -> bool:
    """One that is believed without quote signs below it: it names an address or a time of day.

    "On 12 October I wrote to you:" is a customer's own sentence.
    """
    if not is_attribution(text) or _OWN_SENTENCE.search(text):
        return False
    return bool(_ADDRESS.search(text) or _TIME.search(text))


def may_begin_attribution(line: str) -> bool:
    """Whether an attribution of several lines can begin here."""
    line = line.strip().lstrip("*> ")
    return bool(_STARTS.match(line) or _DATE.search(line) or _ADDRESS.search(line))


def label(line: str) -> str | None:
    """Which field of a quoted mail's header a line is: from, date, to, cc, subject, reply."""
    found = _LABEL.match(line)
    if found is None:
        return None
    return _LABEL_OF.get(found[1].strip().lower().replace("\xa0", " "))


def is_delimiter(line: str) -> bool:
    """The signature delimiter of Usenet, ``-- ``."""
    return _DELIMITER.match(line) is not None


def is_loose_delimiter(line: str) -> bool:
    """A rule that people put above their signature."""
    return _LOOSE_DELIMITER.match(line) is not None


def is_rule(line: str) -> bool:
    """A line of underscores, as Outlook puts above what it quotes."""
    return _RULE.match(line) is not None


def is_mobile(line: str) -> bool:
    """``Sent from my phone``, one line."""
    return len(line) < 120 and _MOBILE.match(line) is not None


def is_dash_name(line: str) -> bool:
    """``-Jane`` or ``— Jane Doe`` by itself."""
    return _DASH_NAME.match(line) is not None


def is_disclaimer(line: str) -> bool:
    """The first line of a legal notice."""
    return _DISCLAIMER.match(line) is not None
