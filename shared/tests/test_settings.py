"""What the environment may say, and how it is told what it may not."""

from __future__ import annotations

import pytest

from vaxel_shared.settings import Settings, from_environment


def test_a_setting_that_cannot_be_used_ends_the_process_with_its_name_and_not_its_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VAXEL_PORT_OFFSET", "50000")
    monkeypatch.setenv("VAXEL_COLD_START", "perhaps")
    with pytest.raises(SystemExit) as ended:
        from_environment(Settings)
    lines = sorted(str(ended.value.code).splitlines())
    assert [line.split(": ")[1] for line in lines] == ["VAXEL_COLD_START", "VAXEL_PORT_OFFSET"]
    assert "40000" in lines[1]
    assert "50000" not in lines[1]
    assert "perhaps" not in lines[0]


def test_what_can_be_used_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAXEL_PORT_OFFSET", "40000")
    assert from_environment(Settings).port("router") == 48084
