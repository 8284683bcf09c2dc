"""Setting the services of a mapped line up, by the partner or the customer's admin (SPEC 5.5; b.2 L13)."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow

from domain import wire
from domain.contact import LINK_VALID_FOR, Contact, ContactState, reachable
from domain.customer import AskCustomer, CustomerAdmin, not_the_contacts
from domain.errors import Code, Refusal
from domain.forms import audit_data, flatten, validate
from domain.line import LineState, OpenTask
from domain.links import LinkPurpose
from domain.mail import LinkFact, Template, Why
from domain.mapping import Mapped, SetUpLine
from domain.orders import OrderLine
from domain.transitions import Audience, Notice, Transition
from workflows.asking import Asking
from workflows.contacts import UNDELIVERABLE, Contacts
from workflows.process import refusals

REMIND_SET_UP_AFTER = (timedelta(days=3), timedelta(days=6))
"""When whoever has to set the services up is reminded (L13)."""


class SetUp(Contacts, Asking):
    """The messages by which a line is set up, or the customer is asked to."""

    def __init__(self, order_line: OrderLine) -> None:
        super().__init__(order_line)
        self.mapped: Mapped | None = None
        self.set_up_reminders: list[datetime] = []
        self.customer_admin: CustomerAdmin | None = None
        self._is_answered = False

    @property
    def open_task(self) -> OpenTask | None:
        """Who still has to set the services up, once the line is mapped."""
        if self.mapped is None or self.is_set_up:
            return None
        return OpenTask.CUSTOMER_SETUP if self.customer_admin is not None else OpenTask.PARTNER

    @property
    def is_set_up(self) -> bool:
        """Whether the offer asks nothing, or everything it asks is answered."""
        return self.offer.form is None or self._is_answered

    # Asking for it

    def begin_set_up(self, actor: str) -> tuple[Notice, ...]:
        """Asks the customer's admin, if they are to set up; whoever has to is reminded in time (L13).

        Returns:
            The mails of the step that does so; then `await_set_up_mail`.
        """
        if self.open_task is None:
            return ()
        self.set_up_reminders = [workflow.now() + after for after in REMIND_SET_UP_AFTER]
        if self.customer_admin is None:
            return ()
        self.customer_admin.sent(workflow.now())
        return (self.tell_set_up(Template.CUSTOMER_SET_UP, actor).model_copy(update={"awaited": True}),)

    def await_set_up_mail(self, step: Transition) -> None:
        """Has the mail of a step handed over, by which the customer's admin is asked, if it holds one."""
        admin = self.customer_admin
        if admin is not None and any(notice.awaited for notice in step.notices):
            asyncio.create_task(self._deliver_to(admin, step.seq, admin.newest_mail))  # noqa: RUF006 - the loop of a workflow keeps its tasks

    async def _deliver_to(self, admin: CustomerAdmin, seq: int, mail: int) -> None:
        delivery = await self.deliver_mail(seq, "mail to the customer's admin")
        reason = delivery.reason or UNDELIVERABLE
        if self.open_task is None or self.progress.has_ended or self.is_unwinding:
            return
        if delivery.accepted:
            if not admin.accepted(mail, workflow.now()):
                return
            self.note("line.customer_mailed", data={"admin": str(admin.generation)})
        elif admin.rejected(mail, reason):
            self.note("line.customer_bounced", reason=reason, notices=(self._tell_of_bounce(admin, reason),))
        await self.announce()

    def _tell_of_bounce(self, admin: CustomerAdmin, reason: str) -> Notice:
        """A mail to whoever ordered, those who read along and the contact, each of whom can ask anew."""
        return self.tell_concerned(
            Template.CUSTOMER_BOUNCED,
            contact=admin.contact.email,
            reason=reason,
            closes_at=self.closure.closes_at,
            command=self._command("ask-customer"),
            link=self.link_of(self.required_contact),
        )

    def tell_set_up(self, template: Template, actor: str | None = None) -> Notice:
        """A mail to whoever has to set the services up; `actor` has left it to them.

        Where the customer's admin cannot be reached, it is up to whoever ordered to ask somebody else.
        """
        facts: dict[str, Any] = {"closes_at": self.closure.closes_at, "decided_by": actor}
        admin = self.customer_admin
        if admin is None:
            return self.tell_owners(template, command=self.set_up_command, **facts)
        if admin.is_undeliverable and template is Template.SET_UP_REMINDER:
            return self.tell_owners(template, command=self._command("ask-customer"), **facts)
        link = LinkFact(
            purpose=LinkPurpose.SET_UP,
            generation=admin.generation,
            expires_at=workflow.now() + LINK_VALID_FOR,
        )
        audience = Audience(contact=admin.contact, contact_is=Why.CUSTOMER_ADMIN)
        return Notice(template=template, audience=audience, facts=self.facts(link=link, **facts))

    @property
    def set_up_command(self) -> str:
        """How people of the directory set the line up."""
        return self._command("set-up")

    def _command(self, verb: str) -> str:
        return f"countersign order {verb} {self.context.id} --line {self.order_line.line.number}"

    # Messages

    @workflow.update(name=wire.ASK_CUSTOMER)
    async def ask_customer(self, command: AskCustomer) -> ContactState:
        """Leaves the set-up to the customer's admin, to another one, or mails the same one again (L13)."""
        with refusals():
            self._check_ask(command)
            admin, gone = self._name(command.customer_admin)
            asked = self.begin_set_up(command.actor)
            step = self.note(
                "line.customer_asked",
                actor=command.actor,
                reason=command.reason,
                notices=(*asked, *gone),
                data={"admin": str(admin.generation)},
            )
            self.await_set_up_mail(step)
            state = admin.state
            await self.announce()
            return state

    @ask_customer.validator
    def _may_ask(self, command: AskCustomer) -> None:
        with refusals():
            self._check_ask(command)

    def _check_ask(self, command: AskCustomer) -> None:
        self._check_set_up()
        if self.is_stopped or self.is_unwinding:
            raise Refusal(Code.NOT_PENDING, "line: what was done for it is being taken back")
        if command.generation is not None:
            self.required_contact.check_link(command.generation)
        # Who was never asked for this line can be asked like anybody who takes the place of another.
        admin = self.customer_admin or CustomerAdmin(command.customer_admin)
        admin.check_ask(command.customer_admin, workflow.now())

    def _name(self, to: Contact) -> tuple[CustomerAdmin, tuple[Notice, ...]]:
        """Makes somebody the admin, and tells the one before that nothing is wanted of them any more."""
        admin = self.customer_admin
        if admin is None:
            admin = self.customer_admin = CustomerAdmin(reachable(to, "customer_admin"))
            return admin, ()
        if admin.is_at(to):
            return admin, ()
        was_reached = not admin.is_undeliverable
        audience = Audience(contact=admin.change(to), contact_is=Why.CUSTOMER_ADMIN)
        gone = Notice(template=Template.CONTACT_CHANGED, audience=audience, facts=self.facts())
        return admin, (gone,) if was_reached else ()

    @workflow.update(name=wire.SET_UP_LINE)
    async def set_up(self, command: SetUpLine) -> LineState:
        """Takes the answers to the offer's set-up form, from the partner or the customer's admin (L13)."""
        with refusals():
            self._check_set_up()
            self._check_set_up_link(command)
            answers = self.read_answers(command.answers)
            self.note("line.set_up", actor=command.actor, data=self.take_answers(answers or {}))
            await self.announce()
            return self.progress.state

    @set_up.validator
    def _may_set_up(self, command: SetUpLine) -> None:
        with refusals():
            self._check_set_up()
            self._check_set_up_link(command)
            self.read_answers(command.answers)

    def take_answers(self, answers: dict[str, Any]) -> dict[str, str]:
        """Keeps the answers for the backend, and gives them back as facts for the audit."""
        self.answers, self._is_answered = flatten(answers), True
        return audit_data(answers)

    def _check_set_up(self) -> None:
        self.progress.check_running()
        if self.offer.form is None:
            raise Refusal(Code.NOT_ALLOWED, f"line: offer {self.offer.name} asks for no set-up")
        if self.mapped is None:
            raise Refusal(Code.NOT_PENDING, "line: it is set up once it is mapped to its organisations")
        if self.is_set_up:
            raise Refusal(Code.ALREADY_DECIDED, "line: it is set up already")

    def _check_set_up_link(self, command: SetUpLine) -> None:
        """Refuses answers through a link of somebody who is no longer the one to give them.

        Raises:
            Refusal: LINK_REVOKED, or LINK_INVALID for the contact's once the customer was asked.
        """
        admin = self.customer_admin
        if command.generation is None or command.purpose is None:
            return
        if command.purpose is LinkPurpose.PROVISION:
            self.required_contact.check_link(command.generation)
            if admin is not None:
                raise not_the_contacts()
        elif admin is not None:
            admin.check_link(command.generation)

    def read_answers(self, answers: dict[str, Any] | None) -> dict[str, Any] | None:
        """Judges answers by the offer's form.

        Raises:
            Refusal: INVALID_INPUT naming every answer that is wrong.
        """
        if answers is None:
            return None
        if self.offer.form is None:
            raise Refusal(Code.INVALID_INPUT, f"answers: offer {self.offer.name} asks for no set-up")
        return dict(validate(self.offer.form, answers, self.offer.parameters))
