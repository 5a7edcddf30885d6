"""``python -m vaxel_delivery``: run the service until it is asked to stop."""

from vaxel_delivery.bootstrap import NAME, build
from vaxel_shared.service import run
from vaxel_shared.settings import Settings, from_environment


def main() -> None:
    """Run delivery with the settings of the environment."""
    settings = from_environment(Settings)
    run(NAME, settings, lambda: build(settings))


if __name__ == "__main__":
    main()
