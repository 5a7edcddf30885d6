"""``python -m vaxel_cli`` is the command ``vaxel``."""

from vaxel_cli.main import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
