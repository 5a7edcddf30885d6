"""Real processes whose clocks are wrong, on a real Kafka whose clock is right.

Every service of ``vaxel up`` runs under libfaketime (Debian's package ``libfaketime``): an hour fast
and five per cent too quick, or an hour slow and as much too slow, its monotonic clock too. Router
and SLA monitor are killed meanwhile; mails, chats and webhooks come in; the usual checker judges.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from chaos import chaos

SHIFTS = ("+3600 x1.05", "-3600 x0.95")
SECONDS = 60
PORT_OFFSET = 17_300
"""Its ports lie below those that outgoing connections take."""


def library() -> Path | None:
    """Where libfaketime is; None where it isn't installed."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    return found[0] if found else None


def run(shift: str, seed: int) -> list[str]:
    """One run; the promises that it broke."""
    preload = library()
    assert preload is not None, "apt-get install libfaketime"
    folder = Path(tempfile.mkdtemp(prefix="vaxel-clocks-"))
    environment = {"LD_PRELOAD": str(preload), "FAKETIME": shift, "FAKETIME_DONT_RESET": "1"}
    plan = chaos.Plan(
        seconds=SECONDS,
        rate=4,
        seed=seed,
        port_offset=PORT_OFFSET,
        only="kill sla,kill router",
        environment=environment,
    )
    print(f"clocks: real processes, their clocks {shift}", flush=True)
    verdict = chaos.run(folder, plan)
    return [f"{shift}: {name}, {len(found)} times" for name, found in verdict.wrong.items()]
