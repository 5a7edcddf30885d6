"""docker-compose.yml against the code's own declarations, and against the rules of hardening."""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from deploy.deployment import (
    DEPLOY,
    DOCKERFILES,
    ROOT,
    SERVICES,
    compose,
    containers,
    dockerfile,
    last_stage,
    mounts,
    one,
    ours,
)

from vaxel_cli.broker.files import server_properties
from vaxel_shared.config.channels import Channels
from vaxel_shared.config.connectors import Connectors
from vaxel_shared.config.source import read, validate
from vaxel_shared.service import DRAIN_MS_MAX
from vaxel_shared.settings import PORTS, Settings

ONCE = {"topics"}
"""Runs once, before the others."""
NOBODY_WAITS = {"policy", "traces"}
"""Nothing depends on their health, and their images have nothing to ask it with."""
EXTRA_PORTS = {"ingest-email": {"smtp"}, "mailbox": {"sink", "sink-smtp"}}
OWN_NAMES = {"mailbox": "sink"}
REACHES_OUT = {"sla-monitor"}
"""It tells webhooks and mailboxes; nobody reaches it."""
NAMES = sorted(containers())


def _settings_fields() -> set[str]:
    """Every variable that some service or the command reads, as pydantic declares them."""
    found: set[str] = set()
    packages = ["vaxel_shared", "vaxel_cli", *(f"vaxel_{n.replace('-', '_')}" for n in SERVICES)]
    for package in packages:
        module = importlib.import_module(package)
        for info in pkgutil.iter_modules(module.__path__):
            if info.name in {"config", "settings"}:
                part = importlib.import_module(f"{package}.{info.name}")
                for value in vars(part).values():
                    if isinstance(value, type) and issubclass(value, Settings):
                        found |= {f"VAXEL_{name.upper()}" for name in value.model_fields}
    return found


def _channels() -> Channels:
    return validate(Channels, read(ROOT / "config/channels.yaml"))


def test_every_service_of_the_code_is_there_and_no_other() -> None:
    built = {name for name, one_ in ours().items() if one_["image"] != "vaxel/cli"}
    assert built == set(SERVICES)
    for name in SERVICES:
        assert ours()[name]["build"] == {
            "context": ".",
            "dockerfile": f"services/{name}/Dockerfile",
        }
        assert ours()[name]["image"] == f"vaxel/{name}"


def test_every_variable_is_one_that_is_read() -> None:
    known = _settings_fields()
    assert "VAXEL_BROKER" in known
    for name, one_ in ours().items():
        unknown = {v for v in one_["environment"] if v.startswith("VAXEL_")} - known
        assert not unknown, f"{name}: nobody reads {sorted(unknown)}"
    for path in DOCKERFILES:
        for item in last_stage(path):
            if item.word == "ENV":
                unknown = set(re.findall(r"(VAXEL_\w+)=", item.rest)) - known
                assert not unknown, f"{path}: nobody reads {sorted(unknown)}"


def test_the_environment_makes_valid_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in compose()["x-environment"].items():
        plain = re.sub(r"\$\{\w+:-(.*?)\}", r"\1", value)
        monkeypatch.setenv(variable, plain)
    settings = Settings()
    assert settings.broker == "broker:9092"
    assert settings.url("router") == "http://router:8084"


@pytest.mark.parametrize("name", NAMES)
def test_ports_are_the_codes_own_and_on_loopback(name: str) -> None:
    for text in containers()[name].get("ports", []):
        address, outside, inside = text.split(":")
        assert address == "127.0.0.1", f"{name} is open to the network"
        if name in ours():
            allowed = {OWN_NAMES.get(name, name)} | EXTRA_PORTS.get(name, set())
            assert int(inside) in {PORTS[port] for port in allowed}
            assert outside == inside, "links and documents name one port"


def test_no_two_containers_publish_one_port() -> None:
    taken = [text.split(":")[1] for one_ in containers().values() for text in one_.get("ports", [])]
    assert len(taken) == len(set(taken))


@pytest.mark.parametrize("name", NAMES)
def test_containers_are_hardened(name: str) -> None:
    one_ = containers()[name]
    assert one_["read_only"] is True
    assert one_["cap_drop"] == ["ALL"]
    assert "cap_add" not in one_
    assert "privileged" not in one_
    assert one_["security_opt"] == ["no-new-privileges:true"]
    assert not any("docker.sock" in text for text in one_.get("volumes", []))
    assert not {"pid", "ipc", "network_mode"} & one_.keys()
    limits = one_["deploy"]["resources"]["limits"]
    assert set(limits) == {"cpus", "memory", "pids"}
    assert one_["logging"]["options"]["max-size"]
    if name not in ours():
        user, _, _group = one_["user"].partition(":")
        assert int(user) > 0, "a number, so that the host can check that it isn't root"


@pytest.mark.parametrize("name", NAMES)
def test_a_stop_waits_for_the_drain(name: str) -> None:
    seconds = int(containers()[name]["stop_grace_period"].removesuffix("s"))
    assert seconds * 1000 > DRAIN_MS_MAX


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ONCE | NOBODY_WAITS])
def test_everything_that_runs_has_a_healthcheck_without_a_shell(name: str) -> None:
    own = containers()[name].get("healthcheck")
    if own is None:
        assert name in SERVICES, "its image has none"
        return
    assert own["test"][0] == "CMD"
    assert {"interval", "timeout", "retries", "start_period"} <= own.keys()


@pytest.mark.parametrize("name", NAMES)
def test_images_are_pinned_by_version(name: str) -> None:
    image = containers()[name]["image"]
    if name not in ours():
        assert re.fullmatch(r"[a-z0-9./-]+:v?\d+\.\d+[\w.-]*", image), f"{image} is not pinned"


def test_kafka_is_the_version_that_the_tests_run_on() -> None:
    coordinates = (DEPLOY / "kafka/jgo.toml").read_text()
    (version,) = set(re.findall(r"org\.apache\.kafka:kafka_2\.13:([\d.]+)", coordinates))
    assert containers()["broker"]["image"] == f"apache/kafka:{version}"


def test_kafka_is_set_as_the_local_broker_is() -> None:
    """Whatever isn't an address or a place is the same in both."""
    local = dict(
        line.split("=", 1) for line in server_properties(Path("x"), 9092, 9093).splitlines()
    )
    given = {
        name.removeprefix("KAFKA_").replace("_", ".").lower(): value
        for name, value in containers()["broker"]["environment"].items()
        if name.startswith("KAFKA_")
    }
    places = {"listeners", "advertised.listeners", "controller.quorum.voters", "log.dirs"}
    tuning = {"num.network.threads", "num.io.threads", "log.cleaner.dedupe.buffer.size"}
    for name in local.keys() - places - tuning:
        assert given[name] == local[name], name
    assert given.keys() - local.keys() == {"heap.opts"}


def test_secrets_are_files_and_nothing_else() -> None:
    assert all(set(one_) == {"file"} for one_ in compose()["secrets"].values())
    for name, one_ in containers().items():
        for variable, value in one_.get("environment", {}).items():
            plain = re.search(r"password|secret|token|key", variable, re.IGNORECASE)
            assert not plain or str(value).startswith("/run/secrets/"), f"{name}: {variable}"
        assert "env_file" not in one_
    assert "@postgres" in compose()["x-environment"]["VAXEL_DATABASE_URL"]
    assert not re.search(r"://\w+:[^@]+@", compose()["x-environment"]["VAXEL_DATABASE_URL"])


def test_every_secret_that_is_mounted_is_made(tmp_path: Path) -> None:
    folder = tmp_path / "compose"
    folder.mkdir()
    script = shutil.copy(DEPLOY / "compose/init.sh", folder)
    first = subprocess.run([script], capture_output=True, text=True, check=True, umask=0)
    kept = {path.name: path.read_text() for path in (folder / "secrets").iterdir()}
    again = subprocess.run([script], capture_output=True, text=True, check=True, umask=0)
    assert first.stdout.count("made ") == len(kept)
    assert again.stdout == ""
    assert kept == {path.name: path.read_text() for path in (folder / "secrets").iterdir()}
    wanted = {Path(one_["file"]).name for one_ in compose()["secrets"].values()}
    assert set(kept) == wanted
    assert len(bytes.fromhex(kept["deployment.key"])) == 32
    assert stat.S_IMODE((folder / "secrets").stat().st_mode) == 0o700
    assert {stat.S_IMODE(p.stat().st_mode) for p in (folder / "secrets").iterdir()} == {0o444}
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert "deploy/compose/secrets/" in ignored


@pytest.mark.parametrize("name", sorted(ours()))
def test_secrets_come_where_settings_look_for_them(name: str) -> None:
    targets = {item["target"] for item in ours()[name].get("secrets", [])}
    assert {"deployment.key", "database.password"} <= targets
    if name == "ingest-chat":
        named = {one_.secret_file for one_ in _channels().accounts if one_.secret_file}
        assert named <= targets, "config/channels.yaml names a secret that isn't mounted"


def test_every_volume_is_declared_used_and_one_services_own() -> None:
    used: dict[str, set[str]] = {}
    for name in containers():
        for target, (source, _read_only) in mounts(name).items():
            if not source.startswith("."):
                used.setdefault(source, set()).add(f"{name}:{target}")
            else:
                assert (ROOT / source).exists(), f"{name}: {source} isn't in the repository"
    assert set(used) == set(compose()["volumes"])
    for volume, places in used.items():
        assert volume == "blobs" or len(places) == 1, f"{volume} is shared: {sorted(places)}"
    assert all(place.endswith(":/var/lib/vaxel/blobs") for place in used["blobs"])


@pytest.mark.parametrize("name", sorted(set(ours()) - ONCE - {"mailbox"}))
def test_configuration_and_data_stand_where_the_image_says(name: str) -> None:
    found = mounts(name)
    assert found["/etc/vaxel/config"] == ("./config", True)
    overlay = "./deploy/compose/connectors.yaml"
    assert found["/etc/vaxel/config/connectors.yaml"] == (overlay, True)
    assert found["/var/lib/vaxel"] == (name, False)
    assert found["/var/lib/vaxel/blobs"] == ("blobs", False)


def test_what_is_mounted_read_only_stays_so() -> None:
    for name in containers():
        for target, (source, read_only) in mounts(name).items():
            assert read_only == source.startswith("."), f"{name}: {target}"


def test_the_overlay_is_a_valid_configuration_that_names_the_mailbox() -> None:
    found = validate(Connectors, read(DEPLOY / "compose/connectors.yaml"))
    assert found.mail.relay.host in containers()
    assert found.mail.relay.port == PORTS["sink-smtp"]
    assert found.public_url == f"http://127.0.0.1:{PORTS['delivery']}"


def test_readers_stand_before_writers_and_topics_before_all() -> None:
    """On a new log a reader finds it empty; one that comes late halts rather than guess."""

    def before(name: str) -> set[str]:
        direct = set(containers()[name].get("depends_on", {}))
        return direct.union(*(before(one_) for one_ in direct)) if direct else set()

    for name in SERVICES:
        assert {"topics", "broker"} <= before(name), name
    readers = {"delivery", "register", "sla-monitor"} & set(SERVICES)
    for writer in {"router", "policy", "ingest-email", "ingest-chat"} & set(containers()):
        assert readers <= before(writer), writer
    assert containers()["topics"]["restart"] == "no"
    for name in set(containers()) - ONCE:
        assert containers()[name]["restart"] == "unless-stopped"


def test_only_what_must_be_reached_stands_outside() -> None:
    assert compose()["networks"]["inside"] == {"internal": True}
    for name, one_ in containers().items():
        assert "inside" in one_["networks"], name
        reached_or_reaches = bool(one_.get("ports")) or name in REACHES_OUT
        assert ("outside" in one_["networks"]) == reached_or_reaches, name


def test_kafkas_user_owns_what_it_writes() -> None:
    one_ = containers()["broker"]
    assert one_["environment"]["KAFKA_LOG_DIRS"] in mounts("broker")
    uid = one_["user"].partition(":")[0]
    for text in one_["tmpfs"]:
        assert "mode=1777" in text or f"uid={uid}" in text


def test_prometheus_scrapes_every_service_on_its_port() -> None:
    loaded = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
    found = {}
    for job in loaded["scrape_configs"]:
        (config,) = job["static_configs"]
        found[job["job_name"]] = config["targets"]
    assert found == {name: [f"{name}:{PORTS[name]}"] for name in SERVICES}
    (manager,) = loaded["alerting"]["alertmanagers"]
    assert manager["static_configs"][0]["targets"] == ["alertmanager:9093"]


def test_alertmanager_and_grafana_name_what_is_there() -> None:
    alerts = yaml.safe_load((DEPLOY / "alertmanager/alertmanager.yml").read_text())
    host, _, port = alerts["global"]["smtp_smarthost"].partition(":")
    assert host in containers()
    assert int(port) == PORTS["sink-smtp"]
    source = yaml.safe_load(
        (DEPLOY / "grafana/provisioning/datasources/prometheus.yml").read_text()
    )["datasources"][0]
    assert source["url"] == "http://prometheus:9090"
    board = containers()["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (DEPLOY / "grafana/boards" / Path(board).name).is_file()


@pytest.mark.parametrize("path", DOCKERFILES)
def test_images_are_lean_and_not_root(path: str) -> None:
    found, image = dockerfile(path), last_stage(path)
    stages = [item.rest for item in found if item.word == "FROM"]
    base = "python:${PYTHON_TAG}${PYTHON_DIGEST:+@${PYTHON_DIGEST}}"
    assert stages == [f"{base} AS build", base]
    arguments = [item.rest for item in found if item.word == "ARG"]
    assert arguments == ["PYTHON_TAG=3.11.14-slim-bookworm", 'PYTHON_DIGEST=""']
    user, _, group = one(image, "USER").partition(":")
    assert int(user) >= 10_000
    assert int(group) >= 10_000
    assert not any(item.word in {"RUN", "ADD"} for item in image)
    installs = [item.rest for item in found if "pip" in item.rest]
    for command in " && ".join(installs).split("&&"):
        if " install " in command and "--no-index" not in command:
            assert "--require-hashes" in command, command
    for item in found:
        if item.word == "COPY" and not item.rest.startswith("--from"):
            *sources, _target = item.rest.split()
            for source in sources:
                assert (ROOT / source).exists(), f"{path}: {source} isn't in the repository"


@pytest.mark.parametrize("name", SERVICES)
def test_images_run_check_and_expose_their_own_service(name: str) -> None:
    image = last_stage(f"services/{name}/Dockerfile")
    ports = {PORTS[name]} | {PORTS[port] for port in EXTRA_PORTS.get(name, set())}
    assert {int(port) for port in one(image, "EXPOSE").split()} == ports
    module = f"vaxel_{name.replace('-', '_')}"
    assert json.loads(one(image, "ENTRYPOINT")) == ["python", "-m", module]
    command = json.loads(one(image, "HEALTHCHECK").partition("CMD")[2])
    assert command == ["python", "-m", "vaxel_shared.healthcheck", str(PORTS[name])]
    packages = {item.rest.split()[0] for item in dockerfile(f"services/{name}/Dockerfile")
                if item.word == "COPY" and not item.rest.startswith("--")}  # fmt: skip
    assert {"shared/", f"services/{name}/"} <= packages


def test_nothing_but_sources_gets_into_a_build() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    allowed = {line[1:] for line in rules if line.startswith("!")}
    assert allowed == {"requirements.lock", "tools/image_lock.py", "shared", "services", "cli"}
    assert "**/tests" in rules


def test_docker_itself_accepts_the_file() -> None:
    found = shutil.which("docker")
    plugin: Any = found and subprocess.run(
        [found, "compose", "version"], check=False, capture_output=True
    )
    if not plugin or plugin.returncode:
        pytest.skip("no `docker compose` here; the tests above read the file themselves")
    command = [str(found), "compose", "--profile", "tracing", "config", "--quiet"]
    answer = subprocess.run(
        command, cwd=ROOT, check=False, capture_output=True, text=True, env=os.environ
    )
    assert answer.returncode == 0, answer.stderr
