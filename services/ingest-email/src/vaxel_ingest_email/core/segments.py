"""What is new in a mail, what is quoted, what is signature: ranges over the untouched text.

Every line gets one label; neighbouring lines of one label make a segment, and the segments cover
the text without gaps. Where signs are weak a line stays ``new``: losing a customer's words is worse
than showing a quote.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from vaxel_ingest_email.core import separators as sep
from vaxel_shared.contracts.interaction import Segment

LINES_MAX = 20_000
"""Lines that are labelled; the rest of a longer text takes the last line's label."""

SIGNATURE_LINES_MAX = 15
"""What follows a loose delimiter and is longer is no signature."""

Label = Literal["new", "quote", "signature", "disclaimer", "forward_header"]


@dataclass(slots=True)
class _Line:
    start: int
    end: int
    text: str
    label: Label = "new"
    confidence: float = 0.9

    @property
    def blank(self) -> bool:
        return not self.text.strip()

    @property
    def quoted(self) -> bool:
        return self.text.lstrip().startswith((">", "&gt;", "|>"))


def segment(text: str, marks: list[tuple[str, int, int]]) -> list[Segment]:
    """The segments of ``text``; ``marks`` are ranges that its HTML already set off."""
    lines = _lines(text)
    if not lines:
        return []
    _from_marks(lines, marks)
    _from_quote_signs(lines)
    _from_separators(lines)
    _from_signatures(lines)
    _fill_blanks(lines)
    return _merge(lines, len(text))


def reply_text(text: str, segments: list[Segment]) -> str:
    """The sender's own new words: the new segments, one below the other."""
    pieces = [text[part.start : part.end].strip("\n") for part in segments if part.kind == "new"]
    return "\n".join(piece for piece in pieces if piece.strip()).strip()


def _lines(text: str) -> list[_Line]:
    out: list[_Line] = []
    position = 0
    while position < len(text):
        end = text.find("\n", position)
        stop = len(text) if end < 0 or len(out) == LINES_MAX - 1 else end + 1
        out.append(_Line(position, stop, text[position : min(stop, position + 500)].rstrip("\n")))
        position = stop
    return out


def _from_marks(lines: list[_Line], marks: list[tuple[str, int, int]]) -> None:
    """Lines that begin inside a range of the HTML; quotes win over signatures."""
    labels: tuple[Label, ...] = ("signature", "quote")
    for label in labels:
        ranges = sorted((start, end) for kind, start, end in marks if kind == label)
        covered = following = 0
        for line in lines:
            begins = line.start + (len(line.text) - len(line.text.lstrip()))
            while following < len(ranges) and ranges[following][0] <= begins:
                covered = max(covered, ranges[following][1])
                following += 1
            if begins < covered and not line.blank:
                line.label, line.confidence = label, 0.97
    own = any(line.label == "new" for line in lines if not line.blank)
    if not own and not any(sep.is_forwarded(line.text) for line in lines):
        for line in lines:
            line.label, line.confidence = "new", 0.5  # all set off: nothing is


def _from_quote_signs(lines: list[_Line]) -> None:
    """Lines with ``>``, the attribution above them, and separators inside them."""
    for index, line in enumerate(lines):
        if line.quoted:
            line.label, line.confidence = "quote", 0.97
            if index and not lines[index - 1].quoted:
                _attribution_above(lines, index)


def _attribution_above(lines: list[_Line], index: int) -> None:
    """Label the attribution that ends within two blank lines above a quote."""
    last = index - 1
    while last >= 0 and lines[last].blank and index - last <= 2:
        last -= 1
    for first in range(last, max(last - 5, -1), -1):
        if lines[first].blank or lines[first].quoted:
            return
        if sep.is_attribution(_joined(lines, first, last)) and (
            first == last or sep.may_begin_attribution(lines[first].text)
        ):
            for line in lines[_widen(lines, first) : index]:
                line.label, line.confidence = "quote", 0.97
            return


def _widen(lines: list[_Line], first: int) -> int:
    """Where the attribution really begins: a longer reading that starts like one wins."""
    for above in range(first - 1, max(first - 3, -1), -1):
        if lines[above].blank or lines[above].label != "new":
            break
        text = lines[above].text.strip().lower()
        if text.startswith(("on ", "le ", "am ", "el ", "il ", "em ", "op ", "den ", "w dniu")):
            return above
    return first


def _joined(lines: list[_Line], first: int, last: int) -> str:
    return " ".join(line.text.strip() for line in lines[first : last + 1])


def _from_separators(lines: list[_Line]) -> None:
    """Separators after which the rest of the mail is quoted."""
    own_words = above = False
    for index, line in enumerate(lines):
        if line.label != "new" or line.blank:
            continue
        own_words, above = above, True
        if sep.is_forwarded(line.text):
            _rest_is_forward(lines, index)
            return
        if sep.is_original(line.text):
            _rest_is_quote(lines, index, 0.97, keep=own_words or _has_header(lines, index + 1))
            return
        begin = index + 1 if sep.is_rule(line.text) else index
        if _has_header(lines, begin) and (begin == index or not line.blank):
            if own_words:
                _rest_is_quote(lines, index, 0.95, keep=True)
            else:
                _rest_is_forward(lines, index)
            return
        length = _attribution_length(lines, index)
        if length and own_words and not _words_below(lines, index + length):
            _rest_is_quote(lines, index, 0.85, keep=True)
            return


def _words_below(lines: list[_Line], index: int) -> bool:
    """Whether quoted lines with ``>`` follow at once, and the sender's words after them."""
    following = next((line for line in lines[index:] if not line.blank), None)
    return following is not None and following.quoted


def _attribution_length(lines: list[_Line], index: int) -> int:
    """How many lines an attribution that begins at ``index`` has; 0 where none does."""
    if not sep.may_begin_attribution(lines[index].text):
        return 0
    for count in range(1, 5):
        if index + count > len(lines) or lines[index + count - 1].blank:
            return 0
        if sep.is_plain_attribution(_joined(lines, index, index + count - 1)):
            return count
    return 0


def _has_header(lines: list[_Line], index: int) -> bool:
    """Whether a quoted mail's header (From, Sent, To, Subject …) begins at ``index``."""
    while index < len(lines) and lines[index].blank and index:
        index += 1
        if index < len(lines) and lines[index - 1].blank and lines[index].blank:
            return False
    if index >= len(lines) or sep.label(lines[index].text) is None:
        return False
    seen: set[str] = set()
    other = 0
    for line in lines[index : index + 12]:
        kind = sep.label(line.text)
        if kind is not None:
            seen.add(kind)
            other = 0
        elif not line.blank:
            other += 1
        if other > 2 or (line.blank and len(seen) >= 3):
            break
    return "from" in seen and len(seen) >= 3 and bool(seen & {"date", "subject"})


def _rest_is_quote(lines: list[_Line], index: int, confidence: float, *, keep: bool) -> None:
    if not keep:
        return
    if index and sep.is_rule(lines[index - 1].text):
        index -= 1
    for line in lines[index:]:
        line.label, line.confidence = "quote", confidence


def _rest_is_forward(lines: list[_Line], index: int) -> None:
    """The separator and the header below it, then what was forwarded."""
    position = index + 1
    while position < len(lines) and position <= index + 14:
        line = lines[position]
        after_header = any(sep.label(above.text) for above in lines[index:position])
        if line.blank and after_header:
            break
        folded = sep.label(line.text) is None and sep.label(lines[position - 1].text) is None
        if not line.blank and after_header and folded:
            break
        position += 1
    for place, line in enumerate(lines[index:], start=index):
        line.label = "forward_header" if place < position else "quote"
        line.confidence = 0.95


def _from_signatures(lines: list[_Line]) -> None:
    """Signatures and notices in the last stretch of the sender's words."""
    own: list[int] = []
    for index in range(len(lines) - 1, -1, -1):
        if lines[index].label != "new":
            if own:
                break
        elif not lines[index].blank:
            own.append(index)
    own.reverse()
    for position, index in enumerate(own):
        if sep.is_delimiter(lines[index].text) and position + 1 < len(own):
            _label(lines, index, own[-1], "signature", 0.97)
            return
        if position and sep.is_disclaimer(lines[index].text):
            _label(lines, index, own[-1], "disclaimer", 0.8)
            own = own[:position]
            break
    first = max(len(own) - SIGNATURE_LINES_MAX - 1, 0)
    for position, index in enumerate(own[first:], start=first):
        confidence = _signature_begins(lines, index, position, len(own) - position - 1)
        if confidence:
            _label(lines, index, own[-1], "signature", confidence)
            return


def _signature_begins(lines: list[_Line], index: int, before: int, after: int) -> float:
    """How surely a signature begins at ``index``, with so many own lines before and after it."""
    text = lines[index].text
    if sep.is_mobile(text) and after <= 1:
        return 0.9
    if not before:
        return 0
    if sep.is_loose_delimiter(text):
        return 0.8
    return 0.6 if sep.is_dash_name(text) and lines[index - 1].blank and after <= 3 else 0


def _label(lines: list[_Line], first: int, last: int, label: Label, confidence: float) -> None:
    for line in lines[first : last + 1]:
        if line.label == "new":
            line.label, line.confidence = label, confidence


def _fill_blanks(lines: list[_Line]) -> None:
    """Blank lines belong to what stands above them."""
    for above, line in pairwise(lines):
        if line.blank:
            line.label, line.confidence = above.label, above.confidence


def _merge(lines: list[_Line], length: int) -> list[Segment]:
    out: list[Segment] = []
    first = 0
    for index in range(1, len(lines) + 1):
        if index < len(lines) and lines[index].label == lines[first].label:
            continue
        confidence = min(line.confidence for line in lines[first:index])
        end = lines[index].start if index < len(lines) else length
        out.append(
            Segment(
                kind=lines[first].label, start=lines[first].start, end=end, confidence=confidence
            )
        )
        first = index
    return out
