"""What every process shares: announcing its transitions, refusing, waiting, and the operators' view."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any

from temporalio import workflow
from temporalio.exceptions import (
    ApplicationError,
    ApplicationErrorCategory,
    FailureError,
    is_cancelled_exception,
)

from domain import wire
from domain.decisions import Vote
from domain.errors import Refusal
from domain.lookups import Authorise
from domain.mail import MailFacts
from domain.mapping import CreatedOrganisation
from domain.transitions import (
    SYSTEM,
    Announced,
    Announcement,
    Notice,
    ProcessView,
    SeatRoster,
    ServiceChange,
    Transition,
)
from domain.views import details
from workflows.alarm import Alarm
from workflows.names import ANNOUNCE_AT_ONCE, PATIENT_RETRY, QUICK_RETRY

with workflow.unsafe.imports_passed_through():
    from activities.notices import Notices


OPERATOR = "operator"
"""The actor of what somebody does in Temporal itself, which does not say who."""


class Process:
    """A durable process that says of itself what happens.

    A subclass keeps its own state and overrides `state` and `view`. It calls `note` at each step and
    `announce` before it waits; several steps noted in a row are written together.
    """

    def __init__(self) -> None:
        self._seq = 0
        self._noted: list[Transition] = []
        self._noted_state = ""
        self._late = 0
        self._alarm = Alarm()

    @property
    def state(self) -> str:
        """The process's state, one word."""
        raise NotImplementedError

    def view(self) -> ProcessView:
        """What lists and operators see of the process now."""
        raise NotImplementedError

    def facts(self, **more: Any) -> MailFacts:
        """What mails of this process can say."""
        raise NotImplementedError

    @workflow.query(name=wire.VIEW)
    def current_view(self) -> ProcessView:
        """What the process waits for, until when, and what happens then."""
        return self.view()

    # Announcing

    def note(
        self,
        action: str,
        *,
        actor: str = SYSTEM,
        reason: str | None = None,
        on_behalf_of: str | None = None,
        refused: Refusal | None = None,
        vote: Vote | None = None,
        notices: tuple[Notice, ...] = (),
        services: tuple[ServiceChange, ...] = (),
        release_claim: bool = False,
        organisations: tuple[CreatedOrganisation, ...] = (),
        data: dict[str, str] | None = None,
    ) -> Transition:
        """Adds one step to what is announced next; the states before and after are read off the process."""
        self._seq += 1
        view = self.view()
        if refused is not None:
            refused.noted = True
        transition = Transition(
            process=workflow.info().workflow_id,
            seq=self._seq,
            action=action,
            from_state=self._noted_state,
            to_state=self.state,
            at=workflow.now(),
            actor=actor,
            on_behalf_of=on_behalf_of,
            reason=reason,
            accepted=refused is None,
            code=refused.code if refused else None,
            data=data or {},
            vote=vote,
            view=view,
            notices=notices,
            services=services,
            release_claim=release_claim,
            organisations=organisations,
        )
        self._noted_state = self.state
        self._noted.append(transition)
        self.refresh_details()
        return transition

    def refresh_details(self) -> None:
        """Shows operators in the Temporal UI what the process waits for now."""
        workflow.set_current_details(details(self.view()))

    async def announce(
        self,
        *,
        seat: SeatRoster | None = None,
        authorise: Authorise | None = None,
        when_late: Callable[[Announced], None] | None = None,
    ) -> Announced | None:
        """Has everything noted so far written (SPEC D6).

        Returns:
            What came back, or None if the database does not answer: the announcement then goes on in the
            background until it is written, nothing waits for it, and `when_late` gets what it brings.
        """
        if not self._noted:
            return Announced()
        announcement = Announcement(transitions=tuple(self._noted), seat=seat, authorise=authorise)
        self._noted.clear()
        if not self._late:
            try:
                return await workflow.execute_local_activity_method(
                    Notices.announce,
                    announcement,
                    start_to_close_timeout=ANNOUNCE_AT_ONCE,
                    schedule_to_close_timeout=ANNOUNCE_AT_ONCE,
                    retry_policy=QUICK_RETRY,
                    summary=in_words(announcement.transitions[-1]),
                )
            except (FailureError, asyncio.CancelledError) as error:
                if is_cancelled_exception(error):
                    self._noted[:0] = announcement.transitions  # written with whatever the end has to say
                    raise
                workflow.logger.warning("The database does not answer; the announcement follows later")
        self._late += 1
        # A permission cannot be asked of a directory that is away; the roster recorded at opening stands in.
        unasked = announcement.model_copy(update={"authorise": None})
        asyncio.create_task(self._announce_later(unasked, when_late))  # noqa: RUF006 - the loop of a workflow keeps its tasks
        return None

    async def _announce_later(
        self, announcement: Announcement, then: Callable[[Announced], None] | None
    ) -> None:
        announced = await workflow.execute_activity_method(
            Notices.announce,
            announcement,
            start_to_close_timeout=ANNOUNCE_AT_ONCE * 10,
            retry_policy=PATIENT_RETRY,
            summary=in_words(announcement.transitions[-1]),
        )
        self._late -= 1
        if then is not None:
            then(announced)

    async def all_announced(self) -> None:
        """Waits until everything is written and every caller is answered: the last step of every process.

        A cancellation requested in Temporal meanwhile changes nothing any more.
        """
        await self.undisturbed(self._announce_everything())

    async def undisturbed(self, work: Coroutine[Any, Any, None]) -> None:
        """Sees some work through, even if a cancellation is requested in Temporal meanwhile."""
        working = asyncio.create_task(work)
        while not working.done():
            with suppress(asyncio.CancelledError):
                await asyncio.shield(working)
        working.result()

    async def _announce_everything(self) -> None:
        await self.announce()
        await workflow.wait_condition(lambda: not self._late and workflow.all_handlers_finished())

    # Waiting

    async def until(self, condition: Callable[[], bool], due: datetime | None = None) -> bool:
        """Waits for a condition, at most until `due`.

        Returns:
            Whether the condition holds; False means that `due` has come.
        """
        while not condition():
            if due is not None and workflow.now() >= due:
                return False
            await self._alarm.wait(condition, due)
        return True


def in_their_words(reason: str | None) -> dict[str, str]:
    """For the audit of a refused command: what its sender gave as reason, beside why it was refused."""
    return {"reason": reason} if reason else {}


def in_words(transition: Transition) -> str:
    """What an announcement is about, for the Temporal UI."""
    what = transition.action.replace(".", " ").replace("_", " ")
    return f"tell: {what}" if transition.accepted else f"tell: {what} was refused"


def let_go(task: asyncio.Task[Any]) -> None:
    """Cancels a task nobody waits for any more; how it ends is of no interest."""
    task.add_done_callback(lambda done: None if done.cancelled() else done.exception())
    task.cancel()


@contextmanager
def refusals() -> Iterator[None]:
    """Turns a refusal of the rules into the typed error its caller gets; no other may leave a handler."""
    try:
        yield
    except Refusal as refusal:
        raise refused(refusal) from None


def refused(refusal: Refusal) -> ApplicationError:
    """The typed error for a refusal: its code is the error type on the wire, what else it says a detail."""
    details: dict[str, Any] = {}
    if refusal.retry_after is not None:
        details["retry_after"] = refusal.retry_after
    if refusal.noted:
        details["noted"] = True
    return ApplicationError(
        refusal.message,
        *((details,) if details else ()),
        type=refusal.code,
        non_retryable=True,
        category=ApplicationErrorCategory.BENIGN,
    )
