"""Order summaries through the client, for people and for whoever holds a link (SPEC 5.5)."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy.ext.asyncio import AsyncSession

from domain.base import Language
from domain.errors import Code, Refusal
from starter.drafts import Drafts, offer_of
from starter.reading import OrderStatus, Reading
from starter.summary import MAPPED, Known, OrderSummary, order_summary
from storage import directory, drafts, processes


class Summaries(Drafts, Reading):
    """Order summaries."""

    async def order_summary(self, order: str, language: Language = Language.EN) -> OrderSummary:
        """The summary of an order as it stands.

        Raises:
            Refusal: NOT_FOUND or UNAVAILABLE.
        """
        status = await self.show(order)
        async with self._reading() as session:
            return order_summary(status, await _known(session, status), language)

    async def order_summary_behind(self, token: str, language: Language = Language.EN) -> OrderSummary:
        """The summary for whoever holds a link: of its line alone, and without what was decided about it.

        Raises:
            Refusal: LINK_INVALID, LINK_EXPIRED, LINK_REVOKED, NOT_FOUND or UNAVAILABLE.
        """
        shown = await self.show_link(token)
        whole = await self.order_summary(shown.order, language)
        lines = tuple(
            line.model_copy(update={"approval": ()}) for line in whole.lines if line.process == shown.process
        )
        return whole.model_copy(update={"lines": lines, "note": None})


async def _known(session: AsyncSession, status: OrderStatus) -> Known:
    """Everything a summary names, read in one transaction."""
    lines = [entry.id for entry in status.lines]
    offers = {entry.id: await offer_of(session, entry.view) for entry in status.lines}
    stages = {process: await processes.approvals_of(session, process) for process in lines}
    bound = [step.data for step in status.timeline if step.action == MAPPED and step.accepted]
    parties = status.view.parties
    keys = {parties.provider, parties.partner, parties.customer}
    keys |= {data[role] for data in bound for role in ("partner", "customer")}
    organisations = await directory.organisations(session, keys)
    return Known(
        offers={process: offer for process, offer in offers.items() if offer is not None},
        drafts=await drafts.drafts_of(session, lines),
        stages=stages,
        organisations={each.key: each.name for each in organisations},
        people=await _names(session, {status.view.requested_by}),
    )


async def _names(session: AsyncSession, keys: Iterable[str]) -> dict[str, str]:
    """The names of those of these people who are still in the directory."""
    names = {}
    for key in keys:
        try:
            names[key] = (await directory.person(session, key)).name
        except Refusal as refusal:
            if refusal.code is not Code.NOT_FOUND:
                raise
    return names
