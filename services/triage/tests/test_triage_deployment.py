"""Files that change while triage runs: the new hold, or the old do and the mistake is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from vaxel_shared.config.source import ConfigError
from vaxel_shared.contracts.interaction import Interaction
from vaxel_triage.core.contact import Tools, to_command
from vaxel_triage.shell.deployment import Watch


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.fixture
def queue_of(message: Callable[..., Interaction], tools: Tools) -> Callable[[Watch, str], str]:
    """The queue that a message with this text goes to."""

    def ask(watch: Watch, text: str) -> str:
        made = message(text=text)
        command = to_command(made, src=(0, 0), view=watch.current.view, tools=tools, lacking=[])
        return str(command.data["queue"])

    return ask


async def test_a_changed_rule_holds_from_the_next_batch_on(
    folder: Path, model: Any, queue_of: Callable[[Watch, str], str]
) -> None:
    watch = Watch(folder, model)
    before = watch.current
    await watch.look()
    assert watch.current is before
    assert queue_of(watch, "the bill") == "general"
    change(folder / "routing.yaml", '"invoice*"', '"invoice*", "bill*"')
    await watch.look()
    assert queue_of(watch, "the bill") == "billing"


INVALID = [
    ("routing.yaml", "flags.spam", "flags.spamm", "routing.yaml:14: rule 'spam': undeclared"),
    ("routing.yaml", "letter: C", "leter: C", "routing.yaml:3: unknown key 'leter'"),
    ("channels.yaml", "queue: general", "queue: genral", "channels.yaml:5: no queue 'genral'"),
    ("roster.yaml", "fi: 9", "fi: 99", "roster.yaml:2: agents.0: language 'fi' has level 99"),
    ("channels.yaml", "accounts:", "accounts: [", "channels.yaml:5: not YAML"),
]


@pytest.mark.parametrize(("file", "old", "new", "told"), INVALID)
async def test_a_mistake_keeps_what_held_and_is_told(
    folder: Path, model: Any, capsys: pytest.CaptureFixture[str], file: str, old: str, new: str, told: str
) -> None:  # fmt: skip
    watch = Watch(folder, model)
    before = watch.current
    change(folder / file, old, new)
    await watch.look()
    assert watch.current is before
    assert told in capsys.readouterr().out.replace("\\'", "'")
    assert REGISTRY.get_sample_value("vaxel_config_valid") == 0
    change(folder / file, new, old)
    await watch.look()
    assert watch.current is not before
    assert REGISTRY.get_sample_value("vaxel_config_valid") == 1


async def test_a_file_that_disappears_keeps_what_held(folder: Path, model: Any) -> None:
    watch = Watch(folder, model)
    before = watch.current
    (folder / "routing.yaml").rename(folder / "routing.old")
    await watch.look()
    assert watch.current is before
    (folder / "routing.old").rename(folder / "routing.yaml")
    await watch.look()
    assert watch.current is not before


async def test_new_languages_are_guessed_at_once(folder: Path, model: Any) -> None:
    watch = Watch(folder, model)
    text = "Hej, min faktura är fel och jag vill ha pengarna tillbaka"
    assert watch.current.detector.among_ours(text)[0] != "sv"
    change(folder / "channels.yaml", "[en, fi]", "[en, fi, sv]")
    await watch.look()
    assert watch.current.detector.among_ours(text)[0] == "sv"


def test_it_does_not_start_on_a_mistake(folder: Path, model: Any) -> None:
    change(folder / "routing.yaml", "flags.spam", "flags.spamm")
    with pytest.raises(ConfigError, match=r"routing.yaml:14: rule 'spam'"):
        Watch(folder, model)


async def test_looking_ends_when_asked_to(folder: Path, model: Any) -> None:
    watch = Watch(folder, model)
    stop = asyncio.Event()
    running = asyncio.ensure_future(watch.run(stop, poll_ms=50))
    change(folder / "routing.yaml", '"invoice*"', '"bill*"')
    before = watch.current
    async with asyncio.timeout(30):
        while watch.current is before:  # noqa: ASYNC110 - what polls is what is tried here
            await asyncio.sleep(0.02)
        stop.set()
        await running
