"""What browsers load: one script in six languages, and a page that embeds it under a strict policy."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import resources
from typing import Any

House = Callable[..., Any]
WIDGET = (resources.files("vaxel_ingest_chat") / "static" / "widget.js").read_text()


async def test_any_page_may_load_the_widget(house: House) -> None:
    async with house() as running, running.http.get(f"{running.url}/widget.js") as answer:
        assert answer.status == 200
        assert answer.content_type == "text/javascript"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        assert await answer.text() == WIDGET


async def test_the_demo_page_embeds_it_without_inline_code(house: House) -> None:
    async with house() as running:
        async with running.http.get(f"{running.url}/") as answer:
            page = await answer.text()
            policy = answer.headers["Content-Security-Policy"]
        assert 'data-account="web"' in page
        assert "{{" not in page
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert not re.search(r"\son\w+=|style=|<style|<script>", page)
        async with running.http.get(f"{running.url}/?account=other") as answer:
            assert 'data-account="other"' in await answer.text()
        async with running.http.get(f"{running.url}/?account=%22%3E%3Cb%3E") as answer:
            assert 'data-account="web"' in await answer.text()
        async with running.http.get(f"{running.url}/demo.css") as answer:
            assert answer.content_type == "text/css"


async def test_without_a_chat_the_page_says_what_to_add(house: House, tmp_path: Any) -> None:
    async with house() as running:
        path = tmp_path / "channels.yaml"
        lines = [line for line in path.read_text().splitlines() if "channel: chat" not in line]
        path.write_text("\n".join(lines))
        running.accounts.refresh()
        async with running.http.get(f"{running.url}/") as answer:
            assert answer.status == 404
            assert "channels.yaml" in await answer.text()


def test_the_widget_says_the_same_in_six_languages() -> None:
    table = WIDGET[WIDGET.index("const TEXTS") : WIDGET.index("const STYLE")]
    texts = dict(re.findall(r"^ {4}(\w\w): \{ (.*) \},$", table, re.MULTILINE))
    assert sorted(texts) == ["de", "en", "et", "fi", "fr", "sv"]
    keys = {tag: set(re.findall(r'(\w+): "', text)) for tag, text in texts.items()}
    assert all(found == keys["en"] for found in keys.values())
    used = set(re.findall(r'\bt\("(\w+)"\)', WIDGET))
    assert used <= keys["en"]


def test_the_widget_needs_nothing_and_writes_no_markup() -> None:
    assert not re.search(r"\bimport\b.*from|require\(|innerHTML|insertAdjacentHTML|eval\(", WIDGET)
    addresses = re.findall(r"https?://[^\"'`\s]+", WIDGET)
    assert set(addresses) <= {"https://chat.example/widget.js"}
