"""Queues with the hours of a calendar: named where there is one, written out in the policy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from policy_kit import deployment

from vaxel_shared.config import deployment as files
from vaxel_shared.config.document import ConfigError

CALENDAR = """
calendars:
  - name: office
    zone: Europe/Copenhagen
    hours: {mon: ["08:00-16:00"], tue: ["08:00-16:00"]}
    holidays: [{country: DK}]
    dates: {2026-12-22: ["10:00-12:00"]}
"""


def with_hours(folder: Path, calendar: str) -> Path:
    hours = f"skills: {{billing: 3}}\n        hours: {{calendar: {calendar}}}"
    made = deployment(folder, {"routing": [("skills: {billing: 3}", hours)]})
    (made / "sla.yaml").write_text(CALENDAR)
    return made


def test_the_policy_has_the_week_and_every_date_that_differs(tmp_path: Path) -> None:
    loaded = files.load(with_hours(tmp_path, "office"))
    pool = loaded.routing.pools[0]
    queue = next(
        one for one in json.loads(files.policy_blob(loaded, pool))["queues"] if "hours" in one
    )
    opening = queue["hours"]["open"]
    assert opening["zone"] == "Europe/Copenhagen"
    assert opening["week"] == [[[28_800_000, 57_600_000]]] * 2 + [[]] * 5
    assert opening["dates"]["2026-12-22"] == [[36_000_000, 43_200_000]]
    assert opening["dates"]["2029-12-25"] == [], "a Tuesday"
    assert "2026-12-25" not in opening["dates"], "closed on a Friday anyway"


def test_hours_of_no_calendar_are_an_error_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no calendar 'ofice' in sla\.yaml.*office"):
        files.load(with_hours(tmp_path, "ofice"))


def with_lease(folder: Path, text: str) -> Path:
    made = deployment(folder, {"routing": [("letter: S", f"letter: S\n    {text}")]})
    (made / "sla.yaml").write_text(CALENDAR)
    return made


def test_a_lease_by_a_calendar_brings_its_hours_along(tmp_path: Path) -> None:
    lease = "lease: {chat: 2m, email: 1h}\n    lease_hours: {email: office}"
    loaded = files.load(with_lease(tmp_path, lease))
    policy = json.loads(files.policy_blob(loaded, loaded.routing.pools[0]))
    assert policy["lease_ms"] == {"chat": 120_000, "email": 3_600_000}
    assert policy["lease_hours"] == {"email": "office"}
    assert policy["calendars"]["office"]["week"][0] == [[28_800_000, 57_600_000]]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("lease: {email: 1h}\n    lease_hours: {email: ofice}", r"no calendar 'ofice'.*office"),
        ("lease: {chat: 1h}\n    lease_hours: {email: office}", "'email', which has no lease"),
    ],
)
def test_a_lease_by_no_calendar_or_hours_of_no_lease_are_errors(
    tmp_path: Path, text: str, fault: str
) -> None:
    with pytest.raises(ConfigError, match=fault):
        files.load(with_lease(tmp_path, text))
