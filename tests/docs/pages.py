"""The project's pages as a test reads them: links, code spans, fenced blocks, command lines.

Knows Markdown only as far as these pages use it.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[2]

_FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
_ENDINGS = "py|md|yaml|yml|json|toml|lock|in|sh|eml"
_PATH = re.compile(rf"[\w.<>*{{}},-]+(/[\w.<>*{{}},-]*)+|[\w<>*-]+\.({_ENDINGS})")


@dataclass(frozen=True)
class Block:
    """A fenced block; ``info`` is what stands behind the fence."""

    info: str
    text: str


@dataclass(frozen=True)
class Page:
    """One Markdown file."""

    path: Path
    text: str

    @property
    def name(self) -> str:
        return str(self.path.relative_to(ROOT))

    @property
    def blocks(self) -> list[Block]:
        return [Block(*found) for found in _FENCE.findall(self.text)]

    @property
    def prose(self) -> str:
        """Everything outside the fences."""
        return _FENCE.sub("", self.text)

    @property
    def spans(self) -> list[str]:
        """What stands between single backticks, outside the fences."""
        return _SPAN.findall(self.prose)

    @property
    def links(self) -> list[str]:
        """Where links to this project lead, as written."""
        return [link for link in _LINK.findall(self.prose) if not re.match(r"[a-z]+:", link)]

    @property
    def anchors(self) -> set[str]:
        """What a link may name behind ``#``."""
        heads = re.findall(r"^#+ (.+)$", self.prose, re.MULTILINE)
        return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}

    @property
    def paths(self) -> list[str]:
        """Code spans that look like a file or a folder of the repository."""
        return [span for span in self.spans if _PATH.fullmatch(span)]

    def lines_of(self, program: str) -> Iterator[list[str]]:
        """Words behind ``program`` wherever a span or a shell block calls it."""
        shell = [
            line
            for block in self.blocks
            if block.info in ("sh", "")
            for line in block.text.split("\n")
        ]
        for line in [*self.spans, *shell]:
            found = re.match(rf"(?:\./|\.venv/bin/)?{program}(?:\s+(.*))?$", line.strip())
            if found:
                yield shlex.split(found[1] or "", comments=True)


def read(*patterns: str) -> list[Page]:
    """The pages that match, in order."""
    paths = sorted({path for pattern in patterns for path in ROOT.glob(pattern)})
    return [Page(path, path.read_text()) for path in paths]


def exists(page: Page, written: str) -> bool:
    """Whether a path of a page leads somewhere.

    From the root, from the page, from ``config/``, from a service's package, or beside a file that
    the page names in full. ``<name>`` stands for any name, and so does ``*``; ``{a,b}`` for each of them.
    """
    if found := re.search(r"\{([^}]*)\}", written):
        each = [written.replace(found[0], one, 1) for one in found[1].split(",")]
        return all(exists(page, one) for one in each)
    pattern = re.sub(r"<\w+>", "*", written).strip("/")
    beside = [
        (ROOT / path).parent for path in page.paths if re.fullmatch(r"[\w./-]+/\w+\.py", path)
    ]
    packages = ROOT.glob("services/*/src/vaxel_*/")
    folders = [ROOT, page.path.parent, ROOT / "config", *packages, *beside]
    return any(next(folder.glob(pattern), None) is not None for folder in folders)


def resolve(root: click.Group, words: list[str]) -> str | None:
    """What is wrong with a command line of ours, or None.

    Words in capitals, an ellipsis and ``[…]`` are places to fill in; ``a|b`` is one or the other.
    """
    for index, word in enumerate(words):
        if "|" in word:
            each = [[*words[:index], one, *words[index + 1 :]] for one in word.split("|")]
            return next((fault for one in each if (fault := resolve(root, one))), None)
    command: click.Command = root
    rest = list(words)
    while isinstance(command, click.Group) and rest and not _is_place(rest[0]):
        found = command.get_command(click.Context(command), rest.pop(0))
        if found is None:
            return f"no such command: `vaxel {' '.join(words)}`"
        command = found
    known = {"--help"} | {name for one in command.params for name in one.opts + one.secondary_opts}
    for word in rest:
        name = word.strip("[]").partition("=")[0]
        if name.startswith("-") and name != "-" and name not in known:
            return f"`vaxel {' '.join(words)}`: it has no {name}"
    return None


def _is_place(word: str) -> bool:
    return word.startswith(("-", "[")) or word.isupper() or "…" in word
