"""HTML to text in one linear pass, without a tree, so that no nesting can make it slow or deep.

It knows the marks by which mail programs set off what they quote and their signatures, and answers
them as ranges of the text it makes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import unescape

from vaxel_ingest_email.core import clientmarks
from vaxel_ingest_email.core.charsets import clean
from vaxel_ingest_email.core.limits import Limits

_BLOCKS = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "center",
        "dd",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figure",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "li",
        "main",
        "nav",
        "ol",
        "p",
        "pre",
        "section",
        "table",
        "tbody",
        "tfoot",
        "thead",
        "tr",
        "ul",
    ]
)
_SPACED = frozenset(["p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "table", "blockquote"])
VOID = frozenset(
    [
        "area",
        "base",
        "br",
        "col",
        "embed",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "param",
        "source",
        "track",
        "wbr",
    ]
)
_SILENT = frozenset(["script", "style", "head", "title", "template", "svg"])
_BODY_BEGINS = frozenset(["body", "div", "p", "table", "span"])
_CELLS = frozenset({"td", "th"})
TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9:]{0,30})")
_BLANKS = re.compile(r"[ \t\n\r\f]+")


@dataclass(slots=True)
class HtmlText:
    """The text, and ranges of it (code points) that the HTML marks: (kind, start, end)."""

    text: str
    marks: list[tuple[str, int, int]]


@dataclass(slots=True)
class _Writer:
    """Collapses white space while it writes, so that positions are those of the result."""

    out: list[str] = field(default_factory=list)
    length: int = 0
    lines: int = 0
    space: bool = False

    def write(self, text: str) -> None:
        """Append text after the breaks that are due."""
        if self.length:
            pause = "\n" * self.lines if self.lines else " " if self.space else ""
        else:
            pause = ""
        self.lines, self.space = 0, False
        self.out += (pause, text)
        self.length += len(pause) + len(text)

    def break_line(self, count: int) -> None:
        """At least ``count`` line ends before the next text."""
        self.lines = max(self.lines, count)

    def add_line(self) -> None:
        """One more line end (``<br>``), at most two blank lines."""
        self.lines = min(self.lines + 1, 3)


def to_text(html: str, limits: Limits) -> HtmlText:
    """The readable text of ``html``; never raises, time linear in its length."""
    return _Reader(html[: limits.html_chars]).read()


class _Reader:
    """One pass over the tokens."""

    def __init__(self, html: str) -> None:
        self._html = html
        self._writer = _Writer()
        self._open: list[tuple[str, str, int]] = []
        self._marks: list[tuple[str, int, int]] = []
        self._rest_from: int | None = None
        self._silent = ""
        self._pre = 0

    def read(self) -> HtmlText:
        html, position = self._html, 0
        while position < len(html):
            start = html.find("<", position)
            if start < 0:
                self._text(html[position:])
                break
            if start > position:
                self._text(html[position:start])
            position = self._markup(start)
        for tag, kind, begin in self._open:
            self._end_mark(tag, kind, begin)
        text = "".join(self._writer.out)
        if self._rest_from is not None and self._rest_from < len(text):
            self._marks.append(("quote", self._rest_from, len(text)))
        return HtmlText(text, [mark for mark in self._marks if mark[1] < mark[2]])

    def _markup(self, start: int) -> int:
        """Handle the markup at ``start``; answers where to go on."""
        html = self._html
        if html.startswith("<!--", start):
            end = html.find("-->", start + 4)
            return len(html) if end < 0 else end + 3
        if html.startswith(("<!", "<?"), start):
            end = html.find(">", start)
            return len(html) if end < 0 else end + 1
        found = TAG.match(html, start)
        if found is None:
            self._text("<")
            return start + 1
        end = _tag_end(html, found.end())
        name = found[2].lower()
        if found[1]:
            self._close(name)
        else:
            self._begin(name, html[found.end() : end])
        if name in ("script", "style", "title") and not found[1]:
            closing = html.find(f"</{name}", end)  # raw text: tags inside it are none
            return len(html) if closing < 0 else closing
        return end + 1

    def _begin(self, name: str, attributes: str) -> None:
        if self._silent == "head" and name in _BODY_BEGINS:
            self._silent = ""
        if self._silent:
            return
        if name in _SILENT:
            self._silent = name
            return
        self._lay_out(name)
        kind = clientmarks.kind(name, attributes) if attributes else ""
        if kind == "rest":
            if self._rest_from is None:
                self._rest_from = self._writer.length
        elif kind and name not in VOID:
            self._open.append((name, kind, self._writer.length))
        elif self._open and name == self._open[-1][0]:
            self._open.append((name, "", 0))  # counts, so that the right end tag closes the mark

    def _lay_out(self, name: str) -> None:
        """White space that an element begins with."""
        if name == "br":
            self._writer.add_line()
        elif name in _CELLS:
            self._writer.space = True
        elif name in _BLOCKS:
            self._writer.break_line(2 if name in _SPACED else 1)
            if name == "li":
                self._writer.write("- ")
            self._pre += name == "pre"

    def _close(self, name: str) -> None:
        if self._silent:
            if name == self._silent:
                self._silent = ""
            return
        if name in _BLOCKS:
            self._writer.break_line(2 if name in _SPACED else 1)
            self._pre -= name == "pre" and self._pre > 0
        if self._open and self._open[-1][0] == name:
            self._end_mark(*self._open.pop())

    def _end_mark(self, _tag: str, kind: str, begin: int) -> None:
        if kind:
            self._marks.append((kind, begin, self._writer.length))

    def _text(self, raw: str) -> None:
        if self._silent:
            return
        text = clean(unescape(raw)) if "&" in raw else raw
        if self._pre:
            for index, line in enumerate(text.split("\n")):
                if index:
                    self._writer.add_line()
                if line:
                    self._writer.write(line)
            return
        text = _BLANKS.sub(" ", text.replace("\xa0", " ").replace("\u200b", ""))
        if text.startswith(" "):
            self._writer.space = True
        if bare := text.strip(" "):
            self._writer.write(bare)
            if text.endswith(" "):
                self._writer.space = True


def _tag_end(html: str, position: int) -> int:
    """Where a tag ends: at ``>`` outside quoted values; at most eight are looked at."""
    end = position
    for _ in range(8):
        end = html.find(">", end)
        if end < 0:
            return len(html)
        if end - position > 20_000 or html.count('"', position, end) % 2 == 0:
            return end
        end += 1
    return end
