"""Secrets of the example's webhooks: made where there are none, so that they can be tried."""

from __future__ import annotations

import base64
import os
import secrets

from vaxel_shared.config.channels import Channels
from vaxel_shared.settings import Settings

SECRET_BYTES = 32
"""As Standard Webhooks asks for: 24 to 64."""


def make_missing_secrets(settings: Settings, channels: Channels) -> list[str]:
    """Write a secret (mode 0600) for every webhook that has none; answers the accounts' ids."""
    made = []
    for account in channels.accounts:
        if account.channel != "webhook":
            continue
        path = settings.secrets / account.secret_file
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            continue
        with os.fdopen(descriptor, "w") as file:
            encoded = base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
            file.write(f"whsec_{encoded}\n")
        made.append(account.id)
    return made
