"""What is kept of stages: right after every step, and the same whatever order the steps are told in."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import inspect, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.acting import ACTIONS
from domain.actions import ChangeDefinition, StageCommand
from domain.approval import Approval
from domain.decisions import ApprovalStatus, Decide, Part, Verdict
from domain.definitions import ApprovalDefinition, OnChange, Stage, content_hash
from domain.lookups import LookedUp
from domain.transitions import Transition
from domain.views import open_approval
from storage import audit, processes, projection
from storage.inbox import inbox_of
from storage.inquiries import open_inquiries
from storage.stages import STAGES_AND_SEATS, Stages
from storage.tables import metadata
from tests.storage.samples import AT, HOUR, LINE, seats, step, view
from tests.storage.samples import open_approval as opened

ANN, BOB, CLEO, DORA, EMMA = seats("ann", "bob", "cleo", "dora", "emma")
PEOPLE = {each.key: each for each in (ANN, BOB, CLEO, DORA, EMMA)}
EVERYTHING = ("delegate", "add_approver", "inquire", "reroute")
COMMANDS = {kind.action: kind for kind in ACTIONS}


def stage(name: str, **more: Any) -> Stage:
    known = {"name": name, "title": name.title(), "approvers": {"permission": "approve"}, "combine": "all"}
    return Stage.model_validate(known | more)


def definition(version: int = 1) -> ApprovalDefinition:
    return ApprovalDefinition(
        name="release",
        version=version,
        title="Release",
        reuse_grants=True,
        escalation_team=stage("team").approvers,
        stages=(
            stage("first", allow=EVERYTHING, reroute_to=("third",)),
            stage("second", on_deny="first", allow=EVERYTHING, reroute_to=("first",)),
            stage("third"),
        ),
    )


class Story:
    """An approval and what its process announces of it, told as the gate tells it.

    Attributes:
        steps: The transitions so far, each in an announcement of its own.
        seated: The roster each opening was resolved to, by the transition that opened it.
    """

    def __init__(self) -> None:
        self.approval = Approval(definition(), requester="req")
        self.steps: list[Transition] = []
        self.seated: dict[int, tuple[Any, ...]] = {}
        self.now = AT

    def opens(self, *people: str) -> None:
        """The next stage opens; its roster comes back with the announcement."""
        self.approval.open_next(self.tick())
        self.note("approval.opened")
        self.seated[self.steps[-1].seq] = roster = tuple(PEOPLE[each] for each in people)
        self.approval.seat(roster)

    def opens_seated(self, *people: str) -> None:
        """The next stage opens with a roster that is known, and the rules vote."""
        self.approval.open_next(self.tick())
        self.approval.seat(PEOPLE[each] for each in people)
        self.note("approval.opened")
        for vote in self.approval.automatic_votes(self.now):
            with self.approval.counting(vote):
                self.note("approval.approve", actor=vote.actor, vote=vote)
            self.approval.count(vote)

    def votes(self, actor: str, verdict: Verdict = Verdict.APPROVE) -> None:
        at = self.tick()
        said = Decide(
            stage=self.approval.stage.name,
            round=self.approval.round,
            verdict=verdict,
            actor=actor,
            reason="because",
        )
        self.approval.check(said, at)
        vote = self.approval.vote_for(said, at)
        with self.approval.counting(vote):
            self.note(f"approval.{verdict}", actor=actor, vote=vote)
        self.approval.count(vote)
        if self.approval.stage_is_over and self.approval.is_pending and verdict is Verdict.DENY:
            self.note("approval.sent_back")

    def acts(self, action: str, actor: str, **more: Any) -> None:
        at = self.tick()
        known = {"stage": self.approval.stage.name, "round": self.approval.round, "actor": actor}
        command: StageCommand = COMMANDS[action].model_validate(known | more)
        person = next(
            (PEOPLE[more[name]] for name in ("asked", "person", "to") if more.get(name) in PEOPLE), None
        )
        found = LookedUp(person=person, person_may_approve=True, is_operator=True, roster=(EMMA,))
        self.approval.check_action(command, at)
        self.approval.act(command, at, found)
        data = {name: str(value) for name, value in more.items()}
        where = {"stage": command.stage, "round": str(command.round)}
        self.note(f"approval.{action}", actor=actor, data=where | data)

    def refused(self, action: str, actor: str) -> None:
        self.tick()
        self.note(f"approval.{action}", actor=actor, accepted=False, code="NOT_PERMITTED")

    def resets(self) -> None:
        self.tick()
        new = definition(2)
        self.approval.change_definition(
            ChangeDefinition(
                definition=new, definition_hash=content_hash(new), mode=OnChange.RESET, actor="olga"
            )
        )
        self.note("approval.reset", actor="olga")

    def ends(self, state: str) -> None:
        self.tick()
        self.note(f"line.{state}", state=state)

    def note(self, action: str, state: str = "awaiting_approval", **more: Any) -> None:
        shown = view(state, approval=open_approval(self.approval), ended=state != "awaiting_approval")
        told = step(len(self.steps) + 1, action, view=shown, **more)
        self.steps.append(told.model_copy(update={"at": self.now}))

    def tick(self) -> datetime:
        self.now += HOUR
        return self.now


def whole() -> Story:
    """Everything that can happen, once at least."""
    story = Story()
    story.opens("ann", "bob")
    story.votes("ann")
    story.acts("undo", "ann")
    story.acts("delegate", "ann", to="cleo")
    story.acts("hand_back", "cleo")
    story.votes("ann")
    story.acts("undo", "ann")
    story.votes("ann")
    story.acts("inquire", "bob", asked="dora", question="Why?")
    story.refused("undo", "ann")
    story.acts("answer", "dora", inquiry=1, answer="Because.")
    story.acts("add_approver", "bob", person="dora")
    story.votes("dora")
    story.acts("delegate", "bob", to="cleo")
    story.votes("cleo")
    story.opens_seated("cleo", "bob")
    story.votes("bob", Verdict.DENY)
    story.opens("ann", "bob")
    story.acts("reroute", "bob", to="third")
    story.opens("ann", "bob")
    story.votes("ann")
    story.resets()
    story.opens("ann", "bob")
    story.votes("bob")
    story.acts("escalate", "ann")
    story.votes("emma")
    story.opens("dora")
    story.acts("inquire", "dora", asked="ann", question="And now?")
    story.acts("recall_inquiry", "dora", inquiry=1)
    story.votes("dora")
    story.opens("ann")
    story.votes("ann")
    story.ends("confirmed")
    return story


STORY = whole()


async def tell(session: AsyncSession, told: Transition) -> None:
    stands = await projection.advance(session, [told])
    new = await audit.record(session, [told])
    stages = await Stages.of(session, LINE)
    if new:
        await stages.update(stands, new, STORY.seated.get(told.seq))
    await session.flush()


async def rows(session: AsyncSession) -> dict[str, list[Any]]:
    tables = (metadata.tables[name] for name in ("approval", "approval_seat"))
    return {
        table.name: sorted((tuple(row) for row in await session.execute(select(table))), key=repr)
        for table in tables
    }


async def test_after_every_step_the_rows_say_what_the_approval_says(session: AsyncSession) -> None:
    story = whole()
    for told in story.steps:
        await tell(session, told)
        seen = told.view.approval
        assert seen is not None
        kept = {(each.stage, each.round): each for each in await processes.approvals_of(session, LINE)}
        now = kept[seen.stage, seen.round]
        roster = seen.roster if seen.roster is not None else story.seated[told.seq]
        assert (now.roster, now.level, now.asked) == (roster, seen.level, seen.asked)
        assert now.is_open == (seen.status is ApprovalStatus.PENDING and not told.view.ended)
        assert [each.is_open for each in kept.values()].count(True) == now.is_open
        decided = {each.person for each in now.seats if each.verdict}
        # What was said in a stage that is void stays readable; the approval itself has forgotten it.
        assert decided == set(seen.decided) or seen.status is ApprovalStatus.WITHDRAWN

        to_decide = {seat.key for seat in roster} - decided
        to_answer = {seat.key for seat in seen.asked}
        for person in PEOPLE:
            open_ = [each for each in await inbox_of(session, person) if each.pending]
            assert bool(open_) == (now.is_open and person in to_decide | to_answer), (told.action, person)
            assert all(bool(each.questions) == (person in to_answer) for each in open_)


async def test_the_whole_story_leaves_what_it_should(session: AsyncSession) -> None:
    for told in STORY.steps:
        await tell(session, told)
    found = await processes.approvals_of(session, LINE)
    assert [(each.stage, each.round, each.status) for each in found] == [
        ("first", 1, ApprovalStatus.WITHDRAWN),
        ("second", 1, ApprovalStatus.WITHDRAWN),
        ("first", 2, ApprovalStatus.WITHDRAWN),
        ("third", 3, ApprovalStatus.WITHDRAWN),
        ("first", 4, ApprovalStatus.APPROVED),
        ("second", 4, ApprovalStatus.APPROVED),
        ("third", 4, ApprovalStatus.APPROVED),
    ]
    first, second, *_ = found
    assert [(each.person, each.verdict) for each in first.seats] == [
        ("ann", Verdict.APPROVE),
        ("cleo", Verdict.APPROVE),
        ("dora", Verdict.APPROVE),
    ]
    assert {each.key: each.stands_for for each in first.roster or ()} == {
        "ann": None,
        "cleo": "bob",
        "dora": None,
    }
    assert {each.person: each.automatic for each in second.seats} == {"bob": False, "cleo": True}
    assert await open_inquiries(session, [LINE]) == ()


@pytest.fixture
async def in_order(session: AsyncSession) -> list[dict[str, list[Any]]]:
    """What is kept after each step of the story, told in order."""
    kept = []
    async with session.begin_nested() as telling:
        for told in STORY.steps:
            await tell(session, told)
            kept.append(await rows(session))
        await telling.rollback()
    session.expunge_all()
    return kept


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_any_order_and_repetition_of_steps_leaves_the_same_rows(
    session: AsyncSession, in_order: list[dict[str, list[Any]]], data: st.DataObject
) -> None:
    until = data.draw(st.integers(1, len(STORY.steps)))
    steps = STORY.steps[:until]
    again = data.draw(st.lists(st.sampled_from(steps), max_size=5))
    async with session.begin_nested() as attempt:
        for told in data.draw(st.permutations([*steps, *again])):
            await tell(session, told)
        kept = await rows(session)
        await attempt.rollback()
    session.expunge_all()
    assert kept == in_order[until - 1]


@pytest.mark.parametrize(
    ("told", "verdicts"),
    [
        (["vote", "undo"], {"ann": None}),
        (["vote", "undo", "again"], {"ann": Verdict.DENY}),
    ],
)
async def test_a_vote_that_was_taken_back_is_none_unless_it_was_cast_again(
    session: AsyncSession, told: list[str], verdicts: dict[str, Verdict | None]
) -> None:
    story = Story()
    story.opens("ann", "bob")
    for what in told:
        if what == "undo":
            story.acts("undo", "ann")
        else:
            story.votes("ann", Verdict.APPROVE if what == "vote" else Verdict.DENY)
    for each in reversed(story.steps):
        await tell(session, each)
    [kept] = await processes.approvals_of(session, LINE)
    assert {each.person: each.verdict for each in kept.seats if each.person == "ann"} == verdicts


async def test_stages_nobody_may_decide_are_found(session: AsyncSession) -> None:
    story = Story()
    story.opens()
    await tell(session, story.steps[0])
    assert await processes.open_approvals(session, held=True) == ()
    story.approval.seat(())
    story.note("approval.held")
    await tell(session, story.steps[1])
    [found] = await processes.open_approvals(session, held=True)
    assert (found.process, found.held) == (LINE, True)
    story.approval.bring_in([EMMA], Part.ESCALATION)
    story.note("approval.escalate")
    await tell(session, story.steps[2])
    assert await processes.open_approvals(session, held=True) == ()


async def test_a_roster_is_read_once_however_many_sit_in_it(session: AsyncSession) -> None:
    await tell(session, step(1, view=view(approval=opened(roster=(ANN, BOB, CLEO)))))
    session.expunge_all()
    rows = (await session.execute(STAGES_AND_SEATS, {"of": LINE})).all()
    assert len(rows) == 3
    assert [roster for _, _, roster in rows if roster is not None] == [(ANN, BOB, CLEO)]
    assert "roster" in inspect(rows[0][0]).unloaded
    assert (await Stages.of(session, LINE)).roster(opened()) == (ANN, BOB, CLEO)
