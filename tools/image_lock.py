"""The part of requirements.lock that a service's image needs, hashes and all, on stdout.

``python tools/image_lock.py shared services/router`` takes the dependencies that the packages
declare and, by the "via" notes of the lock, what those need in turn. An image so holds what its
service uses and no test tool; each wheel is still checked by hash. ``--name NAME…`` takes names of
the lock instead (what builds the packages).
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OURS = "vaxel"
"""Our own packages come from the tree, not from the lock."""

_NAME = re.compile(r"^([a-z0-9][a-z0-9._-]*)==")
_VIA = re.compile(r"^ +#(?: via)? +([a-z0-9._-]+)\s*$|^ +# via$")


@dataclass
class Lock:
    """Each pinned package's lines, and which packages each one needs."""

    lines: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    needs: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    @classmethod
    def read(cls, text: str) -> Lock:
        """From the text of requirements.lock."""
        lock, names = cls(), set[str]()
        for line in text.splitlines():
            if (found := _NAME.match(line)) is not None:
                # A package pinned twice (by a marker) has its notes after each of its pins.
                names = {found[1]}
            elif line and not line.startswith(" "):
                names = set()
            if not names:
                continue
            (name,) = names
            if (via := _VIA.match(line)) is not None:
                if via[1] is not None:
                    lock.needs[via[1]].add(name)
            elif not line.lstrip().startswith("#"):
                lock.lines[name].append(line)
        return lock

    def closure(self, wanted: Iterable[str]) -> list[str]:
        """The names of ``wanted`` and of all they need. Raises SystemExit for one not pinned."""
        found: set[str] = set()
        rest = [normal(name) for name in wanted]
        while rest:
            name = rest.pop()
            if name in found:
                continue
            if name not in self.lines:
                raise SystemExit(f"image_lock: {name} isn't in requirements.lock; run `make lock`")
            found.add(name)
            rest += self.needs.get(name, ())
        return sorted(found)


def normal(requirement: str) -> str:
    """The name in a requirement, as the lock spells it."""
    name = re.split(r"[\s<>=!~;\[]", requirement.strip(), maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(package: Path) -> list[str]:
    """What a package of ours says it depends on, our own left out."""
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    names = [normal(one) for one in project.get("dependencies", [])]
    return [name for name in names if not name.startswith(OURS)]


def main(arguments: list[str]) -> int:
    """Print the lines; the exit code."""
    lock = Lock.read((ROOT / "requirements.lock").read_text())
    if arguments[:1] == ["--name"]:
        wanted = arguments[1:]
    else:
        wanted = [name for package in arguments for name in declared(ROOT / package)]
    if not wanted:
        print("image_lock: name packages, e.g. shared services/router", file=sys.stderr)
        return 2
    for name in lock.closure(wanted):
        print("\n".join(lock.lines[name]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
