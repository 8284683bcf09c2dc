"""The provisioning contact of an order line: whom the mail went to, and what may be done about it.

The rules of provisioning.md b.2 L7, L9 to L11 and L18 (seeds 003 and 004). A contact is an address, not a
person of the directory: whoever is named sets the service up.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Annotated, ClassVar

from pydantic import Field

from domain.base import Command, Key, Language, Message, Name, Text
from domain.errors import Code, Refusal
from domain.mail import parse_address, shown_address

RESEND_AFTER = timedelta(seconds=60)
"""How long a mail is given to arrive before it is sent again (L9)."""

MAILS_PER_DAY = 10
"""Mails of one kind that ask for a line, within 24 hours, to whomever (L9): nobody is flooded through us."""

LINK_VALID_FOR = timedelta(days=90)
"""How long the link in a provisioning mail works; a new mail brings a new one."""


class Contact(Message):
    """Whom the provisioning mail goes to.

    Attributes:
        email: One plain address as SMTP carries it (`domain.mail.parse_address`).
    """

    email: str
    name: Name | None = None
    language: Language = Language.EN

    @property
    def shown(self) -> str:
        """The address as people read it."""
        return shown_address(self.email)


class ResendMail(Command):
    """Send the provisioning mail to the same contact again (L9)."""

    actor: Key
    reason: Text | None = None


class ChangeContact(Command):
    """Send the provisioning mail to somebody else (L10).

    Attributes:
        contact: Who sets the service up from now on; links of those before die.
    """

    actor: Key
    contact: Contact
    reason: Text | None = None


class HandOver(Command):
    """The contact names somebody else who completes the order (L11).

    Attributes:
        generation: From the contact's link; one that was replaced meanwhile can no longer hand over.
    """

    generation: Annotated[int, Field(ge=1)]
    contact: Contact
    reason: Text | None = None


class ContactState(Message):
    """How the contact of a line, or its customer's admin, stands: the answer to every command about them.

    Attributes:
        generation: Counts the contacts of a line from 1, and its customer's admins; a link is bound to it.
        sent_at: When the newest mail was handed over for delivery.
        accepted_at: When a mail server first took a mail to this contact.
        bounced: Why the newest mail could not be delivered, if it could not.
    """

    contact: Contact
    generation: int
    sent_at: datetime | None = None
    accepted_at: datetime | None = None
    bounced: str | None = None


class DeliverMail(Message):
    """Asks for the mail of a transition to be handed over now (SPEC D6)."""

    process: str
    seq: int


class MailDelivery(Message):
    """What became of a mail its process waited for.

    Attributes:
        accepted: Whether a mail server took it.
        reason: Why not, in the server's words.
    """

    accepted: bool
    reason: str | None = None


class AskedContact:
    """Somebody outside who is asked by mail to do their part, with what was sent.

    Args:
        contact: Whom the next mail goes to.

    Attributes:
        field: What refusals call them.
        part: What they are asked to do.
        generation: Counts those who were asked in turn, from 1.
    """

    field: ClassVar[str]
    part: ClassVar[str]

    def __init__(self, contact: Contact) -> None:
        self.contact = contact
        self.generation = 1
        self._sent: list[datetime] = []
        self._mails = 0
        self._mails_to_others = 0
        self._sent_to_contact: datetime | None = None
        self._accepted_at: datetime | None = None
        self._bounced: str | None = None

    @property
    def state(self) -> ContactState:
        """How things stand."""
        return ContactState(
            contact=self.contact,
            generation=self.generation,
            sent_at=self._sent_to_contact,
            accepted_at=self._accepted_at,
            bounced=self._bounced,
        )

    @property
    def was_asked(self) -> bool:
        """Whether a mail to this contact has gone out."""
        return self._sent_to_contact is not None

    @property
    def newest_mail(self) -> int:
        """The number of the mail that went out last; 0 before any."""
        return self._mails

    @property
    def is_undeliverable(self) -> bool:
        """Whether the newest mail bounced: somebody has to name another contact."""
        return self._bounced is not None

    # What may be done

    def is_at(self, contact: Contact) -> bool:
        """Whether the present one has the address of `contact`.

        Raises:
            Refusal: INVALID_INPUT if that is no address.
        """
        return reachable(contact, self.field).email.casefold() == self.contact.email.casefold()

    def check_again(self, now: datetime) -> None:
        """Refuses to send to the same address again too soon, or too often (L9).

        Raises:
            Refusal: TOO_OFTEN with the seconds to wait.
        """
        if self._sent_to_contact is not None:
            self._check_pace(self._sent_to_contact + RESEND_AFTER, now)
        self.check_day(now)

    def check_day(self, now: datetime) -> None:
        """Refuses to send more mails than a day may bring, to whomever.

        Raises:
            Refusal: TOO_OFTEN with the seconds to wait.
        """
        recent = [at for at in self._sent if at > now - timedelta(days=1)]
        if len(recent) >= MAILS_PER_DAY:
            free_at = recent[-MAILS_PER_DAY] + timedelta(days=1)
            self._check_pace(free_at, now, f"{len(recent)} mails were sent within 24 hours")

    def check_link(self, generation: int) -> None:
        """Refuses what comes through the link of somebody in whose place another was asked (L10).

        Raises:
            Refusal: LINK_REVOKED.
        """
        if generation != self.generation:
            raise Refusal(Code.LINK_REVOKED, f"link: somebody else has been asked to {self.part} meanwhile")

    def _check_pace(self, free_at: datetime, now: datetime, before: str = "a mail was sent already") -> None:
        if now < free_at:
            seconds = math.ceil((free_at - now).total_seconds())
            minute = f"at {free_at + timedelta(seconds=59):%Y-%m-%d %H:%M} UTC"
            wait = f"in {seconds} s" if seconds <= RESEND_AFTER.total_seconds() else minute
            raise Refusal(
                Code.TOO_OFTEN, f"{self.field}: {before}; the next can go out {wait}", retry_after=seconds
            )

    # What happens

    def sent(self, now: datetime) -> int:
        """A mail goes out.

        Returns:
            Its number, by which `accepted` and `rejected` know what they are about.
        """
        self._sent = [at for at in self._sent if at > now - timedelta(days=1)] + [now]
        self._sent_to_contact = now
        self._bounced = None
        self._mails += 1
        return self._mails

    def accepted(self, mail: int, now: datetime) -> bool:
        """A mail server took a mail.

        Returns:
            Whether that counts; not if it went to somebody who was replaced meanwhile.
        """
        if mail <= self._mails_to_others:
            return False
        self._accepted_at = self._accepted_at or now
        return True

    def rejected(self, mail: int, reason: str) -> bool:
        """A mail can never be delivered.

        Returns:
            Whether it was the newest, so that somebody has to be told.
        """
        is_newest = mail == self._mails > self._mails_to_others
        if is_newest:
            self._bounced = reason
        return is_newest

    def change(self, contact: Contact) -> Contact:
        """Names another contact and returns the one before, whose links are dead now."""
        before, self.contact = self.contact, reachable(contact, self.field)
        self.generation += 1
        self._mails_to_others = self._mails
        self._sent_to_contact = self._accepted_at = self._bounced = None
        return before


class ProvisioningContact(AskedContact):
    """The contact a line has now, who completes it.

    Args:
        contact: Named in the order.

    Attributes:
        clock_from: When the first mail of all was accepted, from which the line's closure counts.
    """

    field = "contact"
    part = "complete this order"

    def __init__(self, contact: Contact) -> None:
        super().__init__(contact)
        self.clock_from: datetime | None = None

    def check_resend(self, now: datetime) -> None:
        """Refuses to send again before anything was sent, too soon, or too often.

        Raises:
            Refusal: NOT_YET_SENT, or TOO_OFTEN with the seconds to wait.
        """
        if not self.was_asked:
            raise Refusal(
                Code.NOT_YET_SENT,
                "contact: the provisioning mail was not sent yet; it goes out by itself",
            )
        self.check_again(now)

    def check_change(self, contact: Contact, now: datetime) -> None:
        """Refuses to change to what is no address, to the same one, or too often.

        Raises:
            Refusal: INVALID_INPUT, DUPLICATE, or TOO_OFTEN with the seconds to wait.
        """
        if self.is_at(contact):
            raise Refusal(
                Code.DUPLICATE,
                f"contact: {self.contact.email} is the contact already; resend the mail instead",
            )
        self.check_day(now)

    def accepted(self, mail: int, now: datetime) -> bool:
        """A mail server took a mail; one to somebody who was replaced meanwhile counts for nothing.

        Returns:
            Whether it was the first of all, from which the closure clock counts (L7, L10).
        """
        if not super().accepted(mail, now):
            return False
        first = self.clock_from is None
        self.clock_from = self.clock_from or now
        return first


def reachable(contact: Contact, field: str = "contact") -> Contact:
    """A contact somebody names, with the address in the form SMTP carries.

    `Contact` itself reads whatever histories hold (SPEC 10); every command about one goes through here,
    whether it came through our client or straight through Temporal.

    Raises:
        Refusal: INVALID_INPUT naming the field, for anything but one plain address.
    """
    return contact.model_copy(update={"email": parse_address(contact.email, f"{field}.email")})
