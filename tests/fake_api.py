"""A server that answers as told: stands for the register, the router or the sink of a system.

The register's answers are built through its own views, so that this can't answer what the real one
wouldn't.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from vaxel_cli import runinfo
from vaxel_register.core import views

Answer = tuple[int, Any]
Handler = Callable[[dict[str, Any]], Answer]


class FakeApi:
    """Routes are ``(method, path)``; a handler gets ``{query, body, headers}``."""

    def __init__(self) -> None:
        self.routes: dict[tuple[str, str], Handler] = {}
        self.asked: list[tuple[str, str, dict[str, Any]]] = []
        self.url = ""

    def on(self, method: str, path: str, answer: Any, status: int = 200) -> None:
        """Answer with a fixed body, or with what a function makes of the request."""
        self.routes[method, path] = answer if callable(answer) else lambda _: (status, answer)

    def answer(self, method: str, path: str, request: dict[str, Any]) -> Answer:
        self.asked.append((method, path, request))
        handler = self.routes.get((method, path))
        if handler is None:
            return 404, {"title": "unknown", "status": 404, "detail": f"nothing at {path}"}
        return handler(request)


@contextmanager
def serving(api: FakeApi) -> Iterator[FakeApi]:
    """Serve it on a free port of the loopback."""

    class Request(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            raw = self.rfile.read(length)
            status, body = api.answer(
                self.command,
                parts.path,
                {
                    "query": {name: values[0] for name, values in parse_qs(parts.query).items()},
                    "body": json.loads(raw) if raw else None,
                    "headers": dict(self.headers),
                },
            )
            sent = body.encode() if isinstance(body, str) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_POST = _serve  # noqa: N815 - the names that http.server calls

        def log_message(self, *_args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Request)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    api.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def write_run(folder: Path, api: FakeApi, **changes: Any) -> runinfo.RunInfo:
    """A run.json whose services are all ``api``."""
    port = urlsplit(api.url).port or 0
    facts: dict[str, Any] = {
        "broker": "127.0.0.1:1",
        "smtp": {"host": "127.0.0.1", "port": 1},
        "mailboxes": ["support@vaxel.example", "billing@vaxel.example"],
        "sink": {"host": "127.0.0.1", "port": port, "url": api.url},
        "services": {"register": {"url": api.url}, "router": {"url": api.url}},
        "tokens": {"admin": "t-admin", "supervisor": "t-super", "agents": {"a01": "t-a01"}},
        "data_dir": str(folder),
        "config_dir": str(folder),
    }
    run = runinfo.RunInfo.model_validate(facts | changes)
    runinfo.write(run)
    return run


def agents(*rows: tuple[str, str | None, str]) -> dict[str, Any]:
    """The register's list of agents: (id, name, presence)."""
    items = [
        views.AgentItem(
            id=id_, name=name, role="agent", pool="support", presence=presence, mode=None,
            until=None, tier=1, skills={"billing": 5}, languages={"fi": 10}, capacity=4, offers=0,
            works=1,
        )
        for id_, name, presence in rows
    ]  # fmt: skip
    return views.AgentList(items=items).model_dump(mode="json")


def decision(type_: str, at: str, **fields: Any) -> dict[str, Any]:
    """A decision in a timeline."""
    place = views.Place(partition=0, offset=1, seq=1, index=0)
    entry = views.TimelineEntry(kind="decision", at=at, type=type_, place=place, **fields)
    return entry.model_dump(mode="json")


def message(id_: str, at: str, sender: str, subject: str = "Hello") -> dict[str, Any]:
    """An interaction in a timeline."""
    entry = views.TimelineEntry(
        kind="interaction", at=at, type="message",
        place=views.Place(partition=0, offset=1, seq=None, index=0),
        message={"id": id_, "sender": {"external_id": sender}, "subject": subject},
    )  # fmt: skip
    return entry.model_dump(mode="json")


def case(number: str, timeline: list[dict[str, Any]], **facts: Any) -> dict[str, Any]:
    """A case in detail."""
    known: dict[str, Any] = {
        "number": number, "subject": "Hello", "status": "open", "channel": "email",
        "language": "fi", "queue": "billing", "agent": None, "priority": 5, "tier": 1,
        "customer": {"id": "c1", "name": None, "address": None}, "opened_at": None,
        "updated_at": None, "case_id": "6f0c3f0e-0000-5000-8000-000000000001", "pool": "support",
        "account": "support", "labels": ["billing"],
        "rule": {"id": "billing", "at": "routing.yaml:93"}, "wake_at": None,
        "linked_case_id": None, "last_contact_seq": 1, "works": [], "offers": [],
        "timeline": timeline, "timeline_truncated": False,
    }  # fmt: skip
    return views.CaseDetail.model_validate(known | facts).model_dump(mode="json")


def case_list(*cases: dict[str, Any]) -> dict[str, Any]:
    """A page of the list of cases."""
    names = views.CaseItem.model_fields
    items = [{name: item[name] for name in names} for item in cases]
    return views.CaseList.model_validate({"items": items, "next": None}).model_dump(mode="json")
