"""Before anything is decided: the topics must be as the commit protocol needs them."""

from __future__ import annotations

from vaxel_shared.errors import Fatal
from vaxel_shared.kafka.topics import DECISIONS, SNAPSHOTS, WORK, check
from vaxel_shared.settings import Settings

_OURS = tuple(f"{topic}: " for topic in (WORK, DECISIONS, SNAPSHOTS))
_TOGETHER = "partitions differ"


async def refuse_wrong_topics(settings: Settings) -> None:
    """Raises Fatal, with the remedy, where work, decisions or snapshots aren't as declared.

    A cluster takes settings in silence that lose what it acknowledged. Retryable without a broker.
    """
    wrong = [line for line in await check(settings) if line.startswith((*_OURS, _TOGETHER))]
    if wrong:
        more = f" ({len(wrong) - 1} more: `vaxel topics check`)" if len(wrong) > 1 else ""
        raise Fatal(f"{wrong[0]}{more}")
