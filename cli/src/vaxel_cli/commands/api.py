"""The HTTP APIs of a running system, as the commands use them: JSON in, JSON out, one-line errors.

Plain ``http.client``: it takes no notice of proxies, which have no business on the loopback.
"""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from vaxel_cli.console import answer_is_no, unreachable, wrong_use
from vaxel_cli.runinfo import RunInfo

TIMEOUT_S = 10
"""Above the register's own wait of 2 s for a decision."""
ANSWER_BYTES_MAX = 64 * 1024 * 1024
"""The longest timeline is far below; a runaway answer must not fill the memory."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the status and the decoded body (None where it was empty)."""

    status: int
    body: Any


class Api:
    """One service's API; ``token`` is a bearer token."""

    def __init__(self, url: str, token: str | None = None, name: str = "register") -> None:
        self._url = urlsplit(url)
        self._token = token
        self._name = name

    @classmethod
    def register(cls, run: RunInfo, token: str | None = None) -> Api:
        """The register's; with the supervisor's token where no other is given."""
        return cls(run.url("register"), token or run.tokens.supervisor)

    @classmethod
    def router(cls, run: RunInfo) -> Api:
        """The router's live reads."""
        return cls(run.url("router"), name="router")

    def get(self, path: str, **query: str | int | None) -> Any:
        """The body of a GET. Raises: exit 1 for 404, 2 for other refusals, 3 if it can't answer."""
        given = {name: value for name, value in query.items() if value is not None}
        return self._judged(self.ask("GET", path + (f"?{urlencode(given)}" if given else "")))

    def post(self, path: str, body: dict[str, Any], idempotency_key: str) -> Answer:
        """A write: 200 done, 202 not decided yet. Raises exit 1 for 404 and 409, else as get."""
        answer = self.ask("POST", path, body, {"Idempotency-Key": idempotency_key})
        self._judged(answer)
        return answer

    def ask(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """The answer, whatever its status. Raises exit 3 where there is none."""
        sent = {"Accept": "application/json", **(headers or {})}
        if self._token is not None:
            sent["Authorization"] = f"Bearer {self._token}"
        if body is not None:
            sent["Content-Type"] = "application/json"
        connection = http.client.HTTPConnection(
            self._url.hostname or "127.0.0.1", self._url.port, timeout=TIMEOUT_S
        )
        try:
            connection.request(method, path, None if body is None else json.dumps(body), sent)
            response = connection.getresponse()
            raw = response.read(ANSWER_BYTES_MAX)
            return Answer(response.status, _decoded(raw))
        except (OSError, http.client.HTTPException) as error:
            raise unreachable(
                f"the {self._name} at {self._url.geturl()} doesn't answer: "
                "is it starting? see its log in the data dir"
            ) from error
        finally:
            connection.close()

    def _judged(self, answer: Answer) -> Any:
        """The body of a good answer; the problem of any other as an error."""
        if answer.status < http.client.BAD_REQUEST:
            return answer.body
        detail = _detail(answer)
        if answer.status in (http.client.NOT_FOUND, http.client.CONFLICT):
            raise answer_is_no(detail)
        if answer.status == http.client.TOO_MANY_REQUESTS or answer.status >= 500:
            raise unreachable(f"{self._name}: {detail}; try again")
        raise wrong_use(f"{self._name}: {detail}")


def segment(text: str) -> str:
    """A text as one segment of a path."""
    return quote(text, safe="")


def problem_code(answer: Answer) -> str | None:
    """The stable code of a problem, e.g. ``stale_token``."""
    if not isinstance(answer.body, dict):
        return None
    found = answer.body.get("code") or answer.body.get("title")
    return str(found) if found else None


def _decoded(raw: bytes) -> Any:
    try:
        return json.loads(raw) if raw.strip() else None
    except ValueError:
        return None


def _detail(answer: Answer) -> str:
    body = answer.body if isinstance(answer.body, dict) else {}
    return str(body.get("detail") or body.get("title") or f"HTTP status {answer.status}")
