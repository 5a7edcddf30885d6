"""The command ``vaxel``: which commands there are, and how any of them may end.

A command is a module with a click command in it, imported only when it is called: ``vaxel --help``
stays quick, and a command that can't be loaded breaks no other. To add one, add its line to
``COMMANDS``.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from typing import NamedTuple, NoReturn

import click

from vaxel_cli import console
from vaxel_shared.config.source import ConfigError
from vaxel_shared.errors import VaxelError


class Entry(NamedTuple):
    """Where a command is (``module:attribute``) and its line in ``vaxel --help``."""

    where: str
    help: str


COMMANDS: dict[str, Entry] = {
    "up": Entry("vaxel_cli.up.command:up", "Run the whole system on this machine."),
    "login": Entry("vaxel_cli.commands.login:login", "A one-time link into the console."),
    "demo": Entry("vaxel_cli.commands.demo:demo", "Traffic in, agents at work, a summary."),
    "send": Entry(
        "vaxel_cli.commands.sendchat:send", "Send one contact in, for trying things out."
    ),
    "status": Entry("vaxel_cli.commands.status:status", "Queues, agents, topics and lag."),
    "explain": Entry("vaxel_cli.commands.explain:explain", "Why a case went where it went."),
    "agent": Entry("vaxel_cli.commands.agent:agent", "Set an agent away or back."),
    "switch": Entry(
        "vaxel_cli.commands.switch:switch", "Close a queue, divert it, call all hands."
    ),
    "roster": Entry("vaxel_cli.commands.roster:roster", "Who works, and what each can do."),
    "policy": Entry(
        "vaxel_cli.commands.policy:policy", "Check, test, explain, compare and publish a policy."
    ),
    "topics": Entry("vaxel_cli.commands.topics:topics", "Make or check the declared topics."),
    "schema": Entry("vaxel_cli.commands.schema:schema", "JSON Schema, AsyncAPI and OpenAPI."),
    "log": Entry("vaxel_cli.commands.log:log", "Write the topics to files."),
    "replay": Entry("vaxel_cli.commands.replay:replay", "Fold a log again; compare every byte."),
    "simulate": Entry(
        "vaxel_cli.commands.simulate:simulate", "The router in virtual time: waits, staffing."
    ),
    "whatif": Entry(
        "vaxel_cli.commands.whatif:whatif", "A recorded log again, with other rules or people."
    ),
    "fairness": Entry(
        "vaxel_cli.commands.fairness:fairness", "How evenly work was shared out, by agent."
    ),
    "sla": Entry("vaxel_cli.commands.sla:sla", "Business time: due, elapsed, explain, lint."),
    "dlq": Entry("vaxel_cli.commands.dlq:dlq", "List, show and replay dead letters."),
    "normalize": Entry("vaxel_cli.commands.webhook:normalize", "Raw input in, interaction out."),
    "verify": Entry("vaxel_cli.commands.webhook:verify", "Whether a webhook's signature holds."),
}


class LazyGroup(click.Group):
    """A group that imports a command when it is called, not before."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """The names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        """The command, imported. Raises CommandFailed where it can't be."""
        entry = COMMANDS.get(name)
        if entry is None:
            return None
        module, _, attribute = entry.where.partition(":")
        try:
            found = getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            raise console.unreachable(
                f"`vaxel {name}` can't be loaded ({error}); run `make setup`"
            ) from error
        if not isinstance(found, click.Command):
            raise console.unreachable(f"`vaxel {name}`: {entry.where} is no command")
        return found

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in ``--help``, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="vaxel", message="%(prog)s %(version)s")
def vaxel() -> None:
    """Route every customer contact to the right person, and prove why.

    Start with `vaxel up`, then `vaxel send email --example fi-billing`.

    Exit codes: 0 done, 1 the answer is no, 2 wrong use, 3 something needed could not be reached.
    """


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line; ends the process with its exit code, never with a traceback."""
    sys.exit(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    """Run the command line; answers the exit code."""
    try:
        result = vaxel.main(arguments, prog_name="vaxel", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        _say("stopped")
        return 130
    except VaxelError as error:
        _say(str(error))
        return exit_code(error)
    except BrokenPipeError:
        # Whoever read our output has closed it; Python would complain again while it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return console.DONE
    except Exception as error:  # noqa: BLE001 - the last line of defence: one line, no traceback
        if os.environ.get("VAXEL_DEBUG"):
            traceback.print_exc()
        _say(f"{_place(error)}; this is a fault of vaxel: VAXEL_DEBUG=1 shows more")
        return console.UNREACHABLE
    return result if isinstance(result, int) else console.DONE


def exit_code(error: VaxelError) -> int:
    """What an error means for a script: 2 for configuration, 3 for what can't be reached."""
    if isinstance(error, console.CommandFailed):
        return error.exit_code
    return console.WRONG_USE if isinstance(error, ConfigError) else console.UNREACHABLE


def _say(message: str) -> None:
    for line in message.splitlines() or [""]:
        sys.stderr.write(f"vaxel: {line}\n")


def _place(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    name = frame.filename.rpartition("/")[2]
    return f"{type(error).__name__} at {name}:{frame.lineno}: {error}".splitlines()[0]
