"""``python -m vaxel_cli.sink`` runs the mailbox."""

from __future__ import annotations

from vaxel_cli.sink.bootstrap import build
from vaxel_cli.sink.config import SinkSettings
from vaxel_shared import service
from vaxel_shared.settings import from_environment


def main() -> None:
    """Run until asked to stop."""
    settings = from_environment(SinkSettings)
    service.run("sink", settings, lambda: build(settings))


if __name__ == "__main__":
    main()
