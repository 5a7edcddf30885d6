"""``python -m vaxel_cli`` is the command ``vaxel``."""

from vaxel_cli import main as command
from vaxel_shared import heap


def main() -> None:
    """The command, which may hold a whole log or a million customers."""
    heap.expect_much()
    command.main()


if __name__ == "__main__":
    main()
