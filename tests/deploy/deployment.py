"""What the deployment files say, read once: compose, Dockerfiles, Prometheus, Grafana."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
SERVICES = sorted(path.parent.name for path in ROOT.glob("services/*/pyproject.toml"))
"""Every service that the code has."""
DOCKERFILES = [*(f"services/{name}/Dockerfile" for name in SERVICES), "cli/Dockerfile"]


@cache
def compose() -> dict[str, Any]:
    """docker-compose.yml, its anchors resolved."""
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


@cache
def containers() -> dict[str, dict[str, Any]]:
    """The services of docker-compose.yml."""
    found: dict[str, dict[str, Any]] = compose()["services"]
    return found


def ours() -> dict[str, dict[str, Any]]:
    """Those that run code of ours."""
    return {name: one for name, one in containers().items() if "build" in one}


def mounts(name: str) -> dict[str, tuple[str, bool]]:
    """Where something is mounted: (source, read-only) by target."""
    found = {}
    for text in containers()[name].get("volumes", []):
        source, target, *mode = text.split(":")
        found[target] = (source, mode == ["ro"])
    return found


@dataclass(frozen=True)
class Instruction:
    """One line of a Dockerfile, continuation lines joined."""

    word: str
    rest: str


def dockerfile(path: str) -> list[Instruction]:
    """A Dockerfile's instructions in order."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / path).read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [Instruction(*line.split(None, 1)) for line in lines if line.strip()]


def last_stage(path: str) -> list[Instruction]:
    """What the image itself is made of."""
    found = dockerfile(path)
    start = max(number for number, one in enumerate(found) if one.word == "FROM")
    return found[start:]


def one(instructions: list[Instruction], word: str) -> str:
    """The only instruction of this kind."""
    (found,) = [item.rest for item in instructions if item.word == word]
    return found


@cache
def rules() -> list[dict[str, Any]]:
    """All rules of Prometheus."""
    loaded = yaml.safe_load((DEPLOY / "prometheus/rules.yml").read_text())
    return [rule for group in loaded["groups"] for rule in group["rules"]]


@cache
def boards() -> list[dict[str, Any]]:
    """All boards of Grafana."""
    return [json.loads(path.read_text()) for path in sorted(DEPLOY.glob("grafana/boards/*.json"))]


def queries() -> dict[str, str]:
    """Every PromQL expression in rules and boards, by where it stands."""
    found = {f"rule {rule.get('alert') or rule['record']}": rule["expr"] for rule in rules()}
    for board in boards():
        for panel in board["panels"]:
            for target in panel.get("targets", []):
                name = f"{board['title']} / {panel['title']} / {target['refId']}"
                found[name] = target["expr"]
    return found
