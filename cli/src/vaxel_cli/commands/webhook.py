"""``vaxel normalize webhook`` and ``vaxel verify webhook``: a provider's request, judged and read.

The same pure functions that the receiver calls, with nothing running. Without a secret nothing can
be verified; the body is normalised all the same, and ``verification`` says that it wasn't.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from vaxel_cli import runinfo
from vaxel_cli.commands import normalize as mails
from vaxel_cli.commands.options import json_option, jsonl_option
from vaxel_cli.console import answer_is_no, out, print_json, print_jsonl, wrong_use
from vaxel_shared.channels.catalog import platforms
from vaxel_shared.channels.platform import Platform, Request
from vaxel_shared.channels.receive import Place, Received, receive
from vaxel_shared.contracts.interaction import Verification

HEADERS_BYTES_MAX = 1024 * 1024
CONTENT_TYPES = {
    ".json": "application/json",
    ".form": "application/x-www-form-urlencoded",
    ".xml": "application/xml",
}
"""By a file's ending, where nothing else says it."""
UNKNOWN_ACCOUNT = "unknown"

normalize = mails.normalize
"""The group with all its commands: this module adds one to it."""

F = TypeVar("F", bound=Callable[..., Any])


def _request_options(command: F) -> F:
    """What both commands are told about the request."""
    options = (
        click.option("--platform", "slug", required=True, metavar="SLUG", help="Who sent it."),
        click.option("--headers", "headers_file", metavar="F.json",
                     type=click.Path(dir_okay=False, path_type=Path),
                     help="The request's headers, a JSON object."),
        click.option("--url", default="", metavar="U", help="The public address it was sent to."),
        click.option("--method", default="POST", show_default=True, metavar="M"),
        click.option("--content-type", metavar="T", help="[default: by the file's ending]"),
        click.option("--secret", "secrets", multiple=True, metavar="S",
                     help="A live secret; may be given twice."),
        click.option("--now", metavar="INSTANT", help="ISO 8601 with an offset. [default: now]"),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@mails.normalize.command("webhook")
@click.argument("files", nargs=-1, required=True, metavar="FILE...|-")
@_request_options
@click.option("--account", metavar="ID", help="Of channels.yaml. [default: the platform's first]")
@click.option(
    "--config", "config_dir", type=click.Path(file_okay=False, path_type=Path),
    help="Folder with channels.yaml. [default: config here or beside the sources]",
)  # fmt: skip
@runinfo.data_dir_option
@json_option
@jsonl_option
def normalize_webhook(
    *,
    files: tuple[str, ...],
    slug: str,
    headers_file: Path | None,
    url: str,
    method: str,
    content_type: str | None,
    secrets: tuple[str, ...],
    now: str | None,
    account: str | None,
    config_dir: Path | None,
    data_dir: Path | None,
    as_json: bool,
    as_jsonl: bool,
) -> None:
    """A provider's request bodies in; interactions, answer and verification out.

    With --jsonl one line a file, in order; a file that can't be read becomes {"error": …}.
    """
    if as_json and as_jsonl:
        raise wrong_use("choose --json or --jsonl")
    platform, headers = _platform(slug), _headers(headers_file)
    now_ms = mails.instant_ms(now)
    place = _place(platform, account, config_dir, data_dir)
    failed, printed = 0, []
    for name, raw in mails.read_files(files):
        if isinstance(raw, str):
            failed, item = failed + 1, {"file": name, "error": raw}
        else:
            request = Request(method, url, _typed(headers, content_type, name), raw)
            got = receive(platform, request, secrets, place, now_ms, trust=not secrets)
            item = {"file": name, **_shown(got)}
        if as_jsonl:
            print_jsonl(item)
        else:
            printed.append(item)
    if not as_jsonl:
        print_json(printed[0] if len(printed) == 1 else printed)
    if failed:
        raise answer_is_no(f"{failed} of {len(files)} can't be read; each says why in its place")


@click.group()
def verify() -> None:
    """Whether a signature holds; works without a running system."""


@verify.command("webhook")
@click.argument("file", metavar="FILE|-")
@_request_options
@json_option
def verify_webhook(
    *,
    file: str,
    slug: str,
    headers_file: Path | None,
    url: str,
    method: str,
    content_type: str | None,
    secrets: tuple[str, ...],
    now: str | None,
    as_json: bool,
) -> None:
    """Exit 0 if the signature holds, 1 with the reason if not."""
    platform, headers = _platform(slug), _headers(headers_file)
    ((_, raw),) = mails.read_files((file,))
    if isinstance(raw, str):
        raise wrong_use(raw)
    request = Request(method, url, _typed(headers, content_type, file), raw)
    found = platform.verify(request, secrets, mails.instant_ms(now))
    if as_json:
        print_json(found.to_dict())
    if not found.ok:
        raise answer_is_no(f"the signature doesn't hold: {found.reason}")
    if not as_json:
        out.print(f"the signature holds: {found.scheme}, secret {found.key_id}", markup=False)


def _shown(got: Received) -> dict[str, Any]:
    answer = got.answer
    nothing = Verification(scheme="none", ok=False, reason="not_reached")
    return {
        "interactions": [one.to_dict() for one in got.interactions],
        "response": {
            "status": answer.status,
            "headers": dict(answer.headers),
            "body": answer.body,
        },
        "verification": (got.verification or nothing).to_dict(),
    }


def _platform(slug: str) -> Platform:
    found = platforms().get(slug)
    if found is None:
        raise wrong_use(f"no platform {slug!r}; known are {', '.join(platforms())}")
    return found


def _headers(path: Path | None) -> dict[str, str]:
    """Names in lower case; several values of one name as one, as HTTP has it."""
    if path is None:
        return {}
    try:
        with path.open("rb") as file:
            given = json.loads(file.read(HEADERS_BYTES_MAX))
    except OSError as error:
        raise wrong_use(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise wrong_use(f"{path} is no JSON: write an object of names and values") from error
    if not isinstance(given, dict):
        raise wrong_use(f"{path}: write an object of names and values")
    return {
        str(name).lower(): ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        for name, value in given.items()
    }


def _typed(headers: dict[str, str], content_type: str | None, name: str) -> dict[str, str]:
    """The headers with a content type: as said, as they have it, or by the file's ending."""
    by_ending = CONTENT_TYPES.get(Path(name).suffix.lower())
    found = content_type or headers.get("content-type") or by_ending
    return headers | ({"content-type": found} if found else {})


def _place(
    platform: Platform, account_id: str | None, config_dir: Path | None, data_dir: Path | None
) -> Place:
    """The account it came in by, as far as the configuration tells."""
    channels, keyring = mails.configured(config_dir), mails.keyring_of(data_dir)
    ours = [] if channels is None else [a for a in channels.accounts if a.channel == "webhook"]
    if account_id is not None:
        found = next((item for item in ours if item.id == account_id), None)
        if found is None:
            known = ", ".join(item.id for item in ours) or "none"
            raise wrong_use(f"no webhook {account_id!r} in channels.yaml; known are {known}")
    else:
        slug = platform.manifest.slug
        found = next((item for item in ours if item.platform == slug), None)
    name, pool = (found.id, found.pool) if found else (UNKNOWN_ACCOUNT, UNKNOWN_ACCOUNT)
    return Place(name, pool, keyring.pseudonym)
