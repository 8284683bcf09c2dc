"""Leaving the set-up of a line to the customer, once it is mapped (SPEC 5.5; provisioning.md b.2 L13)."""

from __future__ import annotations

from domain import wire
from domain.contact import ContactState
from domain.customer import AskCustomer
from domain.links import LinkPurpose
from domain.orders import ContactGiven
from starter.binding import Binding
from starter.contacts import read_contact
from starter.files import validated


class Customers(Binding):
    """Naming the customer's admin: after the mapping, instead of another, or to mail the same one again.

    The mapping itself can name the first (`Binding.map_line`).
    """

    async def ask_customer(
        self,
        order: str,
        line: int,
        customer_admin: ContactGiven,
        actor: str,
        reason: str | None = None,
        *,
        request_id: str | None = None,
    ) -> ContactState:
        """Leaves the set-up of a mapped line to the customer, whose admin is mailed a link of their own.

        The organisations that the line was bound to may, and whoever placed the order. Links of an admin
        before are dead afterwards; the same address gets the mail again, and its older links stay good.

        Raises:
            Refusal: NOT_FOUND, NOT_PERMITTED, INVALID_INPUT for what is no single address, NOT_PENDING before
                the mapping, ALREADY_DECIDED once it is set up, NOT_ALLOWED if nothing is asked, TOO_OFTEN,
                PROCESS_ENDED or UNAVAILABLE.
        """
        await self._authorise_set_up(
            order, line, actor, wire.ASK_CUSTOMER, "leave its set-up to the customer"
        )
        admin = read_contact(customer_admin, "customer_admin")
        document = {"actor": actor, "customer_admin": admin, "reason": reason}
        command = validated(AskCustomer, document)
        return await self._tell_line(
            order, line, wire.ASK_CUSTOMER, command, ContactState, request_id=request_id
        )

    async def ask_customer_by_link(
        self,
        token: str,
        customer_admin: ContactGiven,
        reason: str | None = None,
        *,
        request_id: str | None = None,
    ) -> ContactState:
        """Leaves the set-up to the customer in the name of the contact behind a link; see `ask_customer`.

        Raises:
            Refusal: LINK_INVALID, LINK_EXPIRED, LINK_REVOKED, or as `ask_customer`.
        """
        claims = self.redeem(token, LinkPurpose.PROVISION)
        through = {"actor": (await self.show_link(token)).actor, "generation": claims.generation}
        admin = read_contact(customer_admin, "customer_admin")
        command = validated(AskCustomer, through | {"customer_admin": admin, "reason": reason})
        return await self._tell(
            claims.process, wire.ASK_CUSTOMER, command, ContactState, request_id=request_id
        )
