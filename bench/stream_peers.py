"""Stream processors that do the least there is to do: decode a command, pass a line of it on.

    python bench/stream_peers.py NAME BROKER IN OUT

Run by a Python that has the framework; :mod:`bench_peers` starts it and says which it found.
"""

# ruff: noqa: PLC0415 - each process has one of the frameworks, and imports no other
from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from typing import Any

BATCH = 500


def line(command: dict[str, Any]) -> dict[str, Any]:
    """What is passed on."""
    return {name: command[name] for name in ("id", "type", "pool")}


def passed(value: bytes) -> bytes:
    """The same from bytes to bytes."""
    return json.dumps(line(json.loads(value))).encode()


def run_faust(broker: str, source: str, target: str) -> None:
    """An agent, and a message of its own for each."""
    import faust

    app = faust.App(
        source, broker=f"kafka://{broker}", datadir=tempfile.mkdtemp(), web_enabled=False,
        topic_disable_leader=True, consumer_auto_offset_reset="earliest",
    )  # fmt: skip
    commands = app.topic(source, value_serializer="raw")
    lines = app.topic(target, value_serializer="raw")

    @app.agent(commands)
    async def work(stream: Any) -> None:
        async for value in stream:
            await lines.send(value=passed(value))

    faust.Worker(app, loglevel="error", quiet=True).execute_from_commandline()


def run_faststream(broker: str, source: str, target: str) -> None:
    """A handler a message, what it returns is published."""
    from faststream import FastStream
    from faststream.kafka import KafkaBroker

    kafka = KafkaBroker(broker, logger=None)

    @kafka.publisher(target)
    @kafka.subscriber(source, group_id=source, auto_offset_reset="earliest")
    async def work(command: dict[str, Any]) -> dict[str, Any]:
        return line(command)

    asyncio.run(FastStream(kafka, logger=None).run())


def run_faststream_batches(broker: str, source: str, target: str) -> None:
    """A handler for many messages, published together."""
    from faststream import FastStream
    from faststream.kafka import KafkaBroker

    kafka = KafkaBroker(broker, logger=None, max_batch_size=2**20)

    @kafka.subscriber(
        source, group_id=source, auto_offset_reset="earliest", batch=True, max_records=BATCH
    )
    async def work(commands: list[dict[str, Any]]) -> None:
        await kafka.publish_batch(*[line(one) for one in commands], topic=target)

    asyncio.run(FastStream(kafka, logger=None).run())


def run_quixstreams(broker: str, source: str, target: str) -> None:
    """A dataframe, at least once."""
    from quixstreams import Application

    app = Application(
        broker, consumer_group=source, auto_offset_reset="earliest", loglevel="ERROR",
        state_dir=tempfile.mkdtemp(), auto_create_topics=False,
    )  # fmt: skip
    frame = app.dataframe(app.topic(source, value_deserializer="json"))
    frame.apply(line).to_topic(app.topic(target, value_serializer="json"))
    app.run()


def run_bytewax(broker: str, source: str, target: str) -> None:
    """A flow without recovery."""
    from bytewax import operators as op
    from bytewax._bytewax import cli_main
    from bytewax.connectors.kafka import KafkaSinkMessage
    from bytewax.connectors.kafka import operators as kop
    from bytewax.dataflow import Dataflow

    flow = Dataflow("peer")
    taken = kop.input("in", flow, brokers=[broker], topics=[source], batch_size=BATCH)
    lines = op.map("line", taken.oks, lambda one: KafkaSinkMessage(None, passed(one.value)))
    kop.output("out", lines, brokers=[broker], topic=target)
    cli_main(flow)


PEERS = {
    "faust": ("faust", run_faust),
    "faststream": ("faststream", run_faststream),
    "faststream, batches of 500": ("faststream", run_faststream_batches),
    "quixstreams": ("quixstreams", run_quixstreams),
    "bytewax": ("bytewax", run_bytewax),
}
"""By name: the module that it needs, and what runs it."""

if __name__ == "__main__":
    PEERS[sys.argv[1]][1](*sys.argv[2:5])
