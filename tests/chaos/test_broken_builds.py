"""The harness proves that it can fail: a build that breaks one rule ends in a verdict that says so.

The rule is broken in real processes by ``broken/sitecustomize.py``, never in the product's code;
``broken/provoke.py`` makes the situation in which it matters, on a sound build too. What an answer
before all copies have it (acks=1) loses takes several brokers: ``test_three_brokers.py``.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from chaos.broken import provoke
from chaos.broken.provoke import Build

from vaxel_cli.broker import LocalBroker, prepare
from vaxel_shared.errors import VaxelError

pytestmark = pytest.mark.e2e

OFFSET = 9_000 + os.getpid() % 4_000


@pytest.fixture(scope="module")
def own_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBroker]:
    """One for all builds, that may be frozen."""

    async def start() -> LocalBroker:
        with socket.socket() as one, socket.socket() as two:
            one.bind(("127.0.0.1", 0))
            two.bind(("127.0.0.1", 0))
            port, controller_port = one.getsockname()[1], two.getsockname()[1]
        folder = tmp_path_factory.mktemp("kafka")
        broker = LocalBroker(await prepare(), folder, port=port, controller_port=controller_port)
        await broker.start()
        await broker.wait_ready()
        return broker

    try:
        broker = asyncio.run(start())
    except VaxelError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no broker: {error}")
    yield broker
    asyncio.run(broker.stop())


@pytest.fixture
def build(tmp_path: Path, own_broker: LocalBroker) -> Iterator[Callable[..., Build]]:
    """Starts a build with a rule broken."""
    started: list[Build] = []

    def start(services: str, rule: str = "") -> Build:
        one = Build(tmp_path / (rule or "sound"), OFFSET, own_broker, services, rule)
        started.append(one)
        one.start()
        return one

    yield start
    for one in started:
        one.end()


RULES: dict[str, tuple[str, Callable[[Build], None], set[str]]] = {
    "unconfirmed_snapshot": ("router", provoke.killed_after_snapshot, {"lost"}),
    "offset_ignored": ("router", provoke.another_owner, {"lost", "broken_chain"}),
    "effects_first": ("router", provoke.another_owner, {"unexpected_mails"}),
    "reader_without_hash": ("router,register", provoke.a_void_record, {"register_differs"}),
    "answered_before_stored": ("router,triage,ingest-email", provoke.frozen_broker, {"lost"}),
}
"""Rule → who is needed, what is done to them, and what the checker must find. The first situation
wants a log that has only just begun."""


@pytest.mark.parametrize("rule", RULES)
def test_a_broken_rule_is_found(build: Callable[..., Build], rule: str) -> None:
    services, provocation, found = RULES[rule]
    one = build(services, rule)
    provocation(one)
    one.wait_decided(provoke.PATIENCE_S)
    assert found & one.judge(patience_s=0).wrong.keys()


def test_the_same_does_a_sound_build_no_harm(build: Callable[..., Build]) -> None:
    one = build("router,register,triage,ingest-email")
    for provocation in dict.fromkeys(provocation for _, provocation, _ in RULES.values()):
        provocation(one)
        assert one.wait_decided(), provocation.__name__
    assert one.judge(patience_s=20).wrong == {}
