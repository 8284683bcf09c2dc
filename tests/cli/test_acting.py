"""The actions on approvals by command line: what they print, what they refuse, and what lists show then."""

from __future__ import annotations

import pytest

from domain.acting import ACTIONS
from domain.definitions import Approvers
from domain.errors import REFUSALS, Code
from starter.gateway import utc_now
from starter.publishing import publish
from storage import projection
from storage.stages import Stages
from tests.cli.conftest import Run
from tests.starter.office import Office
from tests.storage.samples import open_approval, step, view
from tests.workflows.world import definition, offer, stage

ONE, TWO, THREE = (f"nordwall-manager-{number}" for number in (1, 2, 3))
ADMIN, OPERATOR = "alpenblick-admin-1", "nordwall-operator-1"
FREE = offer(name="two-stages", approval="standard", records=(), needs_domain=False)


@pytest.fixture
async def line(office: Office) -> str:
    """A line that waits for two managers, who may do everything; another stage is next."""
    first = stage(
        "first",
        (ONE, TWO),
        allow=("delegate", "add_approver", "inquire", "reroute"),
        reroute_to=("second",),
        combine="all",
    )
    team = Approvers(people=("nordwall-erp",))
    steps = definition(first, stage("second", (ONE,))).model_copy(update={"escalation_team": team})
    await publish(office.database, [FREE], [steps], utc_now())
    accepted = await office.submit(FREE.name, domain=None)
    return await office.pending(accepted.order, "first")


async def test_every_action_has_its_command(run: Run) -> None:
    shown = (await run("approvals", "--help")).out
    for kind in ACTIONS:
        assert kind.action.replace("_", "-") in shown


async def test_what_people_do_is_answered_and_shown_in_the_lists(run: Run, line: str) -> None:
    delegated = await run("approvals", "delegate", line, "--as", ONE, "--to", THREE, "--reason", "on leave")
    assert delegated.code == 0
    assert f"{ONE}: delegate in stage first, round 1, at " in delegated.out
    assert "The approval is PENDING, to be decided until " in delegated.out
    assert "Jonas Wyss for Urs Caduff (open)" in (await run("approvals", "list")).out
    assert "open for Urs Caduff" in (await run("approvals", "list", "--person", THREE)).out
    assert (await run("approvals", "list", "--person", ONE)).out == "Nothing to decide.\n"

    assert (await run("approvals", "hand-back", line, "--as", THREE)).code == 0
    assert (await run("approvals", "add-approver", line, "--as", ONE, "--person", THREE)).code == 0
    assert "Jonas Wyss, in addition (open)" in (await run("approvals", "list")).out


async def test_a_question_is_found_and_answered_by_whom_it_asks(run: Run, line: str) -> None:
    inquiry = ("--ask", ADMIN, "--question", "Which mailboxes?")
    asked = await run("approvals", "inquire", line, "--as", ONE, *inquiry, "--json")
    assert (asked.json["action"], asked.json["inquiry"]) == ("inquire", 1)
    assert "on hold: asks Monika Zgraggen: Which mailboxes?" in (await run("approvals", "list")).out
    assert "open, on hold" in (await run("approvals", "list", "--person", TWO)).out
    inbox = await run("approvals", "list", "--person", ADMIN)
    assert f"answer 1: Which mailboxes? ({ONE})" in inbox.out
    held = await run("approvals", "approve", line, "--as", TWO, "--json")
    assert (held.code, held.error["code"]) == (REFUSALS[Code.ON_HOLD].exit_code, "ON_HOLD")

    shown = await run("approvals", "show", line)
    assert shown.code == 0
    for words in ("First (first), round 1", "Urs Caduff", "Which mailboxes?", ONE, ADMIN):
        assert words in shown.out
    [question] = (await run("approvals", "show", line, "--json")).json["stages"][0]["questions"]
    assert (question["number"], question["question"]) == (1, "Which mailboxes?")

    answered = await run("approvals", "answer", line, "--as", ADMIN, "--answer", "The five of sales.")
    assert f"{ADMIN}: answer 1 in stage first" in answered.out
    assert "Which mailboxes?" not in (await run("approvals", "show", line)).out
    again = await run("approvals", "recall-inquiry", line, "--as", ONE, "--json")
    assert (again.code, again.error["code"]) == (5, "NOT_PENDING")


async def test_votes_are_taken_back_and_stages_escalated_refreshed_and_rerouted(run: Run, line: str) -> None:
    await run("approvals", "approve", line, "--as", ONE)
    assert (await run("approvals", "undo", line, "--as", ONE, "--json")).json["status"] == "PENDING"
    assert (await run("approvals", "escalate", line, "--as", ONE)).code == 0
    assert "Nordwall ERP, escalated (open)" in (await run("approvals", "list")).out
    refused = await run("approvals", "refresh-roster", line, "--as", ONE, "--json")
    assert (refused.code, refused.error["code"]) == (4, "NOT_PERMITTED")
    assert (await run("approvals", "refresh-roster", line, "--as", OPERATOR)).code == 0
    rerouted = await run("approvals", "reroute", line, "--as", ONE, "--to", "second", "--json")
    assert (rerouted.json["stage"], rerouted.json["action"]) == ("first", "reroute")


async def test_an_approval_is_shown_with_whatever_was_said_in_it(run: Run, office: Office, line: str) -> None:
    await run("approvals", "approve", line, "--as", ONE)
    await run("approvals", "approve", line, "--as", TWO)
    shown = (await run("approvals", "show", line)).out
    for words in ("first", "approve", "Second (second), round 1", "PENDING", "standard@"):
        assert words in shown
    first, second = (await run("approvals", "show", line, "--json")).json["stages"]
    assert [seat["verdict"] for seat in first["seats"]] == ["approve"] * 2
    assert [seat["verdict"] for seat in second["seats"]] == [None]
    nothing = await run("approvals", "show", "order-none-line-1", "--json")
    assert nothing.error["code"] == "NOT_FOUND"
    plain = await office.line_is((await office.submit("certificate", key="k2")).order, "confirmed")
    assert "nobody has to be" in (await run("approvals", "show", plain)).out


async def test_what_the_definition_does_not_allow_is_refused_with_its_exit_code(run: Run, line: str) -> None:
    refused = await run("approvals", "reroute", line, "--as", ONE, "--to", "nowhere", "--json")
    assert (refused.code, refused.error["code"]) == (REFUSALS[Code.NOT_ALLOWED].exit_code, "NOT_ALLOWED")
    missing = await run("approvals", "delegate", line, "--as", ONE, "--json")
    assert (missing.code, missing.error["code"]) == (2, "INVALID_INPUT")


async def test_stages_nobody_may_decide_are_listed(run: Run, office: Office) -> None:
    assert (await run("approvals", "list", "--held")).out == "Nothing waits for a decision.\n"
    held = step(1, process="order-o9-line-1", view=view(approval=open_approval(roster=())))
    async with office.database.session() as session:
        await projection.advance(session, [held])
        await (await Stages.of(session, held.process)).update(held.view, [held], None)
    shown = await run("approvals", "list", "--held")
    assert "order-o9-line-1" in shown.out
    assert "nobody may decide it" in shown.out
    [found] = (await run("approvals", "list", "--held", "--json")).json
    assert (found["process"], found["held"]) == ("order-o9-line-1", True)
