"""Mapping a line to organisations: finding the one that is meant (SPEC 5.5, seed 004)."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlalchemy.ext.asyncio import AsyncSession

from domain.errors import Code, Refusal
from domain.mail import parse_address
from domain.matching import Candidate, Circle
from domain.organisations import OrganisationKind, Permission
from starter.gateway import Gateway
from starter.orders import ANYBODY_INVOLVED
from storage import circles, directory, matching

EITHER = (OrganisationKind.PARTNER, OrganisationKind.CUSTOMER)


class Mapping(Gateway):
    """Organisations for an order line."""

    async def find_organisations(
        self,
        actor: str,
        email: str | None = None,
        search: str | None = None,
        kinds: Collection[OrganisationKind] = EITHER,
    ) -> tuple[Candidate, ...]:
        """The organisations that may be meant, the likeliest first, with what tells them apart.

        An address or a domain finds whoever has it. Words find the actor's own organisations, their customers
        and their partner, and to whoever operates the provider all.

        Args:
            actor: Who looks: a person's key.
            email: The contact's address: by itself, and by its domain unless that is a free-mail provider's.
            search: Beginnings of words of the name, in any spelling, or a domain.
            kinds: Partner organisations, customer organisations or both.

        Raises:
            Refusal: NOT_PERMITTED for who may neither order nor deploy anywhere; INVALID_INPUT for an address
                that is none, for a search without a word, and for neither; UNAVAILABLE.
        """
        async with self._reading() as session:
            circle = await _circle_of(session, actor)
            return await _find(session, email, search, kinds, circle)

    async def _organisations_for(
        self, address: str | None, search: str | None, parties: Iterable[str]
    ) -> tuple[Candidate, ...]:
        """The organisations that whoever holds a link may mean; see `find_organisations`.

        Args:
            address: Where the link was sent.
            search: As there.
            parties: The organisations of the line.
        """
        async with self._reading() as session:
            circle = await circles.circle_of_address(session, address, ANYBODY_INVOLVED, parties)
            return await _find(session, address, search, EITHER, circle)


async def _circle_of(session: AsyncSession, actor: str) -> Circle | None:
    """Whose names an actor may come across; None for everybody's.

    Raises:
        Refusal: NOT_PERMITTED.
    """
    provider = await directory.provider(session)
    if await directory.may(session, actor, provider.key, Permission.OPERATE):
        return None
    circle = await circles.circle_of(session, actor, ANYBODY_INVOLVED)
    if not circle.acting:
        raise Refusal(
            Code.NOT_PERMITTED,
            f"actor: {actor} may not look for organisations; it takes {' or '.join(ANYBODY_INVOLVED)} at one,"
            f" or operate at {provider.key}",
        )
    return circle


async def _find(
    session: AsyncSession,
    email: str | None,
    search: str | None,
    kinds: Collection[OrganisationKind],
    circle: Circle | None,
) -> tuple[Candidate, ...]:
    if email is None and search is None:
        raise Refusal(Code.INVALID_INPUT, "email, search: give one of them, or both")
    address = parse_address(email) if email is not None else None
    return await matching.find_organisations(session, address, search, kinds, circle)
