"""The provisioning contact: whom the mail goes to, again, or instead (provisioning.md L7, L9-L11, L18).

The rules are in `domain/contact.py`. Each mail is handed over by an activity of the line itself, which learns
whether a mail server took it (SPEC D6): the closure clock starts with the first that was taken.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio import workflow

from domain import wire
from domain.contact import (
    LINK_VALID_FOR,
    ChangeContact,
    Contact,
    ContactState,
    DeliverMail,
    HandOver,
    MailDelivery,
    ProvisioningContact,
    ResendMail,
    reachable,
)
from domain.errors import Code, Refusal
from domain.links import LinkPurpose
from domain.mail import LinkFact, Template
from domain.orders import OrderLine
from domain.transitions import Audience, Notice
from workflows.fulfilment import Fulfilment
from workflows.names import PATIENT_RETRY, SILENT_AFTER
from workflows.process import refusals

with workflow.unsafe.imports_passed_through():
    from activities.outbox import Outbox

UNDELIVERABLE = "the mail could not be delivered"
"""Why a mail did not arrive, where no mail server has said."""


class Contacts(Fulfilment):
    """A line whose offer wants a provisioning contact, and the messages about that contact."""

    def __init__(self, order_line: OrderLine) -> None:
        super().__init__(order_line)
        named = order_line.line.contact
        self.contact = ProvisioningContact(named) if named is not None else None

    @property
    def asked_contact(self) -> Contact | None:
        """The provisioning contact, once somebody was asked who can be reached."""
        contact = self.contact
        return contact.contact if contact and contact.was_asked and not contact.is_undeliverable else None

    # The mail

    def send_details(self, action: str, actor: str, reason: str | None = None, *also: Notice) -> None:
        """Notes a step that sends the provisioning mail to the present contact, and has it handed over."""
        contact = self.required_contact
        mail = contact.sent(workflow.now())
        # The first mail starts the clock itself, once it is taken: it names the earliest end.
        closes_at = self.closure.closes_at if contact.clock_from else self.closure.if_started(workflow.now())
        letter = Notice(
            template=Template.PROVISIONING_DETAILS,
            audience=Audience(contact=contact.contact),
            facts=self.facts(contact=contact.contact.email, closes_at=closes_at, link=self.link_of(contact)),
            awaited=True,
        )
        step = self.note(action, actor=actor, reason=reason, notices=(letter, *also))
        asyncio.create_task(self._deliver(step.seq, mail, contact.generation))  # noqa: RUF006 - the loop of a workflow keeps its tasks

    async def deliver_mail(self, seq: int, mail: str) -> MailDelivery:
        """Hands over the mail by which a step asks somebody, and waits for what becomes of it (SPEC D6)."""
        return await workflow.execute_activity_method(
            Outbox.deliver,
            DeliverMail(process=workflow.info().workflow_id, seq=seq),
            start_to_close_timeout=timedelta(minutes=15),
            heartbeat_timeout=SILENT_AFTER,
            retry_policy=PATIENT_RETRY,
            summary=f"hand over the {mail}",
        )

    async def _deliver(self, seq: int, mail: int, generation: int) -> None:
        delivery = await self.deliver_mail(seq, "provisioning mail")
        contact = self.required_contact
        if self.progress.has_ended or self.is_stopped or self.is_unwinding:
            return
        is_bound = self.progress.ponr_at is not None
        reason = delivery.reason or UNDELIVERABLE
        if delivery.accepted:
            if contact.accepted(mail, workflow.now()) and not is_bound:
                self.closure.start(workflow.now())
            self.note("line.details_sent", data={"contact": str(generation)})
        elif contact.rejected(mail, reason) and not is_bound:
            command = (
                f"countersign order change-contact {self.context.id} --line {self.order_line.line.number}"
            )
            told = self.tell_owners(
                Template.CONTACT_BOUNCED, contact=contact.contact.email, reason=reason, command=command
            )
            self.note("line.contact_bounced", reason=reason, notices=(told,))
        await self.announce()

    @staticmethod
    def link_of(contact: ProvisioningContact) -> LinkFact:
        """What the contact, and nobody else, may do through their mails: map the line or hand it over."""
        return LinkFact(
            purpose=LinkPurpose.PROVISION,
            generation=contact.generation,
            expires_at=workflow.now() + LINK_VALID_FOR,
        )

    # Messages

    @workflow.update(name=wire.RESEND_MAIL)
    async def resend_mail(self, command: ResendMail) -> ContactState:
        """Sends the provisioning mail to the same contact again; the closure clock goes on (L9)."""
        with refusals():
            self._check_resend(command)
            self.send_details("line.details_resent", command.actor, command.reason)
            state = self.required_contact.state
            await self.announce()
            return state

    @resend_mail.validator
    def _may_resend(self, command: ResendMail) -> None:
        with refusals():
            self._check_resend(command)

    def _check_resend(self, command: ResendMail) -> None:  # noqa: ARG002 - takes what the update takes
        self.check_contact()
        self.required_contact.check_resend(workflow.now())

    @workflow.update(name=wire.CHANGE_CONTACT)
    async def change_contact(self, command: ChangeContact) -> ContactState:
        """Sends the provisioning mail to somebody else; links of the contact before die (L10)."""
        with refusals():
            self._check_new_contact(command.contact)
            return await self._change(command.contact, command.actor, command.reason)

    @change_contact.validator
    def _may_change(self, command: ChangeContact) -> None:
        with refusals():
            self._check_new_contact(command.contact)

    @workflow.update(name=wire.HAND_OVER)
    async def hand_over(self, command: HandOver) -> ContactState:
        """Lets the contact name somebody else, of which the placing contact hears (L11)."""
        with refusals():
            self._check_hand_over(command)
            before = self.required_contact.contact.email
            named = reachable(command.contact).email
            told = self.tell_owners(Template.CONTACT_HANDED_OVER, contact=named, decided_by=before)
            return await self._change(command.contact, before, command.reason, told)

    @hand_over.validator
    def _may_hand_over(self, command: HandOver) -> None:
        with refusals():
            self._check_hand_over(command)

    def _check_hand_over(self, command: HandOver) -> None:
        self.check_contact()
        self.required_contact.check_link(command.generation)
        self._check_new_contact(command.contact)

    def _check_new_contact(self, contact: Contact) -> None:
        self.check_contact()
        self.required_contact.check_change(contact, workflow.now())

    async def _change(self, to: Contact, actor: str, reason: str | None, *also: Notice) -> ContactState:
        contact = self.required_contact
        was_asked = contact.was_asked
        before = contact.change(to)
        if was_asked:
            gone = Notice(
                template=Template.CONTACT_CHANGED, audience=Audience(contact=before), facts=self.facts()
            )
            self.send_details("line.contact_changed", actor, reason, gone, *also)
        else:  # The mail goes out in time, to whoever is the contact then.
            self.note("line.contact_changed", actor=actor, reason=reason, notices=also)
        state = contact.state
        await self.announce()
        return state

    # What stands behind

    @property
    def required_contact(self) -> ProvisioningContact:
        """The contact.

        Raises:
            Refusal: NOT_ALLOWED if the offer wants none.
        """
        if self.contact is None:
            raise Refusal(Code.NOT_ALLOWED, f"line: offer {self.offer.name} has no provisioning contact")
        return self.contact

    def check_contact(self) -> None:
        """Refuses commands about the contact once the line is mapped, whatever the way in (SPEC 5.4).

        Raises:
            Refusal: NOT_ALLOWED, PROCESS_ENDED, POINT_OF_NO_RETURN or NOT_PENDING before the confirmation.
        """
        _ = self.required_contact
        self.progress.check_contact()
        if self.is_stopped or self.is_unwinding:
            raise Refusal(Code.NOT_PENDING, "line: what was done for it is being taken back")
