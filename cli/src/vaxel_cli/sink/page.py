"""The mailbox's pages as text. Pure; everything is escaped by the template engine."""

from __future__ import annotations

import base64
import hashlib
import re

from jinja2 import DictLoader, Environment, StrictUndefined

from vaxel_cli.sink.mailbox import Entry
from vaxel_cli.sink.parse import Mail
from vaxel_shared.contracts.cloudevents import iso_ms

STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 70rem; padding: 1rem; }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1rem; list-style: none; padding: 0; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid #8886; padding: .3rem .6rem; text-align: left; }
td, dd, pre { overflow-wrap: anywhere; }
pre { white-space: pre-wrap; font: inherit; border: 1px solid #8886; padding: 1rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0 1rem; }
dt { font-weight: 600; } dd { margin: 0; }
[aria-current] { font-weight: 700; }
"""
STYLE_SHA256 = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

_LAYOUT = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{% block title %}Mailbox{% endblock %}</title>
<style>{{ style }}</style>
</head>
<body>
<main>{% block main %}{% endblock %}</main>
</body>
</html>
"""

_INDEX = """{% extends "layout" %}
{% block title %}Mailbox{% if address %} of {{ address }}{% endif %}{% endblock %}
{% block main %}
<h1>Mailbox{% if address %} of {{ address }}{% endif %}</h1>
<p>Every mail that this system has sent, to customers and to agents. Nothing left this machine.</p>
<nav aria-label="Mailboxes"><ul>
<li><a href="/"{% if not address %} aria-current="page"{% endif %}>all</a></li>
{% for name, count in counts %}
<li><a href="/?to={{ name|urlencode }}"{% if name == address %} aria-current="page"{% endif %}>
{{- name }}</a> ({{ count }})</li>
{% endfor %}
</ul></nav>
{% if rows %}
<table>
<thead><tr><th scope="col">Received (UTC)</th><th scope="col">From</th><th scope="col">To</th>
<th scope="col">Subject</th></tr></thead>
<tbody>
{% for entry, mail in rows %}
<tr><td>{{ entry.received_ms|instant }}</td><td>{{ mail.sender }}</td>
<td>{{ entry.envelope_to|join(", ") }}</td>
<td><a href="/mails/{{ entry.id }}">{{ mail.subject or "(no subject)" }}</a></td></tr>
{% endfor %}
</tbody>
</table>
{% else %}
<p>No mail yet.</p>
{% endif %}
{% endblock %}
"""

_MAIL = """{% extends "layout" %}
{% block title %}{{ mail.subject or "(no subject)" }}{% endblock %}
{% block main %}
<p><a href="/">All mails</a></p>
<h1>{{ mail.subject or "(no subject)" }}</h1>
<dl>
<dt>From</dt><dd>{{ mail.headers.get("From", mail.sender) }}</dd>
<dt>To</dt><dd>{{ entry.envelope_to|join(", ") }}</dd>
<dt>Received</dt><dd>{{ entry.received_ms|instant }} UTC</dd>
</dl>
<pre>{% for text, is_link in pieces %}{% if is_link -%}
<a href="{{ text }}" rel="noreferrer noopener">{{ text }}</a>
{%- else %}{{ text }}{% endif %}{% endfor %}</pre>
<details><summary>All headers</summary>
<dl>{% for name, value in mail.headers.items() %}<dt>{{ name }}</dt><dd>{{ value }}</dd>
{% endfor %}</dl></details>
<p><a href="/api/mails/{{ entry.id }}/raw">As received</a></p>
{% endblock %}
"""

_LINK = re.compile(r"https?://[^\s<>\"'\x00-\x1f]{1,2000}")
_TRAILING = ".,;:!?)]}"


def _instant(instant_ms: int) -> str:
    return iso_ms(instant_ms)[:19].replace("T", " ")


_templates = Environment(
    loader=DictLoader({"layout": _LAYOUT, "index": _INDEX, "mail": _MAIL}),
    autoescape=True,
    undefined=StrictUndefined,
)
_templates.filters["instant"] = _instant
_templates.globals["style"] = STYLE


def index(counts: list[tuple[str, int]], address: str, rows: list[tuple[Entry, Mail]]) -> str:
    """The list of mails: of one mailbox, or all where ``address`` is empty."""
    return _templates.get_template("index").render(
        counts=counts, address=address.strip().lower(), rows=rows
    )


def mail(entry: Entry, shown: Mail) -> str:
    """One mail."""
    return _templates.get_template("mail").render(
        entry=entry, mail=shown, pieces=pieces(shown.text)
    )


def pieces(text: str) -> list[tuple[str, bool]]:
    """The text in pieces, each with whether it is an http(s) address."""
    found: list[tuple[str, bool]] = []
    position = 0
    for match in _LINK.finditer(text):
        address = match[0].rstrip(_TRAILING)
        if match.start() > position:
            found.append((text[position : match.start()], False))
        found.append((address, True))
        position = match.start() + len(address)
    if position < len(text):
        found.append((text[position:], False))
    return found
