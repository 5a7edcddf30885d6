"""A small deployment as texts, for tests that change one thing in it."""

from __future__ import annotations

from pathlib import Path

CHANNELS = """\
deployment: kit
languages: [fi, en]
default_language: en
accounts:
  - {id: support, address: support@kit.example, channel: email, pool: support, queue: general}
  - {id: web, channel: chat, pool: support, queue: general}
"""
ROUTING = """\
pools:
  - name: support
    letter: S
    wrap_up: 30s
    offer: {limit: 10m, bar_after_decline: 1h, bar_after_miss: 10m}
    after_reply: {email: waiting, chat: open}
    queues:
      - name: general
        steps:
          - {after: 0s, tiers: [1]}
          - {after: 10m, tiers: [1, 2]}
        language_fallback: {after: 5m, to: [en]}
      - name: billing
        skills: {billing: 3}
        steps:
          - {after: 0s, tiers: [1]}
          - {after: 10m, tiers: [1, 2]}
        language_fallback: {after: 5m, to: [en]}
      - name: automatic
        automatic: true
        steps: [{after: 0s, tiers: [2]}]
rules:
  - id: bills
    when: content.mentions(["bill*"])
    set: {queue: billing}
  - id: vat
    when: content.mentions(["vat"])
    set: {skills: {billing: 5}}
"""
ROSTER = """\
agents:
  - id: a01
    name: A One
    email: a01@agents.example
    pool: support
    skills: {billing: 3}
    languages: {fi: 10, en: 5}
    channels: {email: {cost: 1, max: 4}, chat: {cost: 2, max: 2}}
    present: true
  - id: a02
    name: A Two
    email: a02@agents.example
    pool: support
    tier: 2
    skills: {billing: 8}
    languages: {en: 10}
    channels: {email: {cost: 1, max: 4}, chat: {cost: 2, max: 2}}
    present: true
"""
CONNECTORS = "mail: {relay: {host: sink, tls: none}}\n"
TEXTS = {
    "channels": CHANNELS, "routing": ROUTING, "roster": ROSTER, "connectors": CONNECTORS,
}  # fmt: skip


def deployment(folder: Path, changes: dict[str, list[tuple[str, str]]] | None = None) -> Path:
    """Write the files with these replacements, each of which must apply; answers the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, whole in TEXTS.items():
        text = whole
        for old, new in (changes or {}).get(name, []):
            assert old in text, f"{name}: {old!r}"
            text = text.replace(old, new, 1)
        (folder / f"{name}.yaml").write_text(text)
    return folder
