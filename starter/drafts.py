"""Set-up forms and their drafts: begin now, go on later, or let somebody else go on (SPEC 5.5; L13)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from domain import wire
from domain.customer import not_the_contacts
from domain.errors import Code, Refusal
from domain.forms import Form, read_draft
from domain.line import OpenTask
from domain.links import LinkPurpose
from domain.offers import Offer
from domain.transitions import ProcessView
from starter.gateway import utc_now
from starter.links import Links, LinkShown
from starter.orders import ANYBODY_INVOLVED
from storage import catalogue, drafts
from storage.drafts import Draft

SET_UP_TASKS = frozenset({OpenTask.PARTNER, OpenTask.CUSTOMER_SETUP})


@dataclass(frozen=True, slots=True)
class SetUpForm:
    """What is asked to set a line up.

    Attributes:
        offer: `name@version`, as the line was ordered.
        parameters: The offer's; totals that the form shares out are in them.
    """

    process: str
    offer: str
    form: Form
    parameters: dict[str, str]


class Drafts(Links):
    """Forms and drafts, for people who order or deploy and for whoever holds a link to the line."""

    async def set_up_form(self, process: str) -> SetUpForm:
        """What is asked to set a line up.

        Raises:
            Refusal: NOT_FOUND, INVALID_INPUT if nothing is asked, or UNAVAILABLE.
        """
        return await self._form(process, await self._view(process))

    async def draft(self, process: str) -> Draft:
        """The answers to a line's set-up form so far; none, as version 0, if nobody saved any.

        Raises:
            Refusal: NOT_FOUND, INVALID_INPUT if nothing is asked, or UNAVAILABLE.
        """
        await self._form(process, await self._view(process))
        async with self._reading() as session:
            return await drafts.draft(session, process)

    async def save_draft(
        self, process: str, answers: Mapping[str, Any], actor: str, version: int = drafts.NEW
    ) -> Draft:
        """Saves all answers that there are; what is there has to be right, and nothing has to be there.

        Args:
            process: The line's workflow id.
            answers: By field, as plain JSON.
            actor: Who saves: a person's key.
            version: Of the draft that these answers were made from; 0 if there was none.

        Raises:
            Refusal: NOT_FOUND, NOT_PERMITTED, INVALID_INPUT with the path of each wrong answer, DRAFT_CHANGED
                if somebody saved meanwhile, NOT_PENDING or PROCESS_ENDED if it is too late, or UNAVAILABLE.
        """
        view = await self._view(process)
        await self._authorise(actor, view, ANYBODY_INVOLVED, wire.SET_UP_LINE, "set this line up")
        return await self._save(process, view, answers, actor, version)

    async def form_behind(self, token: str) -> SetUpForm:
        """`set_up_form` of the line that a link is for, for whoever holds the link.

        Raises:
            Refusal: LINK_INVALID, LINK_EXPIRED or LINK_REVOKED, or like `set_up_form`.
        """
        return await self.set_up_form((await self._setting_up(token)).process)

    async def draft_behind(self, token: str) -> Draft:
        """`draft` of the line that a link is for, for whoever holds the link.

        Raises:
            Refusal: LINK_INVALID, LINK_EXPIRED or LINK_REVOKED, or like `draft`.
        """
        return await self.draft((await self._setting_up(token)).process)

    async def save_draft_behind(
        self, token: str, answers: Mapping[str, Any], version: int = drafts.NEW
    ) -> Draft:
        """`save_draft` of the line that a link is for, by whoever holds the link.

        Raises:
            Refusal: LINK_INVALID, LINK_EXPIRED or LINK_REVOKED, or like `save_draft`.
        """
        shown = await self._setting_up(token)
        return await self._save(shown.process, await self._view(shown.process), answers, shown.actor, version)

    async def _setting_up(self, token: str) -> LinkShown:
        """The link, if its holder may answer the form: the contact, until that is the customer's (L13).

        Raises:
            Refusal: LINK_INVALID, LINK_EXPIRED or LINK_REVOKED, NOT_FOUND or UNAVAILABLE.
        """
        shown = await self.show_link(token)
        if shown.purpose is LinkPurpose.PROVISION:
            view = await self._view(shown.process)
            if OpenTask.CUSTOMER_SETUP in view.open_tasks:
                raise not_the_contacts()
        return shown

    async def _save(
        self, process: str, view: ProcessView, answers: Mapping[str, Any], actor: str, version: int
    ) -> Draft:
        asked = await self._form(process, view)
        _check_open(process, view)
        kept = read_draft(asked.form, answers, asked.parameters)
        at = self._clock() or utc_now()
        async with self._writing() as session:
            return await drafts.save(session, process, kept, actor=actor, at=at, version=version)

    async def _form(self, process: str, view: ProcessView) -> SetUpForm:
        async with self._reading() as session:
            offer = await offer_of(session, view)
        if offer is None or offer.form is None:
            raise Refusal(Code.INVALID_INPUT, f"process: {process} is of no offer that asks for a set-up")
        return SetUpForm(process, offer.reference, offer.form, offer.parameters)


async def offer_of(session: AsyncSession, view: ProcessView) -> Offer | None:
    """The offer that a line was ordered with, as it was published; None for what is no line."""
    name, _, version = (view.offer or "").rpartition("@")
    published = await catalogue.list_versions(session, Offer, name) if name else ()
    bodies = (each.body for each in published if str(each.version) == version)
    return next((body for body in bodies if isinstance(body, Offer)), None)


def _check_open(process: str, view: ProcessView) -> None:
    """Refuses to draft what was given already, or will never be wanted."""
    if view.ended:
        raise Refusal(Code.PROCESS_ENDED, f"{process}: it is {view.state}")
    if view.ponr_at is not None and SET_UP_TASKS.isdisjoint(view.open_tasks):
        raise Refusal(Code.NOT_PENDING, f"{process}: its set-up form was answered already")
