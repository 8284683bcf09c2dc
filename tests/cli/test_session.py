"""Which installation a command works on."""

from __future__ import annotations

from pathlib import Path

import pytest

from starter.dev.stack import Ports
from starter.dev.temporal import free_port
from storage.database import Database
from tests.cli.conftest import Run


async def test_a_stack_that_is_down_is_not_exchanged_for_another_temporal(
    run: Run, shell: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shell.delenv("TEMPORAL_ADDRESS")
    shell.delenv("COUNTERSIGN_DATABASE_URL")
    state = tmp_path / ".countersign"
    state.mkdir()
    (state / "ports.json").write_text(Ports(temporal=free_port()).model_dump_json())
    database = Database(f"sqlite:///{state / 'countersign.db'}")
    await database.migrate()
    await database.dispose()

    assert (await run("order", "list", "--json")).json == []
    refused = await run("schedule", "show", "--json")
    assert (refused.code, refused.error["code"]) == (7, "UNAVAILABLE")
    assert "the stack of this directory is not running" in refused.error["message"]
    assert "countersign dev" in refused.error["message"]
