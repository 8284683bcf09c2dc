"""Simulations on the real server: what is asked when, and what comes of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from domain.calendars import Calendar
from domain.decisions import ApprovalStatus
from domain.definitions import ApprovalDefinition
from domain.errors import Code, Refusal
from domain.mail import Template
from domain.organisations import Directory
from starter.dev.samples import DIRECTORY, ROOT
from starter.dev.temporal import TemporalServer
from starter.files import read_model, validated
from starter.simulation.request import Request, read_request
from starter.simulation.script import Script, Step, read_script
from starter.simulation.simulation import Plan, simulate
from starter.simulation.story import Simulation
from storage.calendars import calendar_for
from storage.database import Database

EXAMPLES = ROOT / "examples" / "simulations"
MANAGERS = ["nordwall-manager-1", "nordwall-manager-2", "nordwall-manager-3"]
SALES = "bergsicht-sales-1"
LATE = timedelta(minutes=1)
"""By how much a slow machine may be late: its own time goes on between two jumps."""


def definition(*stages: dict[str, object], **more: object) -> ApprovalDefinition:
    named = [{"name": f"s{number}", "title": f"Stage {number}"} | s for number, s in enumerate(stages, 1)]
    base = {"name": "tried", "version": 7, "title": "Tried out", "stages": named}
    return ApprovalDefinition.model_validate(base | more)


def script(*steps: dict[str, object]) -> tuple[Step, ...]:
    return validated(Script, {"steps": list(steps)}).steps


async def play(folder: Path, plan: Plan) -> Simulation:
    return await simulate(plan, Database(f"sqlite:///{folder}/nowhere.db"))


def told(simulation: Simulation) -> list[tuple[str, str | None]]:
    """What happened to the approval, and at which stage."""
    return [
        (step.action.removeprefix("approval."), step.stage)
        for step in simulation.steps
        if step.action.startswith("approval.")
    ]


def times(simulation: Simulation, action: str) -> list[timedelta]:
    return [step.after for step in simulation.steps if step.action == action]


def readers(simulation: Simulation, template: Template) -> list[str]:
    """Who got a mail, without the address that only reads along."""
    return [
        mail.person
        for mail in simulation.mails
        if mail.template is template and mail.person != "bergsicht-tickets"
    ]


def days(*numbers: float) -> list[object]:
    """So many days each, late by what a slow machine takes."""
    return [pytest.approx(timedelta(days=number), abs=LATE) for number in numbers]


async def test_sixty_days_without_an_answer_remind_escalate_and_expire_on_time(tmp_path: Path) -> None:
    asks = {
        "approvers": {"people": MANAGERS[:2]},
        "deadline": "P40D",
        "reminders": ["P10D", "P20D"],
        "on_deadline": "escalate",
        "escalations": [{"approvers": {"people": MANAGERS[2:]}, "deadline": "P20D"}],
    }
    simulation = await play(tmp_path, Plan(definition(asks)))

    assert times(simulation, "approval.reminded") == days(10, 20)
    assert times(simulation, "approval.escalated") == days(40)
    assert times(simulation, "line.expired") == days(60)
    assert simulation.outcome is ApprovalStatus.EXPIRED
    assert simulation.state == "expired"
    assert simulation.days == pytest.approx(60, abs=0.01)
    assert readers(simulation, Template.APPROVAL_REMINDER) == MANAGERS[:2] * 2
    assert readers(simulation, Template.APPROVAL_ESCALATED) == MANAGERS[2:]
    opened = simulation.steps[0]
    assert opened.until == pytest.approx(opened.at + timedelta(days=40), abs=LATE)
    assert (opened.what_then, simulation.directory) == ("the stage is escalated", "the sample's")
    assert not list(tmp_path.iterdir()), "nothing is left behind"


async def test_the_example_plays_a_condition_a_question_refusals_and_a_quorum(tmp_path: Path) -> None:
    plan = Plan(
        read_model(EXAMPLES / "contract.yaml", ApprovalDefinition),
        read_request(EXAMPLES / "contract-request.yaml"),
        read_script(EXAMPLES / "contract-script.yaml"),
    )
    simulation = await play(tmp_path, plan)

    assert not simulation.undone
    assert [step.complaint for step in simulation.steps if step.complaint] == []
    assert [step.script for step in simulation.steps if step.script] == list(range(1, len(plan.script) + 1))
    assert told(simulation) == [
        ("opened", "credit"),
        ("condition_fulfilled", "credit"),
        ("opened", "finance"),
        ("inquire", "finance"),
        ("approve", "finance"),
        ("answer", "finance"),
        ("approve", "finance"),
        ("opened", "managers"),
        ("delegate", "managers"),
        ("approve", "managers"),
        ("reminded", "managers"),
        ("deny", "managers"),
        ("approve", "managers"),
    ]
    assert times(simulation, "approval.condition_fulfilled") == days(1)
    assert times(simulation, "approval.answer") == days(4.125)
    refused = {step.code: step.message for step in simulation.steps if step.code}
    assert set(refused) == {Code.ON_HOLD, Code.NOT_ALLOWED}
    assert SALES in (refused[Code.ON_HOLD] or "")
    assert readers(simulation, Template.APPROVAL_ASKED) == [SALES]
    asked = {each.person for each in simulation.mails if each.asks}
    assert asked == {SALES, "bergsicht-finance-1", *MANAGERS}, "nobody else has to do anything"
    assert (simulation.outcome, simulation.state) == (ApprovalStatus.APPROVED, "scheduled")
    assert simulation.request.parameters == {"size": "small", "amount": "12000"}


async def test_a_stage_whose_condition_is_false_is_passed_over(tmp_path: Path) -> None:
    tried = definition(
        {"approvers": {"people": MANAGERS}, "when": 'request.parameters["size"] == "large"'},
        {"approvers": {"party": "partner", "role": "finance"}, "deadline": "P3D", "on_deadline": "approve"},
    )
    small = Request.model_validate({"parameters": {"size": "small"}})
    assert told(await play(tmp_path, Plan(tried, small)))[:2] == [("skipped", "s1"), ("opened", "s2")]


async def test_a_delegate_decides_and_what_comes_too_late_or_never_is_told(tmp_path: Path) -> None:
    tried = definition(
        {"approvers": {"people": MANAGERS[:1]}, "allow": ["delegate"], "deadline": "P10D"},
        {"approvers": {"people": MANAGERS[2:]}, "deadline": "P10D"},
    )
    steps = script(
        {"when": "asked", "who": MANAGERS[0], "after": "P1D", "do": "delegate", "to": MANAGERS[1]},
        {"when": "asked", "who": MANAGERS[1], "after": "PT6H", "do": "approve"},
        {"at": "P1DT1H", "who": MANAGERS[0], "do": "approve", "expect": "NOT_AN_APPROVER"},
        {"at": "P2D", "who": MANAGERS[2], "do": "deny", "reason": "no need", "expect": "ON_HOLD"},
        {"at": "P9D", "who": MANAGERS[2], "do": "approve", "expect": "ALREADY_DECIDED"},
        {"when": "reminded", "who": MANAGERS[2], "do": "approve"},
        {"at": "P1D", "who": MANAGERS[2], "do": "withdraw", "expect": "NOT_PERMITTED"},
    )
    simulation = await play(tmp_path, Plan(tried, script=steps))

    assert (simulation.outcome, simulation.reason) == (ApprovalStatus.REJECTED, "no need")
    assert simulation.days == pytest.approx(2, abs=0.01)
    by_script = {step.script: step for step in simulation.steps if step.script}
    assert readers(simulation, Template.APPROVAL_DELEGATED) == [MANAGERS[1]]
    assert (by_script[2].actor, by_script[2].on_behalf_of) == (MANAGERS[1], MANAGERS[0])
    assert (by_script[3].code, by_script[3].complaint) == (Code.NOT_AN_APPROVER, None)
    assert by_script[4].complaint == "was to be refused as ON_HOLD"
    assert by_script[5].code is Code.ALREADY_DECIDED
    assert [by_script[5].after] == days(9)
    assert simulation.undone == (f"when reminded, {MANAGERS[2]}: approve",)


async def test_the_requester_withdraws(tmp_path: Path) -> None:
    tried = definition({"approvers": {"people": MANAGERS}})
    steps = script({"at": "P2DT3H", "who": SALES, "do": "withdraw", "reason": "found another"})
    simulation = await play(tmp_path, Plan(tried, script=steps))
    assert (simulation.outcome, simulation.state) == (ApprovalStatus.WITHDRAWN, "cancelled")
    assert [simulation.steps[-1].after] == days(2.125)


async def test_a_stage_that_nobody_may_decide_is_held_and_its_team_decides(tmp_path: Path) -> None:
    tried = definition(
        {"approvers": {"people": [SALES]}, "deadline": "P30D"},
        escalation_team={"role": "technical_admin"},
    )
    steps = script({"when": "held", "after": "P1D", "who": MANAGERS[1], "do": "approve"})
    simulation = await play(tmp_path, Plan(tried, script=steps))
    assert told(simulation) == [("opened", "s1"), ("held", "s1"), ("escalated", "s1"), ("approve", "s1")]
    assert readers(simulation, Template.APPROVAL_HELD) == ["nordwall-operator-1"]
    assert simulation.outcome is ApprovalStatus.APPROVED


async def test_working_time_is_the_directorys(tmp_path: Path) -> None:
    asks = {"approvers": {"people": MANAGERS}, "calendar": "partner", "deadline": "P2D"}
    simulation = await play(tmp_path, Plan(definition(asks)))
    partner = next(each for each in read_model(DIRECTORY, Directory).organisations if each.key == "bergsicht")
    calendar: Calendar = calendar_for(partner, datetime.now(UTC))
    started, ended = simulation.started_at, simulation.ended_at
    assert ended == pytest.approx(calendar.add(started, timedelta(days=2)), abs=LATE)


async def test_the_people_and_offers_are_the_installations(sampled: Database, tmp_path: Path) -> None:
    tried = definition({"approvers": {"party": "partner", "role": "finance"}, "deadline": "P1D"})
    wanted = Request.model_validate({"offer": "dedicated-gateway", "customer": "seaview"})
    simulation = await simulate(Plan(tried, wanted), sampled)
    assert simulation.directory == "the installation's"
    assert simulation.request.requested_by == "hafenblick-sales-1"
    assert readers(simulation, Template.APPROVAL_EXPIRED)[0] == "hafenblick-finance-1"


@pytest.mark.parametrize(
    ("wanted", "named"),
    [
        ({"offer": "unheard-of"}, "request: offer: unheard-of is not in the catalogue"),
        ({"customer": "nobody"}, "request: customer: there is no nobody"),
        ({"requested_by": "bergsicht-contact-1"}, "request: requested_by: bergsicht-contact-1 may not order"),
        ({"domain": "no domain"}, "request: domain: "),
    ],
)
async def test_a_request_nobody_could_place_is_refused_by_its_field(
    tmp_path: Path, wanted: dict[str, object], named: str
) -> None:
    plan = Plan(definition({"approvers": {"people": MANAGERS}}), Request.model_validate(wanted))
    with pytest.raises(Refusal) as refused:
        await play(tmp_path, plan)
    assert refused.value.code is Code.INVALID_INPUT
    assert refused.value.message.startswith(named)


async def test_a_server_that_does_not_start_is_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def start(_: TemporalServer) -> None:
        raise FileNotFoundError("temporal: not installed")

    monkeypatch.setattr(TemporalServer, "start", start)
    with pytest.raises(Refusal, match="temporal: not installed") as refused:
        await play(tmp_path, Plan(definition({"approvers": {"people": MANAGERS}})))
    assert refused.value.code is Code.UNAVAILABLE
