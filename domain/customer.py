"""The customer's admin, who sets the services of a line up: asked, asked again, or somebody else (L13).

Their mail is handed over like the provisioning mail, by rules of the same kind (provisioning.md b.2 L9, L10):
"My customer sets up the services" holds only if the mail reaches somebody (seed 004).
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field

from domain.base import Command, Text
from domain.contact import AskedContact, Contact
from domain.errors import Code, Refusal
from domain.mapping import Actor


class AskCustomer(Command):
    """Leave the set-up of a mapped line to the customer: name their admin, another one, or the same again.

    Attributes:
        actor: Who leaves it to them: the contact's address, or a person's key.
        customer_admin: Who sets up from now on; links of an admin before die.
        generation: From the contact's link; None for people of the directory.
    """

    actor: Actor
    customer_admin: Contact
    generation: Annotated[int, Field(ge=1)] | None = None
    reason: Text | None = None


class CustomerAdmin(AskedContact):
    """The customer's admin of a line.

    Args:
        contact: Named with the mapping, or afterwards.
    """

    field = "customer_admin"
    part = "set the services up"

    def check_ask(self, contact: Contact, now: datetime) -> None:
        """Refuses to ask what is no address, the same one again too soon, or anybody too often.

        Raises:
            Refusal: INVALID_INPUT, or TOO_OFTEN with the seconds to wait.
        """
        if self.is_at(contact):
            self.check_again(now)
        else:
            self.check_day(now)


def not_the_contacts() -> Refusal:
    """What whoever comes with the contact's link is told where the customer sets up."""
    return Refusal(
        Code.LINK_INVALID,
        "link: the customer sets this line up, and has been sent a link of their own for it",
    )
