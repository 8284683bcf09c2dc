"""What every part of the approval gate stands on: the approval, its parties, and whom it tells and asks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from temporalio import workflow
from temporalio.exceptions import FailureError, is_cancelled_exception

from domain.approval import Approval
from domain.decisions import Approver
from domain.errors import Code, Refusal
from domain.lookups import LookedUp, LookUp
from domain.mail import MailFacts, Template
from domain.organisations import Parties, Permission
from domain.request_data import RequestData
from domain.transitions import Audience, Notice
from workflows.names import ANNOUNCE_AT_ONCE, PATIENT_RETRY, QUICK_RETRY
from workflows.process import Process

with workflow.unsafe.imports_passed_through():
    from activities.directory import Directory


class Asking(Process):
    """A process that may ask people for an approval.

    The process that mixes it in sets `approval` (None if its offer demands none) before its first wait.
    """

    approval: Approval | None = None

    def __init__(self) -> None:
        super().__init__()
        # Whoever decides or acts, and the clock, take turns: each finds what the one before has left.
        self.deciding = asyncio.Lock()

    @property
    def parties(self) -> Parties:
        """Whose people the definition's approvers are."""
        raise NotImplementedError

    @property
    def request_data(self) -> RequestData:
        """What the definition's conditions look at, and what outside systems are told."""
        raise NotImplementedError

    @property
    def required_approval(self) -> Approval:
        """The approval.

        Raises:
            Refusal: NOT_PENDING if the process asks for none.
        """
        if self.approval is None:
            raise Refusal(Code.NOT_PENDING, "this process asks for no approval")
        return self.approval

    def check_pending(self, verb: str) -> None:
        """Refuses what comes after the end.

        Raises:
            Refusal: NOT_PENDING.
        """
        status = self.required_approval.status
        if not self.required_approval.is_pending:
            raise Refusal(Code.NOT_PENDING, f"the approval is {status} and can no longer be {verb}")

    # Asking the directory

    async def look_up(self, question: LookUp) -> LookedUp | None:
        """Asks the directory; None if the database does not answer."""
        if question == LookUp(parties=question.parties):
            return LookedUp()
        try:
            return await workflow.execute_local_activity_method(
                Directory.look_up,
                question,
                start_to_close_timeout=ANNOUNCE_AT_ONCE,
                schedule_to_close_timeout=ANNOUNCE_AT_ONCE,
                retry_policy=QUICK_RETRY,
                summary="ask the directory",
            )
        except (FailureError, asyncio.CancelledError) as error:
            if is_cancelled_exception(error):
                raise
            workflow.logger.warning("The database does not answer; the directory cannot be asked")
            return None

    async def look_up_patiently(self, question: LookUp) -> LookedUp:
        """Asks the directory for as long as it takes."""
        return await workflow.execute_activity_method(
            Directory.look_up,
            question,
            start_to_close_timeout=ANNOUNCE_AT_ONCE * 10,
            retry_policy=PATIENT_RETRY,
            summary="ask the directory",
        )

    # Telling people

    def to_people(self, template: Template, people: Iterable[str], **facts: Any) -> tuple[Notice, ...]:
        """A mail about the open stage to some people, or nothing if there are none."""
        keys = tuple(people)
        notice = Notice(template=template, audience=Audience(people=keys), facts=self.stage_facts(**facts))
        return (notice,) if keys else ()

    def to_roster(self, template: Template) -> Notice:
        """A mail about the open stage to everybody who gets a seat with this step."""
        return Notice(template=template, audience=Audience(roster=True), facts=self.stage_facts())

    def to_operators(self, template: Template) -> Notice:
        """A mail about the open stage to the provider's operators."""
        operators = Audience(organisations=(self.parties.provider,), permission=Permission.OPERATE)
        return Notice(template=template, audience=operators, facts=self.stage_facts())

    def tell_roster(self, template: Template, **facts: Any) -> tuple[Notice, ...]:
        """A mail to everybody who was asked to decide the open stage, or nothing if nobody was."""
        people = tuple(person.key for person in self.approval.roster or ()) if self.approval else ()
        audience = Audience(people=people)
        return (Notice(template=template, audience=audience, facts=self.facts(**facts)),) if people else ()

    def stage_facts(self, **more: Any) -> MailFacts:
        """What mails about the open stage can say."""
        approval = self.required_approval
        facts = {
            "stage": approval.stage.title,
            "deadline": approval.deadline,
            "what_then": approval.after_deadline,
            "command": f"countersign approvals approve {workflow.info().workflow_id}",
        }
        return self.facts(**(facts | more))


def keys_of(people: Iterable[Approver]) -> tuple[str, ...]:
    """People's keys."""
    return tuple(person.key for person in people)
