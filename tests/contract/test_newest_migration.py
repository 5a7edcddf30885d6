"""At a start the newest schema is told from the scripts' text, without loading Alembic."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from vaxel_shared.sql import _newest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = sorted(ROOT.glob("services/*/src/*/migrations"))


def test_there_are_services_with_migrations() -> None:
    assert len(FOLDERS) >= 3


@pytest.mark.parametrize("scripts", FOLDERS, ids=lambda path: path.parent.name)
def test_the_text_of_the_scripts_names_the_revision_that_alembic_takes_for_the_head(
    scripts: Path,
) -> None:
    config = Config()
    config.set_main_option("script_location", str(scripts))
    heads = set(ScriptDirectory.from_config(config).get_heads())
    assert _newest(scripts) == heads
    assert heads
