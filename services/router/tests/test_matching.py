"""The matcher answers as one who looks at everybody and everything, whatever happened before."""

from __future__ import annotations

from random import Random

import pytest
from matching_oracle import Oracle, Person, Thing

from vaxel_router.core.matching import Account, Asks, Extra, Matcher, Profile, table

CHANNELS = ("chat", "email")
KINDS = ("", "calm", "loud")
SKILLS = ("billing", "returns", "technical")
LANGUAGES = ("en", "fi")
NAMED = ("a0", "a1", "a4")
NEEDS = (
    "",
    "",
    "billing or technical",
    "not (billing >= 2 and returns)",
    "returns 1..2 or not billing",
)


class Pair:
    """A matcher and the oracle, told the same."""

    def __init__(self, seed: int, *, agents: int = 8, profiles: int = 6, kinds: int = 8) -> None:
        self.random = Random(seed)
        self.matcher, self.oracle = Matcher(), Oracle()
        self.now = 0
        self.serial = 0
        self.names = [f"a{i}" for i in range(agents)]
        self.profiles = [self._profile() for _ in range(profiles)]
        self.kinds = [self._asks() for _ in range(kinds)]
        self.checked = 0

    def _profile(self) -> Profile:
        draw = self.random
        some = sorted(draw.sample(CHANNELS, draw.randint(0, 2)))
        return Profile(
            draw.randint(1, 3),
            tuple((name, draw.randint(1, 3)) for name in SKILLS if draw.random() < 0.6),
            tuple(tag for tag in LANGUAGES if draw.random() < 0.7),
            tuple((name, draw.randint(1, 2), draw.randint(0, 3)) for name in some),
            draw.randint(0, 4),
            yields=(("email", ("chat",)),) if len(some) == 2 and draw.random() < 0.4 else (),
            order=tuple(draw.sample(KINDS, draw.randint(1, 3))) if draw.random() < 0.3 else (),
        )

    def _asks(self) -> Asks:
        draw = self.random
        return Asks(
            draw.choice(CHANNELS),
            tuple(sorted(draw.sample((1, 2, 3), draw.randint(1, 3)))),
            tuple((name, draw.randint(1, 3)) for name in SKILLS if draw.random() < 0.25),
            tuple(tag for tag in LANGUAGES if draw.random() < 0.4),
            draw.choice(KINDS),
            extra=draw.choice((None, self._extra())),
        )

    def _extra(self) -> Extra:
        draw = self.random
        return Extra(
            tuple((name, draw.randint(1, 3)) for name in SKILLS if draw.random() < 0.2),
            tuple((name, draw.randint(-1, 2)) for name in SKILLS if draw.random() < 0.2),
            draw.choice(NEEDS),
            tuple(name for name in NAMED if draw.random() < 0.5) if draw.random() < 0.2 else (),
            tuple(name for name in NAMED if draw.random() < 0.5) if draw.random() < 0.2 else (),
            tuple((name, draw.randint(-2, 2)) for name in NAMED if draw.random() < 0.2),
            draw.choice(("", "", "round_robin", "least_loaded", "most_loaded")),
            draw.random() < 0.3,
        )

    def step(self) -> None:
        draw = self.random
        self.now += draw.choice((0, 0, 1, 2, 9))
        getattr(self, draw.choices(
            ("put", "drop", "take", "free", "presence", "closed", "stop", "join", "leave"),
            (8, 2, 8, 6, 3, 2, 3, 2, 0.3),
        )[0])()  # fmt: skip
        self.check()

    def put(self) -> None:
        draw = self.random
        self.serial += 1
        key = draw.randint(0, 9) * 1_000_000 + self.serial
        barred = {
            n: self.now + draw.randint(0, 9)
            for n in draw.sample(self.names, draw.choice((0, 0, 1, 3)))
        }
        prefer = draw.choice((None, None, draw.choice(self.names)))
        until = self.now + draw.randint(0, 9) if prefer else 0
        self._put(Thing(f"i{self.serial}", draw.choice(self.kinds), key, barred, prefer, until))

    def _put(self, thing: Thing) -> None:
        self.oracle.things[thing.id] = thing
        self.matcher.put(
            thing.id, thing.asks, key=thing.key, now=self.now,
            barred=thing.barred, prefer=thing.prefer, until=thing.until,
        )  # fmt: skip

    def drop(self) -> None:
        if self.oracle.things:
            self._drop(self.random.choice(list(self.oracle.things)))

    def _drop(self, item_id: str) -> Thing:
        self.matcher.drop(item_id)
        return self.oracle.things.pop(item_id)

    def take(self) -> None:
        """An agent takes what is next; sometimes it turns it down and is barred."""
        name = self.random.choice(self.names)
        item_id = self.matcher.next_item(name, self.now)
        assert item_id == self.oracle.next_item(name, self.now)
        if item_id is None:
            return
        thing = self._drop(item_id)
        if self.random.random() < 0.3:
            thing.barred[name] = self.now + self.random.randint(1, 9)
            self._put(thing)
            return
        person = self.oracle.people[name]
        cost = next(c[1] for c in person.profile.channels if c[0] == thing.asks.channel)
        person.hands.append((thing.asks.channel, cost))
        person.idle = self.now
        self.serial += 1
        person.turn = self.serial
        self.matcher.hold(name, thing.asks.channel, cost, idle=self.now, turn=person.turn)

    def free(self) -> None:
        busy = [name for name, person in self.oracle.people.items() if person.hands]
        if busy:
            name = self.random.choice(busy)
            person = self.oracle.people[name]
            channel, cost = person.hands.pop(self.random.randrange(len(person.hands)))
            person.idle = self.now
            self.matcher.free(name, channel, cost, idle=self.now)

    def presence(self) -> None:
        name = self.random.choice(self.names)
        if name in self.oracle.people:
            person = self.oracle.people[name]
            some = ("available",) * 4 + ("lost", "away", "offline", "off_shift")
            person.presence = self.random.choice(some)
            self.matcher.set_presence(name, person.presence)

    def closed(self) -> None:
        name = self.random.choice(self.names)
        if name in self.oracle.people:
            person = self.oracle.people[name]
            person.closed = frozenset(c for c in CHANNELS if self.random.random() < 0.3)
            self.matcher.set_presence(name, person.presence, closed=person.closed)

    def stop(self) -> None:
        name = self.random.choice(self.names)
        if name in self.oracle.people:
            person = self.oracle.people[name]
            person.stop = self.random.choice(("", "", "offers_full", "resting", "share_full"))
            self.matcher.stop(name, person.stop)

    def join(self) -> None:
        name = self.random.choice(self.names)
        profile = self.random.choice(self.profiles)
        if name in NAMED:
            profile = profile._replace(name=name)
        person = self.oracle.people.setdefault(name, Person(profile, "available", self.now))
        person.profile = profile
        self.matcher.join(name, profile, presence=person.presence, idle=person.idle)

    def leave(self) -> None:
        name = self.random.choice(self.names)
        if name in self.oracle.people and not self.oracle.people[name].hands:
            del self.oracle.people[name]
            self.matcher.leave(name)

    def check(self) -> None:
        things, oracle, matcher, now = self.oracle.things, self.oracle, self.matcher, self.now
        some = self.random.sample(list(things), min(len(things), 2))
        for item_id in some:
            chosen = matcher.choose(item_id, now)
            assert chosen == oracle.choose(item_id, now)
            if not things[item_id].barred and things[item_id].prefer is None:
                assert matcher.choose_for(things[item_id].asks, now) == chosen
            assert matcher.is_held(item_id) == oracle.is_held(things[item_id], now)
            account = Account(matcher, item_id)
            assert account.by_code | {"": account.eligible} == {"": 0} | oracle.codes(item_id, now)
            assert account.candidates == len(oracle.people)
            for most in (50, 5, 2):
                assert account.nearest(most) == oracle.nearest(item_id, now)[:most]
            if chosen is not None:
                assert matcher.is_tied(item_id, chosen) == oracle.is_tied(item_id, now)
        name = self.random.choice(self.names)
        assert matcher.next_item(name, now) == oracle.next_item(name, now)
        self.checked += len(some) + 1


@pytest.mark.parametrize("seed", range(40))
def test_any_history_is_answered_as_by_looking_at_everything(seed: int) -> None:
    draw = Random(seed)
    pair = Pair(seed, agents=draw.choice((3, 5, 12)), profiles=draw.choice((1, 5, 40)),
                kinds=draw.choice((1, 8, 80)))  # fmt: skip
    for _ in range(400):
        pair.step()
    keys = {thing.id: thing.key for thing in pair.oracle.things.values()}
    assert pair.matcher.in_order() == sorted(keys, key=keys.__getitem__)
    assert pair.checked > 400


def test_an_agent_who_was_first_of_one_class_may_become_first_of_another_before_anybody_asks() -> (
    None
):
    for chance in range(20):  # which class is looked at first is no rule
        matcher = Matcher()
        profile = Profile(1, (), (), (("chat", 1, 2), ("email", 1, 1)), capacity=2)
        matcher.join("x", profile, idle=5)
        matcher.join("y", profile, idle=9)
        assert matcher.choose_for(Asks("email", (1,), (), ()), now=chance) == "x"
        matcher.touch("y", 1)
        matcher.hold("x", "email", 1)
        for _ in range(2):
            assert matcher.choose_for(Asks("chat", (1,), (), ()), now=chance) == "y"
            matcher.touch("y", 7)
            assert matcher.choose_for(Asks("chat", (1,), (), ()), now=chance) == "x"
            matcher.touch("y", 1)


def test_what_a_crew_keeps_is_bounded_by_its_members_though_nobody_asks_for_days() -> None:
    matcher = Matcher()
    profile = Profile(1, (), (), (("chat", 1, 2),), capacity=2)
    matcher.join("x", profile, idle=0)
    matcher.join("y", profile, idle=1)
    by_load = Asks("chat", (1,), (), (), extra=Extra(choice="least_loaded"))
    assert matcher.choose_for(by_load, now=0) == "x"  # now that order is kept as well
    for idle in range(2, 10_000):
        matcher.touch("xy"[idle % 2], idle)
    crew = matcher.seats["x"].crew
    assert matcher.seats["y"].crew is crew
    assert len(crew.heap) < 100
    assert all(len(heap) < 100 for heap in crew.orders.values())
    assert matcher.choose_for(by_load, now=0) == "x"
    assert matcher.choose_for(Asks("chat", (1,), (), ()), now=0) == "x"


def test_kinds_that_nobody_asks_for_any_more_are_forgotten_everywhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(table, "CLASSES_MIN", 8)
    matcher = Matcher()
    matcher.table._limits["asked"] = 8
    profile = Profile(1, (("billing", 9),), (), (("chat", 1, 2),), capacity=2)
    matcher.join("x", profile)
    for number in range(200):
        matcher.put(f"i{number}", Asks("chat", kind=f"k{number}"), key=number)
        matcher.drop(f"i{number}")
    crew = matcher.seats["x"].crew
    assert len(matcher.table.asked) <= 16
    assert len(matcher.table.brought[profile].asked) <= 16
    assert len(crew.row.members) <= 16
