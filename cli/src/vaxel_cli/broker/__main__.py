"""``python -m vaxel_cli.broker --data-dir D --port P``: one broker in the foreground."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import click

from vaxel_cli.broker import LocalBroker, Progress, prepare
from vaxel_shared.errors import VaxelError


@click.command()
@click.option("--data-dir", type=click.Path(path_type=Path), help="Keeps the log between runs.")
@click.option("--port", default=9092, show_default=True, help="Where clients connect, on loopback.")
@click.option("--controller-port", type=int, help="[default: --port + 1]")
@click.option("--lock", is_flag=True, help="Write deploy/kafka/jgo.lock.toml again, then end.")
def main(data_dir: Path | None, port: int, controller_port: int | None, lock: bool) -> None:
    """Run an Apache Kafka on this machine until Ctrl-C or SIGTERM."""
    if lock:
        from vaxel_cli.broker.lock import write_lock  # noqa: PLC0415 - needs jgo, for maintainers

        click.echo(f"locked {write_lock()} artifacts")
        return
    if data_dir is None:
        raise click.UsageError("say where to keep the log: --data-dir D")
    try:
        code = asyncio.run(_run(data_dir, port, controller_port or port + 1))
    except VaxelError as error:
        click.echo(error, err=True)
        code = 3
    sys.exit(code)


async def _run(data_dir: Path, port: int, controller_port: int) -> int:
    installation = await prepare(_say)
    broker = LocalBroker(installation, data_dir, port=port, controller_port=controller_port)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        await broker.start()
        await broker.wait_ready()
        click.echo(f"{installation.label} on {broker.address}, log in {data_dir}")
        asked, ended = asyncio.create_task(stop.wait()), asyncio.create_task(broker.wait())
        await asyncio.wait({asked, ended}, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        ended.cancel()
        return 0 if stop.is_set() else 1
    finally:
        await broker.stop()


def _say(step: Progress) -> None:
    text = f"fetching Kafka: {step.files_done} of {step.files_total} files"
    click.echo(f"\r{text}, {step.bytes_done / 1e6:.0f} MB ", nl=False, err=True)
    if step.files_done == step.files_total:
        click.echo(err=True)


if __name__ == "__main__":
    main()
