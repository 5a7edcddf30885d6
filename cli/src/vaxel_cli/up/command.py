"""The command line of `vaxel up`: checks everything that can be checked, then runs the system."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import click

from vaxel_cli import console, runinfo
from vaxel_cli.policy.lint import lint
from vaxel_cli.up import ports
from vaxel_cli.up.account import make_account
from vaxel_cli.up.hooks import make_missing_secrets
from vaxel_cli.up.kafka import ForeignBroker, OwnBroker
from vaxel_cli.up.lock import DataDirLock
from vaxel_cli.up.services import BROKER_PORTS, ServiceSpec, select
from vaxel_cli.up.system import System
from vaxel_shared.config import deployment as deployment_files
from vaxel_shared.config.deployment import Deployment
from vaxel_shared.crypto.keys import create_key
from vaxel_shared.settings import PORTS, Settings

LEFTOVERS_MS_MAX = 15_000
"""How long the processes of a `vaxel up` that was killed may take to follow it."""
LOCAL = "local"


@click.command()
@click.option(
    "--broker",
    default=LOCAL,
    metavar="local|HOST:PORT",
    show_default=True,
    help="An Apache Kafka of its own, or one that runs.",
)
@runinfo.data_dir_option
@click.option(
    "--config",
    "config_dir",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="VAXEL_CONFIG_DIR",
    help="The deployment's files; left out, ./config.",
)
@click.option("--only", metavar="SVC,…", help="Start just these services.")
@click.option(
    "--port-offset",
    type=click.IntRange(0, 40_000),
    default=0,
    show_default=True,
    envvar="VAXEL_PORT_OFFSET",
    help="Moves every port, so that two can run.",
)
def up(
    broker: str, data_dir: Path | None, config_dir: Path | None, only: str | None, port_offset: int
) -> int:
    """Run the whole system on this machine until Ctrl-C or SIGTERM.

    Takes about seven seconds when Apache Kafka is there; the first time it is fetched.
    """
    specs = select(only)
    settings = _settings(broker, data_dir, config_dir, port_offset)
    deployment = deployment_files.load(settings.config_dir)
    tell_findings(deployment)
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise console.unreachable(
            f"{settings.data_dir}: {error.strerror}; name another --data-dir"
        ) from error
    lock = DataDirLock(settings.data_dir)
    lock.take()
    try:
        _check_ports(settings, specs, own_broker=broker == LOCAL)
        create_key(settings.secrets)
        make_missing_secrets(settings, deployment.channels)
        return asyncio.run(_run(settings, specs, deployment, own_broker=broker == LOCAL))
    finally:
        lock.release()


def tell_findings(deployment: Deployment) -> None:
    """What in the files can't be meant: said, and no reason not to start."""
    for finding in lint(deployment, int(time.time() * 1000)):
        console.err.print(f"vaxel: {finding}", markup=False)


async def _run(
    settings: Settings,
    specs: tuple[ServiceSpec, ...],
    deployment: Deployment,
    *,
    own_broker: bool,
) -> int:
    account = make_account()
    kind = OwnBroker if own_broker else ForeignBroker
    return await System(settings, specs, deployment, kind(settings, account), account).run()


def _settings(
    broker: str, data_dir: Path | None, config_dir: Path | None, port_offset: int
) -> Settings:
    if broker == LOCAL:
        address = f"127.0.0.1:{PORTS['broker'] + port_offset}"
    else:
        host, _, port = broker.rpartition(":")
        if not host or not port.isdecimal():
            raise console.wrong_use(f"--broker {broker}: say local, or HOST:PORT")
        address = broker
    return Settings(
        broker=address,
        data_dir=runinfo.find_data_dir(data_dir),
        config_dir=runinfo.find_config_dir(config_dir),
        port_offset=port_offset,
    )


def _check_ports(settings: Settings, specs: tuple[ServiceSpec, ...], *, own_broker: bool) -> None:
    """Raises (exit 3) with the taken ports and a free offset."""
    names = [name for spec in specs for name in spec.ports]
    names += BROKER_PORTS if own_broker else ()

    def free(port: int) -> bool:
        return ports.is_free(settings.bind, port)

    # The children of a `vaxel up` that was killed follow it within moments.
    killed = (settings.data_dir / runinfo.RUN_FILE).exists()
    deadline = time.monotonic() + (LEFTOVERS_MS_MAX / 1000 if killed else 0)
    while ports.taken(names, settings.port_offset, free) and time.monotonic() < deadline:
        time.sleep(0.1)
    complaint = ports.complaint(names, settings.port_offset, free)
    if complaint is not None:
        raise console.unreachable(complaint)
