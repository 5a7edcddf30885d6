"""The page behind an offer's link: plain HTML, everything escaped, nothing loaded from anywhere.

Works without scripts and by keyboard alone; the policy below forbids anything else, should a
customer's text ever find a way around the escaping.
"""

from __future__ import annotations

import base64
import hashlib
from html import escape

from vaxel_delivery.core.links import DECLINE_REASONS
from vaxel_delivery.core.mails import OfferFacts, offer_rows, until, why
from vaxel_delivery.core.texts.shape import Texts

STYLE = """
body{font:1rem/1.5 system-ui,sans-serif;max-width:42rem;margin:2rem auto;padding:0 1rem}
body,button,select{color:#1a1a1a;background:#fff}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1rem}
dt{font-weight:600}dd{margin:0}dd,pre{overflow-wrap:anywhere}
pre{white-space:pre-wrap;border-left:4px solid #767676;padding-left:1rem;font:inherit}
form{display:inline-block;margin:1rem 2rem 0 0;vertical-align:top}
button,select{font:inherit;padding:.5rem 1rem;border:2px solid #1a1a1a;border-radius:.3rem}
button.first{background:#0b5d3b;border-color:#0b5d3b;color:#fff}
:focus-visible{outline:3px solid #1a5fb4;outline-offset:2px}
"""

_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}
"""Of every page: the address is a credential, so it isn't passed on, cached or indexed."""


def message(words: Texts, text: str, detail: str = "") -> str:
    """A page that only says something."""
    more = f"<p>{escape(detail)}</p>" if detail else ""
    return _page(words, text, f'<p role="status">{escape(text)}</p>{more}')


def open_offer(words: Texts, facts: OfferFacts, base: str, now_ms: int) -> str:
    """An offer that waits for an answer; ``base`` is the path of the page itself."""
    rows = [*offer_rows(facts, words, now_ms), (words.why_you, why(facts.explain, words))]
    known = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in rows)
    lines = f"<h2>{escape(words.first_lines)}</h2><pre>{escape(facts.first_lines)}</pre>"
    reasons = "".join(
        f'<option value="{code}">{escape(words.decline_reasons[code])}</option>'
        for code in DECLINE_REASONS
    )
    path = escape(base, quote=True)
    content = (
        f'<p role="status">{escape(words.is_open)} {escape(until(facts, words))}</p>'
        f"<dl>{known}</dl>{lines if facts.first_lines else ''}"
        f'<form method="post" action="{path}/accept">'
        f'<button class="first" type="submit">{escape(words.accept)}</button></form>'
        f'<form method="post" action="{path}/decline">'
        f'<label>{escape(words.decline_reason)} <select name="reason">{reasons}</select></label> '
        f'<button type="submit">{escape(words.decline)}</button></form>'
    )
    return _page(words, f"{facts.number} · {facts.queue}", content)


def _page(words: Texts, title: str, content: str) -> str:
    return (
        f'<!doctype html><html lang="{escape(words.language, quote=True)}"><head>'
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1>{content}</main></body></html>"
    )
