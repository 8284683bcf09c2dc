"""A line's records over days of virtual time, with the real activities and scripted findings."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, cast

import pytest
from temporalio.client import WorkflowHandle
from temporalio.worker import Worker

from activities.dns import Checker
from activities.records import Records
from domain import wire
from domain.dns.names import DomainName
from domain.dns.requirements import Requirement, RequirementTemplate, Rule
from domain.dns.verdicts import Report, RequirementResult, Verdict
from domain.mail import Template
from starter.dev.temporal import VirtualTime
from storage.database import Database
from tests.workflows.conftest import Scene
from tests.workflows.world import OWNERSHIP, World, line
from workflows.registry import WORKFLOWS, workflow_runner

HOUR = timedelta(hours=1)
ALIAS = RequirementTemplate(
    id="alias",
    purpose="leads to us",
    owner="mail.{domain}",
    rule=Rule.CNAME_EQUALS,
    rrtype="CNAME",
    expected="gate.example.",
)
RECORDS = {"records": (OWNERSHIP, ALIAS)}


class Zone:
    """Stands for the checker: what it finds of the two records, and when it looked."""

    def __init__(self) -> None:
        self.token = self.alias = Verdict.PASS
        self.looks: list[datetime] = []

    async def check(
        self, domain: DomainName, requirements: Sequence[Requirement], *, checked_at: datetime
    ) -> Report:
        """What is found now."""
        self.looks.append(checked_at)
        found = {"ownership": self.token, "alias": self.alias}
        results = tuple(
            RequirementResult(id=r.id, severity=r.severity, verdict=found[r.id]) for r in requirements
        )
        return Report(domain=domain.key, checked_at=checked_at, results=results)


@pytest.fixture
def zone() -> Zone:
    return Zone()


@pytest.fixture
async def scene(world: World, zone: Zone, virtual_time: VirtualTime, sqlite_database: Database) -> Any:
    """The world of fakes, but for the records."""
    records = Records(cast(Checker, zone), sqlite_database)
    faked = [each for each in world.activities if each not in (world.watch_records, world.look)]
    queue = f"test-{uuid.uuid4()}"
    async with Worker(
        virtual_time.client,
        task_queue=queue,
        workflows=list(WORKFLOWS),
        activities=[*faked, records.watch, records.look],
        workflow_runner=workflow_runner(),
    ):
        yield Scene(world, virtual_time, queue)


async def waiting_for_the_token(scene: Scene, zone: Zone) -> WorkflowHandle[object, object]:
    """A line whose alias was in place when it was first looked at."""
    zone.token = Verdict.MISSING
    handle = await scene.start(line(**RECORDS))
    await scene.world.told(handle.id, "line.records_seen")
    return handle


async def test_a_record_that_vanishes_for_two_days_is_never_reported_missing(
    scene: Scene, world: World, zone: Zone
) -> None:
    handle = await waiting_for_the_token(scene, zone)
    zone.alias = Verdict.MISSING
    await scene.skip(handle, 48 * HOUR)
    zone.alias = Verdict.PASS
    await scene.skip(handle, 48 * HOUR)
    assert world.mails(handle.id).count(Template.OPEN_TASKS) == 1
    zone.token = Verdict.PASS
    await scene.skip(handle, 5 * HOUR)
    outcome = await handle.result()
    assert outcome["state"] == "provisioned"


async def test_a_record_that_stays_away_becomes_an_open_task_after_72_hours(
    scene: Scene, world: World, zone: Zone
) -> None:
    handle = await waiting_for_the_token(scene, zone)
    zone.alias = Verdict.MISSING
    gone = len(zone.looks)
    await scene.skip(handle, 80 * HOUR)
    told = await world.told(handle.id, "line.records_seen", 2)
    assert {fact.owner.split(".")[0] for fact in told.notices[0].facts.records} == {
        "_countersign-challenge",
        "mail",
    }
    lost = next(look for look in zone.looks if look - zone.looks[gone] >= 72 * HOUR)
    assert told.at - lost < timedelta(minutes=1)


async def test_check_now_knows_of_doubts_and_takes_nothing_away(
    scene: Scene, world: World, zone: Zone
) -> None:
    handle = await waiting_for_the_token(scene, zone)
    zone.alias = Verdict.MISSING
    for _ in range(4):
        await scene.skip(handle, HOUR)
        seen = await scene.command(handle, wire.CHECK_RECORDS)
        assert seen["digest"] == "alias=PASS ownership=MISSING"
        assert [doubt["id"] for doubt in seen["doubts"]] == ["alias"]
    assert world.mails(handle.id).count(Template.OPEN_TASKS) == 1
