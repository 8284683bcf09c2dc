"""Mapping a line to organisations: finding the one that is meant (SPEC 5.5, seed 004)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from collections.abc import Mapping as Document

from sqlalchemy.ext.asyncio import AsyncSession

from domain.errors import Code, Refusal
from domain.mail import parse_address
from domain.mapping import MapLine
from domain.matching import Candidate, Circle, Reach
from domain.organisations import OrganisationKind, Parties, Permission
from starter.gateway import Gateway
from starter.orders import ANYBODY_INVOLVED
from storage import circles, directory, matching

EITHER = (OrganisationKind.PARTNER, OrganisationKind.CUSTOMER)

INSTEAD = {
    OrganisationKind.PARTNER: "choose the one that ordered or a partner of yours, or describe a new one",
    OrganisationKind.CUSTOMER: "choose one that a search for this line finds, or describe a new one",
}
"""What to do about an organisation that is not there, as far as somebody can know."""


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

    async def _names_of_chosen(
        self, mapping: MapLine, parties: Parties, contact: str | None, *, through_link: bool
    ) -> Document[str, str]:
        """The names of the organisations that a mapping chooses by key.

        Whatever the finder would not offer is answered like what does not exist, so that nobody learns by
        trying which organisations there are.

        Args:
            mapping: What is to be bound.
            parties: The organisations of the line.
            contact: The address of the line's contact.
            through_link: Whether it is the contact who maps, not a person of the directory.

        Raises:
            Refusal: INVALID_INPUT naming the field, NOT_PERMITTED or UNAVAILABLE.
        """
        choices = {OrganisationKind.PARTNER: mapping.partner, OrganisationKind.CUSTOMER: mapping.customer}
        wanted = {kind: each.key for kind, each in choices.items() if each is not None and each.key}
        async with self._reading() as session:
            ordered = (parties.partner, parties.customer)
            circle = (
                await circles.circle_of_address(session, contact, ANYBODY_INVOLVED, ordered)
                if through_link
                else await _circle_of(session, mapping.actor)
            )
            found = {each.key: each for each in await directory.organisations(session, wanted.values())}
            matched = await circles.matched(session, contact, found) if contact is not None else frozenset()
        reach = Reach(circle, parties, matched)
        for kind, key in wanted.items():
            if key not in found or not reach.includes(found[key], kind):
                raise Refusal(
                    Code.INVALID_INPUT,
                    f"{kind}: there is no organisation {key} for this line; {INSTEAD[kind]}",
                )
        return {key: each.name for key, each in found.items()}


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
