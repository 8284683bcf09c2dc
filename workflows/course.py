"""A line's own course: where it stands, how it moves, and how it ends early (provisioning.md b.2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from domain.closure import ClosureClock
from domain.line import SERVICE_STATUS, LineProgress, LineState
from domain.mail import Template
from domain.orders import LineCommand, OrderLine
from domain.transitions import SYSTEM, Notice, ServiceChange
from workflows.check import DomainCheck
from workflows.steps import BackendSteps


class Ended(Exception):
    """The line has come to an end before it was provisioned; its last transition is noted."""


class Unwinding(Exception):
    """The line comes to an end, but what was done for it has to be taken back first.

    Attributes:
        end: Ends it then.
    """

    def __init__(self, end: Callable[[], NoReturn]) -> None:
        super().__init__()
        self.end = end


UNDER_WAY = frozenset({LineState.AWAITING_PROVISIONING_DETAILS, LineState.PROVISIONING, LineState.CLOSED})
"""States in which a cancellation has something to take back (L21)."""


class LineCourse(DomainCheck):
    """What every part of a line's story stands on."""

    def __init__(self, order_line: OrderLine) -> None:
        super().__init__()
        self.order_line = order_line
        self.context = order_line.context
        self.offer = order_line.line.offer
        self.progress = LineProgress()
        self.closure = ClosureClock(self.offer)
        self.steps = BackendSteps(order_line)
        self.cancelled_by: LineCommand | None = None
        self.ended_reason: str | None = None

    @property
    def is_stopped(self) -> bool:
        """Whether somebody cancelled the line."""
        return self.cancelled_by is not None

    # Moves and ends

    def move(self, to: LineState) -> None:
        """Moves the line to another state; the next note tells."""
        self.progress.move(to)

    def service_change(self) -> tuple[ServiceChange, ...]:
        """The service's status that goes with the line's state."""
        return (
            ServiceChange(
                id=self.order_line.service,
                status=SERVICE_STATUS[self.progress.state],
                organisation=self.context.parties.customer,
                offer=self.offer.name,
                offer_version=self.offer.version,
                order=self.context.id,
                line=self.order_line.line.number,
                domain=self.context.domain.key if self.context.domain else None,
            ),
        )

    def end(
        self,
        state: LineState,
        reason: str | None,
        template: Template,
        actor: str = SYSTEM,
        also: tuple[Notice, ...] = (),
    ) -> NoReturn:
        """Ends the line before it is provisioned and tells everybody concerned."""
        self.move(state)
        self.ended_reason = reason
        notices = [self.tell_owners(template, reason=reason, decided_by=actor), *also]
        if state is LineState.FAILED:
            notices.append(self.tell_operators(template, reason=reason))
        self.note(
            f"line.{state}",
            actor=actor,
            reason=reason,
            notices=tuple(notices),
            services=self.service_change(),
            release_claim=True,
        )
        raise Ended

    def heed_cancel(self) -> None:
        """Ends the line if somebody cancelled it (L20, L21)."""
        command = self.cancelled_by
        if command is None:
            return
        if self.progress.state in UNDER_WAY:
            self.move(LineState.CANCELLING)
            self.note("line.cancelling", actor=command.actor, reason=command.reason)
        self.unwind(LineState.CANCELLED, command.reason, Template.CANCELLED, command.actor)

    def unwind(
        self, state: LineState, reason: str | None, template: Template, actor: str = SYSTEM
    ) -> NoReturn:
        """Ends the line, after what was done for it has been taken back."""
        if self.steps.taken:
            raise Unwinding(lambda: self.end(state, reason, template, actor))
        self.end(state, reason, template, actor)
