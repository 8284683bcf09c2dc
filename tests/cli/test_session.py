"""Which installation a command works on, and how its process ends."""

from __future__ import annotations

import subprocess
import sys
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


@pytest.mark.parametrize(
    ("arguments", "code"), [(("--help",), 0), (("link", "show", "x"), 7), (("worker",), 2)]
)
def test_a_process_ends_with_its_answer_before_python_is_torn_down(
    tmp_path: Path, arguments: tuple[str, ...], code: int
) -> None:
    program = "import atexit; atexit.register(print, 'torn down'); from starter.cli import run; run()"
    ended = subprocess.run(
        [sys.executable, "-P", "-c", program, *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == code, ended.stderr
    assert ended.stdout or ended.stderr
    assert "torn down" not in ended.stdout
