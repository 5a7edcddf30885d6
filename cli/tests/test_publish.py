"""What is published, under which ids, and that nothing is lost when it dies in between."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given, settings
from hypothesis import strategies as st

from vaxel_cli import runinfo
from vaxel_cli.publish import moves, publisher
from vaxel_cli.publish.changes import describe
from vaxel_cli.publish.ledger import LEDGER_FILE, Ledger
from vaxel_cli.publish.publications import Publication, publications
from vaxel_cli.publish.watch import Watcher, changed_names, look
from vaxel_shared.blobs import FolderBlobs
from vaxel_shared.clock import ManualClock
from vaxel_shared.config.deployment import Deployment, load
from vaxel_shared.contracts.cloudevents import header
from vaxel_shared.contracts.commands import Command, PolicyPublish, RosterSet
from vaxel_shared.errors import Fatal, Retryable
from vaxel_shared.kafka import topics
from vaxel_shared.kafka.topic_reader import Record, TopicReader
from vaxel_shared.settings import Settings

LOG_ID = "0" * 32


def _copy(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    for path in runinfo.find_config_dir().glob("*.yaml"):
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def _edit(folder: Path, name: str, old: str, new: str) -> Deployment:
    path = folder / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return load(folder)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return _copy(tmp_path / "config")


def test_policy_comes_before_roster_and_holds_no_name(config: Path) -> None:
    deployment = load(config)
    found = publications(deployment)
    assert [item.kind for item in found] == ["policy", "roster"]
    for item in found:
        raw = item.command(1).to_json().decode()
        for agent in deployment.roster.agents:
            assert agent.name not in raw
            assert agent.email not in raw
    roster = RosterSet.model_validate(found[1].data.to_dict())
    assert [agent.id for agent in roster.agents] == sorted(a.id for a in deployment.roster.agents)
    assert deployment.roster.agents[0].email in found[1].blob.decode()


def test_the_same_files_give_the_same_commands(config: Path, tmp_path: Path) -> None:
    first = [item.command(7).to_json() for item in publications(load(config))]
    second = [item.command(7).to_json() for item in publications(load(_copy(tmp_path / "other")))]
    assert first == second


def _publication(version: str) -> Publication:
    data = PolicyPublish(kind="routing", version=version, ref=f"policy/{'0' * 64}")
    return Publication("support", "policy", version, "policy.publish", data, b"")


class Router:
    """Takes each id once, as the router does."""

    def __init__(self) -> None:
        self.ids: set[str] = set()
        self.version: str | None = None

    def take(self, command: Command) -> None:
        if command.id not in self.ids:
            self.ids.add(command.id)
            self.version = command.data["version"]


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("ABC"), st.sampled_from(["done", "before", "during", "after", "lost"])
        ),
        max_size=12,
    )
)
def test_whatever_dies_when_the_router_ends_with_the_last_files(
    tmp_path_factory: pytest.TempPathFactory, history: list[tuple[str, str]]
) -> None:
    """Each entry: the files' version, and where the publisher was killed while it sent them."""
    folder = tmp_path_factory.mktemp("ledger")
    router, now_ms = Router(), 1_000_000
    for version, death in [*history, (history[-1][0] if history else "A", "done")]:
        now_ms += 1
        if death == "lost":
            (folder / LEDGER_FILE).unlink(missing_ok=True)
        ledger = Ledger.load(folder, LOG_ID)
        publication = _publication(version)
        serial = ledger.due(publication, now_ms)
        if serial is None or death == "before":
            continue
        ledger.sending(publication, serial)
        if death == "during":
            continue
        router.take(publication.command(serial))
        if death != "after":
            ledger.sent(publication, serial)
    assert router.version == (history[-1][0] if history else "A")


def test_a_restart_with_the_same_files_sends_nothing(tmp_path: Path) -> None:
    ledger = Ledger.load(tmp_path, LOG_ID)
    ledger.sending(_publication("A"), 5)
    ledger.sent(_publication("A"), 5)
    assert Ledger.load(tmp_path, LOG_ID).due(_publication("A"), 9) is None


def test_a_new_log_gets_everything(tmp_path: Path) -> None:
    ledger = Ledger.load(tmp_path, LOG_ID)
    ledger.sent(_publication("A"), 5)
    assert Ledger.load(tmp_path, "1" * 32).due(_publication("A"), 9) == 9


@pytest.mark.parametrize("content", ["{", "[]", '{"log_id": "x", "entries": {"a": 1}}', "null"])
def test_a_damaged_ledger_says_what_to_do(tmp_path: Path, content: str) -> None:
    (tmp_path / LEDGER_FILE).write_text(content)
    with pytest.raises(Fatal, match="remove it"):
        Ledger.load(tmp_path, LOG_ID)


def test_changes_are_told_in_words(config: Path) -> None:
    before = load(config)
    _edit(config, "roster.yaml", "  - id: a02\n", "  - id: a99\n")
    after = _edit(config, "roster.yaml", "skills: {billing: 8, returns: 4}", "skills: {billing: 9}")
    assert describe(before, after) == [
        "agents added: a99",
        "agents removed: a02",
        "agents changed: a01 (skills)",
    ]


def test_a_new_line_above_changes_nothing_that_counts(config: Path) -> None:
    before = load(config)
    routing = config / "routing.yaml"
    routing.write_text("# a remark\n" + routing.read_text())
    after = load(config)
    assert before.routing != after.routing
    assert describe(before, after) == []


def test_queues_rules_and_pool_settings_are_told(config: Path) -> None:
    before = load(config)
    _edit(config, "routing.yaml", "reopen_within: 14d", "reopen_within: 13d")
    _edit(config, "routing.yaml", "skills: {billing: 3}\n        priority: 5",
          "skills: {billing: 4}\n        priority: 5")  # fmt: skip
    after = _edit(config, "routing.yaml", "  - id: legal", "  - id: law")
    assert describe(before, after) == [
        "queues changed: billing",
        "pool support changed: reopen_within",
        "rules added: law",
        "rules removed: legal",
    ]


def test_accounts_channels_and_connectors_are_told(config: Path) -> None:
    before = load(config)
    _edit(config, "channels.yaml", "default_language: en", "default_language: fi")
    _edit(config, "channels.yaml", before.channels.accounts[0].address, "help@vaxel.example")
    after = _edit(config, "connectors.yaml", "host: sink", "host: mail.example.com")
    assert describe(before, after) == [
        f"accounts changed: {before.channels.accounts[0].id} (address)",
        "channels changed: default_language",
        "connectors changed: mail",
    ]


def test_many_changes_are_counted(config: Path) -> None:
    before = load(config)
    text = (config / "roster.yaml").read_text()
    text = text.replace("  - id: a", "  - id: b").replace("backup: a", "backup: b")
    (config / "roster.yaml").write_text(text)
    line = describe(before, load(config))[0]
    assert line.startswith("agents added: b01, ")
    assert line.endswith(" and 6 more")


def test_a_saved_a_replaced_and_a_removed_file_are_seen(config: Path) -> None:
    start = look(config)
    (config / "roster.yaml").write_text("agents: []\n")
    replaced = config / "x.tmp"
    replaced.write_bytes((config / "routing.yaml").read_bytes())
    replaced.replace(config / "routing.yaml")
    (config / "channels.yaml").unlink()
    (config / "notes.txt").write_text("no concern of ours")
    assert changed_names(start, look(config)) == {"roster.yaml", "routing.yaml", "channels.yaml"}


async def test_a_file_counts_once_it_stays_as_it_is(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[dict[str, tuple[int, int, int]]] = [
        {"a": (1, 1, 1)},  # when it was made
        {"a": (2, 0, 1)},  # truncated
        {"a": (3, 9, 1)},  # written
        {"a": (3, 9, 1)},  # it stayed
        {"a": (3, 9, 1)},
        {"a": (4, 9, 1)},
        {"a": (4, 9, 1)},
    ]
    seen: list[set[str]] = []

    async def on_change(names: set[str]) -> None:
        seen.append(names)

    monkeypatch.setattr("vaxel_cli.publish.watch.look", lambda _folder: looks.pop(0))
    watcher = Watcher(config, on_change)
    with pytest.raises(IndexError):
        await watcher.run(poll_ms=1)
    assert seen == [{"a"}, {"a"}]


async def _commands(settings: Settings) -> list[Record]:
    reader = TopicReader(settings.model_copy(update={"cold_start": "genesis"}), topics.WORK, {})
    await reader.start()
    records: list[Record] = []
    try:
        while batch := await reader.poll(timeout_ms=1_000):
            records += batch
    finally:
        await reader.close()
    return records


@pytest.mark.broker
async def test_a_deployment_reaches_the_log_with_its_blobs(
    make_settings: Callable[..., Settings], config: Path
) -> None:
    settings = make_settings()
    await topics.apply(settings, local=True)
    sent = await publisher.publish(settings, load(config), ManualClock())
    assert [item.kind for item in sent] == ["policy", "roster"]
    records = await _commands(settings)
    assert [record.key for record in records] == [b"support", b"support"]
    assert len({record.partition for record in records}) == 1
    blobs = FolderBlobs(settings.blobs)
    for record, item in zip(records, sent, strict=True):
        command = Command.model_validate_json(record.value)
        assert (command.type, command.actor.id, command.via) == (
            item.command_type, "publisher", "file",
        )  # fmt: skip
        assert header(record.headers, "ce_id") == command.id
        ref = command.data.get("ref") or command.data["directory_ref"]
        assert blobs.get_now(ref) == item.blob
    assert await publisher.publish(settings, load(config), ManualClock()) == []


SECOND_POOL = """
  - name: sales
    letter: T
    queues:
      - {name: leads, steps: [{after: 0s, tiers: [1, 2, 3]}]}
rules:"""


@pytest.mark.broker
async def test_agents_who_swap_pools_are_never_in_two(
    make_settings: Callable[..., Settings], config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings()
    await topics.apply(settings, local=True)
    _edit(config, "routing.yaml", "\nrules:", SECOND_POOL)
    roster = config / "roster.yaml"
    head, *agents = roster.read_text().replace("    backup: a07\n", "").split("pool: support")

    def assign(pools: list[str]) -> Deployment:
        roster.write_text(
            head + "".join(f"pool: {p}{a}" for p, a in zip(pools, agents, strict=True))
        )
        return load(config)

    rest = ["support"] * (len(agents) - 2)
    await publisher.publish(settings, assign(["sales", "support", *rest]), ManualClock())
    swapped = assign(["support", "sales", *rest])
    asked: list[tuple[str, set[str]]] = []

    async def until_left(_settings: Settings, pool: str, agents: set[str]) -> None:
        asked.append((pool, agents))
        members = await _members(settings)
        assert not members[pool] & agents, "asked before the old pool's roster was published"

    monkeypatch.setattr(publisher, "until_left", until_left)
    await publisher.publish(settings, swapped, ManualClock())
    assert sorted(pool for pool, _ in asked) == ["sales", "support"]
    members = await _members(settings)
    assert not members["sales"] & members["support"]
    assert len(members["sales"]) == 1
    assert len(members["support"]) == len(agents) - 1
    assert await publisher.publish(settings, swapped, ManualClock()) == []


async def _members(settings: Settings) -> dict[str, set[str]]:
    """Who is in each pool by the last roster on the log."""
    members: dict[str, set[str]] = {}
    for record in await _commands(settings):
        command = Command.model_validate_json(record.value)
        if command.type == "roster.set":
            members[command.pool] = {agent["id"] for agent in command.data["agents"]}
    return members


async def test_who_moves_is_waited_for_until_the_router_lets_go(
    tmp_path: Path, unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[tuple[int, Any]] = [
        (503, {}),
        (200, {"agents": [{"id": "a1", "pool": "old"}, {"id": "a2", "pool": "old"}]}),
        (200, {"agents": [{"id": "a1", "pool": "new"}, {"id": "a2", "pool": "old"}]}),
    ]

    async def agents(_request: web.Request) -> web.Response:
        status, document = answers.pop(0) if len(answers) > 1 else answers[0]
        return web.json_response(document, status=status)

    monkeypatch.setattr(moves, "WAIT_MS_MAX", 500)
    settings = Settings(data_dir=tmp_path)
    monkeypatch.setattr(Settings, "url", lambda *_: f"http://127.0.0.1:{unused_tcp_port}")
    with pytest.raises(Retryable, match="an answer"):
        await moves.until_left(settings, "old", {"a1"})
    app = web.Application()
    app.add_routes([web.get("/v1/agents", agents)])
    async with TestServer(app, port=unused_tcp_port):
        await moves.until_left(settings, "old", {"a1"})
        with pytest.raises(Retryable, match=r"pool old.*\(a2\)"):
            await moves.until_left(settings, "old", {"a1", "a2"})


@pytest.mark.broker
async def test_back_and_forth_is_published_each_time_under_ids_of_their_own(
    make_settings: Callable[..., Settings], config: Path
) -> None:
    settings = make_settings()
    await topics.apply(settings, local=True)
    first = load(config)
    second = _edit(config, "roster.yaml", "billing: 8", "billing: 7")
    for deployment in (first, second, first):
        await publisher.publish(settings, deployment, ManualClock())
    rosters = [
        Command.model_validate_json(record.value)
        for record in await _commands(settings)
        if b"roster.set" in record.value
    ]
    versions = [command.data["version"] for command in rosters]
    assert versions[0] == versions[2] != versions[1]
    assert len({command.id for command in rosters}) == 3


@pytest.mark.broker
async def test_a_publisher_killed_before_the_mark_sends_the_same_id_again(
    make_settings: Callable[..., Settings], config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings()
    await topics.apply(settings, local=True)
    real = publisher._send

    async def acknowledged_then_killed(*arguments: Any) -> None:
        await real(*arguments)
        raise Retryable("killed here")

    monkeypatch.setattr(publisher, "_send", acknowledged_then_killed)
    with pytest.raises(Retryable):
        await publisher.publish(settings, load(config), ManualClock())
    monkeypatch.setattr(publisher, "_send", real)
    later = ManualClock()
    later.advance(60_000)
    await publisher.publish(settings, load(config), later)
    commands = [Command.model_validate_json(r.value) for r in await _commands(settings)]
    assert [command.type for command in commands] == [
        "policy.publish",
        "policy.publish",
        "roster.set",
    ]
    assert commands[0] == commands[1]
    entries = json.loads((settings.data_dir / LEDGER_FILE).read_bytes())["entries"]
    assert all(entry["acked"] for entry in entries.values())
