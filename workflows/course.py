"""A line's own course: where it stands, how it moves, and how it ends early (provisioning.md b.2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from domain.closure import ClosureClock
from domain.contact import Contact
from domain.line import SERVICE_STATUS, CancelTask, LineProgress, LineState
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
    """What every part of a line's story stands on.

    Attributes:
        cancel_task: How far a cancellation has come, once there is one.
        is_unwinding: Whether what was done for the line is being taken back, whatever it ends as.
    """

    def __init__(self, order_line: OrderLine) -> None:
        super().__init__()
        self.order_line = order_line
        self.context = order_line.context
        self.offer = order_line.line.offer
        self.progress = LineProgress()
        self.closure = ClosureClock(self.offer)
        self.steps = BackendSteps(order_line)
        self.cancelled_by: LineCommand | None = None
        self.cancel_task = CancelTask.ACKNOWLEDGED
        self.is_unwinding = False
        self.ended_reason: str | None = None

    @property
    def is_stopped(self) -> bool:
        """Whether somebody cancelled the line."""
        return self.cancelled_by is not None

    @property
    def asked_contact(self) -> Contact | None:
        """The provisioning contact, once somebody was asked who can be reached."""
        return None

    def tell_concerned(self, template: Template, **facts: Any) -> Notice:
        """A mail to the owners and to the provisioning contact (L16, L17, L21)."""
        notice = self.tell_owners(template, **facts)
        audience = notice.audience.model_copy(update={"contact": self.asked_contact})
        return notice.model_copy(update={"audience": audience})

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
        tell = self.tell_concerned if state is LineState.CANCELLED else self.tell_owners
        notices = [tell(template, reason=reason, decided_by=actor), *also]
        if state is LineState.FAILED:
            notices.append(self.tell_operators(template, reason=reason))
        self.note(
            f"line.{state}",
            actor=actor,
            reason=reason,
            notices=tuple(notices),
            services=self.service_change(),
            release_claim=True,
            data=self._end_of_cancel_task() if state is LineState.CANCELLED else None,
        )
        raise Ended

    def heed_cancel(self) -> None:
        """Ends the line if somebody cancelled it (L20, L21)."""
        command = self.cancelled_by
        if command is None:
            return
        self.begin_cancelling(command)
        self.unwind(LineState.CANCELLED, command.reason, Template.CANCELLED, command.actor)

    def begin_cancelling(self, command: LineCommand) -> None:
        """Shows that the line is being cancelled, where there may be something to take back (L21)."""
        if self.progress.state in UNDER_WAY:
            self.move(LineState.CANCELLING)
            self.note(
                "line.cancelling", actor=command.actor, reason=command.reason, data=self.cancel_task_data()
            )

    def unwind(
        self, state: LineState, reason: str | None, template: Template, actor: str = SYSTEM
    ) -> NoReturn:
        """Ends the line, after what was done for it has been taken back."""
        if state is LineState.FAILED and self.progress.state is not LineState.PROVISIONING:
            self.move(LineState.PROVISIONING)  # From anywhere else b.2 knows no failure (L23).
        if self.steps.taken:
            self.is_unwinding = True
            raise Unwinding(lambda: self.end(state, reason, template, actor))
        self.end(state, reason, template, actor)

    def cancel_task_data(self) -> dict[str, str]:
        """How far a cancellation has come, for the audit; nothing if there is none."""
        return {} if self.cancelled_by is None else {"cancel_task": self.cancel_task}

    def _end_of_cancel_task(self) -> dict[str, str]:
        if self.cancel_task is not CancelTask.TERMINATED_WITH_ERROR:
            self.cancel_task = CancelTask.DONE
        return self.cancel_task_data()
