"""`countersign definitions simulate` as an author types it."""

from __future__ import annotations

from pathlib import Path

import pytest

from starter.dev.samples import DIRECTORY, ROOT
from tests.cli.conftest import Run

DEFINITION = """\
name: tried
version: 3
title: Tried out
stages:
  - name: managers
    title: Managers
    approvers: {people: [nordwall-manager-1, somebody-else]}
    deadline: P60D
    reminders: [P30D]
"""


@pytest.fixture
def definition(tmp_path: Path) -> str:
    file = tmp_path / "tried.yaml"
    file.write_text(DEFINITION)
    return str(file)


async def test_an_unpublished_definition_is_played_and_its_findings_come_first(
    run: Run, definition: str, tmp_path: Path
) -> None:
    empty = await run("definitions", "simulate", definition, "--directory", str(DIRECTORY))
    assert (empty.code, empty.err) == (0, "")
    lines = empty.out.splitlines()
    assert lines[0] == "tried@3 Tried out"
    assert lines[1].startswith("warning: stages.0.approvers.people.1: somebody-else is not in the directory")
    [reminder] = [each for each in lines if "reminded managers" in each]
    assert reminder.startswith(" 30d 00:0")
    assert any("mail approval reminder: Urs Caduff" in each for each in lines)
    assert any("waits for Managers: Urs Caduff, until " in each for each in lines)
    [told] = [each for each in lines if "mail approval requested" in each]
    assert "Urs Caduff; for information: Lena Brunner" in told
    assert lines[-1].startswith("EXPIRED after 60d 00:0")
    assert "; the line is expired: " in lines[-1]

    listed = await run("definitions", "list", "--json")
    assert listed.json == [], "nothing was published"
    assert (await run("mails", "list", "--json")).json == []


async def test_a_script_is_told_as_one_document(run: Run, definition: str, tmp_path: Path) -> None:
    script, request = tmp_path / "script.yaml", tmp_path / "request.yaml"
    script.write_text(
        "- {at: P1D, who: nordwall-manager-2, do: approve, expect: NOT_AN_APPROVER}\n"
        "- {at: P2D, who: nordwall-manager-1, do: deny, reason: too early}\n"
    )
    request.write_text("{customer: seaview, parameters: {seats: '5'}}\n")
    ran = await run(
        "definitions", "simulate", definition, "--request", str(request), "--script", str(script), "--json",
        "--directory", str(DIRECTORY),
    )  # fmt: skip
    assert ran.code == 0, "however the approval ends"
    assert (ran.json["outcome"], ran.json["state"], ran.json["reason"]) == (
        "REJECTED",
        "rejected",
        "too early",
    )
    assert ran.json["request"]["parameters"] == {"seats": "5"}
    refused = [step for step in ran.json["steps"] if step["code"]]
    assert [(step["code"], step["complaint"], step["script"]) for step in refused] == [
        ("NOT_AN_APPROVER", None, 1)
    ]
    assert {mail["template"] for mail in ran.json["mails"]} >= {"approval_requested", "approval_denied"}


@pytest.mark.parametrize(
    ("option", "written", "named"),
    [
        (None, "name: tried\nversion: 0\n", "tried.yaml: version: '0'"),
        ("--request", "{colour: red}", "file.yaml: colour"),
        ("--request", "{customer: nobody}", "request: customer: there is no nobody"),
        ("--script", "[{do: approve}]", "file.yaml: steps.0.approve.who"),
        ("--script", "[{", "file.yaml, line 1"),
        ("--directory", "{people: []}", "file.yaml: organisations"),
        ("--directory", "{people: [], organisations: []}", "request: customer: the directory has none"),
    ],
)
async def test_a_wrong_file_is_named_with_its_field(  # noqa: PLR0917 - fixtures and parameters
    run: Run, definition: str, tmp_path: Path, option: str | None, written: str, named: str
) -> None:
    file = tmp_path / ("file.yaml" if option else "tried.yaml")
    file.write_text(written)
    directory = () if option == "--directory" else ("--directory", str(DIRECTORY))
    options = (option, str(file)) if option else ()
    ran = await run("definitions", "simulate", definition, *options, *directory, "--json")
    assert (ran.code, ran.error["code"]) == (2, "INVALID_INPUT")
    assert ran.error["message"].startswith(named)


def test_the_examples_of_the_documentation_are_there() -> None:
    said = (ROOT / "docs" / "simulation.md").read_text()
    for file in (ROOT / "examples" / "simulations").iterdir():
        assert file.name in said
