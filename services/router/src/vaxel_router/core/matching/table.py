"""Which class of items may go to which class of agents: kept as classes come and go."""

from __future__ import annotations

from bisect import insort
from operator import itemgetter

from vaxel_router.core.matching.classes import Asked, Brought, Crew, State
from vaxel_router.core.matching.heads import Heads
from vaxel_router.core.matching.predicates import lasting
from vaxel_router.core.matching.shapes import Asks, Profile
from vaxel_router.core.matching.traits import Traits, bits

CLASSES_MIN = 1_024
"""So many classes of a kind are kept before the empty ones are looked for; later twice as many as
were in use: so a class that comes and goes costs little, and memory follows what is in use."""

FIELD = 24
"""Bits of a count: sums of several counts are taken at once, side by side in one integer."""
MASK = (1 << FIELD) - 1
STATES = (
    "", "channel_full", "capacity_full", "presence_away", "presence_offline",
    "offers_full", "channel_off", "presence_lost", "presence_off_shift", "resting", "share_full",
    "occupancy_full",
)  # fmt: skip
SHIFTS = {state: FIELD * place for place, state in enumerate(STATES)}

NO_KEY = float("inf")
NO_ENTRY = (NO_KEY,)


class Table:
    """All classes, with the heads of those that aren't empty."""

    def __init__(self) -> None:
        self.asked: dict[Asks, Asked] = {}
        self.brought: dict[Profile, Brought] = {}
        self.items = Heads(NO_KEY)
        self.idle = Heads(NO_ENTRY)
        self.asked_at: dict[int, Asked] = {}
        self.crew_at: dict[int, Crew] = {}
        self.slots: list[Brought | None] = []
        self.traits = Traits()
        self.sums: dict[str, list[int]] = {}
        """By channel and a profile's slot: how many agents are in which state, side by side."""
        self._limits = {"asked": CLASSES_MIN, "crews": CLASSES_MIN}

    def ask(self, asks: Asks) -> Asked:
        """The class of items that ask for this."""
        found = self.asked.get(asks)
        if found is not None:
            return found
        self._sweep_asked()
        asked = Asked(asks, self.items.grow())
        self.asked[asks] = self.asked_at[asked.index] = asked
        asked.fits = sorted(self.at(self.traits.fits(asks)), key=_profile)
        for brought in asked.fits:
            brought.asked.add(asked)
            for crew in brought.crews.values():
                _join(asked, crew)
        return asked

    def bring(self, profile: Profile) -> Brought:
        """The class of agents who bring this."""
        found = self.brought.get(profile)
        if found is not None:
            return found
        slot = self._slot()
        brought = Brought(profile, slot)
        self.brought[profile] = self.slots[slot] = brought
        self.traits.flip(slot, profile)
        for asked in self.asked.values():
            if lasting(profile, asked.asks) is None:
                brought.asked.add(asked)
                insort(asked.fits, brought, key=_profile)
                asked.get_sums = None
        return brought

    def crew(self, brought: Brought, presence: str, state: State) -> Crew:
        """Those of a profile who are as present and have as much room."""
        found = brought.crews.get(state)
        if found is not None:
            return found
        self._sweep_crews()
        crew = Crew(brought, presence, state, self.idle.grow())
        brought.crews[state] = self.crew_at[crew.index] = crew
        for channel in brought.place:
            sums = self.sums.setdefault(channel, [])
            sums.extend([0] * (len(self.slots) - len(sums)))
            crew.sums.append((sums, 1 << SHIFTS[crew.code(channel)]))
        for asked in brought.asked:
            _join(asked, crew)
        return crew

    def forget(self, brought: Brought) -> None:
        """Nobody brings this any more."""
        for crew in brought.crews.values():
            self._end(crew)
        for asked in brought.asked:
            asked.fits.remove(brought)
            asked.get_sums = None
            asked.ranks.pop(brought.profile, None)
        self.traits.flip(brought.slot, brought.profile)
        self.slots[brought.slot] = None
        del self.brought[brought.profile]

    def at(self, bitmap: int) -> list[Brought]:
        """The profiles at the places of the bits that are set."""
        found = (self.slots[slot] for slot in bits(bitmap))
        return [brought for brought in found if brought is not None]

    def sum_of(self, asked: Asked) -> int:
        """How many of those who fit are in which state, side by side."""
        sums = self.sums.get(asked.asks.channel)
        if not asked.fits or sums is None:
            return 0
        get = asked.get_sums
        if get is None:
            sums.extend([0] * (len(self.slots) - len(sums)))
            slots = [brought.slot for brought in asked.fits]
            if len(slots) == 1:
                return sums[slots[0]]
            get = asked.get_sums = itemgetter(*slots)
        return sum(get(sums))

    def _slot(self) -> int:
        for slot, brought in enumerate(self.slots):
            if brought is None:
                return slot
        self.slots.append(None)
        return len(self.slots) - 1

    def _end(self, crew: Crew) -> None:
        for index in crew.row.members:
            self.asked_at[index].row.discard(crew.index)
        self.idle.set(crew.index, None)
        self.idle.release(crew.index)
        del self.crew_at[crew.index]

    def _sweep_asked(self) -> None:
        if len(self.asked) < self._limits["asked"]:
            return
        for asked in [asked for asked in self.asked.values() if not asked.users]:
            for brought in asked.fits:
                brought.asked.discard(asked)
            for index in asked.row.members:
                self.crew_at[index].row.discard(asked.index)
            self.items.set(asked.index, None)
            self.items.release(asked.index)
            del self.asked[asked.asks], self.asked_at[asked.index]
        self._limits["asked"] = max(CLASSES_MIN, 2 * len(self.asked))

    def _sweep_crews(self) -> None:
        if len(self.crew_at) < self._limits["crews"]:
            return
        for crew in [crew for crew in self.crew_at.values() if not crew.size]:
            self._end(crew)
            del crew.of.crews[crew.state]
            crew.of.by_load.clear()
        self._limits["crews"] = max(CLASSES_MIN, 2 * len(self.crew_at))


def _profile(brought: Brought) -> Profile:
    return brought.profile


def _join(asked: Asked, crew: Crew) -> None:
    if asked.asks.channel in crew.open:
        asked.row.add(crew.index)
        crew.row.add(asked.index)
