"""What the register shows, held against a log that goes on meanwhile.

An export and the register are never read at the same instant, and as long as anything waits its
offers run out and go on. So the register is read before the export and after it: a case that it
shows otherwise the second time is on the move and isn't judged then. Each case must be at rest,
and right, at least once.
"""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaos.checker import Verdict, check

DETAILS = 40
"""Cases of which works and offers are compared as well."""

JUDGED = ("status", "agent", "works", "offers")
"""What :meth:`chaos.checker.Check.register` looks at."""

Json = dict[str, Any]


@dataclass
class Shown:
    """The register of one run, looked at again and again; ``run`` is its ``run.json``."""

    run: Json
    _rested: set[str] = field(default_factory=set)
    """Numbers of the cases that were at rest, and right, at some time."""
    _before: dict[str, Json] = field(default_factory=dict)

    def before(self) -> None:
        """A log is about to be exported."""
        self._before = _judged(self._read())

    def judged(self, export: Path, journal: Path, **more: Any) -> Verdict:
        """It was: the checker's verdict on it (``more`` as there), and on what is shown now."""
        shown = self._read()
        now = _judged(shown)
        moving = {one for one in {*now, *self._before} if now.get(one) != self._before.get(one)}
        verdict = check(export, journal, shown=shown, moving=moving, **more)
        wrong = {one.partition(":")[0] for one in verdict.register_differs}
        self._rested |= now.keys() - moving - wrong
        verdict.register_differs += [
            f"{number}: was never at rest" for number in sorted(moving - self._rested)
        ]
        return verdict

    def _read(self) -> list[Json]:
        try:
            return shown_cases(self.run)
        except OSError as error:
            return [{"number": f"the register doesn't answer ({error})"}]


def _judged(shown: list[Json]) -> dict[str, Json]:
    """By number, what of a case is held against the log."""
    return {one["number"]: {name: one.get(name) for name in JUDGED} for one in shown}


def shown_cases(run: Json) -> list[Json]:
    """All cases as the register shows them; of the newest also works and offers."""
    base = f"{run['services']['register']['url']}/api/v1"
    found: list[Json] = []
    cursor = ""
    while True:
        page = get_json(f"{base}/cases?limit=100{cursor}", run["tokens"]["admin"])
        found += page["items"]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    for item in found[:DETAILS]:
        detail = get_json(f"{base}/cases/{item['number']}", run["tokens"]["admin"])
        for name in ("works", "offers"):
            item[name] = {one["id"]: one["state"] for one in detail[name]}
    return found


def get_json(url: str, token: str, timeout_s: float = 10) -> Any:
    """What the API answers; raises ``OSError``."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=timeout_s) as answer:
        return json.load(answer)
