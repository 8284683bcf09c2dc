"""What people may do with a process's approval besides deciding: one update for each action of SPEC 4.4."""

from __future__ import annotations

from temporalio import workflow

from domain import actions, wire
from domain.acting import needs
from domain.actions import ActionRecorded, ChangeDefinition, DefinitionChanged, StageCommand
from domain.definitions import OnChange, content_hash
from domain.errors import Code, Refusal
from domain.lookups import LookedUp
from domain.mail import Template
from domain.transitions import Notice
from domain.views import people_asked
from workflows.asking import Asking, keys_of
from workflows.process import in_their_words, refusals


class Acting(Asking):
    """The messages by which people act on the open stage; the rules are in `domain/acting.py`."""

    @workflow.update(name=wire.DELEGATE)
    async def delegate(self, command: actions.Delegate) -> ActionRecorded:
        """Lets somebody else decide instead."""
        return await self._act(command)

    @delegate.validator
    def _check_delegate(self, command: actions.Delegate) -> None:
        self._check_action(command)

    @workflow.update(name=wire.HAND_BACK)
    async def hand_back(self, command: actions.HandBack) -> ActionRecorded:
        """Returns a delegated decision."""
        return await self._act(command)

    @hand_back.validator
    def _check_hand_back(self, command: actions.HandBack) -> None:
        self._check_action(command)

    @workflow.update(name=wire.ADD_APPROVER)
    async def add_approver(self, command: actions.AddApprover) -> ActionRecorded:
        """Wants somebody's approval in addition."""
        return await self._act(command)

    @add_approver.validator
    def _check_add_approver(self, command: actions.AddApprover) -> None:
        self._check_action(command)

    @workflow.update(name=wire.ESCALATE)
    async def escalate(self, command: actions.Escalate) -> ActionRecorded:
        """Asks the next level, or the escalation team, without waiting for the deadline."""
        return await self._act(command)

    @escalate.validator
    def _check_escalate(self, command: actions.Escalate) -> None:
        self._check_action(command)

    @workflow.update(name=wire.INQUIRE)
    async def inquire(self, command: actions.Inquire) -> ActionRecorded:
        """Asks somebody a question; deciding waits for the answer, the clock does not."""
        return await self._act(command)

    @inquire.validator
    def _check_inquire(self, command: actions.Inquire) -> None:
        self._check_action(command)

    @workflow.update(name=wire.ANSWER)
    async def answer(self, command: actions.Answer) -> ActionRecorded:
        """Answers a question."""
        return await self._act(command)

    @answer.validator
    def _check_answer(self, command: actions.Answer) -> None:
        self._check_action(command)

    @workflow.update(name=wire.RECALL_INQUIRY)
    async def recall_inquiry(self, command: actions.RecallInquiry) -> ActionRecorded:
        """Takes a question back."""
        return await self._act(command)

    @recall_inquiry.validator
    def _check_recall_inquiry(self, command: actions.RecallInquiry) -> None:
        self._check_action(command)

    @workflow.update(name=wire.REROUTE)
    async def reroute(self, command: actions.Reroute) -> ActionRecorded:
        """Goes on at another stage that the definition allows."""
        return await self._act(command)

    @reroute.validator
    def _check_reroute(self, command: actions.Reroute) -> None:
        self._check_action(command)

    @workflow.update(name=wire.UNDO)
    async def undo(self, command: actions.Undo) -> ActionRecorded:
        """Takes one's own vote back while nothing has followed from it."""
        return await self._act(command)

    @undo.validator
    def _check_undo(self, command: actions.Undo) -> None:
        self._check_action(command)

    @workflow.update(name=wire.REFRESH_ROSTER)
    async def refresh_roster(self, command: actions.RefreshRoster) -> ActionRecorded:
        """Has the directory asked anew who may decide the open stage."""
        return await self._act(command)

    @refresh_roster.validator
    def _check_refresh_roster(self, command: actions.RefreshRoster) -> None:
        self._check_action(command)

    # The definition

    @workflow.update(name=wire.CHANGE_DEFINITION)
    async def change_definition(self, command: ChangeDefinition) -> DefinitionChanged:
        """Starts the approval again on a new version, or ends it (SPEC 4.6); repeating it changes nothing."""
        with refusals():
            async with self.deciding:
                self._check_change(command)
                approval = self.required_approval
                if command.mode is OnChange.RESET and approval.runs_on(command.definition):
                    return DefinitionChanged(definition=command.definition.reference, changed=False)
                was = approval.definition.reference
                voided = approval.change_definition(command)
                said = tuple(f"{vote.stage}: {vote.verdict} ({vote.actor})" for vote in voided)
                data = {"from": was, "to": command.definition.reference, "void": "; ".join(said)}
                notices: tuple[Notice, ...] = ()
                if command.mode is OnChange.RESET:
                    people = dict.fromkeys((approval.requester, *(vote.actor for vote in voided)))
                    notices = self.to_people(
                        Template.APPROVAL_RESTARTED, people, reason=command.reason, details=said
                    )
                action = f"approval.{command.mode}"
                self.note(action, actor=command.actor, reason=command.reason, notices=notices, data=data)
                await self.announce()
                return DefinitionChanged(definition=command.definition.reference, voided=len(voided))

    @change_definition.validator
    def _may_change_definition(self, command: ChangeDefinition) -> None:
        with refusals():
            self._check_change(command)

    def _check_change(self, command: ChangeDefinition) -> None:
        approval, wanted = self.required_approval, command.definition
        if command.mode is OnChange.ABORT or not approval.runs_on(wanted):
            self.check_pending("changed")
        now = approval.definition
        if command.mode is OnChange.RESET and wanted.name == now.name and wanted.version < now.version:
            raise Refusal(
                Code.VERSION_CONFLICT, f"definition: the request runs on {now.reference}, which is newer"
            )
        if command.mode is OnChange.CONTINUE:
            raise Refusal(Code.INVALID_INPUT, "mode: must be reset or abort; to continue takes no command")
        if content_hash(command.definition) != command.definition_hash:
            raise Refusal(Code.INVALID_INPUT, "definition_hash: does not fit the definition")

    # What stands behind

    def _check_action(self, command: StageCommand) -> None:
        with refusals():
            self.required_approval.check_action(command, workflow.now())

    async def _act(self, command: StageCommand) -> ActionRecorded:
        with refusals():
            approval = self.required_approval
            while True:
                await workflow.wait_condition(lambda: approval.roster is not None or not approval.is_pending)
                async with self.deciding:
                    if approval.roster is None and approval.is_pending:
                        continue
                    approval.check_action(command, workflow.now())
                    found = await self.look_up(needs(approval, command, self.parties))
                    if found is None:
                        raise Refusal(Code.UNAVAILABLE, "the directory does not answer; nothing was changed")
                    approval.check_action(command, workflow.now())
                    return await self._record_action(command, found)

    async def _record_action(self, command: StageCommand, found: LookedUp) -> ActionRecorded:
        approval = self.required_approval
        before = approval.roster or ()
        waiting = keys_of(approval.waiting_for)
        action, data = f"approval.{command.action}", _data(command)
        try:
            recorded = approval.act(command, workflow.now(), found)
        except Refusal as refusal:
            self.note(
                action,
                actor=command.actor,
                reason=refusal.message,
                refused=refusal,
                data=data | in_their_words(command.reason),
            )
            await self.announce()
            raise
        new = tuple(seat.key for seat in approval.roster or () if seat not in before)
        notices = self._tell_of(command, new, waiting)
        if isinstance(command, actions.Escalate | actions.RefreshRoster):
            data |= people_asked(keys_of(approval.roster or ()))
        self.note(action, actor=command.actor, reason=command.reason, notices=notices, data=data)
        await self.announce()
        return recorded

    def _tell_of(
        self, command: StageCommand, new: tuple[str, ...], waiting: tuple[str, ...]
    ) -> tuple[Notice, ...]:
        """Who hears of an action: whoever has something to do now, or nothing to do any more."""
        by = {"decided_by": command.actor, "reason": command.reason}
        match command:
            case actions.Inquire(asked=person, question=question):
                reply = f"countersign approvals answer {workflow.info().workflow_id}"
                facts = by | {"question": question, "command": reply}
                return self.to_people(Template.APPROVAL_ASKED, (person,), **facts)
            case actions.Answer(inquiry=number, answer=answer):
                asker = self.required_approval.opening.inquiries[number - 1].asker
                return self.to_people(Template.APPROVAL_ANSWERED, (asker,), answer=answer, **by)
            case actions.Reroute(to=to):
                approval = self.required_approval
                others = [key for key in (approval.requester, *waiting) if key != command.actor]
                target = approval.definition.stages[approval.definition.position(to)].title
                return self.to_people(Template.APPROVAL_REROUTED, dict.fromkeys(others), target=target, **by)
            case _:
                template = _NEWS_FOR_NEW_SEATS.get(type(command))
                return self.to_people(template, new, **by) if template else ()


_NEWS_FOR_NEW_SEATS: dict[type[StageCommand], Template] = {
    actions.Delegate: Template.APPROVAL_DELEGATED,
    actions.HandBack: Template.APPROVAL_HANDED_BACK,
    actions.AddApprover: Template.APPROVER_ADDED,
    actions.Escalate: Template.APPROVAL_ESCALATED,
    actions.RefreshRoster: Template.APPROVAL_REQUESTED,
}
"""What those read who get a seat by an action."""


def _data(command: StageCommand) -> dict[str, str]:
    """What the audit keeps of an action besides actor and reason."""
    common = set(StageCommand.model_fields) - {"stage", "round"}
    return {name: str(value) for name, value in command.model_dump(exclude=common).items()}
