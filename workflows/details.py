"""Until somebody has completed the order: provisioning mail, mapping, set-up (L7, L12, L13, L17)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from temporalio import workflow

from domain.line import LineState
from domain.mail import Template
from domain.next_step import next_step
from domain.transitions import SYSTEM, Notice
from workflows.mapping import Mapping


class Details(Mapping):
    """What a line with a provisioning contact waits for; it may close meanwhile, which is not its end."""

    async def have_details_given(self) -> None:
        """Mails the provisioning contact and waits until the line is mapped (L7, L12)."""
        if self.contact is None:
            return
        self.move(LineState.AWAITING_PROVISIONING_DETAILS)
        self.note("line.awaiting_details", services=self.service_change())
        await self.be_prepared()
        self.send_details("line.details_requested", SYSTEM)
        await self._wait_for(lambda: self.mapped is not None)

    async def have_set_up(self) -> None:
        """Waits for the answers to the offer's set-up form, if it has one and they are not given (L13)."""
        if self.contact is not None:
            await self._wait_for(lambda: self.is_set_up)
            if self.progress.state is LineState.CLOSED:
                self.move(LineState.PROVISIONING)
                self.note("line.resumed")

    async def _wait_for(self, done: Callable[[], bool]) -> None:
        """Waits for people; warns, reminds and closes in time."""
        while not done():
            await self.announce()
            closes_at, reminders = self.closure.closes_at, self.set_up_reminders
            came = await self.until(
                lambda: (
                    done()
                    or self.is_stopped
                    or self.closure.closes_at != closes_at  # noqa: B023
                    or self.set_up_reminders is not reminders  # noqa: B023
                ),
                min((at for at in (self.closure.next_due, *self.set_up_reminders) if at), default=None),
            )
            self.heed_cancel()
            if not came:
                self._act_on_closure()

    def _act_on_closure(self) -> None:
        now = workflow.now()
        if self.closure.is_over(now):
            self.move(LineState.CLOSED)
            closed = self._tell_of_closure(Template.LINE_CLOSED)
            self.closure.stop()
            self.note("line.closed", reason="provisioning is outstanding", notices=(closed,))
        elif self.closure.next_due is not None and self.closure.next_due <= now:
            self.closure.warn(now)
            self.note("line.closure_warned", notices=(self._tell_of_closure(Template.CLOSURE_WARNING),))
        if any(at <= now for at in self.set_up_reminders):
            self.set_up_reminders = [at for at in self.set_up_reminders if at > now]
            self.note("line.set_up_reminded", notices=(self.tell_set_up(Template.SET_UP_REMINDER),))

    def _tell_of_closure(self, template: Template) -> Notice:
        """A mail to the placing contact, those who read along and, until the mapping, the contact (L17)."""
        facts: dict[str, Any] = {"closes_at": self.closure.closes_at, "command": next_step(self.view())}
        contact = self.asked_contact
        if self.mapped is not None or contact is None:
            return self.tell_owners(template, **facts)
        link = self.link_of(self.required_contact)
        return self.tell_concerned(template, contact=contact.email, link=link, **facts)
