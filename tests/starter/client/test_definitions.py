"""Definitions that change while requests are open (SPEC 4.6; approvals.md d, S16 to S19)."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.worker import Worker

from activities.rollout import Rollouts
from domain import wire
from domain.decisions import ApprovalStatus
from domain.definitions import ApprovalDefinition, OnChange
from domain.offers import Offer
from domain.rollouts import SETTLE, RolloutProgress
from starter.client import Countersign
from starter.definitions import Publication
from starter.engine import housekeeping_queue
from starter.publishing import LOCAL_ADMINISTRATOR
from starter.submission import Submitted
from storage.database import Database
from tests.starter.office import SALES, Office, refusal
from workflows.registry import workflow_runner
from workflows.rollout import DefinitionRolloutWorkflow

MANAGER, OWNER, SECURITY = (f"nordwall-manager-{number}" for number in (1, 2, 3))
OPERATOR = "nordwall-operator-1"


def definition(version: int, *people: str, name: str = "wf", **more: Any) -> ApprovalDefinition:
    """Stages called after their place, each of which asks one person."""
    stages = [
        {"name": f"stage-{number}", "title": person, "approvers": {"people": [person]}}
        for number, person in enumerate(people, 1)
    ]
    return ApprovalDefinition.model_validate(
        {"name": name, "version": version, "title": f"{name} {version}", "stages": stages} | more
    )


FOURTH = definition(4, MANAGER, OWNER)


def fifth(mode: OnChange) -> ApprovalDefinition:
    return definition(5, MANAGER, OWNER, SECURITY, on_update=mode)


def offer(version: int = 1, **more: Any) -> Offer:
    return Offer.model_validate(
        {"name": "box", "version": version, "title": "Box", "needs_domain": False, "closes_after": None}
        | more
    )


@pytest.fixture
async def admin(office: Office) -> AsyncIterator[Office]:
    """The office with a worker for rollouts beside it, and an offer that asks by the fourth version."""
    await office.client.publish_catalogue([offer(approval="wf")], [FOURTH])
    async with Worker(
        office.time.client,
        task_queue=housekeeping_queue(office.queue),
        workflows=[DefinitionRolloutWorkflow],
        activities=[Rollouts(office.time.client, office.client.database).roll_out],
        workflow_runner=workflow_runner(),
    ):
        yield office


async def submitted(office: Office, customer: str = "alpenblick") -> Submitted:
    """A request for a customer who has none of them yet."""
    by = {"seaview": "hafenblick-sales-1"}.get(customer, SALES)
    return await office.submit("box", domain=None, key=customer, customer=customer, requested_by=by)


async def opened(office: Office, customer: str = "alpenblick") -> str:
    """A request whose first stage waits for the manager."""
    return await office.pending((await submitted(office, customer)).order, "stage-1")


async def half_approved(office: Office, customer: str = "alpenblick") -> str:
    """A request that the manager approved and that waits for the owner."""
    process = await opened(office, customer)
    await office.client.approve(process, MANAGER)
    return await office.pending(process.split("-")[1], "stage-2")


async def listed(office: Office, query: str, number: int) -> None:
    """Waits until visibility, which lags behind the runs, lists so many."""
    async with asyncio.timeout(80):
        while (await office.time.client.count_workflows(query)).count != number:
            await asyncio.sleep(0.02)


async def running(office: Office, number: int) -> None:
    await listed(office, f"TaskQueue = '{office.queue}' AND {wire.PROCESS_KIND} = 'order_line'", number)


async def rolled_out(office: Office, publication: Publication) -> RolloutProgress:
    """The result of the one rollout that a publication started."""
    [planned] = publication.rollouts
    assert planned.rollout is not None
    return await finished(office, planned.rollout)


async def finished(office: Office, rollout: str) -> RolloutProgress:
    await office.time.skip(rollout, SETTLE)
    handle = office.time.client.get_workflow_handle(rollout, result_type=RolloutProgress)
    return await handle.result()


async def stage_is(office: Office, process: str, stage: str, reference: str) -> None:
    """Waits until a request waits at a stage of a definition."""
    async with asyncio.timeout(80):
        while True:
            view = await office.client._view(process)
            approval = view.approval
            if approval is not None and (approval.stage, approval.definition) == (stage, reference):
                return
            await asyncio.sleep(0.02)


async def state_is(office: Office, process: str, holds: Callable[[str], bool]) -> None:
    async with asyncio.timeout(80):
        while not holds((await office.client._view(process)).state):
            await asyncio.sleep(0.02)


class TestContinue:
    async def test_s16_an_open_request_keeps_its_version_and_a_new_one_takes_the_new(
        self, admin: Office
    ) -> None:
        process = await half_approved(admin)
        done = await admin.client.publish_catalogue([], [fifth(OnChange.CONTINUE)])
        assert [(each.reference, each.rollout) for each in done.rollouts] == [("wf@5", None)]

        recorded = await admin.client.approve(process, OWNER)
        assert recorded.status is ApprovalStatus.APPROVED
        later = await submitted(admin, "kueferei")
        assert later.lines[0].definition == "wf@5"

    async def test_s16_a_version_in_use_outlives_its_successor_and_shows_who_uses_it(
        self, admin: Office
    ) -> None:
        process = await opened(admin)
        await admin.client.publish_catalogue([], [fifth(OnChange.CONTINUE)])
        [used] = await admin.client.definition_usage("wf", 4)
        assert (used.processes, used.is_current) == ((process,), False)
        assert (await admin.client.retire_definition("wf", 4)).tzinfo is not None
        recorded = await admin.client.approve(process, MANAGER)
        assert recorded.status is ApprovalStatus.PENDING

    async def test_there_is_nothing_to_roll_out(self, admin: Office) -> None:
        await admin.client.publish_catalogue([], [fifth(OnChange.CONTINUE)])
        code, message = await refusal(admin.client.start_rollout("wf", 5))
        assert (code, "continue" in message) == ("INVALID_INPUT", True)


class TestReset:
    async def test_s17_decisions_are_voided_and_the_manager_is_asked_again(self, admin: Office) -> None:
        process = await half_approved(admin)
        await running(admin, 1)
        done = await admin.client.publish_catalogue([], [fifth(OnChange.RESET)], actor=OPERATOR)
        assert (await rolled_out(admin, done)).changed == 1
        await stage_is(admin, process, "stage-1", "wf@5")

        for stage, person in (("stage-1", MANAGER), ("stage-2", OWNER), ("stage-3", SECURITY)):
            await stage_is(admin, process, stage, "wf@5")
            await admin.pending(process.split("-")[1], stage)
            recorded = await admin.client.approve(process, person)
        assert recorded.status is ApprovalStatus.APPROVED

    async def test_told_again_a_request_is_not_reset_again(self, admin: Office) -> None:
        process = await opened(admin)
        await running(admin, 1)
        await rolled_out(admin, await admin.client.publish_catalogue([], [fifth(OnChange.RESET)]))
        await stage_is(admin, process, "stage-1", "wf@5")
        await admin.pending(process.split("-")[1], "stage-1")
        await admin.client.approve(process, MANAGER)
        again = await admin.client.start_rollout("wf", 5, settle=timedelta())
        await finished(admin, again)
        await stage_is(admin, process, "stage-2", "wf@5")

    async def test_requests_whose_approval_is_over_are_passed_by(self, admin: Office) -> None:
        process = await half_approved(admin)
        await admin.client.approve(process, OWNER)
        await state_is(admin, process, lambda state: state == "confirmed")
        await running(admin, 1)
        progress = await rolled_out(admin, await admin.client.publish_catalogue([], [fifth(OnChange.RESET)]))
        assert (progress.changed, progress.passed_by) == (0, 1)

    async def test_another_installation_in_the_namespace_is_left_alone(
        self, admin: Office, sqlite_template: Path, tmp_path: Path
    ) -> None:
        await opened(admin)
        await running(admin, 1)
        database = Database(f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'another.db')}")
        other = Countersign(admin.time.client, database, task_queue="another")
        await other.publish_catalogue([], [FOURTH])
        done = await other.publish_catalogue([], [fifth(OnChange.RESET)], dry_run=True)
        await database.dispose()
        assert [each.fates for each in done.rollouts] == [()]

    async def test_only_what_new_requests_take_can_be_rolled_out(self, admin: Office) -> None:
        await admin.client.publish_catalogue([], [fifth(OnChange.RESET)])
        code, message = await refusal(admin.client.start_rollout("wf", 4))
        assert (code, "wf@5" in message) == ("VERSION_CONFLICT", True)
        assert (await refusal(admin.client.start_rollout("wf", 9)))[0] == "NOT_FOUND"

    async def test_a_later_version_ends_the_rollout_of_the_one_before(self, admin: Office) -> None:
        process = await opened(admin)
        await running(admin, 1)
        first = await admin.client.publish_catalogue([], [fifth(OnChange.RESET)])
        sixth = definition(6, MANAGER, on_update=OnChange.RESET)
        second = await admin.client.publish_catalogue([], [sixth])
        await rolled_out(admin, second)
        await stage_is(admin, process, "stage-1", "wf@6")
        assert first.rollouts[0].rollout is not None
        async with asyncio.timeout(80):
            while (await admin.client.rollout("wf", 5)).state != "canceled":
                await asyncio.sleep(0.02)


class TestAbort:
    async def test_s18_the_request_is_aborted_and_says_why(self, admin: Office) -> None:
        process = await half_approved(admin)
        await running(admin, 1)
        done = await admin.client.publish_catalogue([], [fifth(OnChange.ABORT)])
        assert (await rolled_out(admin, done)).changed == 1
        await admin.closed(process)
        ended = await admin.client._view(process)
        assert ended.ended
        assert ended.approval is not None
        assert ended.approval.status is ApprovalStatus.WITHDRAWN


class TestAssigning:
    async def test_an_offer_that_names_another_definition_resets_requests_on_the_one_before(
        self, admin: Office
    ) -> None:
        process = await opened(admin)
        await running(admin, 1)
        other = definition(1, SECURITY, name="other", on_assign=OnChange.RESET)
        done = await admin.client.publish_catalogue([offer(2, approval="other")], [other])
        assert [each.rollout for each in done.rollouts] == [wire.offer_rollout_id("box@2", admin.queue)]
        assert (await rolled_out(admin, done)).changed == 1
        await stage_is(admin, process, "stage-1", "other@1")

    async def test_a_request_follows_the_definition_it_was_moved_to_and_no_longer_the_one_before(
        self, admin: Office
    ) -> None:
        process = await opened(admin)
        await running(admin, 1)
        other = definition(1, SECURITY, name="other", on_assign=OnChange.RESET)
        await rolled_out(admin, await admin.client.publish_catalogue([offer(2, approval="other")], [other]))
        await stage_is(admin, process, "stage-1", "other@1")

        done = await admin.client.publish_catalogue([], [fifth(OnChange.ABORT)])
        assert (await rolled_out(admin, done)).changed == 0
        newer = definition(2, OWNER, name="other", on_update=OnChange.RESET)
        assert (await rolled_out(admin, await admin.client.publish_catalogue([], [newer]))).changed == 1
        await stage_is(admin, process, "stage-1", "other@2")

    async def test_s19_an_offer_is_resolved_when_a_request_starts(self, admin: Office) -> None:
        process = await opened(admin)
        other = definition(1, SECURITY, name="other")
        done = await admin.client.publish_catalogue([offer(2, approval="other")], [other])
        assert [(each.reference, each.rollout) for each in done.rollouts] == [("box@2", None)]
        later = await submitted(admin, "kueferei")
        assert later.lines[0].definition == "other@1"
        await stage_is(admin, process, "stage-1", "wf@4")


class TestDryRun:
    async def test_it_lists_what_would_become_of_each_open_request(self, admin: Office) -> None:
        fresh, half = await opened(admin), await half_approved(admin, "kueferei")
        over = await half_approved(admin, "seaview")
        await admin.client.approve(over, OWNER)
        await state_is(admin, over, lambda state: state == "confirmed")
        await running(admin, 3)
        done = await admin.client.publish_catalogue([], [fifth(OnChange.RESET)], dry_run=True)
        [planned] = done.rollouts
        assert {
            fate.process: (fate.stage, [vote.person for vote in fate.votes], fate.becomes)
            for fate in planned.fates
        } == {
            fresh: ("stage-1", [], OnChange.RESET),
            half: ("stage-2", [MANAGER], OnChange.RESET),
            over: ("stage-2", [MANAGER, OWNER], None),
        }
        assert [each.version for each in await self._versions(admin)] == [4]
        assert (await refusal(admin.client.rollout("wf", 5)))[0] == "NOT_FOUND"

    async def test_continuing_requests_are_listed_as_well(self, admin: Office) -> None:
        process = await opened(admin)
        await running(admin, 1)
        await admin.client.publish_catalogue([], [fifth(OnChange.CONTINUE)])
        planned = await admin.client.preview_rollout("wf", 5)
        assert [(fate.process, fate.becomes) for fate in planned.fates] == [(process, OnChange.CONTINUE)]

    @staticmethod
    async def _versions(office: Office) -> list[Any]:
        from storage import catalogue

        async with office.database.reading() as session:
            return list(await catalogue.list_versions(session, ApprovalDefinition, "wf"))


class TestPublishing:
    async def test_blocking_findings_are_refused_with_every_path_and_nothing_is_published(
        self, office: Office
    ) -> None:
        wrong = definition(1, MANAGER, OWNER, SECURITY).model_dump(mode="json")
        wrong["stages"][0] |= {"on_approve": "end", "denials": 2}
        broken = ApprovalDefinition.model_validate(wrong)
        code, message = await refusal(office.client.publish_catalogue([], [broken]))
        assert code == "INVALID_INPUT"
        for place in ("stages.0.denials", "stages.1", "stages.2"):
            assert f"definition wf@1, {place}: " in message
        assert (await refusal(office.client.definition_usage("wf")))[0] == "NOT_FOUND"

    async def test_warnings_are_shown(self, office: Office) -> None:
        done = await office.client.publish_catalogue([], [definition(1, MANAGER, "stranger")])
        assert [(each.path, each.message) for each in done.warnings] == [
            ("stages.1.approvers.people.0", "stranger is not in the directory")
        ]
        assert [each.reference for each in done.new] == ["wf@1"]

    async def test_what_differs_between_two_versions_is_shown(self, admin: Office) -> None:
        await admin.client.publish_catalogue([], [fifth(OnChange.RESET)])
        said = await admin.client.definition_diff(("wf", 4), ("wf", 5))
        assert said.startswith("--- wf@4\n+++ wf@5\n")
        assert "+on_update: reset" in said
        assert await admin.client.definition_diff(("wf", 4), ("wf", 4)) == ""

    async def test_a_version_that_is_all_an_offer_has_cannot_be_retired(self, admin: Office) -> None:
        code, message = await refusal(admin.client.retire_definition("wf", 4))
        assert (code, "box@1" in message) == ("IN_USE", True)


class TestResponsibility:
    async def test_who_publishes_and_who_retires_is_kept_with_why(self, office: Office) -> None:
        client, wf = office.client, definition(1, MANAGER)
        await client.publish_catalogue([], [wf], actor=OPERATOR, reason="first of all")
        await client.retire_definition("wf", 1, actor=OPERATOR, reason="never fitted")
        [found] = await client.definition_usage("wf")
        assert (found.published_by, found.published_reason) == (OPERATOR, "first of all")
        assert (found.retired_by, found.retired_reason) == (OPERATOR, "never fitted")

    async def test_where_nobody_is_named_it_was_the_local_administrator(self, office: Office) -> None:
        await office.client.publish_catalogue([], [definition(1, MANAGER)])
        await office.client.retire_definition("wf", 1)
        [found] = await office.client.definition_usage("wf")
        assert found.published_by == found.retired_by == LOCAL_ADMINISTRATOR

    @pytest.mark.parametrize("actor", [MANAGER, SALES, "stranger"])
    async def test_it_takes_the_permission_to_operate_at_the_provider(
        self, office: Office, actor: str
    ) -> None:
        client, wf = office.client, definition(1, MANAGER)
        for dry_run in (True, False):
            code, message = await refusal(client.publish_catalogue([], [wf], actor=actor, dry_run=dry_run))
            assert (code, message) == (
                "NOT_PERMITTED",
                f"actor: {actor} may not publish; it takes operate at nordwall",
            )
        assert (await refusal(client.definition_usage("wf")))[0] == "NOT_FOUND"
        await client.publish_catalogue([], [wf])
        code, message = await refusal(client.retire_definition("wf", 1, actor=actor))
        assert (code, "retire definitions" in message) == ("NOT_PERMITTED", True)
        [found] = await client.definition_usage("wf")
        assert found.retired_at is None
        code, message = await refusal(client.start_rollout("wf", 1, actor=actor))
        assert (code, "roll definitions out" in message) == ("NOT_PERMITTED", True)

    @pytest.mark.parametrize(
        "said", [{"actor": LOCAL_ADMINISTRATOR}, {"actor": OPERATOR, "reason": "bell\a"}]
    )
    async def test_nobody_passes_for_the_administrator_and_a_reason_is_text(
        self, office: Office, said: dict[str, str]
    ) -> None:
        attempt = office.client.publish_catalogue([], [definition(1, MANAGER)], **said)
        assert (await refusal(attempt))[0] == "INVALID_INPUT"
