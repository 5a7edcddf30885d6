"""Golden histories of every engine, each restored both ways and its own decided again: figure R18.

python tests/replay/golden_run.py [--json FILE]     exit code 1 where one came out otherwise
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path

if __name__ == "__main__":  # instead of this folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from chaos import record
from replay import refold
from replay.recording import facts
from replay.stories import GOLDEN

from vaxel_shared.version import ENGINE_VERSION


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path, help="where to write the figure as well")
    options = parser.parse_args()
    begun = record.begin()
    histories, decisions = Counter[str](), 0
    wrong: list[str] = []
    for folder in sorted(GOLDEN.glob("*/*")):
        engine, name = folder.parent.name, f"{folder.parent.name} {folder.name}"
        histories[engine] += 1
        if engine == ENGINE_VERSION:
            again = refold.replay(folder)
            decisions += again.decisions
            if again.mismatch is not None:
                wrong.append(f"{name}: decided otherwise: {again.mismatch}")
        wrong += [f"{name}: {text}" for text in restored(folder)]
    for text in wrong:
        print(f"golden: {text}")
    tries = histories[ENGINE_VERSION] + 2 * histories.total()
    print(f"golden: {tries} tries, {len(wrong)} came out otherwise")
    if options.json is not None:
        one = record.figure(
            "R18", "Histories that earlier engines recorded", begun, n=tries,
            violations=len(wrong), command=record.command(), broker="recorded logs",
            figures={
                "histories of engine": ", ".join(f"{e} {n}" for e, n in histories.items()),
                "restored, from the beginning and by a snapshot": histories.total(),
                "decided again by the engine that wrote them, byte for byte": (
                    f"{histories[ENGINE_VERSION]}, with {decisions:,} decisions"
                ),
            },
            not_covered=(
                "earlier engines deciding their own again: their code is in their releases;"
                " snapshots as they wrote them (the halfway one is written by this engine)"
            ),
        )  # fmt: skip
        record.write(options.json, one)
    return 1 if wrong else 0


def restored(folder: Path) -> list[str]:
    """What is otherwise than when it was recorded, after restoring it in both ways."""
    end = json.loads((folder / "manifest.json").read_text())["end"]
    expected = {key: value for key, value in end.items() if key != "digest"}
    return [
        f"restored {'by a snapshot' if halfway else 'from the beginning'} it ends otherwise"
        for halfway in (False, True)
        if facts(refold.restore(folder, halfway=halfway)) != expected
    ]


if __name__ == "__main__":
    sys.exit(main())
