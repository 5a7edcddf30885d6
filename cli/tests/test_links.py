"""One-time links: the register lets their holder in, as long and as whom the command says."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from vaxel_cli import links, main, runinfo
from vaxel_register.core.access import Role
from vaxel_register.core.limits import LOGIN_KEY_MS
from vaxel_register.shell import sessions
from vaxel_shared.config.roster import Agent
from vaxel_shared.crypto.keys import Keyring, create_key
from vaxel_shared.crypto.tokens import verify
from vaxel_shared.settings import Settings


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., int]:
    """Runs the command on a system that seems to run."""
    settings = Settings(data_dir=tmp_path)
    create_key(settings.secrets)
    listener = runinfo.Listener(host="127.0.0.1", port=1)
    runinfo.write(
        runinfo.RunInfo(
            broker="127.0.0.1:1", smtp=listener, mailboxes=[], sink=listener,
            services={"register": runinfo.ServiceInfo(url="http://127.0.0.1:8080")},
            tokens=runinfo.Tokens(admin="a", supervisor="s"), pid=os.getpid(), data_dir=tmp_path,
            config_dir=runinfo.find_config_dir(),
        )
    )  # fmt: skip
    return lambda *words: main.run(["login", *words, "--data-dir", str(tmp_path)])


def payload(url: str, folder: Path) -> dict[str, object]:
    (key,) = parse_qs(urlsplit(url).query)["k"]
    found = verify(Keyring.load(folder / "secrets"), sessions.PURPOSE, key)
    assert found is not None
    return found


def test_the_command_and_the_register_speak_of_the_same_links() -> None:
    assert (links.PURPOSE, links.LINK_MS) == (sessions.PURPOSE, LOGIN_KEY_MS)
    roles = Agent.model_fields["role"].annotation.__args__  # type: ignore[union-attr]
    assert {*roles, "supervisor"} <= set(Role)


@pytest.mark.parametrize(
    ("words", "role", "subject"),
    [
        ((), "supervisor", "supervisor"),
        (("--agent", "a01"), "agent", "a01"),
        (("--agent", "a05"), "senior", "a05"),
        (("--agent", "a06"), "supervisor", "a06"),
    ],
)
def test_a_link_names_who_it_lets_in_with_their_role(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...], role: str, subject: str,
) -> None:  # fmt: skip
    assert run(*words, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["url"].startswith("http://127.0.0.1:8080/login?k=v1.")
    found = payload(said["url"], tmp_path)
    assert (found["r"], found["s"], said["role"], said["subject"]) == (role, subject, role, subject)


def test_no_two_links_are_the_same(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run()
    run()
    one, two = capsys.readouterr().out.split()
    assert payload(one, tmp_path)["j"] != payload(two, tmp_path)["j"]


def test_an_unknown_agent_is_said(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--agent", "a99") == 2
    assert "no agent 'a99' in roster.yaml; known are a01" in capsys.readouterr().err
