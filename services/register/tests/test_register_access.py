"""The table of who may do what, cell by cell, and how near a thing is to whom."""

from __future__ import annotations

import itertools

import pytest

from vaxel_register.core.access import TABLE, Action, Principal, Relation, Role, may, relation

EXPECTED = """
action            admin  supervisor  senior  agent  readonly
case.read         ofpx   ofp         ofp     ofp    ofp
queue.read        ofpx   ofp         ofp     ofp    ofp
agent.read        ofpx   ofp         ofp     ofp    ofp
inbox.read        ofpx   ofp         ofp     o      ofp
command.read      ofpx   ofp         o       o      ofp
deadletter.read   ofpx   ofp         -       -      ofp
offer.answer      ofpx   ofp         o       o      -
case.reply        ofpx   ofp         of      of     -
case.note         ofpx   ofp         ofp     of     -
case.resolve      ofpx   ofp         of      of     -
case.wait         ofpx   ofp         of      of     -
case.transfer     ofpx   ofp         of      of     -
case.escalate     ofpx   ofp         ofp     of     -
case.consult      ofpx   ofp         of      of     -
case.draft        ofpx   ofp         of      of     -
agent.presence    ofpx   ofp         o       o      -
switch.set        ofpx   ofp         -       -      -
case.suspend      ofpx   ofp         -       -      -
case.merge        ofpx   ofp         of      of     -
change.read       ofpx   ofp         ofp     ofp    ofp
demo.send         ofpx   ofp         -       -      -
self.read         ofpx   ofp         ofp     ofp    ofp
"""
"""o: own, f: former (with the token that proves it), p: of the pool, x: any other."""

LETTERS = {"o": Relation.OWN, "f": Relation.FORMER, "p": Relation.POOL, "x": Relation.OTHER}


def expected() -> dict[tuple[Role, Action], set[Relation]]:
    """The table above as data."""
    header, *lines = [line.split() for line in EXPECTED.strip().splitlines()]
    return {
        (Role(role), Action(line[0])): {LETTERS[letter] for letter in cell if letter != "-"}
        for line in lines
        for role, cell in zip(header[1:], line[1:], strict=True)
    }


def test_the_table_says_what_stands_here_and_nothing_else() -> None:
    table = expected()
    assert len(table) == len(Role) * len(Action)
    for role, action, how in itertools.product(Role, Action, Relation):
        assert may(Principal(role, "x"), action, how) == (how in table[role, action]), (
            role, action, how,
        )  # fmt: skip


def test_a_readonly_token_can_never_write() -> None:
    writes = [action for action in Action if not action.value.endswith(".read")]
    assert len(writes) == 14
    assert not any(TABLE[Role.READONLY][action] for action in writes)


@pytest.mark.parametrize(
    ("role", "pool", "of", "owner", "former", "how"),
    [
        ("agent", "support", "support", "anna", False, "own"),
        ("agent", "support", "returns", "anna", False, "own"),
        ("agent", "support", "support", "ben", False, "pool"),
        ("agent", "support", "support", "ben", True, "former"),
        ("agent", "support", "returns", None, False, "other"),
        ("agent", None, "support", None, False, "other"),
        ("agent", None, None, None, False, "other"),
        ("senior", "support", "support", None, False, "pool"),
        ("supervisor", "support", "returns", None, False, "other"),
        ("supervisor", None, "returns", None, False, "pool"),
        ("readonly", None, "returns", None, False, "pool"),
        ("readonly", "support", "returns", None, False, "other"),
        ("admin", "support", "returns", None, False, "pool"),
    ],
)
def test_how_near_a_thing_is(
    role: str, pool: str | None, of: str | None, owner: str | None, former: bool, how: str
) -> None:
    principal = Principal(Role(role), "anna", pool)
    assert relation(principal, pool=of, owner=owner, former=former) == how
