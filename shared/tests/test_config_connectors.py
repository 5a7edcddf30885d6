"""Webhooks in ``connectors.yaml``: whom each speaks for, and what is refused with what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from vaxel_shared.config import source
from vaxel_shared.config.connectors import Connectors
from vaxel_shared.config.source import ConfigError

MAIL = "mail:\n  relay: {host: sink, tls: none}\n"
HOOK = "{name: desk, url: 'https://desk.example/hook', secret_file: desk.secret"


def connectors(folder: Path, hooks: str) -> Connectors:
    file = folder / "connectors.yaml"
    file.write_text(MAIL + hooks)
    return source.validate(Connectors, source.read(file))


def test_without_webhooks_there_are_none(tmp_path: Path) -> None:
    assert connectors(tmp_path, "").webhooks == []


@pytest.mark.parametrize(
    ("narrowed", "pool", "agent", "covered"),
    [
        ("", "support", "anna", True),
        (", pools: [support]", "support", "anna", True),
        (", pools: [support]", "sales", "anna", False),
        (", agents: [anna]", "sales", "anna", True),
        (", agents: [anna]", "sales", "bertil", False),
        (", pools: [support], agents: [anna]", "support", "anna", True),
        (", pools: [support], agents: [anna]", "support", "bertil", False),
        (", pools: [support], agents: [anna]", "sales", "anna", False),
    ],
)
def test_a_webhook_speaks_for_the_agents_and_pools_that_it_names(
    tmp_path: Path, narrowed: str, pool: str, agent: str, covered: bool
) -> None:
    (hook,) = connectors(tmp_path, f"webhooks:\n  - {HOOK}{narrowed}}}\n").webhooks
    assert hook.covers(pool, agent) is covered
    assert hook.events == ["offer", "assigned", "ended"]


@pytest.mark.parametrize(
    ("hooks", "said"),
    [
        ("  - {name: desk, url: 'http://desk.example', secret_file: s}\n", "must begin with https"),
        ("  - {name: desk, url: 'https://10.0.0.1', secret_file: s}\n", "may not be called"),
        ("  - {name: desk, url: 'https://desk.example'}\n", "'secret_file' is missing"),
        (f"  - {HOOK}, events: []}}\n", "events"),
        (f"  - {HOOK}, events: [closed]}}\n", "events"),
        (f"  - {HOOK}, authority: tool}}\n", "authority"),
        (f"  - {HOOK}, secret: abc}}\n", "unknown key 'secret'"),
        (f"  - {HOOK}}}\n  - {HOOK.replace('desk.secret', 'x')}}}\n", "same name: desk"),
        (f"  - {HOOK}}}\n  - {HOOK.replace('name: desk', 'name: two')}}}\n", "same secret_file"),
        ("  - {name: desk, url: 'https://desk.example', secret_file: ../key}\n", "secret_file"),
    ],
)
def test_a_wrong_webhook_is_named_with_its_file_and_line(
    tmp_path: Path, hooks: str, said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        connectors(tmp_path, f"webhooks:\n{hooks}")
    assert said in str(caught.value)
    assert "connectors.yaml:" in str(caught.value)
