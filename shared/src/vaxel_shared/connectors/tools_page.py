"""``python -m vaxel_shared.connectors.tools_page > docs/tools.md``: the manifests as a page."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from vaxel_shared.connectors.catalog import connectors
from vaxel_shared.connectors.connector import VERBS, Manifest

_HEAD = """\
# Agents' tools

What an agent can do from which tool, beside the console and the API. Made from the manifests in
`shared/src/vaxel_shared/connectors/` by `python -m vaxel_shared.connectors.tools_page`; a test
holds this page to them.

* **native**: in the tool itself
* **button**: with a button of ours in it
* **link**: with a signed link that leads to us
* **inferred**: concluded from what is done there
* **none**: not from there
"""

_FOOT = """
`authority: vaxel`: the router decides who has a case, and the tool follows what it is told. No
tool owns the assignee yet.
"""


def page(manifests: Iterable[Manifest]) -> str:
    """The page, in Markdown."""
    found = list(manifests)
    parts = [
        _HEAD,
        _table(["verb"], found, [[verb, *(m.how(verb) for m in found)] for verb in VERBS]),
        "\n## What each hears, and who owns the assignee\n\n",
        _table(
            [""],
            found,
            [
                ["told of", *(", ".join(m.told) for m in found)],
                ["authority", *(", ".join(m.authority) for m in found)],
                ["an answer is bound to", *(m.bound for m in found)],
            ],
        ),
        _FOOT,
    ]
    return "".join(parts)


def _table(first: list[str], manifests: list[Manifest], rows: list[list[str]]) -> str:
    head = [*first, *(manifest.title for manifest in manifests)]
    lines = [head, ["---"] * len(head), *rows]
    return "\n" * bool(first[0]) + "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    sys.stdout.write(page(connector.manifest for connector in connectors().values()))
