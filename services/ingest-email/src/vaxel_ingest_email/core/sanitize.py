"""HTML that agents may see: sanitised with an allow-list, loading nothing from elsewhere.

The sanitiser builds a tree and is quadratic in its depth, so what it is given is counted first.
"""

from __future__ import annotations

import nh3

from vaxel_ingest_email.core.html import TAG, VOID
from vaxel_ingest_email.core.limits import Limits

_IMPLIED_END = frozenset(
    ["p", "li", "td", "th", "tr", "dt", "dd", "option", "thead", "tbody", "tfoot", "html", "body"]
)

ALLOWED_TAGS = {
    "a", "b", "blockquote", "br", "code", "div", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr",
    "i", "li", "ol", "p", "pre", "s", "span", "strong", "sub", "sup", "table", "tbody", "td",
    "tfoot",
    "th", "thead", "tr", "u", "ul",
}  # fmt: skip


def work(html: str) -> tuple[int, int]:
    """How deep elements stand in each other at most, and how many begin; a linear count of tags."""
    depth = deepest = count = 0
    for found in TAG.finditer(html):
        name = found[2].lower()
        count += not found[1]
        if name in VOID or name in _IMPLIED_END:
            continue
        depth = max(depth + (-1 if found[1] else 1), 0)
        deepest = max(deepest, depth)
    return deepest, count


def safe(html: str, limits: Limits) -> str | None:
    """Sanitised HTML that loads nothing; None where it is beyond what the sanitiser is given."""
    if len(html) > limits.html_chars:
        return None
    deepest, count = work(html)
    if deepest > limits.html_nesting or deepest * count > limits.html_work:
        return None
    return nh3.clean(
        html,
        tags=ALLOWED_TAGS,
        attributes={"a": {"href"}, "td": {"colspan", "rowspan"}, "th": {"colspan", "rowspan"}},
        url_schemes={"http", "https", "mailto", "tel"},
        link_rel="noopener noreferrer nofollow",
    )
