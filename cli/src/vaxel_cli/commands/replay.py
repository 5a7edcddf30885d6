"""``vaxel replay``: fold the recorded inputs again and compare every decision, byte for byte."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from vaxel_cli import runinfo
from vaxel_cli.commands.options import broker_option, json_option
from vaxel_cli.commands.progress import progress
from vaxel_cli.commands.recorded import FromBroker, FromExport, Recorded
from vaxel_cli.console import answer_is_no, err, out, print_json, unreachable, wrong_use
from vaxel_router.core.replay import DecisionRecord, ReplayResult, WorkRecord, replay_partition
from vaxel_shared.kafka import chain
from vaxel_shared.kafka.topic_reader import Record, record_sha256
from vaxel_shared.version import ENGINE


@click.command()
@click.option(
    "--from", "folder", type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="An export of `vaxel log export`; left out, the running system's log.",
)  # fmt: skip
@click.option("--partition", type=int, help="Only this one. [default: all]")
@broker_option
@runinfo.data_dir_option
@json_option
def replay(
    *,
    folder: Path | None,
    partition: int | None,
    broker: str | None,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Fold a recorded log again; exit 1 if any decision comes out otherwise.

    The chain of the records is verified on the way, and that the inputs are those that were folded.
    """
    if folder is not None and broker is not None:
        raise wrong_use("name a folder or a broker, not both")
    recorded = _recorded(folder, broker, data_dir)
    chosen = [number for number in recorded.partitions if partition in (None, number)]
    if not chosen:
        raise wrong_use(f"no partition {partition}; there are {recorded.partitions}")
    rows: list[dict[str, Any]] = []
    with progress() as bars:
        bar = bars.add_task("partitions", total=len(chosen))
        for number in chosen:
            result, engines = _replay_one(recorded, number)
            rows.append({"partition": number, "engines": engines, **asdict(result)})
            bars.advance(bar)
    _tell(rows, as_json=as_json)


def _recorded(folder: Path | None, broker: str | None, data_dir: Path | None) -> Recorded:
    if folder is not None:
        return FromExport(folder)
    with err.status("reading the log"):
        return FromBroker(runinfo.settings_for(data_dir, broker))


def _replay_one(recorded: Recorded, partition: int) -> tuple[ReplayResult, list[str]]:
    """The result for a partition, and the engines that wrote it."""
    engines: set[str] = set()
    inputs = {record.offset: record for record in recorded.work(partition)}
    decisions = _valid(recorded, partition, inputs, engines)
    work = (WorkRecord(item.offset, item.timestamp_ms, item.value) for item in inputs.values())
    try:
        result = replay_partition(recorded.log_id, partition, work, decisions, recorded.policies)
    except chain.ChainHalt as error:
        raise answer_is_no(str(error)) from error
    except KeyError as error:
        raise unreachable(
            f"partition {partition}: {error.args[0]!r} is missing (a policy's version, or an"
            " input's offset); is this the right data dir, or an export with its blobs?"
        ) from error
    return result, sorted(engines)


def _valid(
    recorded: Recorded, partition: int, inputs: dict[int, Record], engines: set[str]
) -> Iterator[DecisionRecord]:
    """The records that count. Raises ChainHalt, or (exit 1) where an input isn't the one folded."""
    state = chain.genesis(recorded.log_id, partition)
    for record in recorded.decisions(partition):
        outcome = chain.accept(state, record.offset, record.value)
        state = outcome.state
        if not isinstance(outcome, chain.Accepted):
            continue
        header = outcome.header
        if header.through >= header.from_:
            folded = inputs[header.through]
            if record_sha256(folded.key, folded.value) != header.through_sha256:
                raise answer_is_no(
                    f"vaxel.work partition {partition} offset {header.through} isn't the input that"
                    f" record {header.seq} folded: the log was cut or changed"
                )
        for decision in outcome.batch.decisions:
            # The core would take a missing policy for one that never was, and decide otherwise.
            if decision.type == "policy.adopted":
                _ = recorded.policies[decision.data["version"]]
        engines.add(outcome.batch.engine)
        body = record.value[chain.HEADER_BYTES :]
        yield DecisionRecord(record.offset, header.seq, header.from_, header.through, body)


def _tell(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    different = [row for row in rows if row["mismatch"] is not None]
    records = sum(row["records"] for row in rows)
    decisions = sum(row["decisions"] for row in rows)
    if as_json:
        print_json(
            {"same": not different, "records": records, "decisions": decisions, "partitions": rows}
        )
    else:
        for row in rows:
            said = "same bytes" if row["mismatch"] is None else "DIFFERS"
            counts = f"{row['records']} records, {row['decisions']} decisions"
            out.print(f"partition {row['partition']}: {counts}: {said}", markup=False)
        for row in different[:1]:
            _show(row)
    if different:
        foreign = sorted({name for row in rows for name in row["engines"]} - {ENGINE})
        hint = f"; it was written by {', '.join(foreign)}, this is {ENGINE}" if foreign else ""
        raise answer_is_no(f"{len(different)} of {len(rows)} partitions differ{hint}")
    if not as_json:
        out.print(f"every decision the same: {decisions} in {records} records")


def _show(row: dict[str, Any]) -> None:
    """The first difference, both sides."""
    found = row["mismatch"]
    place = "its own fields" if found["index"] is None else f"decision {found['index']}"
    out.print(
        f"first difference: partition {row['partition']}, offset {found['offset']},"
        f" seq {found['seq']}, {place}", markup=False,
    )  # fmt: skip
    out.print(f"  recorded:   {found['recorded']}", markup=False)
    out.print(f"  recomputed: {found['recomputed']}", markup=False)
