"""``vaxel policy``: policy as code. Here ``publish``: what ``config/`` says, onto the log.

`vaxel up` does that by itself; where the services run elsewhere (containers), this does.
"""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from pathlib import Path

import click

from vaxel_cli import runinfo
from vaxel_cli.commands.options import broker_option, config_option, json_option
from vaxel_cli.commands.policy_check import check
from vaxel_cli.commands.policy_diff import diff
from vaxel_cli.commands.policy_explain import explain
from vaxel_cli.commands.policy_test import test
from vaxel_cli.console import DONE, out, print_json, wrong_use
from vaxel_cli.publish.publisher import publish as publish_now
from vaxel_cli.publish.publisher import publish_shadow
from vaxel_cli.up.account import make_account
from vaxel_cli.up.reload import Reloader
from vaxel_shared.config import deployment as deployment_files
from vaxel_shared.config.deployment import Deployment
from vaxel_shared.settings import Settings


@click.group()
def policy() -> None:
    """The routing policy and the roster: check, test, explain, compare, publish."""


for command in (check, test, explain, diff):
    policy.add_command(command)


@policy.command()
@config_option
@click.option("--watch", is_flag=True, help="Stay, and publish every saved change.")
@broker_option
@runinfo.data_dir_option
@json_option
def publish(
    *,
    config_dir: Path | None,
    watch: bool,
    broker: str | None,
    data_dir: Path | None,
    as_json: bool,
) -> int:
    """Check the files, and publish what differs from what was published last.

    What was published stands in the data dir (published.json): use one data dir for one log.
    """
    if watch and as_json:
        raise wrong_use("--json tells of one publication; leave out --watch, or --json")
    settings = runinfo.settings_for(data_dir, broker).model_copy(
        update={"config_dir": runinfo.find_config_dir(config_dir)}
    )
    deployment = deployment_files.load(settings.config_dir)
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    if watch:
        return asyncio.run(_watch(settings, deployment))
    sent = asyncio.run(publish_now(settings, deployment))
    if as_json:
        print_json({"published": [{"pool": item.pool, "kind": item.kind} for item in sent]})
        return DONE
    for item in sent:
        out.print(f"published the {item.kind} of pool {item.pool}", markup=False)
    if not sent:
        out.print("nothing differs from what was published last")
    return DONE


@policy.command()
@config_option
@click.option(
    "--share",
    type=click.IntRange(0, 100),
    default=0,
    metavar="PERCENT",
    help="Let it decide for so many of a hundred cases; left out, for none.",
)
@broker_option
@runinfo.data_dir_option
@json_option
def shadow(
    *, config_dir: Path | None, share: int, broker: str | None, data_dir: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Let a second policy decide beside the one in force: without effect, or for a share.

    How often it would decide otherwise is the metric vaxel_shadow_decisions. The policy in force,
    published in this way, ends it.
    """
    settings = runinfo.settings_for(data_dir, broker).model_copy(
        update={"config_dir": runinfo.find_config_dir(config_dir)}
    )
    deployment = deployment_files.load(settings.config_dir)
    sent = asyncio.run(publish_shadow(settings, deployment, share))
    if as_json:
        print_json({"shadow": [{"pool": item.pool, "version": item.version} for item in sent]})
        return
    for item in sent:
        what = f"decides for {share} of 100 cases" if share else "decides without effect"
        out.print(f"pool {item.pool}: the second policy {what}", markup=False)


async def _watch(settings: Settings, deployment: Deployment) -> int:
    """Publish, then follow the files until SIGTERM or SIGINT."""
    account = make_account()
    reloader = Reloader(settings, deployment, account, lambda: None)

    async def follow() -> None:
        await reloader.publish_first()
        account.close()
        await reloader.watch()

    following = asyncio.ensure_future(follow())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, following.cancel)
    with suppress(asyncio.CancelledError):
        await following
    account.close()
    return DONE
