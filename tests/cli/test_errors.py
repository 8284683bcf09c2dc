from __future__ import annotations

from pathlib import Path

import pytest

from domain.acting import ACTIONS
from domain.errors import REFUSALS, Code
from tests.cli.conftest import Run

COMMANDS = [
    ["dev"], ["demo"], ["worker"], ["migrate"],
    ["order", "submit"], ["order", "check"], ["order", "deploy"], ["order", "withdraw"], ["order", "cancel"],
    ["order", "check-records"], ["order", "show"], ["order", "list"], ["order", "report"],
    ["approvals", "list"], ["approvals", "approve"], ["approvals", "deny"], ["approvals", "stats"],
    *(["approvals", kind.action.replace("_", "-")] for kind in ACTIONS),
    ["audit", "show"], ["audit", "export"], ["audit", "verify"],
    ["mails", "list"], ["mails", "show"], ["mails", "resend"],
    ["catalog", "publish"], ["catalog", "list"], ["directory", "load"],
    ["schedule", "show"], ["schedule", "set"], ["schedule", "trigger"],
    ["schedule", "pause"], ["schedule", "resume"],
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
async def test_every_command_explains_itself(run: Run, command: list[str]) -> None:
    ran = await run(*command, "--help")
    assert ran.code == 0
    assert "Usage: countersign" in ran.out


@pytest.mark.parametrize(
    "command", [each for each in COMMANDS if each[0] not in {"demo", "worker"}], ids=" ".join
)
async def test_every_command_knows_json(run: Run, command: list[str]) -> None:
    assert "--json" in (await run(*command, "--help")).out


async def test_a_refusal_is_one_json_document_on_standard_error_with_its_exit_code(run: Run) -> None:
    ran = await run("order", "show", "nosuchorder", "--json")
    assert ran.code == REFUSALS[Code.NOT_FOUND].exit_code == 3
    assert ran.out == ""
    assert ran.error == {
        "code": "NOT_FOUND",
        "message": "order: there is no nosuchorder",
        "advice": REFUSALS[Code.NOT_FOUND].advice,
    }


async def test_a_refusal_tells_people_what_to_do(run: Run) -> None:
    ran = await run("order", "show", "nosuchorder")
    assert "NOT_FOUND: order: there is no nosuchorder" in ran.err
    assert REFUSALS[Code.NOT_FOUND].advice in ran.err


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["order", "show"], "ORDER"),
        (["order", "deploy", "x"], "--as"),
        (["order", "deploy", "x", "--as", "y", "--line", "0"], "--line"),
        (["order", "fly"], "fly"),
        (["schedule", "set", "soon"], "every"),
        (["schedule", "set", "PT5S"], "every"),
    ],
)
async def test_what_was_typed_wrong_is_named(run: Run, arguments: list[str], named: str) -> None:
    ran = await run(*arguments, "--json")
    assert ran.code == 2
    assert ran.error["code"] == "INVALID_INPUT"
    assert named in ran.error["message"]


async def test_a_wrong_setting_is_named(run: Run, shell: pytest.MonkeyPatch) -> None:
    shell.setenv("COUNTERSIGN_LOG__LEVEL", "LOUD")
    ran = await run("order", "list", "--json")
    assert ran.code == 2
    assert "COUNTERSIGN_LOG__LEVEL" in ran.error["message"]


READING = [
    ["order", "show", "x"], ["order", "list"], ["order", "report", "x"],
    ["approvals", "list"], ["approvals", "stats"],
    ["audit", "show", "x"], ["audit", "verify"],
    ["mails", "list"], ["mails", "show", "x"],
    ["catalog", "list"],
]  # fmt: skip


@pytest.mark.parametrize("command", READING, ids=" ".join)
async def test_reading_where_there_is_no_database_says_how_to_get_one_and_makes_none(
    run: Run, shell: pytest.MonkeyPatch, tmp_path: Path, command: list[str]
) -> None:
    shell.delenv("COUNTERSIGN_DATABASE_URL")
    before = set(tmp_path.rglob("*"))
    ran = await run(*command, "--json")
    assert ran.code == REFUSALS[Code.UNAVAILABLE].exit_code
    assert "there is no .countersign/countersign.db" in ran.error["message"]
    assert "countersign dev" in ran.error["message"]
    assert "countersign migrate" in ran.error["message"]
    assert set(tmp_path.rglob("*")) == before


async def test_a_database_that_was_never_migrated_says_how(
    run: Run, shell: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shell.setenv("COUNTERSIGN_DATABASE_URL", f"sqlite:///{tmp_path / 'new.db'}")
    (tmp_path / "new.db").touch()
    ran = await run("order", "list", "--json")
    assert ran.code == REFUSALS[Code.UNAVAILABLE].exit_code
    assert "countersign migrate" in ran.error["message"]

    assert (await run("migrate", "--json")).code == 0
    assert (await run("order", "list", "--json")).json == []


async def test_lists_work_while_temporal_is_away_and_commands_say_so(
    run: Run, shell: pytest.MonkeyPatch
) -> None:
    shell.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    assert (await run("order", "list", "--json")).json == []
    ran = await run("schedule", "show", "--json")
    assert ran.code == REFUSALS[Code.UNAVAILABLE].exit_code
    assert ran.error["code"] == "UNAVAILABLE"


async def test_what_is_shown_cannot_steer_the_terminal(run: Run, tmp_path: Path) -> None:
    (tmp_path / "evil.yaml").write_text('"\\e[2J": 1\ncustomer: "[red]x[/red]"\n')
    ran = await run("order", "submit", "evil.yaml")
    assert ran.code == 2
    assert "\x1b" not in ran.err
