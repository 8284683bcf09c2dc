from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from domain import wire
from starter.dev.temporal import TemporalServer
from starter.gateway import utc_now
from storage.database import Database
from storage.definitions import remove_unused
from tests.cli.conftest import Run
from tests.starter.office import Office

WF = """\
name: wf
version: {version}
title: Version {version}
on_update: {on_update}
stages:
  - name: one
    title: One
    approvers: {{people: [nordwall-manager-1, {second}]}}
"""


@pytest.fixture
def wf(tmp_path: Path) -> Path:
    return written(tmp_path)


def written(
    folder: Path, version: int = 1, on_update: str = "continue", second: str = "nordwall-manager-2"
) -> Path:
    file = folder / f"wf-{version}.yaml"
    file.write_text(WF.format(version=version, on_update=on_update, second=second))
    return file


async def test_publishing_a_file_says_what_is_new_and_what_an_author_should_know(
    run: Run, sampled: object, tmp_path: Path
) -> None:
    done = await run("definitions", "publish", str(written(tmp_path, second="stranger")), "--json")
    assert done.code == 0
    assert done.json["new"] == [{"reference": "wf@1", "diff": ""}]
    assert done.json["warnings"] == [
        {
            "reference": "wf@1",
            "path": "stages.0.approvers.people.1",
            "message": "stranger is not in the directory",
        }
    ]
    again = await run("definitions", "publish", str(tmp_path))
    assert again.out == "0 published, 1 unchanged.\n"


async def test_warnings_are_printed_beside_what_is_new(run: Run, sampled: object, tmp_path: Path) -> None:
    done = await run("definitions", "publish", str(written(tmp_path, second="stranger")))
    assert "warning: wf@1, stages.0.approvers.people.1: stranger is not in the directory" in done.out


async def test_a_blocking_finding_is_refused_by_its_path(run: Run, sampled: object, wf: Path) -> None:
    wf.write_text(wf.read_text() + "    denials: 3\n")
    done = await run("definitions", "publish", str(wf), "--json")
    assert done.code == 2
    assert done.error["message"] == "definition wf@1, stages.0.denials: 3 of 2 people can never deny"


async def test_versions_are_listed_compared_and_retired(run: Run, sampled: object, tmp_path: Path) -> None:
    for version in (1, 2):
        await run("definitions", "publish", str(written(tmp_path, version)))
    listed = await run("definitions", "list", "wf", "--json")
    assert [(each["reference"], each["is_current"]) for each in listed.json] == [
        ("wf@2", True),
        ("wf@1", False),
    ]
    diff = await run("definitions", "diff", "wf@1", "wf@2")
    assert "-title: Version 1" in diff.out
    assert (await run("definitions", "diff", "wf@1", "wf@1")).out == "No difference.\n"
    retired = await run("definitions", "retire", "wf@2", "--json")
    assert (retired.json["reference"], retired.json["current"]) == ("wf@2", "wf@1")
    assert "wf@1" in (await run("definitions", "retire", "wf@2")).out
    assert "no version of it" in (await run("definitions", "retire", "wf@1")).out
    states = (await run("definitions", "list", "wf")).out
    assert (states.count("retired"), states.count("current")) == (2, 0)


async def test_lists_and_usage_show_who_published_and_retired_a_version_when_and_why(
    run: Run, sampled: object, wf: Path
) -> None:
    operator = ("--as", "nordwall-operator-1")
    await run("definitions", "publish", str(wf), *operator, "--reason", "first of all")
    retired = await run("definitions", "retire", "wf@1", *operator, "--reason", "never fitted", "--json")
    assert (retired.json["retired_by"], retired.json["retired_reason"]) == (operator[1], "never fitted")
    again = await run("definitions", "retire", "wf@1")
    assert (operator[1] in again.out, "never fitted" in again.out) == (True, True)
    for command in ("list", "usage"):
        [found] = (await run("definitions", command, "wf", "--json")).json
        assert (found["published_by"], found["published_reason"]) == (operator[1], "first of all")
        assert (found["retired_by"], found["retired_at"]) == (operator[1], retired.json["retired_at"])
        assert (await run("definitions", command, "wf")).out.count(operator[1]) == 2


async def test_versions_that_were_removed_are_listed_as_such(
    run: Run, sampled: Database, tmp_path: Path
) -> None:
    for version in (1, 2):
        await run("definitions", "publish", str(written(tmp_path, version)))
    later = utc_now() + timedelta(days=1)
    async with sampled.session() as session:
        await remove_unused(session, later, later)
    second, first = (await run("definitions", "list", "wf")).out.splitlines()[-2:]
    assert ("current" in second, "removed" in first) == (True, True)
    assert "Removed (UTC)" in (await run("definitions", "usage", "wf@1")).out


async def test_who_may_not_operate_can_neither_publish_nor_retire(
    run: Run, sampled: object, wf: Path
) -> None:
    await run("definitions", "publish", str(wf))
    for command, what in (("publish", str(wf)), ("retire", "wf@1")):
        ran = await run("definitions", command, what, "--as", "nordwall-manager-1", "--json")
        assert ran.error["code"] == "NOT_PERMITTED"


async def test_what_an_offer_needs_cannot_be_retired(run: Run, sampled: object) -> None:
    refused = await run("definitions", "retire", "cost-release@1", "--json")
    assert (refused.code, refused.error["code"]) == (5, "IN_USE")
    assert "dedicated-gateway@1" in refused.error["message"]


@pytest.mark.parametrize("reference", ["wf", "wf@", "@1", "wf@x", "Wf@1"])
async def test_what_is_no_version_is_refused(run: Run, sampled: object, reference: str) -> None:
    refused = await run("definitions", "retire", reference, "--json")
    assert (refused.code, refused.error["code"]) == (2, "INVALID_INPUT")


async def test_usage_shows_the_open_requests(run: Run, office: Office) -> None:
    accepted = await office.submit("dedicated-gateway", domain=None)
    process = await office.pending(accepted.order, "finance")
    used = await run("definitions", "usage", "cost-release@1", "--json")
    assert used.json[0]["processes"] == [process]
    assert used.json[0]["offers"] == [{"offer": "dedicated-gateway@1", "purpose": "request"}]
    for_people = await run("definitions", "usage", "cost-release")
    assert process in for_people.out
    assert (await run("definitions", "usage", "nothing")).code == 3


async def test_a_rollout_is_started_by_publishing_and_can_be_looked_at(
    run: Run, sampled: object, tmp_path: Path, task_queue: str, temporal_server: TemporalServer
) -> None:
    await run("definitions", "publish", str(written(tmp_path)))
    dry = await run("definitions", "publish", str(written(tmp_path, 2, "reset")), "--dry-run")
    assert "wf@2 concerns no open request." in dry.out
    done = await run("definitions", "publish", str(tmp_path), "--json")
    rollout = wire.rollout_id("wf@2", task_queue)
    assert done.json["rollouts"] == [{"reference": "wf@2", "rollout": rollout, "fates": []}]
    shown = await run("definitions", "rollout", "wf@2", "--show", "--json")
    assert shown.json == {"rollout": rollout, "state": "running", "progress": None}
    again = await run("definitions", "rollout", "wf@2")
    assert "running" in again.out
    preview = await run("definitions", "rollout", "wf@2", "--dry-run", "--json")
    assert preview.json["fates"] == []
    client = await temporal_server.connect()
    await client.get_workflow_handle(rollout).terminate()


async def test_published_though_temporal_is_away_the_rollout_can_be_started_later(
    run: Run, sampled: object, tmp_path: Path, shell: pytest.MonkeyPatch
) -> None:
    shell.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    assert (await run("definitions", "publish", str(written(tmp_path)))).code == 0
    ran = await run("definitions", "publish", str(written(tmp_path, 2, "reset")), "--json")
    assert (ran.code, ran.error["code"]) == (7, "UNAVAILABLE")
    assert "countersign definitions rollout wf@2" in ran.error["message"]
    listed = await run("definitions", "list", "wf", "--json")
    assert [each["reference"] for each in listed.json] == ["wf@2", "wf@1"]


async def test_the_schemas_are_written_where_they_are_wanted(run: Run, tmp_path: Path) -> None:
    ran = await run("definitions", "schema", "--to", str(tmp_path / "schemas"))
    assert ran.code == 0
    assert sorted(file.name for file in (tmp_path / "schemas").iterdir()) == ["definition.json", "offer.json"]
