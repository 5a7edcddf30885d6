"""Answers from agents' tools: signed, bound to their connector, on the log before they are taken."""

import asyncio
import base64
import json

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from delivery_kit import (
    CASE,
    CONNECTORS,
    case_opened,
    interaction,
    make_box,
    offer_made,
    work_queued,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vaxel_delivery.core.project import Answered
from vaxel_delivery.shell.answer_book import AnswerBook
from vaxel_delivery.shell.answers import BODY_BYTES_MAX, PATH, Answers, Desk
from vaxel_delivery.shell.waiters import Waiters
from vaxel_shared.channels.standard import sign
from vaxel_shared.contracts.commands import Command
from vaxel_shared.errors import Retryable
from vaxel_shared.ids import event_id

OLD, NEW, OTHER = (
    "whsec_" + base64.b64encode(bytes([n]) * 32).decode() for n in range(1, 4)
)  # fmt: skip
HOOKS = """\
webhooks:
  - {name: desk, url: 'https://desk.example/hook', secret_file: desk.secret, agents: [anna]}
  - {name: two, url: 'https://two.example/hook', secret_file: two.secret, pools: [sales]}
"""
ACCEPT = {"verb": "accept", "agent": "anna", "offer_id": "offer-1", "token": "2.0"}
REPLY = {
    "verb": "reply", "agent": "anna", "case_id": CASE, "token": "3.0",
    "text": "Hei, lasku on korjattu.", "then": "resolved",
}  # fmt: skip


@pytest.fixture
async def desk(tmp_path, monkeypatch):
    monkeypatch.setattr("vaxel_delivery.shell.answers.WAIT_S", 0.05)
    box = await make_box(tmp_path)
    box.settings.secrets.mkdir(parents=True)
    (box.settings.secrets / "desk.secret").write_text(f"{NEW}\n{OLD}\n")
    (box.settings.secrets / "two.secret").write_text(OTHER)
    (box.settings.config_dir / "connectors.yaml").write_text(CONNECTORS + HOOKS)
    box.files.refresh()
    box.waiters = Waiters()
    answers = Answers(
        Desk(
            webhooks=lambda: box.files.now.connectors.webhooks,
            secrets=box.settings.secrets,
            offer=box.store.offer,
            case=box.store.case,
            pool_of=box.preparer.lookups.pool_of,
            blobs=box.blobs,
            asks=box.publisher,
            book=AnswerBook(box.store),
            waiters=box.waiters,
            clock=box.clock,
        )
    )
    app = web.Application()
    app.add_routes(answers.routes())
    await box.roster()
    await box.keep(interaction())
    await box.decide(case_opened(), work_queued())
    await box.decide(offer_made(expires_ms=4_000_000_000_000))
    async with TestClient(TestServer(app)) as box.client:
        yield box
    await box.store.close()


def headers(box, body, secret=NEW, webhook_id="msg-1", age_s=0):
    seconds = box.clock.wall_ms() // 1000 - age_s
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": sign(secret, webhook_id, seconds, body),
        "Content-Type": "application/json",
    }


async def send(box, answer, more=None, **signing):
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    given_headers = headers(box, body, **signing) | (more or {})
    async with box.client.post(PATH, data=body, headers=given_headers) as response:
        text = await response.text()
        return response.status, json.loads(text), response.headers


def commands(box):
    return box.topics.of("vaxel.work")


async def test_accept_is_the_command_that_the_link_would_have_made(desk):
    status, said, _ = await send(desk, ACCEPT)
    (command,) = commands(desk)
    Command.model_validate(command)
    assert command["id"] == event_id("offer.accept", "2.0", "offer-1", "anna") == said["command_id"]
    assert (command["type"], command["pool"], command["case_id"]) == (
        "offer.accept",
        "support",
        CASE,
    )
    assert (command["via"], command["token"]) == ("webhook:desk", "2.0")
    assert command["actor"] == {"kind": "agent", "id": "anna"}
    assert (status, said["status"]) == (202, "pending")


@pytest.mark.parametrize("secret", [NEW, OLD], ids=["new", "old"])
async def test_either_live_secret_signs(desk, secret):
    status, _, _ = await send(desk, ACCEPT, secret=secret)
    assert status == 202


async def test_a_reply_stands_in_a_blob_before_the_command_and_the_command_holds_no_text(desk):
    status, said, _ = await send(desk, REPLY)
    (command,) = commands(desk)
    assert status == 202
    assert command["id"] == event_id("webhook", "desk", "msg-1") == said["command_id"]
    assert (await desk.blobs.get(command["data"]["body_ref"])).decode() == REPLY["text"]
    assert command["data"]["then"] == "resolved"
    assert "lasku" not in json.dumps(command)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"verb": "decline", "offer_id": "offer-1", "token": "2.0", "reason": "busy"}, "offer.decline"),
        ({"verb": "note", "offer_id": "offer-1", "text": "asked finance"}, "case.note"),
        ({"verb": "resolve", "case_id": CASE, "token": "3.0"}, "case.resolve"),
        ({"verb": "wait", "case_id": CASE, "token": "3.0", "for": "third_party"}, "case.wait"),
        ({"verb": "transfer", "case_id": CASE, "token": "3.0", "to_queue": "q", "text": "x"}, "case.transfer"),
        ({"verb": "escalate", "case_id": CASE, "token": "3.0", "tier": 2}, "case.escalate"),
        ({"verb": "presence", "presence": "away", "mode": "keep_no_new"}, "agent.presence"),
        ({"verb": "elsewhere", "channels": {"chat": 1}, "until": "2026-11-22T10:00:00Z"}, "agent.elsewhere"),
    ],
)  # fmt: skip
async def test_each_verb_becomes_its_command(desk, answer, kind):
    status, _, _ = await send(desk, {"agent": "anna", **answer})
    (command,) = commands(desk)
    Command.model_validate(command)
    assert (status, command["type"], command["pool"]) == (202, kind, "support")
    assert command["agent_id"] == "anna"


@pytest.mark.parametrize(
    ("signing", "reason"),
    [
        ({"secret": "whsec_" + base64.b64encode(b"x" * 32).decode()}, "signature_mismatch"),
        ({"age_s": 301}, "timestamp_old"),
        ({"age_s": -301}, "timestamp_future"),
    ],
)
async def test_a_forged_or_stale_answer_changes_nothing(desk, signing, reason):
    status, said, _ = await send(desk, ACCEPT, **signing)
    assert (status, said["title"]) == (401, reason)
    assert desk.topics.records == []


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook-signature": ""}, {"webhook-signature": "v1,AAAA"}, {"webhook-signature": "v1,%%"},
        {"webhook-signature": "v2,AAAA"}, {"webhook-id": "other"}, {"webhook-timestamp": "x"},
        {"webhook-timestamp": "9" * 40}, {"webhook-id": ""},
    ],
)  # fmt: skip
async def test_a_header_that_was_touched_is_never_believed_and_never_a_fault_of_ours(desk, changed):
    status, _, _ = await send(desk, ACCEPT, more=changed)
    assert status == 401
    assert desk.topics.records == []


async def test_a_connector_speaks_for_its_own_agents_and_pools_only(desk):
    for answer, secret in (
        ({**ACCEPT, "agent": "bertil"}, NEW),
        (ACCEPT, OTHER),
        (REPLY, OTHER),
        ({**REPLY, "agent": "bertil"}, NEW),
        ({"verb": "presence", "agent": "anna", "presence": "away"}, OTHER),
        (
            {"verb": "elsewhere", "agent": "anna", "channels": {}, "until": "2026-11-22T10:00:00Z"},
            OTHER,
        ),
    ):
        status, said, _ = await send(desk, answer, secret=secret)
        assert (status, said["title"]) == (403, "not_yours")
    assert desk.topics.records == []


@pytest.mark.parametrize(
    ("answer", "status", "code"),
    [
        ({**ACCEPT, "offer_id": "offer-9"}, 404, "unknown_offer"),
        ({**REPLY, "case_id": "case-9"}, 404, "unknown_case"),
        ({**REPLY, "case_id": "case-9", "offer_id": "offer-1"}, 422, "invalid"),
        ({"verb": "presence", "agent": "nobody", "presence": "away"}, 404, "unknown_agent"),
        ({**ACCEPT, "verb": "steal"}, 422, "invalid"),
        (b"{", 422, "invalid"),
        (b"[" * 100_000, 422, "invalid"),
        (b"", 422, "invalid"),
        (b" " * (BODY_BYTES_MAX + 1), 413, "body_too_large"),
    ],
)
async def test_what_cannot_be_taken_is_refused_with_what_is_wrong(desk, answer, status, code):
    found, said, _ = await send(desk, answer)
    assert (found, said["title"]) == (status, code)
    assert desk.topics.records == []


async def test_a_refusal_quotes_nobody(desk):
    _, said, _ = await send(desk, {**REPLY, "reason": "Maija Meikäläinen wrote", "then": "Maija"})
    assert "Maija" not in json.dumps(said)
    assert {fault["field"] for fault in said["errors"]} == {"reason", "then"}


async def test_a_compressed_body_is_not_unpacked(desk):
    status, said, _ = await send(desk, ACCEPT, more={"Content-Encoding": "gzip"})
    assert (status, said["title"]) == (415, "content_encoding")


async def test_the_same_answer_again_is_the_same_command_once_and_another_body_is_refused(desk):
    first = await send(desk, REPLY)
    again = await send(desk, REPLY, age_s=-60)
    assert first[:2] == again[:2]
    assert len(commands(desk)) == 1
    status, said, _ = await send(desk, {**REPLY, "text": "something else"})
    assert (status, said["title"]) == (409, "webhook_id_reused")
    assert len(commands(desk)) == 1


async def test_while_the_broker_is_away_nothing_is_taken_and_the_next_try_is_the_same(desk):
    desk.topics.failures = [Retryable("gone")]
    status, said, found = await send(desk, REPLY)
    assert (status, said["title"], found["Retry-After"]) == (503, "unavailable", "5")
    status, said, _ = await send(desk, REPLY)
    assert (status, said["command_id"]) == (202, event_id("webhook", "desk", "msg-1"))
    assert len(commands(desk)) == 1


@pytest.mark.parametrize(
    ("answered", "status", "code"),
    [((None, False), "done", None), (("stale_token", False), "refused", "stale_token"),
     ((None, True), "repeated", None)],
)  # fmt: skip
async def test_what_was_decided_stands_in_the_answer_and_in_every_later_one(
    desk, monkeypatch, answered, status, code
):
    monkeypatch.setattr("vaxel_delivery.shell.answers.WAIT_S", 5)
    sending = asyncio.ensure_future(send(desk, REPLY))
    async with asyncio.timeout(5):
        while not commands(desk):  # noqa: ASYNC110 - the record is the event
            await asyncio.sleep(0.01)
    desk.waiters.tell([], [Answered(commands(desk)[0]["id"], *answered)])
    for found in (await sending, await send(desk, REPLY)):
        assert found[0] == 200
        assert (found[1]["status"], found[1].get("code")) == (status, code)
    assert len(commands(desk)) == 1


async def test_without_a_secret_file_nothing_is_believed(desk):
    (desk.settings.secrets / "desk.secret").unlink()
    status, _, _ = await send(desk, ACCEPT)
    assert status == 401
    assert desk.topics.records == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        name: JSON | st.sampled_from(["accept", "reply", "anna", "offer-1", CASE, "2.0", "away"])
        for name in (
            "verb", "agent", "offer_id", "case_id", "token", "text", "reason", "then", "for",
            "wake_at", "to_agent", "to_queue", "tier", "presence", "mode", "until",
        )
    },
)  # fmt: skip


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(answer=FIELDS | JSON, number=st.integers(0, 10**9))
async def test_no_signed_body_makes_it_fail(desk, answer, number):
    before = len(commands(desk))
    status, _, _ = await send(desk, answer, webhook_id=f"fuzz-{number}")
    assert status in {200, 202, 403, 404, 409, 422}
    assert len(commands(desk)) - before <= (status == 202)
    for command in commands(desk)[before:]:
        Command.model_validate(command)
