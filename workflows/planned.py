"""The lines of an order until they start: what they will be asked by can still change (SPEC 4.6)."""

from __future__ import annotations

from collections.abc import Iterable

from temporalio import workflow

from domain import wire
from domain.definitions import OnChange, content_hash
from domain.errors import Code, Refusal
from domain.line import SERVICE_STATUS, LineState
from domain.mail import Template
from domain.orders import Line, LineCommand, LineOutcome, Order, OrderState, service_id
from domain.rollouts import ChangeLines, LinesChanged
from domain.transitions import PlannedLine, ServiceChange
from workflows.check import DomainCheck
from workflows.process import refusals


class PlannedLines(DomainCheck):
    """What an order keeps of its lines while it is being checked.

    Attributes:
        lines: Those that are run, or will be.
        dropped: How those ended that will not.
    """

    order: Order
    order_state: OrderState
    cancelled_by: LineCommand | None
    lines: tuple[Line, ...]
    dropped: tuple[LineOutcome, ...] = ()

    @workflow.update(name=wire.CHANGE_DEFINITION)
    async def change_lines(self, command: ChangeLines) -> LinesChanged:
        """Lets lines that have not started run on another definition, or drops them.

        Repeating it changes nothing. Lines that have started answer for themselves.
        """
        with refusals():
            self._check_change(command)
        concerned = self._concerned(command)
        if self.order_state is not OrderState.ACKNOWLEDGED:
            return LinesChanged(started=tuple(self.process_of(line) for line in concerned))
        if concerned:
            if command.change.mode is OnChange.RESET:
                self._swap(command, concerned)
            else:
                self._drop(command, concerned)
            await self.announce()
        return LinesChanged(changed=tuple(line.number for line in concerned))

    @change_lines.validator
    def _may_change_lines(self, command: ChangeLines) -> None:
        with refusals():
            self._check_change(command)

    def _check_change(self, command: ChangeLines) -> None:
        change = command.change
        if self.order_state not in {OrderState.ACKNOWLEDGED, OrderState.IN_PROGRESS} or self.is_stopped:
            raise Refusal(Code.NOT_PENDING, "order: it has ended; none of its lines can be changed")
        if change.mode is OnChange.CONTINUE:
            raise Refusal(Code.INVALID_INPUT, "mode: must be reset or abort; to continue takes no command")
        if content_hash(change.definition) != change.definition_hash:
            raise Refusal(Code.INVALID_INPUT, "definition_hash: does not fit the definition")

    def _concerned(self, command: ChangeLines) -> list[Line]:
        return [
            line
            for line in self.lines
            if line.approval is not None
            and command.change.concerns(line.offer.reference, line.approval.reference)
        ]

    def _swap(self, command: ChangeLines, concerned: list[Line]) -> None:
        change = command.change
        new = {"approval": change.definition, "approval_hash": change.definition_hash}
        data = _data(command, concerned)
        self.lines = tuple(
            line.model_copy(update={**new, "calendars": {**line.calendars, **command.calendars}})
            if line in concerned
            else line
            for line in self.lines
        )
        self.note("order.lines_reset", actor=command.actor, reason=command.reason, data=data)

    def _drop(self, command: ChangeLines, concerned: list[Line]) -> None:
        """Ends lines before they start; an order without any other ends with them."""
        why = f"definition_changed: {command.change.definition.reference}"
        if len(concerned) == len(self.lines):
            self.cancelled_by = LineCommand(actor=command.actor, reason=command.reason or why)
            return
        self.dropped += tuple(
            LineOutcome(number=line.number, state=LineState.CANCELLED, at=workflow.now(), reason=why)
            for line in concerned
        )
        self.lines = tuple(line for line in self.lines if line not in concerned)
        self.note(
            "order.lines_dropped",
            actor=command.actor,
            reason=command.reason,
            notices=tuple(
                self.tell_owners(
                    Template.CANCELLED,
                    line=line.number,
                    reason=command.reason or why,
                    decided_by=command.actor,
                )
                for line in concerned
            ),
            services=tuple(self.service_of(line, LineState.CANCELLED) for line in concerned),
            data=_data(command, concerned),
        )

    @property
    def planned(self) -> tuple[PlannedLine, ...]:
        """The lines that will need an approval, for whoever has to find them."""
        if self.order_state is not OrderState.ACKNOWLEDGED:
            return ()
        return tuple(
            PlannedLine(number=line.number, offer=line.offer.reference, definition=line.approval.reference)
            for line in self.lines
            if line.approval is not None
        )

    def process_of(self, line: Line) -> str:
        """The process that a line is, or will be."""
        return wire.line_id(self.context.id, line.number)

    def service_of(self, line: Line, state: LineState) -> ServiceChange:
        """The status of a line's service that goes with a state of the line."""
        return ServiceChange(
            id=service_id(self.context.id, line.number),
            status=SERVICE_STATUS[state],
            organisation=self.context.parties.customer,
            offer=line.offer.name,
            offer_version=line.offer.version,
            order=self.context.id,
            line=line.number,
            domain=self.context.domain.key if self.context.domain else None,
        )


def _data(command: ChangeLines, concerned: Iterable[Line]) -> dict[str, str]:
    """What the audit keeps of a change."""
    lines = list(concerned)
    was = dict.fromkeys(line.approval.reference for line in lines if line.approval is not None)
    return {
        "from": ", ".join(was),
        "to": command.change.definition.reference,
        "lines": ", ".join(str(line.number) for line in lines),
    }
