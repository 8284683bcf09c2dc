"""Open approvals by the thousand: order lines started directly, without their orders."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from sqlalchemy import func, select
from sqlmodel import col
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from bench.samples import APPROVED, BUYER, CUSTOMER, PARTNER, PROVIDER
from bench.site import LOOK_EVERY_S, Site, for_each
from domain import wire
from domain.definitions import ApprovalDefinition, content_hash
from domain.orders import Line, OrderContext, OrderLine
from domain.organisations import Parties
from storage.tables import ApprovalRow


async def park(site: Site, definition: ApprovalDefinition, number: int) -> list[str]:
    """Starts so many lines that wait for an approval and returns them once all of them wait.

    Args:
        site: Where; nothing else waits there for an approval.
        definition: What they wait for, one stage.
        number: How many.
    """
    lines: list[str] = []

    async def start(each: int) -> None:
        lines.append(await _start(site, definition, each))

    await for_each(range(number), start)
    while await _open_approvals(site) < number:  # noqa: ASYNC110 - what changes is in another process
        await asyncio.sleep(LOOK_EVERY_S)
    return sorted(lines)


async def _start(site: Site, definition: ApprovalDefinition, number: int) -> str:
    now = datetime.now(UTC)
    context = OrderContext(
        id=f"parked{number:05}",
        parties=Parties(provider=PROVIDER, partner=PARTNER, customer=CUSTOMER),
        requested_by=BUYER,
        requested_by_name="A program, which is not mailed",
        customer_name="Alpenblick Treuhand AG",
        submitted_at=now,
    )
    line = Line(
        number=1,
        offer=APPROVED,
        offer_hash=content_hash(APPROVED),
        approval=definition,
        approval_hash=content_hash(definition),
    )
    started = await site.client.start_workflow(
        wire.ORDER_LINE,
        OrderLine(context=context, line=line, checked_at=now),
        id=wire.line_id(context.id, line.number),
        task_queue=wire.TASK_QUEUE,
        search_attributes=_attributes(definition),
    )
    return started.id


def _attributes(definition: ApprovalDefinition) -> TypedSearchAttributes:
    """What rollouts list a line by."""
    values = {wire.OFFER_VERSION: APPROVED.reference, wire.DEFINITION_VERSION: definition.reference}
    return TypedSearchAttributes(
        [SearchAttributePair(SearchAttributeKey.for_keyword(name), value) for name, value in values.items()]
    )


async def _open_approvals(site: Site) -> int:
    async with site.stack.database.reading() as session:
        query = select(func.count()).select_from(ApprovalRow).where(col(ApprovalRow.is_open))
        return await session.scalar(query) or 0
