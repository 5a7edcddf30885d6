"""``python -m vaxel_sla_monitor``: run the service until it is asked to stop."""

from vaxel_shared.service import run
from vaxel_shared.settings import from_environment
from vaxel_sla_monitor.bootstrap import NAME, build
from vaxel_sla_monitor.config import MonitorSettings


def main() -> None:
    """Run the SLA monitor with the settings of the environment."""
    settings = from_environment(MonitorSettings)
    run(NAME, settings, lambda: build(settings))


if __name__ == "__main__":
    main()
