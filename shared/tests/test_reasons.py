"""Reason codes read as words; an unknown code is shown, never an error."""

import pytest

from vaxel_shared import reasons


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (reasons.rejection("presence_away"), "away"),
        (
            reasons.window(
                {"method": "best", "works": 5, "agents": 3, "matched": 3, "gap": 0}, "Ann"
            ),
            "matched together, 3 of 5 works to 3 agents: the best there is; by itself it would have gone to Ann",
        ),
        (
            reasons.window({"method": "best", "works": 5, "agents": 3, "matched": 3, "gap": 1}),
            "matched together, 3 of 5 works to 3 agents: perhaps 1 more could have been served",
        ),
        (
            reasons.window({"method": "one_by_one", "reason": "too_many"}),
            "one by one: there was too much to be matched together",
        ),
        (
            reasons.rejection("skill_level", {"skill": "billing", "level": 2}),
            "skill level too low (skill billing, level 2)",
        ),
        (
            reasons.rejection("language_missing", {"languages": ["fi", "en"]}),
            "doesn't speak the language (languages fi or en)",
        ),
        (reasons.term("language_level", 8), "level in the language: 8"),
        (
            reasons.rejection("barred", {"until_ms": 1_700_000_000_000}),
            "declined or missed this work not long ago (until 2023-11-14T22:13:20.000Z)",
        ),
        (
            reasons.term("idle_since_ms", 1_700_000_000_000),
            "without new work the longest: 2023-11-14T22:13:20.000Z",
        ),
        (reasons.term("sticky", 1), "answered this customer last: yes"),
        (reasons.term("idle_since_ms", 0), "without new work the longest: ever"),
        (reasons.refusal("not_owner"), "somebody else has this work"),
        (reasons.outcome("unseen"), "never reached the agent"),
        (reasons.rejection("too_tall", {"cm": 210}), "too_tall (cm 210)"),
        (reasons.term("karma", 3), "karma: 3"),
        (reasons.refusal("full_moon"), "full_moon"),
        (reasons.outcome("vanished"), "vanished"),
    ],
)
def test_codes_read_as_words(said, expected):
    assert said == expected
