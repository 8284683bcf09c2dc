"""An announcement is written completely or not at all, and once, however often and late it comes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select
from temporalio.testing import ActivityEnvironment

from activities.notices import Notices
from domain.decisions import ApprovalStatus, Verdict
from domain.line import ServiceStatus
from domain.lookups import Authorise
from domain.mail import Template, Why
from domain.organisations import Directory, Permission
from domain.transitions import Announced, Announcement, SeatRoster, Transition
from storage import directory, inventory, mails, processes
from storage.database import Database
from storage.inbox import inbox_of
from storage.tables import metadata
from tests.storage.samples import (
    APPROVERS,
    AT,
    DIRECTORY,
    HOUR,
    LINE,
    PARTIES,
    notice,
    open_approval,
    seats,
    service,
    step,
    view,
    vote,
)

SEAT = SeatRoster(approvers=APPROVERS, parties=PARTIES)
ROSTER = seats("ada", "bob")
ASK_ROSTER = notice(Template.APPROVAL_REQUESTED, roster=True)
TELL_PARTNER = notice(
    Template.PROVISIONED, organisations=("reseller",), permission=Permission.NOTIFY, workflow_mails=True
)


@pytest.fixture
async def inhabited(database: Database) -> Database:
    async with database.session() as session:
        await directory.load_directory(session, DIRECTORY)
    return database


async def tell(database: Database, *steps: Transition, **wishes: Any) -> Announced:
    announcement = Announcement(transitions=steps, **wishes)
    return await ActivityEnvironment().run(Notices(database).announce, announcement)


async def contents(database: Database) -> dict[str, list[Any]]:
    """Every row of every table."""
    async with database.reading() as session:
        return {
            name: sorted((tuple(row) for row in await session.execute(select(table))), key=repr)
            for name, table in metadata.tables.items()
        }


def authorise(actor: str) -> Authorise:
    return Authorise(actor=actor, approvers=APPROVERS, parties=PARTIES)


def opening(seq: int = 1, stage: str = "technical") -> Transition:
    waiting = view("awaiting_approval", approval=open_approval(stage))
    return step(seq, "approval.opened", view=waiting, notices=[ASK_ROSTER])


def voting(seq: int, actor: str, verdict: Verdict = Verdict.APPROVE, stage: str = "technical") -> Transition:
    # The process counts a vote only when it is recorded: its view is still the one before.
    waiting = view("awaiting_approval", approval=open_approval(stage, ROSTER))
    cast = vote(actor, verdict, stage)
    return step(seq, f"approval.{verdict}", actor=actor, view=waiting, vote=cast, notices=[TELL_PARTNER])


def ending(seq: int, status: ApprovalStatus, state: str, stage: str = "money") -> Transition:
    done = view(state, approval=open_approval(stage, ROSTER, status), ended=True)
    gone = service(ServiceStatus.CANCELLED)
    return step(
        seq, f"line.{state}", from_state="awaiting_approval", view=done, services=[gone], release_claim=True
    )


async def hire(database: Database, person: str) -> None:
    """Adds an admin of the customer and of the partner."""
    newcomer = {"key": person, "name": person.title(), "email": f"{person}@contoso.example"}
    grants = [{"organisation": each, "role": "company_admin"} for each in ("contoso", "reseller")]
    joined = {"organisations": [], "people": [newcomer | {"grants": grants}]}
    async with database.session() as session:
        await directory.load_directory(session, Directory.model_validate(joined))


# What is written


async def test_a_transition_moves_projection_audit_inventory_and_outbox_together(
    inhabited: Database,
) -> None:
    ordered = step(1, "line.ordered", actor="sam", services=[service()], notices=[TELL_PARTNER])
    assert await tell(inhabited, ordered) == Announced()
    async with inhabited.reading() as session:
        entry = await processes.get_process(session, LINE)
        (audit,) = await processes.timeline(session, process=LINE)
        (kept,) = await inventory.services_of(session, "contoso", "contoso.test")
        queued = await mails.list_mails(session)
    assert (entry.seq, entry.view, entry.started_at) == (1, view(), AT + HOUR)
    assert (audit.action, audit.actor, audit.definition) == ("line.ordered", "sam", "two-steps@1")
    assert (kept.id, kept.status, kept.created_at) == ("o1-1", ServiceStatus.ORDERED, AT + HOUR)
    assert {(mail.person, mail.why, mail.action_links) for mail in queued} == {
        ("sam", Why.NOTIFY, True),
        ("tess", Why.NOTIFY, True),
        ("helpdesk", Why.WORKFLOW_MAILS, False),
    }


async def test_what_fails_half_way_leaves_nothing(
    inhabited: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> int:
        raise ConnectionError

    before = await contents(inhabited)
    monkeypatch.setattr(mails, "queue", fail)
    with pytest.raises(ConnectionError):
        await tell(inhabited, step(1, services=[service()], notices=[TELL_PARTNER]))
    assert await contents(inhabited) == before


async def test_a_refused_command_is_in_the_audit_and_moves_nothing(inhabited: Database) -> None:
    await tell(inhabited, step(1))
    refused = step(2, "line.cancel", actor="carl", accepted=False, code="POINT_OF_NO_RETURN", reason="late")
    await tell(inhabited, refused)
    async with inhabited.reading() as session:
        _, audit = await processes.timeline(session, process=LINE)
        assert (await processes.get_view(session, LINE)).state == "ordered"
    assert (audit.accepted, audit.code, audit.actor, audit.reason) == (
        False,
        "POINT_OF_NO_RETURN",
        "carl",
        "late",
    )


async def test_a_hostile_actor_is_recorded_all_the_same(inhabited: Database) -> None:
    hostile = step(1, actor="eve\0'; DROP TABLE mail; --", reason="\0", data={"note": "\0\U0001f600"})
    await tell(inhabited, hostile)
    async with inhabited.reading() as session:
        (audit,) = await processes.timeline(session, process=LINE)
    assert (audit.actor, audit.reason) == ("eve\ufffd'; DROP TABLE mail; --", "\ufffd")


async def test_the_claim_falls_with_the_last_line_that_needs_it(inhabited: Database) -> None:
    async with inhabited.session() as session:
        await inventory.claim(session, "contoso.test", "contoso", "t1")
    await tell(inhabited, step(1, services=[service(line=1), service(line=2)]))
    await tell(inhabited, ending(2, ApprovalStatus.REJECTED, "rejected"))
    async with inhabited.session() as session:
        assert await inventory.claim(session, "contoso.test", "contoso", "t2") == "t1"
    last = step(
        1, process="order-o1-line-2", services=[service(ServiceStatus.CANCELLED, 2)], release_claim=True
    )
    await tell(inhabited, last.model_copy(update={"at": AT + 9 * HOUR}))
    async with inhabited.session() as session:
        assert await inventory.claim(session, "contoso.test", "contoso", "t3") == "t3"


# Stages, seats and votes


async def test_an_opening_stage_seats_and_mails_whoever_may_decide_now(inhabited: Database) -> None:
    announced = await tell(inhabited, opening(), seat=SEAT)
    assert announced.roster == ROSTER
    async with inhabited.reading() as session:
        (stage,) = await processes.open_approvals(session)
        queued = await mails.list_mails(session)
        (waiting,) = await inbox_of(session, "ada")
        (entry,) = await processes.timeline(session, process=LINE)
    assert entry.data["asked"] == "ada, bob", "the audit keeps who was asked (SPEC 4.3)"
    assert (stage.process, stage.stage, stage.roster) == (LINE, "technical", ROSTER)
    assert [(seat.person, seat.verdict) for seat in stage.seats] == [("ada", None), ("bob", None)]
    assert {(mail.person, mail.why) for mail in queued} == {("ada", Why.APPROVER), ("bob", Why.APPROVER)}
    assert (waiting.pending, waiting.deadline, waiting.view.state) == (
        True,
        AT + 60 * 24 * HOUR,
        "awaiting_approval",
    )


async def test_whom_the_stage_excludes_gets_neither_seat_nor_mail(inhabited: Database) -> None:
    announced = await tell(inhabited, opening(), seat=SEAT.model_copy(update={"excluding": ("ada",)}))
    assert announced.roster == seats("bob")
    async with inhabited.reading() as session:
        assert await inbox_of(session, "ada") == ()
        assert [mail.person for mail in await mails.list_mails(session)] == ["bob"]


async def test_a_stage_keeps_the_roster_it_opened_with(inhabited: Database) -> None:
    await tell(inhabited, opening(), seat=SEAT)
    await hire(inhabited, "nina")
    before = await contents(inhabited)
    assert (await tell(inhabited, opening(), seat=SEAT)).roster == ROSTER
    assert await contents(inhabited) == before


async def test_the_roster_a_process_settled_on_replaces_the_one_that_was_proposed(
    inhabited: Database,
) -> None:
    await tell(inhabited, opening(), seat=SEAT)
    without_bob = view("awaiting_approval", approval=open_approval("technical", seats("ada")))
    await tell(inhabited, step(2, "approval.reminded", view=without_bob))
    async with inhabited.reading() as session:
        (stage,) = await processes.open_approvals(session)
        assert [seat.person for seat in stage.seats] == ["ada"]
        assert await inbox_of(session, "bob") == ()


async def test_a_vote_leaves_the_inbox_and_answers_late_callers(inhabited: Database) -> None:
    await tell(inhabited, opening(), seat=SEAT)
    assert (await tell(inhabited, voting(2, "ada"), authorise=authorise("ada"))).authorised
    async with inhabited.reading() as session:
        [stage] = await processes.approvals_of(session, LINE)
        (done,) = await inbox_of(session, "ada")
        (open_,) = await inbox_of(session, "bob")
    votes = {seat.person: (seat.verdict, seat.decided_at) for seat in stage.seats}
    assert votes == {"ada": (Verdict.APPROVE, AT + HOUR), "bob": (None, None)}
    assert (done.pending, done.verdict, open_.pending) == (False, Verdict.APPROVE, True)


async def test_the_next_stage_closes_the_one_before(inhabited: Database) -> None:
    await tell(inhabited, opening(), seat=SEAT)
    await tell(inhabited, voting(2, "ada"), opening(3, "money"), seat=SEAT)
    async with inhabited.reading() as session:
        first, second = await processes.approvals_of(session, LINE)
        pending = [entry for entry in await inbox_of(session, "bob") if entry.pending]
    assert (first.stage, first.status, first.is_open) == ("technical", ApprovalStatus.APPROVED, False)
    assert (second.stage, second.status, second.is_open) == ("money", ApprovalStatus.PENDING, True)
    assert [entry.stage for entry in pending] == ["money"]


@pytest.mark.parametrize("status", [ApprovalStatus.EXPIRED, ApprovalStatus.PENDING])
async def test_nothing_waits_for_a_decision_once_the_process_has_ended(
    inhabited: Database, status: ApprovalStatus
) -> None:
    await tell(inhabited, opening(), seat=SEAT)
    await tell(inhabited, ending(2, status, "expired", stage="technical"))
    async with inhabited.reading() as session:
        assert await processes.open_approvals(session) == ()
        assert [entry.pending for entry in await inbox_of(session, "ada")] == [False]


# Authorisation


async def revoke(database: Database, person: str) -> None:
    async with database.session() as session:
        known = await directory.person(session, person)
        left = known.model_copy(update={"grants": ()})
        await directory.load_directory(
            session, DIRECTORY.model_copy(update={"organisations": (), "people": (left,)})
        )


async def test_who_lost_the_permission_is_refused_and_only_that_is_written(inhabited: Database) -> None:
    await tell(inhabited, opening(), seat=SEAT)
    await revoke(inhabited, "bob")
    before = await contents(inhabited)
    decision = voting(2, "bob").model_copy(update={"to_state": "confirmed", "reason": "fine with me"})
    assert await tell(inhabited, decision, authorise=authorise("bob")) == Announced(authorised=False)
    after = await contents(inhabited)
    assert {name for name in after if after[name] != before[name]} == {"transition"}
    async with inhabited.reading() as session:
        _, audit = await processes.timeline(session, process=LINE)
    assert (audit.seq, audit.actor, audit.accepted, audit.code) == (2, "bob", False, "NOT_PERMITTED")
    assert audit.from_state == audit.to_state == "awaiting_approval"
    assert (audit.reason, audit.data["reason"]) == ("actor: bob may no longer decide it", "fine with me")


async def test_what_was_noted_before_a_refused_decision_stands(inhabited: Database) -> None:
    await revoke(inhabited, "bob")
    await tell(inhabited, opening(1), voting(2, "bob"), authorise=authorise("bob"))
    async with inhabited.reading() as session:
        audit = await processes.timeline(session, process=LINE)
        assert [(entry.action, entry.accepted) for entry in audit] == [
            ("approval.opened", True),
            ("approval.approve", False),
        ]
        assert (await processes.get_process(session, LINE)).seq == 1


@pytest.mark.parametrize("permitted_first", [True, False])
async def test_the_first_answer_stands_when_the_same_decision_is_announced_again(
    inhabited: Database, permitted_first: bool
) -> None:
    await tell(inhabited, opening(), seat=SEAT)
    if not permitted_first:
        await revoke(inhabited, "bob")
    first = await tell(inhabited, voting(2, "bob"), authorise=authorise("bob"))
    assert first.authorised is permitted_first
    before = await contents(inhabited)
    async with inhabited.session() as session:
        await directory.load_directory(session, DIRECTORY)
    if permitted_first:
        await revoke(inhabited, "bob")
    again = await tell(inhabited, voting(2, "bob"), authorise=authorise("bob"))
    assert again.authorised is permitted_first
    after = await contents(inhabited)
    assert {name for name in after if after[name] != before[name]} <= {"grant"}


async def test_a_decision_the_process_counted_replaces_a_refusal_it_never_heard_of(
    inhabited: Database,
) -> None:
    await tell(inhabited, opening(), seat=SEAT)
    await revoke(inhabited, "bob")
    await tell(inhabited, voting(2, "bob"), authorise=authorise("bob"))
    await tell(inhabited, voting(2, "bob"))
    async with inhabited.reading() as session:
        [stage] = await processes.approvals_of(session, LINE)
        assert "bob" in {seat.person for seat in stage.seats if seat.verdict}
        assert [entry.accepted for entry in await processes.timeline(session, process=LINE)] == [True, True]
    assert (await tell(inhabited, voting(2, "bob"), authorise=authorise("bob"))).authorised


# Again, late, and out of order


async def test_hearing_it_again_neither_mails_newcomers_nor_gives_up_a_new_claim(inhabited: Database) -> None:
    ended = ending(1, ApprovalStatus.REJECTED, "rejected").model_copy(update={"notices": (TELL_PARTNER,)})
    await tell(inhabited, ended)
    await hire(inhabited, "nina")
    async with inhabited.session() as session:
        await inventory.claim(session, "contoso.test", "contoso", "new")
        await inventory.verify_claim(session, "contoso.test", "contoso", "t", AT)
    before = await contents(inhabited)
    await tell(inhabited, ended)
    assert await contents(inhabited) == before


STORY: Sequence[Announcement] = (
    Announcement(transitions=(step(1, "line.ordered", services=[service()], notices=[TELL_PARTNER]),)),
    Announcement(transitions=(opening(2),), seat=SEAT),
    Announcement(transitions=(voting(3, "ada"),), authorise=authorise("ada")),
    Announcement(transitions=(voting(4, "bob"), opening(5, "money")), seat=SEAT),
    Announcement(transitions=(voting(6, "carl", stage="money"),), authorise=authorise("carl")),
    Announcement(transitions=(voting(7, "ada", Verdict.DENY, "money"),), authorise=authorise("ada")),
    Announcement(transitions=(ending(8, ApprovalStatus.REJECTED, "rejected"),)),
    Announcement(
        transitions=(step(1, "order.submitted", process="order-o1", view=view(kind="order", line=None)),)
    ),
)


async def play(database: Database, order: Sequence[int]) -> dict[str, list[Any]]:
    """Tells the story's announcements in an order, with nothing told before, and returns what is left."""
    async with database.session() as session:
        for name in metadata.tables.keys() - {"organisation", "person", "grant"}:
            await session.execute(delete(metadata.tables[name]))
        await inventory.claim(session, "contoso.test", "contoso", "token")
    for index in order:
        await ActivityEnvironment().run(Notices(database).announce, STORY[index])
    return await contents(database)


@pytest.fixture
async def as_told_once(inhabited: Database) -> dict[str, list[Any]]:
    return await play(inhabited, range(len(STORY)))


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_any_order_and_repetition_of_announcements_ends_in_the_same_tables(
    inhabited: Database, as_told_once: dict[str, list[Any]], data: st.DataObject
) -> None:
    everything = range(len(STORY))
    repeated = data.draw(st.lists(st.sampled_from(everything), max_size=5))
    order = data.draw(st.permutations([*everything, *repeated]))
    assert await play(inhabited, order) == as_told_once


def test_the_story_leaves_what_it_should(as_told_once: dict[str, list[Any]]) -> None:
    counts = {name: len(rows) for name, rows in as_told_once.items()}
    assert (counts["process"], counts["transition"], counts["service"]) == (2, 9, 1)
    assert (counts["approval"], counts["approval_seat"]) == (2, 4)
    assert counts["mail"] == 3 + 2 + 3 + 5 + 3


async def test_the_same_announcement_many_times_at_once_is_written_once(
    inhabited: Database, database_url: str
) -> None:
    another = Database(database_url)
    both = (inhabited, another)
    answers = await asyncio.gather(*(tell(both[n % 2], opening(), seat=SEAT) for n in range(8)))
    assert answers == [Announced(roster=ROSTER)] * 8
    async with inhabited.reading() as session:
        assert len(await processes.timeline(session, process=LINE)) == 1
        assert len(await mails.list_mails(session)) == 2
    await another.dispose()


async def test_different_announcements_of_a_process_at_once_lose_nothing(
    inhabited: Database, database_url: str
) -> None:
    another = Database(database_url)
    both = (inhabited, another)
    story = [each for each in STORY if each.transitions[-1].process == LINE]
    await asyncio.gather(
        *(
            ActivityEnvironment().run(Notices(both[n % 2]).announce, announcement)
            for n, announcement in enumerate(story)
        )
    )
    told = await contents(inhabited)
    for announcement in story:
        await ActivityEnvironment().run(Notices(inhabited).announce, announcement)
    assert await contents(inhabited) == told
    async with inhabited.reading() as session:
        entry = await processes.get_process(session, LINE)
        assert (entry.seq, entry.view.ended) == (8, True)
        assert [stage.status for stage in await processes.approvals_of(session, LINE)] == [
            ApprovalStatus.APPROVED,
            ApprovalStatus.REJECTED,
        ]
    await another.dispose()
