"""What an action needs to know, whether it is allowed, and what it changes (SPEC 4.4).

Each action is three rules: `check` refuses, `needs` says what the directory is asked before, `apply` does it.
"""

from __future__ import annotations

from datetime import datetime
from functools import singledispatch
from typing import TYPE_CHECKING

from domain import admission
from domain.actions import (
    ActionRecorded,
    AddApprover,
    Answer,
    Delegate,
    Escalate,
    HandBack,
    Inquire,
    Inquiry,
    RecallInquiry,
    RefreshRoster,
    Reroute,
    StageCommand,
    Undo,
)
from domain.decisions import Approver, Part
from domain.definitions import Allowed
from domain.errors import Code, Refusal
from domain.lookups import LookedUp, LookUp
from domain.opening import Outcome
from domain.organisations import Parties

if TYPE_CHECKING:
    from domain.approval import Approval

MAX_ACTIONS = 100
"""Actions on one approval besides decisions: enough for every quarrel, and the history stays readable."""


def check_action(approval: Approval, command: StageCommand, now: datetime) -> None:
    """Refuses an action that is not allowed now.

    Before the roster is seated nobody is turned away for lacking a seat; check again once it is.

    Raises:
        Refusal: Those of `admission`, NOT_ALLOWED, LIMIT_REACHED, NOT_PENDING for a closed question, or
            INVALID_INPUT for an empty one.
    """
    what = command.action.replace("_", " ")
    admission.check_open(approval, what)
    admission.check_stage(approval, command, what)
    closes_question = isinstance(command, Answer | RecallInquiry)
    if not closes_question:
        admission.check_deadline(approval, command.received_at, now)
    if approval.stage_is_over:
        raise Refusal(Code.ALREADY_DECIDED, f"stage {command.stage} is decided; this {what} changes nothing")
    if approval.actions >= MAX_ACTIONS and not closes_question:  # Nobody decides while a question is open.
        raise Refusal(
            Code.LIMIT_REACHED, f"{what}: {MAX_ACTIONS} actions were taken on this approval; decide it now"
        )
    if approval.roster is not None:
        _check(command, approval)


def apply_action(approval: Approval, command: StageCommand, now: datetime, found: LookedUp) -> ActionRecorded:
    """Carries out an action that `check_action` let pass.

    Raises:
        Refusal: NOT_PERMITTED or NOT_FOUND, by what the directory says of the people involved.
    """
    approval.actions += 1
    _check_found(command, found)
    stage, round_ = approval.stage.name, approval.round
    inquiry = _apply(command, approval, now, found)
    return ActionRecorded(
        action=command.action,
        actor=command.actor,
        stage=stage,
        round=round_,
        at=min(command.received_at or now, now),
        status=approval.status,
        deadline=approval.deadline,
        inquiry=inquiry.number if isinstance(inquiry, Inquiry) else None,
    )


def needs(approval: Approval, command: StageCommand, parties: Parties) -> LookUp:
    """What the directory has to say before an action may be taken."""
    seat = approval.seat_of(command.actor)
    ask = LookUp(parties=parties)
    if seat is not None:
        ask = ask.model_copy(update={"authorise": approval.authorisation(seat, parties)})
    match command:
        case Delegate(to=person) | AddApprover(person=person) | Inquire(asked=person):
            return ask.model_copy(update={"person": person})
        case Escalate():
            return ask.model_copy(update={"roster": approval.next_asked})
        case RefreshRoster():
            return LookUp(parties=parties, operator=command.actor, roster=approval.stage.approvers)
        case HandBack() | Answer() | RecallInquiry():
            return LookUp(parties=parties)  # Who has lost the permission may still make way for others.
        case _:
            return ask


def _check_found(command: StageCommand, found: LookedUp) -> None:
    if not found.authorised:
        raise Refusal(
            Code.NOT_PERMITTED, f"actor: {command.actor} may no longer decide stage {command.stage}"
        )
    match command:
        case Delegate(to=person) | AddApprover(person=person):
            _check_person(person, found, may_approve=True)
        case Inquire(asked=person):
            _check_person(person, found, may_approve=False)
        case RefreshRoster() if not found.is_operator:
            raise Refusal(
                Code.NOT_PERMITTED,
                f"actor: {command.actor} does not hold the permission operate at the provider",
            )
        case _:
            pass


def _check_person(person: str, found: LookedUp, *, may_approve: bool) -> None:
    if found.person is None:
        raise Refusal(Code.NOT_FOUND, f"person: there is no active {person}")
    if may_approve and not found.person_may_approve:
        raise Refusal(
            Code.NOT_PERMITTED, f"person: {person} does not hold the permission approve at any of the parties"
        )


# What each action is allowed for


@singledispatch
def _check(command: StageCommand, approval: Approval) -> None:
    raise NotImplementedError(type(command).__name__)


@_check.register(Delegate)
def _(command: Delegate, approval: Approval) -> None:
    _check_allows(approval, Allowed.DELEGATE)
    admission.own_seat(approval, command.actor)
    _check_newcomer(approval, command.to, "to")


@_check.register(HandBack)
def _(command: HandBack, approval: Approval) -> None:
    seat = admission.undecided_seat(approval, command.actor)
    if seat.stands_for is None:
        raise Refusal(Code.NOT_ALLOWED, f"actor: nothing was delegated to {command.actor} in this stage")


@_check.register(AddApprover)
def _(command: AddApprover, approval: Approval) -> None:
    _check_allows(approval, Allowed.ADD_APPROVER)
    admission.own_seat(approval, command.actor)
    _check_newcomer(approval, command.person, "person")


@_check.register(Escalate)
def _(command: Escalate, approval: Approval) -> None:
    if command.actor != approval.requester:
        admission.undecided_seat(approval, command.actor)
    if approval.next_asked is None:
        raise Refusal(Code.NOT_ALLOWED, f"stage {command.stage} has nobody further to escalate to")


@_check.register(Inquire)
def _(command: Inquire, approval: Approval) -> None:
    _check_allows(approval, Allowed.INQUIRE)
    admission.undecided_seat(approval, command.actor)
    if command.asked == command.actor:
        raise Refusal(Code.NOT_ALLOWED, f"asked: {command.asked} cannot ask themselves")
    _check_says_something(command.question, "question")


@_check.register(Answer)
def _(command: Answer, approval: Approval) -> None:
    inquiry = _open_inquiry(approval, command.inquiry)
    if inquiry.asked.key != command.actor:
        raise Refusal(
            Code.NOT_PERMITTED, f"actor: inquiry {command.inquiry} is for {inquiry.asked.key} to answer"
        )
    _check_says_something(command.answer, "answer")


@_check.register(RecallInquiry)
def _(command: RecallInquiry, approval: Approval) -> None:
    inquiry = _open_inquiry(approval, command.inquiry)
    seat = approval.seat_of(command.actor)
    if inquiry.asker != command.actor and not (seat is not None and seat.part.decides_alone):
        raise Refusal(
            Code.NOT_PERMITTED, f"actor: only {inquiry.asker} can take inquiry {command.inquiry} back"
        )


@_check.register(Reroute)
def _(command: Reroute, approval: Approval) -> None:
    _check_allows(approval, Allowed.REROUTE)
    admission.own_seat(approval, command.actor)
    if command.to not in approval.stage.reroute_to:
        known = ", ".join(approval.stage.reroute_to)
        raise Refusal(
            Code.NOT_ALLOWED, f"to: stage {command.stage} can be rerouted to {known}, not to {command.to}"
        )
    if not approval.applies(approval.definition.stages[approval.definition.position(command.to)]):
        raise Refusal(Code.NOT_ALLOWED, f"to: stage {command.to} does not apply to this request")
    approval.check_rounds()


@_check.register(Undo)
def _(command: Undo, approval: Approval) -> None:
    vote = approval.vote_of(command.actor)
    if vote is None:
        raise Refusal(
            Code.NOT_ALLOWED, f"actor: {command.actor} has decided nothing in stage {command.stage}"
        )
    if vote.automatic and vote.reused_from is None:
        raise Refusal(
            Code.NOT_ALLOWED, f"actor: the vote of {command.actor} was given by rule; withdraw the request"
        )


@_check.register(RefreshRoster)
def _(command: RefreshRoster, approval: Approval) -> None:
    if approval.stage.approvers is None:
        raise Refusal(Code.NOT_ALLOWED, f"stage {command.stage} asks no people")


def _check_allows(approval: Approval, action: Allowed) -> None:
    if action not in approval.stage.allow:
        raise Refusal(Code.NOT_ALLOWED, f"stage {approval.stage.name} does not allow to {_words(action)}")


def _check_newcomer(approval: Approval, person: str, field: str) -> None:
    """Refuses whoever has a part in the stage already: one person counts once, and delegation chains end."""
    admission.check_unaffected(approval, person, field)
    for seat in approval.roster or ():
        if person in {seat.key, seat.stands_for}:
            raise Refusal(Code.NOT_ALLOWED, f"{field}: {person} has a part in stage {approval.stage.name}")


def _open_inquiry(approval: Approval, number: int) -> Inquiry:
    inquiry = next((each for each in approval.open_inquiries if each.number == number), None)
    if inquiry is None:
        raise Refusal(Code.NOT_PENDING, f"inquiry: {number} is not open in stage {approval.stage.name}")
    return inquiry


def _check_says_something(text: str, field: str) -> None:
    if not text.strip():
        raise Refusal(Code.INVALID_INPUT, f"{field}: says nothing")


def _words(action: Allowed) -> str:
    return action.replace("_", " an ") if action is Allowed.ADD_APPROVER else str(action)


# What each action does


@singledispatch
def _apply(command: StageCommand, approval: Approval, now: datetime, found: LookedUp) -> Inquiry | None:
    raise NotImplementedError(type(command).__name__)


@_apply.register(Delegate)
def _(command: Delegate, approval: Approval, now: datetime, found: LookedUp) -> None:
    seat = admission.own_seat(approval, command.actor)
    delegate = _person(found).model_copy(
        update={
            "part": seat.part,
            "level": seat.level,
            "stands_for": seat.key,
            "stands_for_name": seat.name,
        }
    )
    approval.opening.replace_seat(seat, delegate)
    approval.opening.restart_share(now)


@_apply.register(HandBack)
def _(command: HandBack, approval: Approval, now: datetime, found: LookedUp) -> None:  # noqa: ARG001
    approval.opening.give_back(admission.undecided_seat(approval, command.actor))
    approval.opening.restart_share(now)


@_apply.register(AddApprover)
def _(command: AddApprover, approval: Approval, now: datetime, found: LookedUp) -> None:  # noqa: ARG001
    approval.opening.bring_in([_person(found).model_copy(update={"part": Part.ADDITIONAL})])
    approval.opening.restart_share(now)


@_apply.register(Escalate)
def _(command: Escalate, approval: Approval, now: datetime, found: LookedUp) -> None:  # noqa: ARG001
    approval.escalate(now, found.roster or ())


@_apply.register(Inquire)
def _(command: Inquire, approval: Approval, now: datetime, found: LookedUp) -> Inquiry:
    inquiries = approval.opening.inquiries
    inquiry = Inquiry(
        number=len(inquiries) + 1,
        asker=command.actor,
        asked=_person(found),
        question=command.question,
        at=now,
    )
    inquiries.append(inquiry)
    return inquiry


@_apply.register(Answer)
def _(command: Answer, approval: Approval, now: datetime, found: LookedUp) -> Inquiry:  # noqa: ARG001
    return approval.opening.close_inquiry(command.inquiry, now, command.answer)


@_apply.register(RecallInquiry)
def _(command: RecallInquiry, approval: Approval, now: datetime, found: LookedUp) -> Inquiry:  # noqa: ARG001
    return approval.opening.close_inquiry(command.inquiry, now, None)


@_apply.register(Reroute)
def _(command: Reroute, approval: Approval, now: datetime, found: LookedUp) -> None:  # noqa: ARG001
    approval.leave(Outcome.REROUTED, command.to)


@_apply.register(Undo)
def _(command: Undo, approval: Approval, now: datetime, found: LookedUp) -> None:  # noqa: ARG001
    approval.take_back(command.actor)


@_apply.register(RefreshRoster)
def _(command: RefreshRoster, approval: Approval, now: datetime, found: LookedUp) -> None:  # noqa: ARG001
    candidates = approval.eligible(found.roster or ())
    approval.opening.refresh(candidates, frozenset(approval.decided))


def _person(found: LookedUp) -> Approver:
    assert found.person is not None
    return found.person


ACTIONS: tuple[type[StageCommand], ...] = (
    Delegate,
    HandBack,
    AddApprover,
    Escalate,
    Inquire,
    Answer,
    RecallInquiry,
    Reroute,
    Undo,
    RefreshRoster,
)
"""Every action, for whoever offers them: CLI, documentation, tests."""
