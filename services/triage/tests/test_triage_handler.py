"""A batch: commands leave in order, whole, and before the batch is called done."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from vaxel_shared.blobs import FolderBlobs
from vaxel_shared.contracts.cloudevents import header
from vaxel_shared.contracts.interaction import Interaction
from vaxel_shared.crypto.keys import Keyring
from vaxel_shared.errors import Poison, Retryable
from vaxel_shared.kafka.producer import Ack, Outgoing
from vaxel_shared.kafka.topic_reader import Record
from vaxel_shared.obs import tracing
from vaxel_triage.core.view import View
from vaxel_triage.shell.deployment import Current
from vaxel_triage.shell.detector import Detector
from vaxel_triage.shell.handler import Handler

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Sink:
    """Takes what is sent, batch by batch; fails when told to."""

    def __init__(self) -> None:
        self.batches: list[list[Outgoing]] = []
        self.failing = False

    async def send_many(self, records: Sequence[Outgoing]) -> list[Ack]:
        await asyncio.sleep(0)
        if self.failing:
            raise Retryable("no broker")
        self.batches.append(list(records))
        return [Ack(0, index, 0) for index, _ in enumerate(records)]

    @property
    def ids(self) -> list[list[str]]:
        return [[record.event.id for record in batch] for batch in self.batches]


class Bench:
    """A handler with its sink; ``record`` makes records of partition 2, from offset 0 on."""

    def __init__(
        self, view: View, model: Any, blobs: Path, make: Callable[..., Interaction]
    ) -> None:
        self.sink = Sink()
        self.blobs = FolderBlobs(blobs)
        self._make = make
        self._offset = -1
        self.handle = Handler(
            sender=self.sink,
            blobs=self.blobs,
            pseudonym=Keyring(b"k" * 32).pseudonym,
            current=lambda: Current(view, Detector(model, view.channels.languages)),
            text_budget_ms=200,
        )

    def record(
        self, value: bytes | None = None, /, *, trace: bytes = b"", **changed: Any
    ) -> Record:
        self._offset += 1
        if value is None:
            value = self._make(**({"id": f"m{self._offset}"} | changed)).to_json()
        headers = (("traceparent", trace),) if trace else ()
        return Record("vaxel.interactions", 2, self._offset, 1_000, b"key", value, headers)


@pytest.fixture
def bench(view: View, model: Any, tmp_path: Path, message: Callable[..., Interaction]) -> Bench:
    return Bench(view, model, tmp_path / "blobs", message)


async def test_a_batch_is_sent_once_and_in_order(bench: Bench) -> None:
    await bench.handle([bench.record() for _ in range(5)])
    assert bench.sink.ids == [["m0", "m1", "m2", "m3", "m4"]]


async def test_a_record_carries_key_headers_and_source(bench: Bench) -> None:
    bench.record()
    await bench.handle([bench.record(trace=TRACE.encode())])
    ((sent,),) = bench.sink.batches
    assert (sent.topic, sent.key, sent.partition) == ("vaxel.work", "care", None)
    headers = sent.event.headers()
    assert {
        name: header(headers, name) for name in ("ce_id", "ce_type", "ce_time", "traceparent")
    } == {
        "ce_id": "m1",
        "ce_type": "vaxel.command.contact.add.v1",
        "ce_time": "2026-11-22T14:37:57.123Z",
        "traceparent": tracing.contact("m1", "triage").traceparent,
    }
    assert json.loads(sent.value)["data"]["src"] == [2, 1]


@pytest.mark.parametrize(
    "trace", [b"junk", b"\xff", TRACE.upper().encode(), TRACE.encode() + b"\n"]
)
async def test_a_traceparent_that_is_none_goes_no_further(bench: Bench, trace: bytes) -> None:
    await bench.handle([bench.record(trace=trace)])
    at = tracing.contact("m0", "triage")
    assert bench.sink.batches[0][0].event.traceparent == at.traceparent


async def test_what_is_no_contact_is_left_out(bench: Bench) -> None:
    await bench.handle(
        [
            bench.record(),
            bench.record(direction="outbound"),
            bench.record(kind="read"),
            bench.record(),
        ]
    )
    await bench.handle([bench.record(direction="echo")])
    assert bench.sink.ids == [["m0", "m3"]]


POISON = [
    (b"", "undecodable"),
    (b"\xff\x00", "undecodable"),
    (b"[]", "undecodable"),
    (b'{"id": "x"}', "undecodable"),
    (b'{"id": "\\ud800"}', "undecodable"),
    (b"[" * 100_000, "undecodable"),
]


@pytest.mark.parametrize(("value", "code"), POISON, ids=[str(p[0][:12]) for p in POISON])
async def test_poison_names_its_record_after_all_before_it_are_sent(
    bench: Bench, value: bytes, code: str
) -> None:
    records = [bench.record(), bench.record(value), bench.record()]
    with pytest.raises(Poison) as caught:
        await bench.handle(records)
    assert caught.value.code == code
    assert caught.value.record is records[1]
    assert bench.sink.ids == [["m0"]]


@pytest.mark.parametrize("field", ["id", "conversation_key"])
async def test_an_interaction_without_identity_is_poison(bench: Bench, field: str) -> None:
    with pytest.raises(Poison, match="no id or conversation key"):
        await bench.handle([bench.record(**{field: ""})])


async def test_a_failed_send_is_not_taken_for_done(bench: Bench) -> None:
    bench.sink.failing = True
    with pytest.raises(Retryable):
        await bench.handle([bench.record()])
    assert bench.sink.batches == []


async def test_a_long_text_comes_from_the_blob_store(bench: Bench) -> None:
    text = "Hello, I have a question about the invoice. " + "x" * 100_000
    ref = await bench.blobs.put("text", text.encode())
    await bench.handle([bench.record(text=None, text_ref=ref)])
    data = json.loads(bench.sink.batches[0][0].value)["data"]
    assert (data["queue"], data["language"], data["missing"]) == ("billing", "en", [])


@pytest.mark.parametrize("ref", ["text/" + "0" * 64, "nonsense"])
async def test_a_text_that_cannot_be_had_is_done_without_and_named(bench: Bench, ref: str) -> None:
    await bench.handle([bench.record(text=None, text_ref=ref)])
    data = json.loads(bench.sink.batches[0][0].value)["data"]
    assert (data["queue"], data["missing"]) == ("general", ["text"])


async def test_a_slow_store_does_not_hold_routing_up(bench: Bench) -> None:
    class Slow(FolderBlobs):
        async def get(self, ref: str) -> bytes:
            await asyncio.sleep(60)
            return b""

    slow = Handler(
        sender=bench.sink,
        blobs=Slow(Path("unused")),
        pseudonym=bench.handle.pseudonym,
        current=bench.handle.current,
        text_budget_ms=10,
    )
    async with asyncio.timeout(10):
        await slow([bench.record(text=None, text_ref="text/" + "0" * 64)])
    assert json.loads(bench.sink.batches[0][0].value)["data"]["missing"] == ["text"]


async def test_logs_and_headers_hold_no_word_that_a_person_wrote(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    await bench.handle([bench.record(subject="Salaisuus", text="Zanzibar lasku", sender={
        "external_id": "Quentin@Zebra.example", "name": "Quentin"})])  # fmt: skip
    with pytest.raises(Poison) as caught:
        await bench.handle([bench.record(b'{"text": "Zanzibar Quentin"}')])
    sent = bench.sink.batches[0][0]
    shown = capsys.readouterr().out + str(sent.event.headers()) + sent.key + str(caught.value)
    assert "contact_triaged" in shown
    for word in ("salaisuus", "zanzibar", "quentin", "zebra"):
        assert word not in shown.lower()


async def test_who_left_is_told_in_order_and_who_came_is_no_contact(bench: Bench) -> None:
    left = {"kind": "membership", "status": {"state": "left"}, "id": "gone"}
    came = {"kind": "membership", "status": {"state": "joined"}, "id": "came"}
    await bench.handle([bench.record(), bench.record(**came), bench.record(**left)])
    (batch,) = bench.sink.batches
    first, last = (json.loads(one.value) for one in batch)
    assert (first["type"], last["type"], last["id"]) == ("contact.add", "contact.end", "gone")
    key = first["data"]["conversation_key"]
    assert last["data"] == {"conversation_key": key, "reason": "left"}
    assert (last["pool"], last["actor"]["kind"]) == (first["pool"], "customer")
