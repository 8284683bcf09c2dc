"""Mapping a line to its organisations and setting its service up, by people or through links (SPEC 5.5)."""

from __future__ import annotations

from collections.abc import Mapping as Document
from typing import Any

from domain import wire
from domain.base import Command, Key, Message, Text
from domain.contact import Contact
from domain.errors import Code, Refusal
from domain.line import LineState
from domain.links import LinkPurpose
from domain.mapping import MapLine, Mapped, MappingPurpose, OrganisationChoice, SetUpBy, SetUpLine
from domain.matching import Candidate
from domain.orders import ContactGiven
from domain.transitions import ProcessView
from starter.contacts import read_contact
from starter.drafts import Drafts
from starter.files import validated
from starter.fulfilment import Fulfilment
from starter.links import LinkShown
from starter.mapping import Mapping
from starter.orders import ANYBODY_INVOLVED


class MappingGiven(Command):
    """A mapping as somebody gives it; see `domain.mapping.MapLine` for what the fields mean.

    Attributes:
        customer_admin: As typed.
    """

    purpose: MappingPurpose
    partner: OrganisationChoice
    customer: OrganisationChoice | None = None
    set_up_by: SetUpBy = SetUpBy.LATER
    answers: dict[str, Any] | None = None
    customer_admin: ContactGiven | None = None
    reason: Text | None = None


class Chosen(Message):
    """An organisation of a mapping, as its confirmation names it.

    Attributes:
        key: None for one that the mapping creates.
    """

    name: str
    key: Key | None


class ToBind(Message):
    """What a mapping would bind, to be shown before it is confirmed.

    Attributes:
        title: What is ordered for whom, as the order says.
        customer: The same as the partner for an own company.
    """

    process: str
    title: str
    partner: Chosen
    customer: Chosen
    set_up_by: SetUpBy
    customer_admin: str | None = None


class Binding(Fulfilment, Drafts, Mapping):
    """The mapping is the point of no return: `to_bind` shows it, `map_line` does it.

    Lines are set up with it, or later; a draft of the answers is kept meanwhile (`Drafts`).
    """

    # By people of the directory

    async def to_bind(self, order: str, line: int, mapping: MappingGiven, actor: str) -> ToBind:
        """What a mapping would bind; nothing is bound by asking.

        Raises:
            Refusal: As `map_line` for an organisation that is not there and for what does not fit together.
        """
        await self._authorise_for(order, actor, wire.MAP_LINE, "map its lines")
        view, command = await self._line(order, line), _read(mapping, actor)
        names = await self._names_for_person(view, command)
        return _to_bind(wire.line_id(order, line), view, command, names)

    async def map_line(
        self, order: str, line: int, mapping: MappingGiven, actor: str, *, request_id: str | None = None
    ) -> Mapped:
        """Binds a line to its organisations: the point of no return.

        They are those that the actor could have found for it (`domain.matching.Reach`), or new ones.

        Raises:
            Refusal: NOT_FOUND, NOT_PERMITTED, INVALID_INPUT naming the field, NOT_PENDING before the
                provisioning mail went out, POINT_OF_NO_RETURN if somebody was faster, PROCESS_ENDED or
                UNAVAILABLE.
        """
        await self._authorise_for(order, actor, wire.MAP_LINE, "map its lines")
        process, command = wire.line_id(order, line), _read(mapping, actor)
        try:
            view = await self._line(order, line)
            if view.ponr_at is None:
                await self._names_for_person(view, command)
        except Refusal as refusal:
            raise await self._refused(process, wire.MAP_LINE, command, refusal) from None
        return await self._tell_line(order, line, wire.MAP_LINE, command, Mapped, request_id=request_id)

    async def set_up(
        self,
        order: str,
        line: int,
        answers: Document[str, Any],
        actor: str,
        *,
        request_id: str | None = None,
    ) -> LineState:
        """Answers the set-up form of a line that is mapped.

        The organisations that the line was bound to may, and whoever placed the order.

        Raises:
            Refusal: NOT_FOUND, NOT_PERMITTED, INVALID_INPUT naming every wrong answer, NOT_PENDING before the
                mapping, ALREADY_DECIDED, NOT_ALLOWED if nothing is asked, PROCESS_ENDED or UNAVAILABLE.
        """
        await self._authorise_set_up(order, line, actor, wire.SET_UP_LINE, "set this line up")
        command = validated(SetUpLine, {"actor": actor, "answers": answers})
        return await self._tell_line(order, line, wire.SET_UP_LINE, command, LineState, request_id=request_id)

    # Through links

    async def organisations_behind(self, token: str, search: str | None = None) -> tuple[Candidate, ...]:
        """The organisations that the contact behind a link may mean: by their address, or by a search.

        Words find the line's own organisations, those of the contact, and the customers of those for which
        the directory lets them order or deploy.

        Raises:
            Refusal: As `show_link`, LINK_INVALID for a link that maps nothing, or INVALID_INPUT.
        """
        self.redeem(token, LinkPurpose.PROVISION)
        shown = await self.show_link(token)
        parties = (await self._view(shown.process)).parties
        return await self._organisations_for(shown.contact, search, (parties.partner, parties.customer))

    async def to_bind_by_link(self, token: str, mapping: MappingGiven) -> ToBind:
        """What a mapping through a link would bind; see `to_bind`.

        Raises:
            Refusal: As `show_link`, LINK_INVALID for a link that maps nothing, or INVALID_INPUT.
        """
        claims = self.redeem(token, LinkPurpose.PROVISION)
        shown, view = await self.show_link(token), await self._view(claims.process)
        command = _read(mapping, shown.actor, claims.generation)
        names = await self._names_for_link(view, command, shown)
        return _to_bind(claims.process, view, command, names)

    async def map_by_link(
        self, token: str, mapping: MappingGiven, *, request_id: str | None = None
    ) -> Mapped:
        """Binds the line that a link is for, in the contact's name; see `map_line`.

        Raises:
            Refusal: LINK_INVALID, LINK_EXPIRED, LINK_REVOKED, or as `map_line`.
        """
        claims = self.redeem(token, LinkPurpose.PROVISION)
        shown = await self.show_link(token)
        command = _read(mapping, shown.actor, claims.generation)
        if shown.ponr_at is None:
            try:
                await self._names_for_link(await self._view(claims.process), command, shown)
            except Refusal as refusal:
                raise await self._refused(claims.process, wire.MAP_LINE, command, refusal) from None
        return await self._tell(claims.process, wire.MAP_LINE, command, Mapped, request_id=request_id)

    async def set_up_by_link(
        self, token: str, answers: Document[str, Any], *, request_id: str | None = None
    ) -> LineState:
        """Answers the set-up form as the customer's admin, or as the contact who left it for later.

        See `set_up`.

        Raises:
            Refusal: LINK_INVALID, LINK_EXPIRED, LINK_REVOKED, or as `set_up`.
        """
        link = await self._setting_up(token)
        through = {"actor": link.actor, "generation": link.generation, "purpose": link.purpose}
        command = validated(SetUpLine, through | {"answers": answers})
        return await self._tell(link.process, wire.SET_UP_LINE, command, LineState, request_id=request_id)

    # What stands behind

    async def _authorise_set_up(self, order: str, line: int, actor: str, name: str, what: str) -> None:
        ordered, bound = await self._order(order), await self._line(order, line)
        placed_it = actor == ordered.requested_by
        view = ordered if placed_it else bound
        await self._authorise(actor, view, ANYBODY_INVOLVED, name, what)

    async def _line(self, order: str, line: int) -> ProcessView:
        """A line's view.

        Raises:
            Refusal: NOT_FOUND, or NOT_PENDING if it has not begun yet.
        """
        try:
            return await self._view(wire.line_id(order, line))
        except Refusal as refusal:
            if refusal.code is not Code.NOT_FOUND:
                raise
        raise await self._not_running(order, line, Code.NOT_PENDING)

    async def _names_for_person(self, view: ProcessView, mapping: MapLine) -> Document[str, str]:
        contact = view.contact.contact.email if view.contact is not None else None
        return await self._names_of_chosen(mapping, view.parties, contact, through_link=False)

    async def _names_for_link(
        self, view: ProcessView, mapping: MapLine, shown: LinkShown
    ) -> Document[str, str]:
        return await self._names_of_chosen(mapping, view.parties, shown.contact, through_link=True)


def _read(given: MappingGiven, actor: str, generation: int | None = None) -> MapLine:
    """What the line is told.

    Raises:
        Refusal: INVALID_INPUT naming the field.
    """
    document: dict[str, Any] = given.model_dump(exclude={"customer_admin"})
    admin: Contact | None = None
    if given.customer_admin is not None:
        admin = read_contact(given.customer_admin, "customer_admin")
    document |= {"actor": actor, "generation": generation, "customer_admin": admin}
    return validated(MapLine, document)


def _to_bind(process: str, view: ProcessView, mapping: MapLine, names: Document[str, str]) -> ToBind:
    def chosen(choice: OrganisationChoice) -> Chosen:
        if choice.new is not None:
            return Chosen(name=choice.new.name, key=None)
        assert choice.key is not None
        return Chosen(name=names[choice.key], key=choice.key)

    admin = mapping.customer_admin
    return ToBind(
        process=process,
        title=view.title,
        partner=chosen(mapping.partner),
        customer=chosen(mapping.customer or mapping.partner),
        set_up_by=mapping.set_up_by,
        customer_admin=admin.email if admin else None,
    )
