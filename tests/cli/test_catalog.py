from __future__ import annotations

import shutil
from pathlib import Path
from unittest.mock import AsyncMock

import pytest

from starter.client import Countersign
from starter.definitions import Publication
from starter.dev.samples import CATALOGUE, DIRECTORY
from tests.cli.conftest import Run


async def test_publishing_says_what_is_new_and_again_changes_nothing(run: Run) -> None:
    first = await run("catalog", "publish", str(CATALOGUE), "--json")
    assert first.code == 0
    assert {"reference": "certificate@1", "diff": ""} in first.json["new"]
    assert first.json["unchanged"] == []

    again = await run("catalog", "publish", str(CATALOGUE), "--json")
    assert again.json["new"] == []
    assert len(again.json["unchanged"]) == len(first.json["new"])


async def test_a_dry_run_shows_the_difference_to_the_version_before_and_publishes_nothing(
    run: Run, tmp_path: Path
) -> None:
    await run("catalog", "publish", str(CATALOGUE))
    changed = tmp_path / "changed"
    shutil.copytree(CATALOGUE, changed)
    offer = changed / "offers" / "meetings-flex.yaml"
    offer.write_text(offer.read_text().replace("version: 1", "version: 2").replace("P7D", "P10D"))

    dry = await run("catalog", "publish", str(changed), "--dry-run", "--json")
    [change] = dry.json["new"]
    assert change["reference"] == "meetings-flex@2"
    assert "-closes_after: P7D\n" in change["diff"]
    assert "+closes_after: P10D" in change["diff"]

    for_people = await run("catalog", "publish", str(changed))
    assert "+closes_after: P10D" in for_people.out
    listed = (await run("catalog", "list", "--name", "meetings-flex", "--json")).json
    assert [each["version"] for each in listed["offers"]] == [2, 1]


async def test_who_publishes_and_why_goes_with_the_rollouts(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    publishing = AsyncMock(return_value=Publication((), (), (), (), dry_run=False))
    monkeypatch.setattr(Countersign, "publish_catalogue", publishing)
    await run("catalog", "publish", str(CATALOGUE), "--as", "nordwall-operator-1", "--reason", "new prices")
    said = publishing.await_args
    assert said is not None
    assert (said.kwargs["actor"], said.kwargs["reason"]) == ("nordwall-operator-1", "new prices")


async def test_the_first_catalogue_is_published_by_the_local_administrator_before_there_is_anybody(
    run: Run,
) -> None:
    await run("catalog", "publish", str(CATALOGUE), "--reason", "first set-up")
    listed = (await run("catalog", "list", "--json")).json
    said = {(each["published_by"], each["published_reason"]) for kind in listed.values() for each in kind}
    assert said == {("local administrator", "first set-up")}
    assert "first set-up" in (await run("catalog", "list")).out


async def test_nobody_publishes_in_a_name_that_is_not_in_the_directory(run: Run) -> None:
    ran = await run("catalog", "publish", str(CATALOGUE), "--as", "nordwall-operator-1", "--json")
    assert (ran.code, ran.error["code"]) == (3, "NOT_FOUND")
    await run("directory", "load", str(DIRECTORY))
    ran = await run("catalog", "publish", str(CATALOGUE), "--as", "nordwall-manager-1", "--json")
    assert ran.error["code"] == "NOT_PERMITTED"
    assert (await run("catalog", "list", "--json")).json == {"offers": [], "definitions": []}


async def test_a_published_version_never_changes(run: Run, tmp_path: Path) -> None:
    await run("catalog", "publish", str(CATALOGUE))
    changed = tmp_path / "changed"
    shutil.copytree(CATALOGUE, changed)
    offer = changed / "offers" / "calling.yaml"
    offer.write_text(offer.read_text().replace("P30D", "P31D"))

    ran = await run("catalog", "publish", str(changed), "--json")
    assert ran.code == 5
    assert ran.error["code"] == "VERSION_CONFLICT"
    assert "P31D" in ran.error["message"]


async def test_a_wrong_file_is_named_with_its_field(run: Run, tmp_path: Path) -> None:
    (tmp_path / "offers").mkdir()
    (tmp_path / "offers" / "odd.yaml").write_text("name: odd\nversion: 0\ntitle: Odd\n")
    ran = await run("catalog", "publish", str(tmp_path), "--json")
    assert ran.code == 2
    assert ran.error["message"].startswith("odd.yaml: version: '0':")


async def test_a_directory_with_a_place_whose_holidays_nobody_knows_is_refused(
    run: Run, tmp_path: Path
) -> None:
    wrong = tmp_path / "directory.yaml"
    wrong.write_text(DIRECTORY.read_text().replace("subdivision: ZH", "subdivision: ZZ"))
    ran = await run("directory", "load", str(wrong), "--json")
    assert ran.code == 2
    assert ran.error["message"].startswith("organisations.nordwall.calendar: ")


async def test_the_directory_is_loaded_once(run: Run) -> None:
    first = await run("directory", "load", str(DIRECTORY), "--json")
    assert "nordwall" in first.json["organisations"]
    assert "nordwall-erp" in first.json["people"]
    again = await run("directory", "load", str(DIRECTORY))
    assert again.out == "0 changed.\n"
