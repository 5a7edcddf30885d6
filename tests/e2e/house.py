"""A running system and what a person has at hand: the command, the API, the mailbox."""

from __future__ import annotations

import json
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chaos.chaos import ROOT, System


class House:
    """A running system and what a person has at hand: the command, the API, the mailbox."""

    def __init__(self, folder: Path, port_offset: int) -> None:
        self.config = folder / "config"
        shutil.copytree(ROOT / "config", self.config)
        self.folder = folder
        self.system = System(folder, port_offset, self.config)
        self.number = ""

    def vaxel(self, *words: str, code: int = 0) -> str:
        done = self.system.vaxel(*words)
        assert done.returncode == code, f"vaxel {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def json(self, *words: str) -> Any:
        return json.loads(self.vaxel(*words, "--json"))

    def api(
        self, method: str, path: str, who: str, body: Any = None, key: str = ""
    ) -> tuple[int, Any]:
        run = self.system.run
        tokens = run["tokens"]
        token = tokens[who] if who in tokens else tokens["agents"][who]
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        if key:
            headers["Idempotency-Key"] = key
        data = None if body is None else json.dumps(body).encode()
        url = f"{run['services']['register']['url']}/api/v1{path}"
        request = urllib.request.Request(url, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=15) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def mails(self, to: str) -> list[dict[str, Any]]:
        url = f"{self.system.run['sink']['url']}/api/mails?to={to}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)["mails"]

    def case(self, number: str | None = None) -> dict[str, Any]:
        return self.api("GET", f"/cases/{number or self.number}", "supervisor")[1]

    def account(self) -> str:
        return (self.folder / "up.log").read_text()


def eventually(look: Callable[[], Any], seconds: float = 20) -> Any:
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found or time.monotonic() > deadline:
            assert found
            return found
        time.sleep(0.1)
