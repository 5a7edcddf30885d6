"""Status at a glance: whatever part is away is said, and the rest is shown."""

import json

import fake_api
import pytest

from vaxel_cli.main import run

QUEUES = {
    "items": [
        {"pool": "support", "queue": "billing", "waiting": 2, "offered": 1, "assigned": 3,
         "oldest_since": "2026-11-22T14:37:57.123Z"}
    ]
}  # fmt: skip
METRICS = """\
# TYPE vaxel_lag_records gauge
vaxel_lag_records{partition="0",topic="vaxel.interactions"} 3.0
vaxel_lag_records{partition="1",topic="vaxel.interactions"} 4.0
vaxel_lag_records{partition="0",topic="vaxel.decisions"} 0.0
# EOF
"""


@pytest.fixture
def api(tmp_path):
    with fake_api.serving(fake_api.FakeApi()) as served:
        fake_api.write_run(tmp_path, served)
        served.on("GET", "/readyz", {"status": "ready"})
        served.on("GET", "/metrics", METRICS)
        served.on("GET", "/api/v1/queues", QUEUES)
        agents = fake_api.agents(("a01", "Aino", "available"), ("a02", "Maarja", "away"))
        served.on("GET", "/api/v1/agents", agents)
        served.on("GET", "/api/v1/deadletters", {"items": []})
        yield served


def vaxel(tmp_path, *arguments):
    return run(["status", "--data-dir", str(tmp_path), *arguments])


def test_without_a_broker_that_is_said_and_the_rest_is_shown(tmp_path, api, capsys):
    assert vaxel(tmp_path, "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] is False
    assert len(found["problems"]) == 1
    assert "no Kafka answers at 127.0.0.1:1" in found["problems"][0]
    assert found["services"]["router"]["state"] == "ready"
    assert found["services"]["router"]["lag"] == {"vaxel.interactions": 7, "vaxel.decisions": 0}
    assert found["queues"] == QUEUES["items"]
    assert found["agents"]["presence"] == {"available": 1, "away": 1}
    assert found["deadletters"] == 0


def test_a_person_sees_services_queues_and_agents(tmp_path, api, capsys):
    api.on("GET", "/api/v1/deadletters", {"items": [{}, {}]})
    assert vaxel(tmp_path) == 1
    said = capsys.readouterr().out
    assert "register  ready" in said
    assert "vaxel.interactions 7" in said
    assert "support/billing  2        1        3" in said
    assert "2 agents: 1 available, 1 away; 2 works in hand" in said
    assert "2 dead letters: `vaxel dlq list`" in said


def test_a_service_that_is_not_ready_says_why(tmp_path, api, capsys):
    body = {"status": "not ready", "reasons": ["partition 2: no policy", "starting"]}
    api.on("GET", "/readyz", body, status=503)
    assert vaxel(tmp_path) == 1
    assert "! router: partition 2: no policy; starting" in capsys.readouterr().out


def test_a_service_that_is_gone_is_away(tmp_path, api, capsys):
    services = {"register": {"url": api.url}, "triage": {"url": "http://127.0.0.1:1"}}
    fake_api.write_run(tmp_path, api, services=services)
    assert vaxel(tmp_path) == 1
    said = capsys.readouterr().out
    assert "! triage: doesn't answer" in said
    assert "register  ready" in said


def test_a_register_that_refuses_is_said(tmp_path, api, capsys):
    api.on("GET", "/api/v1/queues", {"title": "x", "detail": "ask again"}, status=503)
    assert vaxel(tmp_path, "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert any("ask again" in problem for problem in found["problems"])
    assert found["deadletters"] is None
