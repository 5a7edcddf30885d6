"""Fetching the jars: from the lock only, checked, with progress; and what is said without a network."""

from __future__ import annotations

import asyncio
import hashlib
import re
import tomllib
import uuid
from pathlib import Path
from typing import Any

import pytest

from vaxel_cli.broker import jars
from vaxel_cli.broker.files import server_properties
from vaxel_cli.broker.installation import prepare
from vaxel_cli.broker.jars import DEPLOY_DIR, Jar, Progress, fetch, locked_jars
from vaxel_cli.broker.java import Java, find_java, major_version, options
from vaxel_cli.broker.process import cluster_id
from vaxel_shared.errors import Fatal, Retryable


class Artifact:
    """As jgo's, with bytes of the test's choosing."""

    def __init__(self, path: Path, data: bytes | Exception) -> None:
        self.cached_path, self._data = path, data

    def at_version(self, _version: str) -> Artifact:
        return self

    def artifact(self) -> Artifact:
        return self

    def resolve(self) -> Path:
        if isinstance(self._data, Exception):
            raise self._data
        self.cached_path.write_bytes(self._data)
        return self.cached_path


def context_of(bytes_by_artifact: dict[str, bytes | Exception]) -> Any:
    class Context:
        def __init__(self, staging: Path, counter: Any) -> None:
            self._staging, self._counter = staging, counter

        def project(self, _group: str, artifact: str) -> Artifact:
            data = bytes_by_artifact[artifact]
            if not isinstance(data, Exception):
                with self._counter.file(artifact, len(data)) as count:
                    count(len(data))
            return Artifact(self._staging / artifact, data)

    return Context


def jar(name: str, data: bytes) -> Jar:
    return Jar("org.example", name, "1", hashlib.sha256(data).hexdigest())


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_every_artifact_of_the_declaration_is_locked_with_its_hash() -> None:
    declared = tomllib.loads((DEPLOY_DIR / "jgo.toml").read_text())["dependencies"]["coordinates"]
    locked = locked_jars()
    assert [f"{one.group}:{one.artifact}:{one.version}" for one in locked] == declared
    assert len(locked) == 46
    assert all(re.fullmatch("[0-9a-f]{64}", one.sha256) for one in locked)


def test_no_file_of_the_declaration_names_a_host() -> None:
    for path in DEPLOY_DIR.iterdir():
        assert "://" not in path.read_text(), path


def test_a_missing_or_damaged_lock_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="restore it from the repository"):
        locked_jars(tmp_path)
    (tmp_path / "jgo.lock.toml").write_text("[[dependencies]]\ngroupId = 'g'\n")
    with pytest.raises(Fatal, match="artifactId"):
        locked_jars(tmp_path)


async def test_what_is_missing_is_fetched_and_progress_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jars, "_maven_context", context_of({"b": b"bbb", "c": b"c"}))
    (tmp_path / "a-1.jar").write_bytes(b"a")
    steps: list[Progress] = []
    wanted = [jar("a", b"a"), jar("b", b"bbb"), jar("c", b"c")]
    await fetch(wanted, tmp_path, steps.append)
    assert names(tmp_path) == ["a-1.jar", "b-1.jar", "c-1.jar"]
    assert (tmp_path / "b-1.jar").read_bytes() == b"bbb"
    await asyncio.sleep(0)  # the last report is on its way to this loop
    assert steps[-1] == Progress(files_done=3, files_total=3, bytes_done=4)
    await fetch(wanted, tmp_path, steps.append)  # nothing to do: asks nobody


async def test_bytes_that_are_not_the_locked_ones_never_reach_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jars, "_maven_context", context_of({"a": b"evil"}))
    with pytest.raises(Fatal, match=r"a-1\.jar: its bytes aren't those"):
        await fetch([jar("a", b"good")], tmp_path, lambda _step: None)
    assert names(tmp_path) == []


async def test_without_a_network_one_line_names_the_other_ways(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jars, "_maven_context", context_of({"a": ConnectionError("refused")}))
    with pytest.raises(Retryable) as caught:
        await fetch([jar("a", b"a")], tmp_path, lambda _step: None)
    said = str(caught.value)
    assert "\n" not in said
    for way in ("KAFKA_HOME", "--broker HOST:PORT", "docker compose"):
        assert way in said


async def test_a_distribution_named_by_kafka_home_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_HOME", str(tmp_path))
    with pytest.raises(Fatal, match="KAFKA_HOME"):
        await prepare()
    (tmp_path / "libs").mkdir()
    (tmp_path / "libs" / "kafka-clients-4.3.1.jar").touch()
    assert (await prepare()).classpath == f"{tmp_path}/libs/*"


def test_a_java_that_is_too_old_or_broken_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    java = tmp_path / "bin" / "java"
    java.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\" 2019-01-15' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "/bin" if not Path("/bin/java").exists() else str(tmp_path))
    assert major_version(java) == 11
    assert find_java().path != java
    assert major_version(tmp_path / "nothing") is None


@pytest.mark.parametrize(("major", "told"), [(17, 0), (21, 0), (25, 2)])
def test_newer_javas_are_told_what_kafka_may_do(major: int, told: int) -> None:
    assert len(options(Java(Path("java"), major))) == told


def test_a_single_node_is_configured_as_one(tmp_path: Path) -> None:
    lines = server_properties(tmp_path, 9092, 9093).splitlines()
    assert "auto.create.topics.enable=false" in lines
    assert "advertised.listeners=PLAINTEXT://127.0.0.1:9092" in lines
    assert all("0.0.0.0" not in line for line in lines)
    assert sum(line.endswith("replication.factor=1") for line in lines) == 3


def test_a_cluster_id_is_never_taken_for_an_option() -> None:
    dashed = uuid.UUID(bytes=b"\xfb" + b"\xef\xbe" * 5 + bytes(5))
    assert cluster_id(dashed)[0] != "-"
    assert len(cluster_id(dashed)) == 22
