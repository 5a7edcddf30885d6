"""Business time: the conventions as vectors, and arithmetic against an oracle that counts minutes."""

import random
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vaxel_shared.calendars.arithmetic import due_ms, elapsed_ms, segments
from vaxel_shared.calendars.calendar import BusinessCalendar, NeverOpen
from vaxel_shared.calendars.holidays import Dates, country, read_feed
from vaxel_shared.calendars.hours import ALWAYS, parse_hours
from vaxel_shared.calendars.instants import parse_instant, parse_seconds, show_instant
from vaxel_shared.calendars.zones import zone

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
WEEKDAYS = {day: ["09:00-17:00"] for day in DAYS[:5]}
HOUR, MINUTE = 3_600_000, 60_000


def calendar(zone_name="UTC", hours=None, off=(), dates=None, boundary="close"):
    hours = WEEKDAYS if hours is None else hours
    return BusinessCalendar(
        "test",
        zone(zone_name),
        [parse_hours(hours.get(day, hours.get("every", []))) for day in DAYS],
        tuple(off),
        {day: parse_hours(texts) for day, texts in (dates or {}).items()},
        boundary,
    )


def ms(text):
    return parse_instant(text)


def due(cal, start, seconds, paused=()):
    found = due_ms(
        cal, ms(start), parse_seconds(seconds), [(ms(a), b and ms(b)) for a, b in paused]
    )
    return None if found is None else show_instant(found)


def elapsed(cal, start, end, paused=()):
    return elapsed_ms(cal, ms(start), ms(end), [(ms(a), b and ms(b)) for a, b in paused]) / 1000


# Friday 2026-03-27, Monday 2026-03-30; Europe sets its clocks forward on Sunday the 29th.
@pytest.mark.parametrize(
    ("start", "seconds", "expected"),
    [
        ("2026-03-27T16:00:00Z", 3600, "2026-03-27T17:00:00Z"),  # on closing time, not on Monday
        ("2026-03-27T16:00:00Z", 3601, "2026-03-30T09:00:01Z"),
        ("2026-03-27T17:00:00Z", 0, "2026-03-27T17:00:00Z"),
        ("2026-03-28T12:00:00Z", 0, "2026-03-28T12:00:00Z"),  # nothing has to pass
        ("2026-03-28T12:00:00Z", 1, "2026-03-30T09:00:01Z"),
        ("2026-03-27T08:59:59Z", 1, "2026-03-27T09:00:01Z"),
        ("2026-03-27T09:00:00.250Z", "0.5", "2026-03-27T09:00:00.750Z"),
        ("2026-03-27T18:00:00+09:00", 3600, "2026-03-27T10:00:00Z"),  # any offset
        ("2026-03-27T10:00:00Z", 8 * 3600, "2026-03-30T10:00:00Z"),
        ("2026-03-27T10:00:00Z", 40 * 3600, "2026-04-03T10:00:00Z"),
    ],
)
def test_a_deadline_is_the_first_instant_at_which_the_target_has_passed(start, seconds, expected):
    assert due(calendar(), start, seconds) == expected


def test_a_deadline_on_closing_time_may_wait_for_the_next_opening():
    cal = calendar(boundary="next_open")
    assert due(cal, "2026-03-27T16:00:00Z", 3600) == "2026-03-30T09:00:00Z"
    assert due(cal, "2026-03-28T12:00:00Z", 0) == "2026-03-30T09:00:00Z"
    assert due(cal, "2026-03-27T15:00:00Z", 3600) == "2026-03-27T16:00:00Z"


@pytest.mark.parametrize(
    ("zone_name", "hours", "day", "hours_open"),
    [
        # A day on which clocks are set back is 25 hours long, one forward 23.
        ("Europe/Paris", ["00:00-24:00"], "2020-10-25", 25),
        ("Europe/Paris", ["00:00-24:00"], "2020-03-29", 23),
        # 02:00 to 03:00 is leapt over on 8 March 2020; 01:00 to 02:00 comes twice on 1 November.
        ("America/New_York", ["01:00-04:00"], "2020-03-08", 2),
        ("America/New_York", ["01:00-04:00"], "2020-11-01", 4),
        # Of a time that comes twice the first is meant.
        ("America/New_York", ["01:30-02:00"], "2020-11-01", 1.5),
        ("America/New_York", ["00:30-01:30"], "2020-11-01", 1),
        # Edges in the gap move forward with it; what is then empty is none.
        ("America/New_York", ["02:30-05:00"], "2020-03-08", 1.5),
        ("America/New_York", ["02:00-03:00"], "2020-03-08", 0),
        ("America/New_York", ["01:00-02:30"], "2020-03-08", 1.5),
        ("America/New_York", ["02:30-03:15"], "2020-03-08", 0),
        ("America/New_York", ["01:00-02:30", "03:00-04:00"], "2020-03-08", 2),  # nothing twice
        # Midnight itself is leapt over, and comes twice.
        ("America/Havana", ["00:00-24:00"], "2024-03-10", 23),
        ("America/Havana", ["00:00-02:00"], "2024-03-10", 1),
        ("America/Sao_Paulo", ["22:00-24:00"], "2018-02-17", 3),
        ("America/St_Johns", ["00:00-24:00"], "2010-11-07", 25),
        # Half-hour clocks, and a date that never was.
        ("Australia/Lord_Howe", ["00:00-24:00"], "2026-04-05", 24.5),
        ("Pacific/Apia", ["08:00-16:00"], "2011-12-30", 0),
    ],
)
def test_hours_are_elapsed_time_between_their_edges(zone_name, hours, day, hours_open):
    cal = calendar(zone_name, {"every": hours})
    found = cal.day(date.fromisoformat(day))
    assert sum(end - start for start, end in found.open) / HOUR == hours_open


@pytest.mark.parametrize(
    "zone_name", ["Pacific/Apia", "America/St_Johns", "America/Havana", "Asia/Beirut"]
)
def test_always_open_is_without_gaps_or_overlaps(zone_name):
    cal = BusinessCalendar("always", zone(zone_name), [ALWAYS] * 7)
    for start in ("2010-10-20T00:00:00Z", "2011-12-20T00:00:00Z", "2024-03-01T00:00:00Z"):
        begin = ms(start)
        assert elapsed_ms(cal, begin, begin + 40 * 24 * HOUR) == 40 * 24 * HOUR
        assert due_ms(cal, begin, 40 * 24 * HOUR) == begin + 40 * 24 * HOUR


def test_the_evening_hours_of_friday_meet_the_morning_hours_of_saturday():
    cal = calendar("Europe/Copenhagen", {"fri": ["22:00-24:00"], "sat": ["00:00-06:00"]})
    assert elapsed(cal, "2026-03-27T23:00:00+01:00", "2026-03-28T05:00:00+01:00") == 6 * 3600
    made = segments(cal, ms("2026-03-27T23:00:00+01:00"), ms("2026-03-28T05:00:00+01:00"))
    assert [(item.kind, item.counted_ms) for item in made] == [("open", 6 * HOUR)]


def test_dates_override_hours_and_holidays():
    eve, day = date(2026, 12, 24), date(2026, 12, 25)
    cal = calendar(
        "Europe/Copenhagen",
        off=[Dates({eve: "eve"}), country("DK", None, [])],
        dates={eve: ["08:00-12:00"], date(2026, 12, 28): [], date(2026, 12, 26): ["10:00-11:00"]},
    )
    hours = {
        n: sum(e - s for s, e in cal.day(date(2026, 12, n)).open) / HOUR for n in range(23, 31)
    }
    assert hours == {23: 8, 24: 4, 25: 0, 26: 1, 27: 0, 28: 0, 29: 8, 30: 8}
    assert cal.holiday(day) == "Christmas Day"


def test_a_countrys_holidays_are_known_of_every_year():
    cal = calendar("Europe/Copenhagen", off=[country("dk", None, [])])
    assert cal.holiday(date(2023, 5, 5))  # Great Prayer Day, abolished from 2024 on
    assert cal.holiday(date(2024, 4, 26)) is None
    assert all(cal.holiday(date(year, 1, 1)) for year in range(1990, 2060))
    bavarian = country("DE", "BY", [])
    assert bavarian.name(date(2026, 1, 6))
    assert country("DE", None, []).name(date(2026, 1, 6)) is None


@pytest.mark.parametrize("code", ["XX", "Denmark ", "DK1"])
def test_an_unknown_country_is_refused(code):
    with pytest.raises(ValueError, match="no holidays known"):
        country(code, None, [])


FEED = b"""BEGIN:VCALENDAR
VERSION:2.0
PRODID:test
BEGIN:VEVENT
UID:1
DTSTART;VALUE=DATE:20261224
DTEND;VALUE=DATE:20261227
SUMMARY:Christmas
TRANSP:TRANSPARENT
END:VEVENT
BEGIN:VEVENT
UID:2
DTSTART;VALUE=DATE:20200501
RRULE:FREQ=YEARLY;UNTIL=20280501
EXDATE;VALUE=DATE:20270501
SUMMARY:May Day
END:VEVENT
BEGIN:VEVENT
UID:3
DTSTART;VALUE=DATE:20260606
SUMMARY:Not after all
STATUS:CANCELLED
END:VEVENT
BEGIN:VEVENT
UID:4
DTSTART:20260701T000000Z
DTEND:20260702T000000Z
SUMMARY:Timed
END:VEVENT
BEGIN:VEVENT
UID:5
DTSTART;VALUE=DATE:20260101
RRULE:FREQ=MONTHLY;COUNT=3
SUMMARY:First
END:VEVENT
BEGIN:VEVENT
UID:5
RECURRENCE-ID;VALUE=DATE:20260201
DTSTART;VALUE=DATE:20260203
SUMMARY:First, moved
END:VEVENT
END:VCALENDAR
""".replace(b"\n", b"\r\n")


def test_a_feed_takes_off_the_days_of_its_events():
    feed = read_feed(FEED)
    off = {day for day in feed.names if day.year in {2026, 2027, 2028, 2029}}
    assert off == {
        date(2026, 12, 24), date(2026, 12, 25), date(2026, 12, 26),
        date(2026, 5, 1), date(2028, 5, 1), date(2026, 7, 1),
        date(2026, 1, 1), date(2026, 2, 3), date(2026, 3, 1),
    }  # fmt: skip
    assert feed.name(date(2026, 2, 3)) == "First, moved"


@pytest.mark.parametrize(
    "raw", [b"", b"<html></html>", b"BEGIN:VCALENDAR\r\nnonsense", b"\xff\xfe"]
)
def test_what_is_no_feed_is_refused(raw):
    with pytest.raises(ValueError, match="iCalendar"):
        read_feed(raw)


def test_pauses_stop_only_open_time():
    cal = calendar()
    night = ("2026-03-27T17:00:00Z", "2026-03-30T09:00:00Z")
    hour = ("2026-03-30T10:00:00Z", "2026-03-30T11:00:00Z")
    again = ("2026-03-30T10:30:00Z", "2026-03-30T11:30:00Z")  # overlaps; any order
    assert due(cal, "2026-03-27T16:00:00Z", 7200, [night]) == "2026-03-30T10:00:00Z"
    assert (
        due(cal, "2026-03-27T16:00:00Z", 3 * 3600, [again, night, hour]) == "2026-03-30T12:30:00Z"
    )
    assert elapsed(cal, "2026-03-27T16:00:00Z", "2026-03-30T12:00:00Z", [hour, again]) == 9000
    assert due(cal, "2026-03-30T10:00:00Z", 3600, [("2026-03-30T11:00:00Z", None)]) == (
        "2026-03-30T11:00:00Z"
    )
    assert due(cal, "2026-03-30T10:00:00Z", 3601, [("2026-03-30T11:00:00Z", None)]) is None
    assert (
        elapsed(
            cal, "2026-03-30T10:00:00Z", "2026-04-30T10:00:00Z", [("2026-03-30T11:00:00Z", None)]
        )
        == 3600
    )
    with pytest.raises(ValueError, match="ends before"):
        due(cal, "2026-03-30T10:00:00Z", 3600, [hour[::-1]])


def test_a_reversed_interval_has_no_time_in_it():
    assert elapsed(calendar(), "2026-03-30T12:00:00Z", "2026-03-30T10:00:00Z") == 0


def test_a_calendar_that_never_opens_says_so():
    with pytest.raises(NeverOpen, match="never open"):
        due(calendar(hours={}), "2026-03-27T16:00:00Z", 1)
    with pytest.raises(NeverOpen, match="never open"):
        elapsed(calendar(hours={}), "2026-03-27T16:00:00Z", "2026-03-28T16:00:00Z")
    past = calendar(hours={}, dates={date(2020, 1, 1): ["08:00-12:00"]})
    with pytest.raises(NeverOpen, match="ten years"):
        due(past, "2026-03-27T16:00:00Z", 1)
    assert elapsed(past, "2019-01-01T00:00:00Z", "2040-01-01T00:00:00Z") == 4 * 3600
    far = calendar(hours={}, dates={date(2049, 1, 1): ["08:00-12:00"]})
    assert due(far, "2026-03-27T16:00:00Z", 3600) == "2049-01-01T09:00:00Z"


@pytest.mark.parametrize("seconds", [-1, 10**12])
def test_a_target_out_of_reason_is_refused(seconds):
    with pytest.raises(ValueError, match="hundred years"):
        due(calendar(), "2026-03-27T16:00:00Z", seconds)


@pytest.mark.parametrize(
    "text", ["2026-03-27T16:00:00", "2026-03-27", "yesterday", "", "2026-13-01T00:00:00Z"]
)
def test_an_instant_has_a_date_a_time_and_an_offset(text):
    with pytest.raises(ValueError, match=r"instant|offset"):
        parse_instant(text)


def test_an_instant_is_shown_in_utc_with_milliseconds_where_there_are_some():
    assert (
        show_instant(parse_instant("2026-03-27T16:00:00.1239+02:00")) == "2026-03-27T14:00:00.123Z"
    )
    assert show_instant(parse_instant("1969-12-31T23:59:59.500Z")) == "1969-12-31T23:59:59.500Z"
    assert show_instant(parse_instant("0999-01-01T00:00:00Z")) == "0999-01-01T00:00:00Z"


@pytest.mark.parametrize(
    "text", ["25:00-26:00", "08:00-24:30", "8-16", "08:60-09:00", "17:00-09:00", "09:00-09:00"]
)
def test_hours_that_are_none_are_refused_with_the_remedy(text):
    with pytest.raises(ValueError, match=r"write|goes from"):
        parse_hours([text])


@pytest.mark.parametrize("name", ["Europe/Kopenhagen", "../etc/passwd", "", "Europe", "UTC/../UTC"])
def test_an_unknown_zone_is_refused(name):
    with pytest.raises(ValueError, match="no time zone"):
        zone(name)


ZONES = (
    "Europe/Copenhagen", "America/New_York", "Australia/Lord_Howe", "America/St_Johns",
    "America/Havana", "Africa/Casablanca", "Asia/Kathmandu", "Pacific/Chatham", "Asia/Beirut",
)  # fmt: skip


@st.composite
def quarter_hours(draw):
    edges = sorted(draw(st.sets(st.integers(0, 96), max_size=4)))
    pairs = list(zip(edges[::2], edges[1::2], strict=False))
    return [f"{a // 4:02}:{a % 4 * 15:02}-{b // 4:02}:{b % 4 * 15:02}" for a, b in pairs]


@st.composite
def calendars(draw):
    hours = {day: draw(quarter_hours()) for day in DAYS}
    hours["wed"] = hours["wed"] or ["10:00-11:00"]
    off = draw(st.sets(st.dates(date(2024, 1, 1), date(2026, 12, 31)), max_size=20))
    special = draw(
        st.dictionaries(st.dates(date(2024, 1, 1), date(2026, 12, 31)), quarter_hours(), max_size=8)
    )
    name = draw(st.sampled_from(ZONES))
    return calendar(name, hours, [Dates(dict.fromkeys(off, "off"))], special)


instants = st.integers(ms("2024-01-05T00:00:00Z"), ms("2026-12-01T00:00:00Z"))


@st.composite
def pauses(draw, start):
    made = []
    for _ in range(draw(st.integers(0, 3))):
        begin = start + draw(st.integers(-HOUR * 48, HOUR * 400))
        made.append((begin, begin + draw(st.integers(0, HOUR * 60))))
    return made


@settings(max_examples=150, deadline=None)
@given(calendars(), instants, st.integers(0, 60 * HOUR), st.data())
def test_due_undoes_elapsed_and_is_the_earliest(cal, start, target, data):
    paused = data.draw(pauses(start))
    found = due_ms(cal, start, target, paused)
    assert elapsed_ms(cal, start, found, paused) == target
    if found > start:
        assert elapsed_ms(cal, start, found - 1, paused) < target


@settings(max_examples=150, deadline=None)
@given(
    calendars(),
    instants,
    st.lists(st.integers(0, 40 * 24 * HOUR), min_size=2, max_size=2),
    st.data(),
)
def test_parts_add_up_exactly(cal, start, lengths, data):
    paused = data.draw(pauses(start))
    middle, end = sorted(start + length for length in lengths)
    whole = elapsed_ms(cal, start, end, paused)
    assert elapsed_ms(cal, start, middle, paused) + elapsed_ms(cal, middle, end, paused) == whole
    made = segments(cal, start, end, paused)
    assert sum(item.counted_ms for item in made) == whole
    assert all(a.to_ms == b.from_ms for a, b in pairwise(made))
    assert not made or (made[0].from_ms, made[-1].to_ms) == (start, end)


@pytest.mark.parametrize("zone_name", ZONES)
def test_counting_minutes_gives_the_same_where_no_edge_is_leapt_over(zone_name):
    """An oracle that knows nothing of edges: is the wall clock, at this minute, within the hours?

    It can't know the first from the second of two equal times, so hours there span them whole.
    """
    hours = {"every": ["00:00-04:00", "09:00-17:00", "22:00-24:00"], "sun": ["00:00-24:00"]}
    cal, where = calendar(zone_name, hours), zone(zone_name)
    chance = random.Random(zone_name)
    for year in (2024, 2026):
        for month in (3, 4, 9, 10, 11):
            start = datetime(year, month, chance.randint(1, 5), chance.randint(0, 23), tzinfo=UTC)
            minutes, count = 60 * 24 * 27, 0
            for number in range(minutes):
                wall = (start + timedelta(minutes=number)).astimezone(where)
                of_day = wall.hour * HOUR + wall.minute * MINUTE
                count += any(a <= of_day < b for a, b in cal.week[wall.weekday()])
            begin = int(start.timestamp() * 1000)
            assert elapsed_ms(cal, begin, begin + minutes * MINUTE) == count * MINUTE
