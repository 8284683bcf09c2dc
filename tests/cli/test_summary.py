"""Summaries, forms and drafts on the command line, for people and for machines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from storage import audit, projection
from storage.database import Database
from tests.cli.conftest import Run
from tests.starter.office import SALES
from tests.storage.samples import step, view

PARTIES = {"provider": "nordwall", "partner": "bergsicht", "customer": "alpenblick"}
LINE = "order-o1-line-1"
ANSWERS: dict[str, Any] = {"sites": [{"name": "alpenblick", "licences": 5}], "audio": "dial_in"}


@pytest.fixture
async def told(sampled: Database) -> Database:
    """An order with one line that waits to be set up."""
    shared: dict[str, Any] = {"parties": PARTIES, "requested_by": SALES}
    order = view(
        "inProgress", kind="order", line=None, offer=None, title="Order of [b]1[/b] service", **shared
    )
    line = view("awaiting_provisioning_details", offer="meetings-suite@1", title="Meetings", **shared)
    async with sampled.session() as session:
        for process, each in (("order-o1", order), (LINE, line)):
            steps = [step(1, "order.submitted", process=process, view=each)]
            await projection.advance(session, steps)
            await audit.record(session, steps)
    return sampled


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    file = tmp_path / "answers.json"
    file.write_text(json.dumps(ANSWERS))
    return file


async def test_a_summary_is_shown_written_and_printed_as_json(
    run: Run, told: Database, tmp_path: Path
) -> None:
    file = tmp_path / "o1.pdf"
    shown = await run("order", "summary", "o1", "--pdf", str(file))
    assert "Order of [b]1[/b] service" in shown.out
    assert "Line 1: Meetings suite, flexible plan" in shown.out
    assert file.read_bytes().startswith(b"%PDF-")
    printed = (await run("order", "summary", "o1", "--json", "--language", "de")).json
    assert (printed["order"], printed["language"], printed["lines"][0]["process"]) == ("o1", "de", LINE)


async def test_the_same_order_gives_the_same_pdf(run: Run, told: Database, tmp_path: Path) -> None:
    files = [tmp_path / "one.pdf", tmp_path / "two.pdf"]
    for file in files:
        assert (await run("order", "summary", "o1", "--pdf", str(file))).code == 0
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (("--pdf", "no/such/folder.pdf"), "INVALID_INPUT"),
        (("--pdf", "a.pdf", "--font", "none.ttf"), "NOT_FOUND"),
        (("--language", "fr"), "INVALID_INPUT"),
    ],
)
async def test_what_cannot_be_written_is_refused(
    run: Run, told: Database, more: tuple[str, ...], code: str
) -> None:
    assert (await run("order", "summary", "o1", *more, "--json")).error["code"] == code


@pytest.mark.parametrize("name", ["answers.json", "broken.ttf"])
async def test_a_file_that_is_no_font_is_refused_and_named(
    run: Run, told: Database, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_bytes(b"no font at all")
    refused = await run("order", "summary", "o1", "--pdf", "a.pdf", "--font", name, "--json")
    assert refused.error["code"] == "INVALID_INPUT"
    assert f"font: {name} cannot be used" in refused.error["message"]


async def test_a_form_is_shown_as_questions_and_printed_as_json_schema(run: Run, told: Database) -> None:
    shown = await run("order", "form", "o1", "--line", "1", "--language", "de")
    assert "Set-up of meetings-suite@1" in shown.out
    assert "sites.0.release_contact" in shown.out
    assert "early_release is true" in shown.out
    assert "Zeitzone" in shown.out
    schema = (await run("order", "form", "o1", "--line", "1", "--json")).json
    assert schema["$schema"].endswith("2020-12/schema")
    assert set(schema["properties"]) == {"sites", "audio", "audio_provider", "dial_in_country"}


async def test_a_draft_is_saved_shown_and_only_replaced_by_who_has_seen_it(
    run: Run, told: Database, answers: Path
) -> None:
    save = ("order", "save-draft", "o1", str(answers), "--line", "1", "--as", SALES)
    assert "Nobody has saved" in (await run("order", "draft", "o1", "--line", "1")).out
    saved = (await run(*save, "--json")).json
    assert (saved["version"], saved["saved_by"], saved["answers"]) == (1, SALES, ANSWERS)
    assert "sites.0.licences" in (await run("order", "draft", "o1", "--line", "1")).out
    assert (await run(*save, "--json")).error["code"] == "DRAFT_CHANGED"
    assert (await run(*save, "--from-version", "1", "--json")).json["version"] == 2
    assert "Draft of the set-up, by " + SALES in (await run("order", "summary", "o1")).out


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('{"sites": [{"licences": 26}], "colour": 1}', "colour: is not asked"),
        ('["sites"]', "must hold an object"),
        ('{"sites": ', "answers.json, line 1"),
        ('{"audio": NaN}', "audio: must be text"),
    ],
)
async def test_a_draft_that_is_wrong_is_refused_with_every_path(
    run: Run, told: Database, answers: Path, content: str, problem: str
) -> None:
    answers.write_text(content)
    refused = await run("order", "save-draft", "o1", str(answers), "--line", "1", "--as", SALES, "--json")
    assert refused.error["code"] == "INVALID_INPUT"
    assert problem in refused.error["message"]


async def test_a_yaml_file_with_keys_that_are_no_text_is_refused(
    run: Run, told: Database, tmp_path: Path
) -> None:
    file = tmp_path / "answers.yaml"
    file.write_text("1: one\nnull: none\n")
    refused = await run("order", "save-draft", "o1", str(file), "--line", "1", "--as", SALES, "--json")
    assert "1: is not asked" in refused.error["message"]
