"""What we sent stands in the case that had the conversation then, however cases join and part."""

from __future__ import annotations

import itertools
from collections import defaultdict
from random import Random

from conversations_kit import merged, parted, sent_in
from register_kit import KEY, START_MS, Register, decision, interaction, opened

from vaxel_register.core.projection import project
from vaxel_shared.contracts.wire import Decision


async def test_what_we_send_after_a_case_was_taken_out_again_stands_in_it(
    register: Register,
) -> None:
    other = "support|email|support|root-2"
    await register.decide(
        opened("a", "S-1", "c1", at_ms=START_MS),
        opened("b", "S-2", "c2", at_ms=START_MS, conversation_key=other),
    )
    await register.decide(merged("a", "b", [KEY], START_MS + 10))
    await register.decide(parted("a", "b", START_MS + 20))
    await register.decide(merged("a", "b", [KEY], START_MS + 30))
    for at in (5, 15, 25, 35):
        mail = interaction(f"m{at}", START_MS + at, direction="outbound", conversation_key=KEY)
        await register.receive(mail)
    assert await sent_in(register, "a") == {"m5", "m25"}
    assert await sent_in(register, "b") == {"m15", "m35"}


async def test_a_conversation_that_began_another_case_meanwhile_stays_with_that(
    register: Register,
) -> None:
    """It was resolved long ago and its customer wrote again; then the old one goes elsewhere."""
    await register.decide(opened("a", "S-1", "c1", at_ms=START_MS))
    await register.decide(opened("b", "S-2", "c2", at_ms=START_MS, conversation_key="support|x"))
    await register.decide(opened("c", "S-3", "c3", at_ms=START_MS + 10))
    await register.decide(merged("a", "b", [KEY], START_MS + 20))
    mail = interaction("m", START_MS + 30, direction="outbound", conversation_key=KEY)
    await register.receive(mail)
    assert [await sent_in(register, case) for case in "abc"] == [set(), set(), {"m"}]


class Desk:
    """The obviously right: whoever has a conversation now, by plain assignment."""

    def __init__(self, draw: Random, prefix: str) -> None:
        self.draw, self.prefix, self.now_ms = draw, prefix, START_MS
        self.owner: dict[str, str] = {}
        self.keys: dict[str, list[str]] = {}
        self.into: dict[str, str] = {}
        self.sent: dict[str, set[str]] = defaultdict(set)

    def next(self) -> list[Decision]:
        """What the router decides next; several at once, perhaps at the same instant."""
        return [
            one for _ in range(self.draw.choice((1, 1, 2, 5))) for one in self.one() if one.case_id
        ]

    def one(self) -> list[Decision]:
        self.now_ms += self.draw.choice((0, 0, 1, 7))
        free = [case for case in self.keys if case not in self.into]
        way = self.draw.random()
        if len(free) < 2 or way < 0.3:
            return [self.opens()]
        case, other = self.draw.sample(free, 2)
        inside = [one for one, into in self.into.items() if into == case]
        if inside and way < 0.65:
            return [self.parts(self.draw.choice(inside), case)]
        if way < 0.8:
            return [self.joins(case)]
        return [self.goes(case, other)]

    def opens(self) -> Decision:
        case = f"{self.prefix}case{len(self.keys)}"
        key = f"{self.prefix}key{self.draw.randint(0, 5)}"
        self.owner[key], self.keys[case] = case, [key]
        return opened(case, case, f"c-{case}", at_ms=self.now_ms, conversation_key=key)

    def joins(self, case: str) -> Decision:
        key = self.draw.choice(sorted(self.owner))
        data = {"conversation_key": key, "contact_id": f"j{self.now_ms}", "number": case}
        return decision("case.joined", self.now_ms, case_id=self.owner[key], **data)

    def goes(self, case: str, other: str) -> Decision:
        told, self.into[case] = list(self.keys[case]), other
        for key in told:
            if self.owner[key] == case:
                self.owner[key] = other
        self.keys[other] = [*told, *self.keys[other]]
        return merged(case, other, told, self.now_ms)

    def parts(self, case: str, out_of: str) -> Decision:
        del self.into[case]
        for key in self.keys[case]:
            if self.owner[key] == out_of:
                self.owner[key] = case
        self.keys[out_of] = [key for key in self.keys[out_of] if key not in self.keys[case]]
        return parted(case, out_of, self.now_ms)


async def test_any_history_of_joining_and_parting_shows_what_was_sent_where_it_was(
    register: Register,
) -> None:
    draw, serial = Random(4711), itertools.count()
    for history in range(8):
        desk = Desk(draw, f"h{history}|")
        batches: list[tuple[int, list[Decision]]] = []
        for _ in range(draw.randint(5, 25)):
            batches.append((register.seq + 1, desk.next()))
            await register.decide(*batches[-1][1])
            if draw.random() < 0.3:
                await again(register, *draw.choice(batches))
            key, name = draw.choice(sorted(desk.owner)), f"m{next(serial)}"
            desk.sent[desk.owner[key]].add(name)
            mail = interaction(name, desk.now_ms, direction="outbound", conversation_key=key)
            await register.receive(mail)
            desk.now_ms += 1
        for case in desk.keys:
            assert await sent_in(register, case) == desk.sent[case], case


async def again(register: Register, seq: int, decisions: list[Decision]) -> None:
    """A batch that comes a second time."""
    changes = [
        change
        for index, item in enumerate(decisions)
        for change in project(item, partition=0, offset=seq, seq=seq, index=index)
    ]
    await register.store.apply(changes, [])
