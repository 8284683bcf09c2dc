"""Provisioning contacts as they are named from outside (SPEC 5.4)."""

from __future__ import annotations

from domain.contact import Contact
from domain.errors import Code, Refusal
from domain.mail import parse_address
from domain.orders import ContactGiven, Line, SubmitOrder


def read_contact(given: ContactGiven, field: str) -> Contact:
    """A contact with its address checked.

    Raises:
        Refusal: INVALID_INPUT naming the field.
    """
    return Contact(
        email=parse_address(given.email, f"{field}.email"), name=given.name, language=given.language
    )


def with_contacts(order: SubmitOrder, lines: tuple[Line, ...]) -> tuple[Line, ...]:
    """The lines with the contacts that complete them: the item's own, or the order's.

    Raises:
        Refusal: INVALID_INPUT if an offer wants a contact and none is named, or the other way round for an
            item's own, or if an address is none.
    """
    contactless = {line.offer.name for line in lines if not line.offer.needs_contact}
    for index, item in enumerate(order.items):
        if item.provisioning_contact is not None and item.offer in contactless:
            raise Refusal(
                Code.INVALID_INPUT,
                f"items.{index}.provisioning_contact: offer {item.offer} wants none; leave it out",
            )
    own = {
        item.offer: read_contact(item.provisioning_contact, f"items.{index}.provisioning_contact")
        for index, item in enumerate(order.items)
        if item.provisioning_contact is not None
    }
    common = (
        read_contact(order.provisioning_contact, "provisioning_contact")
        if order.provisioning_contact is not None
        else None
    )
    return tuple(_with_contact(line, own.get(line.offer.name, common)) for line in lines)


def _with_contact(line: Line, contact: Contact | None) -> Line:
    if not line.offer.needs_contact:
        return line
    if contact is None:
        raise Refusal(
            Code.INVALID_INPUT, f"provisioning_contact: offer {line.offer.name} needs one who completes it"
        )
    return line.model_copy(update={"contact": contact})
