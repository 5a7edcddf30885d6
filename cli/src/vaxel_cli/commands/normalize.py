"""``vaxel normalize``: raw input in, the normalised interaction out, with nothing running.

The same pure function that the receiver calls. With a configuration at hand the account is looked
up in it, and with a data dir its key hides the thread; else the recipient stands for the account
and the key is all zeros: the same bytes always give the same line.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from vaxel_cli import runinfo
from vaxel_cli.commands.options import json_option, jsonl_option
from vaxel_cli.console import answer_is_no, err, print_json, print_jsonl, wrong_use
from vaxel_ingest_email.core.normalize import UNKNOWN_ACCOUNT, AccountRef, Blob, address, parse
from vaxel_shared.blobs import BLOB_BYTES_MAX, FolderBlobs
from vaxel_shared.config import source
from vaxel_shared.config.channels import Channels
from vaxel_shared.config.source import ConfigError
from vaxel_shared.contracts.interaction import Interaction
from vaxel_shared.crypto.keys import KEY_BYTES, KEY_FILE, Keyring

DEVELOPMENT_KEY = bytes(KEY_BYTES)


@click.group()
def normalize() -> None:
    """Raw input in, the normalised interaction out; works without a running system."""


@normalize.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...|-")
@click.option("--received-at", metavar="INSTANT", help="ISO 8601 with an offset. [default: now]")
@click.option(
    "--config", "config_dir", type=click.Path(file_okay=False, path_type=Path),
    help="Folder with channels.yaml. [default: config here or beside the sources]",
)  # fmt: skip
@click.option(
    "--blobs", "blob_dir", type=click.Path(file_okay=False, path_type=Path),
    help="Store the raw mail, safe HTML and attachments in this folder.",
)  # fmt: skip
@runinfo.data_dir_option
@json_option
@jsonl_option
def email(
    *,
    files: tuple[str, ...],
    received_at: str | None,
    config_dir: Path | None,
    blob_dir: Path | None,
    data_dir: Path | None,
    as_json: bool,
    as_jsonl: bool,
) -> None:
    """Normalise raw mails (RFC 5322), - for standard input; exit 1 if one can't be read.

    With --jsonl one line a file, in order; a file that can't be read becomes {"error": …}.
    """
    if as_json and as_jsonl:
        raise wrong_use("choose --json or --jsonl")
    received_ms = instant_ms(received_at)
    channels, keyring = configured(config_dir), keyring_of(data_dir)
    failed = 0
    printed: list[dict[str, Any]] = []
    for name, raw in read_files(files):
        if isinstance(raw, str):
            failed, item = failed + 1, {"file": name, "error": raw}
        else:
            parsed = parse(raw, None, received_ms)
            item = address(parsed, _account(channels, parsed.interaction), keyring).to_dict()
            if blob_dir is not None:
                _store(blob_dir, parsed.blobs)
        if as_jsonl:
            print_jsonl(item)
        else:
            printed.append(item)
    if not as_jsonl:
        print_json(printed[0] if len(printed) == 1 else printed)
    if failed:
        raise answer_is_no(f"{failed} of {len(files)} can't be read; each says why in its place")


def read_files(files: tuple[str, ...]) -> Iterator[tuple[str, bytes | str]]:
    """Each file's bytes, or why it can't be read; never more than a blob may hold."""
    for name in files:
        try:
            if name == "-":
                yield name, sys.stdin.buffer.read(BLOB_BYTES_MAX + 1)
                continue
            with Path(name).open("rb") as file:
                yield name, file.read(BLOB_BYTES_MAX + 1)
        except OSError as error:
            yield name, f"{name}: {error.strerror or 'cannot be read'}"


def _account(channels: Channels | None, interaction: Interaction) -> AccountRef:
    """The account that a mail was sent to: the first recipient of ours, else the first of all."""
    addresses = [recipient.external_id for recipient in interaction.recipients]
    for one in addresses:
        found = channels.account(one) if channels is not None else None
        if found is not None:
            return AccountRef(found.id, found.address, found.pool)
    return replace(UNKNOWN_ACCOUNT, address=addresses[0] if addresses else "")


def configured(config_dir: Path | None) -> Channels | None:
    """The accounts of the configuration, if there is one; a broken one is said and left out."""
    folder = runinfo.find_config_dir(config_dir)
    if not (folder / "channels.yaml").is_file():
        if config_dir is not None:
            raise wrong_use(f"{folder} holds no channels.yaml")
        return None
    try:
        return source.validate(Channels, source.read(folder / "channels.yaml"))
    except ConfigError as error:
        if config_dir is not None:
            raise
        err.print(f"vaxel: going on without accounts: {error.problems[0]}", markup=False)
        return None


def keyring_of(data_dir: Path | None) -> Keyring:
    """The data dir's key; zeros where there is none."""
    folder = runinfo.find_data_dir(data_dir) / "secrets"
    return Keyring.load(folder) if (folder / KEY_FILE).exists() else Keyring(DEVELOPMENT_KEY)


def _store(folder: Path, parts: list[Blob]) -> None:
    store = FolderBlobs(folder)
    for part in parts:
        store.put_now(part.kind, part.data)


def instant_ms(text: str | None) -> int:
    """ISO 8601 with an offset as milliseconds UTC; now where nothing is said. Raises (exit 2)."""
    if text is None:
        return time.time_ns() // 1_000_000
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise wrong_use(f"{text!r} is no instant; write 2026-11-22T14:37:57Z") from error
    if instant.tzinfo is None:
        raise wrong_use(f"{text!r} has no offset; write 2026-11-22T14:37:57Z")
    return round(instant.timestamp() * 1000)
