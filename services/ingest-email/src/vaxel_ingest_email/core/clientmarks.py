"""The HTML elements by which mail programs set off what they quote and their signatures."""

from __future__ import annotations

import re

ATTRIBUTES_CHARS_MAX = 3_000
"""What of a start tag is looked at."""

_ATTRIBUTE = re.compile(
    r"""([a-zA-Z-]{1,30})\s{0,9}=\s{0,9}("[^"]{0,400}"|'[^']{0,400}'|[^\s"'>]{1,400})"""
)
_QUOTE_NAMES = frozenset(
    [
        "gmail_quote",
        "gmail_quote_container",
        "gmail_attr",
        "yahoo_quoted",
        "protonmail_quote",
        "moz-cite-prefix",
        "outlookmessageheader",
        "zmail_extra",
        "front-blockquote",
        "tutanota_quote",
        "ymail_android_signature_quote",
        "isreplycontent",
        "mail-editor-reference-message-container",
        "ms-outlook-mobile-reference-message",
        "qt",
        "quoted_text",
        "mailru-blockquote",
    ]
)
_REST_NAMES = frozenset(
    ["divrplyfwdmsg", "appendonsend", "stopspelling", "replysplit", "olk_src_body_section"]
)
_SIGNATURE_NAMES = frozenset(
    [
        "gmail_signature",
        "gmail_signature_prefix",
        "moz-signature",
        "applemailsignature",
        "signature",
        "ms-outlook-mobile-signature",
        "protonmail_signature_block",
        "applemailsignaturesection",
        "mobile-signature",
        "tutanota_signature",
        "zmail_signature_below",
    ]
)
_OUTLOOK_RULE = re.compile(r"border:none;border-top:solid#(?:b5c4df|e1e1e1)")


def kind(name: str, attributes: str) -> str:
    """What an element marks: ``quote``, ``signature``, ``rest`` (all that follows) or nothing."""
    given = {
        key.lower(): value.strip("\"'").lower()
        for key, value in _ATTRIBUTE.findall(attributes[:ATTRIBUTES_CHARS_MAX])
    }
    names = {
        item.removeprefix("x_")
        for item in f"{given.get('class', '')} {given.get('id', '')}".split()
    }
    if name == "blockquote" and given.get("type") == "cite":
        return "quote"
    if names & _REST_NAMES or given.get("data-marker") == "__quoted_text__":
        return "rest"
    if names & _QUOTE_NAMES:
        return "quote"
    if names & _SIGNATURE_NAMES or given.get("data-marker") == "__sig_pre__":
        return "signature"
    if name == "div" and _OUTLOOK_RULE.search(given.get("style", "").replace(" ", "")[:300]):
        return "rest"
    return ""
