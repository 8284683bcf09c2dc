"""Mapping a line to organisations: finding the one that is meant (SPEC 5.5, seed 004)."""

from __future__ import annotations

from collections.abc import Collection

from domain.errors import Code, Refusal
from domain.mail import parse_address
from domain.matching import Candidate
from domain.organisations import OrganisationKind
from starter.gateway import Gateway
from storage import matching

EITHER = (OrganisationKind.PARTNER, OrganisationKind.CUSTOMER)


class Mapping(Gateway):
    """Organisations for an order line."""

    async def find_organisations(
        self,
        email: str | None = None,
        search: str | None = None,
        kinds: Collection[OrganisationKind] = EITHER,
    ) -> tuple[Candidate, ...]:
        """The organisations that may be meant, the likeliest first, with what tells them apart.

        Args:
            email: The contact's address: by itself, and by its domain unless that is a free-mail provider's.
            search: Beginnings of words of the name, in any spelling, or a domain.
            kinds: Partner organisations, customer organisations or both.

        Raises:
            Refusal: INVALID_INPUT for an address that is none, for a search without a word, and for neither;
                UNAVAILABLE.
        """
        if email is None and search is None:
            raise Refusal(Code.INVALID_INPUT, "email, search: give one of them, or both")
        address = parse_address(email) if email is not None else None
        async with self._reading() as session:
            return await matching.find_organisations(session, address, search, kinds)
