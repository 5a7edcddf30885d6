"""Asks whether a service of this container is ready: ``python -m vaxel_shared.healthcheck 8080``.

Needs neither a shell nor curl, and of Vaxel nothing but this file: it runs every few seconds.
"""

from __future__ import annotations

import http.client
import sys

TIMEOUT_S = 4
"""Below the time-out that an image gives its health check."""


def check(port: int, path: str = "/readyz") -> str | None:
    """None where ``127.0.0.1:port`` answers 200, else why not, in one line."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read(4_096)
    except (OSError, http.client.HTTPException) as error:
        return f"no answer on port {port}: {type(error).__name__}"
    finally:
        connection.close()
    return None if answer.status == http.client.OK else body.decode(errors="replace").strip()


def main(arguments: list[str]) -> int:
    """Exit 0: ready; 1: not, with the reason on stdout; 2: wrong use."""
    if len(arguments) != 1 or not arguments[0].isdecimal():
        sys.stdout.write("say which port: python -m vaxel_shared.healthcheck 8080\n")
        return 2
    reason = check(int(arguments[0]))
    if reason is not None:
        sys.stdout.write(f"{reason}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
