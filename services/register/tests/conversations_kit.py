"""Cases that join and part, and a database of before they could have a conversation again."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from register_kit import START_MS, Register, decision, interaction
from sqlalchemy import Connection, text

from vaxel_register.bootstrap import MIGRATIONS
from vaxel_shared.contracts.wire import Decision


def merged(case_id: str, into: str, keys: list[str], at_ms: int) -> Decision:
    """One case goes into another."""
    return decision("case.merged", at_ms, case_id=case_id, into=into, conversations=keys)


def parted(case_id: str, out_of: str, at_ms: int) -> Decision:
    """And comes out again."""
    return decision("case.split", at_ms, case_id=case_id, out_of=out_of)


async def sent_in(register: Register, case_id: str) -> set[str]:
    """What we sent, as the case shows it."""
    messages, _ = await register.queries.history(case_id)
    return {message["id"] for message in messages if message["direction"] == "outbound"}


def make_old(connection: Connection) -> None:
    """A database as it was at revision 0002, with what a register of then had written."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes |= {
        "version_table": "alembic_version_register",
        "connection": connection,
    }
    command.upgrade(config, "0002")
    for key, case, at in OLD_ROWS:
        row = f"INSERT INTO conversations VALUES ('{key}', '{case}', {START_MS + at})"
        connection.execute(text(row))
    for told in OLD_TIMELINE:
        connection.exec_driver_sql(told)


OLD_ROWS = [("k1", "a", 0), ("k1", "b", 10), ("k2", "b", 0), ("k3", "lost", 3)]
"""As the register kept them: one a case, the first time."""


def _told(at: int, type_: str, case_id: str, data: str) -> str:
    return (
        'INSERT INTO timeline (topic_rank, "partition", "offset", "index", seq, at_ms, type,'
        f" case_id, data) VALUES (1, 2, {at}, 0, {at}, {START_MS + at}, '{type_}', '{case_id}',"
        f" '{data}')"
    )


OLD_TIMELINE = [
    _told(0, "case.opened", "a", '{"conversation_key": "k1"}'),
    _told(1, "case.opened", "b", '{"conversation_key": "k2"}'),
    _told(10, "case.merged", "a", '{"into": "b", "conversations": ["k1"]}'),
    _told(20, "case.split", "a", '{"out_of": "b"}'),
    _told(30, "case.merged", "a", '{"into": "b", "conversations": ["k1"]}'),
    _told(40, "case.noted", "b", "null"),
]


async def check_brought_up(kit: Register) -> None:
    """Each conversation is whose it was at each time, and goes on changing hands."""
    for at in (5, 15, 25, 35):
        for key in ("k1", "k2", "k3"):
            mail = interaction(f"{key}-{at}", START_MS + at, direction="outbound")
            await kit.receive(mail.model_copy(update={"conversation_key": key}))
    assert await sent_in(kit, "a") == {"k1-5", "k1-25"}
    assert await sent_in(kit, "b") == {"k1-15", "k1-35"} | {f"k2-{at}" for at in (5, 15, 25, 35)}
    assert await sent_in(kit, "lost") == {f"k3-{at}" for at in (5, 15, 25, 35)}
    await kit.decide(parted("a", "b", START_MS + 50), partition=2)
    await kit.receive(
        interaction("late", START_MS + 60, direction="outbound", conversation_key="k1")
    )
    assert "late" in await sent_in(kit, "a")
