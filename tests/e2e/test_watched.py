"""A running system as those see it who watch it: traces at a collector, metrics, and the demo.

One system for the whole file, started by ``vaxel up`` with tracing on.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import threading
import time
import urllib.request
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from chaos.chaos import ROOT, System
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from vaxel_shared.obs import metrics
from vaxel_shared.obs.declare import DECLARED

assert metrics.READY, "importing it declares them"
pytestmark = pytest.mark.e2e


class Collector:
    """Takes OTLP over HTTP and keeps the spans."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, Any]] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                    names = {a.key: a.value.string_value for a in resource.resource.attributes}
                    for scope in resource.scope_spans:
                        collector.spans += [(names["service.name"], span) for span in scope.spans]
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/v1/traces"


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.server.shutdown()


@pytest.fixture(scope="module")
def system(collector: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    folder = tmp_path_factory.mktemp("watched")
    shutil.copytree(ROOT / "config", folder / "config")
    told = {"VAXEL_TRACING": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "200"}
    offset = 18_500 + os.getpid() % 4_000  # apart from the other files' systems
    made = System(folder, offset, folder / "config", told)
    made.start()
    yield made
    made.end()


def _call(run: dict[str, Any], method: str, path: str, who: str, body: Any = None) -> Any:
    tokens = run["tokens"]
    token = tokens[who] if who in tokens else tokens["agents"][who]
    request = urllib.request.Request(
        f"{run['services']['register']['url']}/api/v1{path}",
        None if body is None else json.dumps(body).encode(),
        {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        method=method,
    )
    with urllib.request.urlopen(request, timeout=15) as answer:
        return json.load(answer)


def test_one_mail_gives_one_connected_trace(system: System, collector: Collector) -> None:
    sent = json.loads(system.vaxel("send", "email", "--example", "fi-billing", "--json").stdout)
    number = sent["case"]
    offer = _call(system.run, "GET", "/agents/a01/inbox", "a01")["offers"][0]
    _call(system.run, "POST", f"/offers/{offer['id']}/accept", "a01", {})
    _call(system.run, "POST", f"/cases/{number}/reply", "a01", {"text": "Hei!"})
    case_id = _call(system.run, "GET", f"/cases/{number}", "supervisor")["case_id"]
    deadline = time.monotonic() + 20
    while "delivery.reply" not in {span.name for _, span in collector.spans}:
        assert time.monotonic() < deadline, sorted({s.name for _, s in collector.spans})
        time.sleep(0.1)
    time.sleep(1)  # what was recorded beside it, from other services

    ours = [(who, s) for who, s in collector.spans if s.trace_id == uuid.UUID(case_id).bytes]
    by_id = {span.span_id: (who, span) for who, span in ours}
    roots = [span.name for _, span in ours if not span.parent_span_id]
    assert roots == ["mail.receive"]
    assert all(not span.parent_span_id or span.parent_span_id in by_id for _, span in ours)

    way, at = [], next(span for _, span in ours if span.name == "delivery.reply")
    while True:
        way.append((by_id[at.span_id][0].removeprefix("vaxel-"), at.name))
        if not at.parent_span_id:
            break
        at = by_id[at.parent_span_id][1]
    assert way[::-1] == [
        ("ingest-email", "mail.receive"),
        ("triage", "triage.contact"),
        ("router", "router.decide"),
        ("register", "register.command"),
        ("router", "router.decide"),
        ("register", "register.command"),
        ("router", "router.decide"),
        ("delivery", "delivery.reply"),
    ]
    text = " ".join(str(span) for _, span in collector.spans)
    for secret in ("asiakas.example", "Nurminen", "lasku", "a01@agents", "Hei"):
        assert secret not in text


def test_every_service_shows_only_declared_metrics_and_says_it_is_ready(system: System) -> None:
    declared = set(DECLARED)
    for name, service in system.run["services"].items():
        with urllib.request.urlopen(f"{service['url']}/metrics", timeout=10) as answer:
            assert "openmetrics-text" in answer.headers["Content-Type"]
            families = list(text_string_to_metric_families(answer.read().decode()))
        ours = [one for one in families if one.name.startswith("vaxel_")]
        shown = {one.name if one.type != "counter" else f"{one.name}_total" for one in ours}
        assert shown <= declared, name
        (ready,) = [one for one in ours if one.name == "vaxel_ready"]
        assert [sample.value for sample in ready.samples] == [1.0], name


def test_the_demo_runs_to_its_end_with_services_killed_in_between(system: System) -> None:
    pids = {name: one["pid"] for name, one in system.run["services"].items()}
    victims = [pids[name] for name in ("router", "ingest-email", "register")]
    killing = threading.Timer(3, lambda: [os.kill(pid, signal.SIGKILL) for pid in victims])
    killing.start()
    done = system.vaxel("demo", "--rate", "5", "--seconds", "8", "--settle", "90", "--json")
    killing.join()
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["planned"] == sum(found["sent"].values()) == sum(found["acknowledged"].values())
    assert all(found["sent"].values()), "each way in was used"
    assert found["answered"] == found["planned"], done.stdout
    assert found["offered"] == found["planned"], done.stdout
    assert found["given_up"] == found["not_answered"] == 0
