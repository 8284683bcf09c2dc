"""What a condition may look at: the data of one request, flat and never absent (docs/conditions.md).

The type environment of conditions is derived from the fields of `RequestData`. Definitions are carried along
for years (SPEC D8), so a field that was released stays, keeps its type, and keeps its meaning.
"""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from domain.base import Message
from domain.orders import Line, OrderContext

_DAY = timedelta(days=1)


class RequestData(Message):
    """The data of one request; what was not given is `""`, `0` or `{}`.

    Attributes:
        offer: Name of the offer.
        parameters: The offer's parameters.
        provider: Key of the organisation; so are `partner` and `customer`.
        requested_by: Key of the person who ordered.
        domain: Lower-case A-label, without trailing dot.
        external_id: The partner's own reference.
        note: Whatever else the partner wrote; free text that no rule should lean on.
        lead_days: Whole days from submission to the requested start; 0 if it may begin at once.
    """

    offer: str = ""
    offer_version: int = 0
    parameters: dict[str, str] = Field(default_factory=dict)
    provider: str = ""
    partner: str = ""
    customer: str = ""
    requested_by: str = ""
    domain: str = ""
    external_id: str = ""
    note: str = ""
    lead_days: int = 0


def request_data(context: OrderContext, line: Line) -> RequestData:
    """What conditions see of one line of an order."""
    return RequestData(
        offer=line.offer.name,
        offer_version=line.offer.version,
        parameters=line.offer.parameters,
        provider=context.parties.provider,
        partner=context.parties.partner,
        customer=context.parties.customer,
        requested_by=context.requested_by,
        domain=context.domain.key if context.domain else "",
        external_id=context.external_id or "",
        note=context.note or "",
        lead_days=_lead_days(context),
    )


def _lead_days(context: OrderContext) -> int:
    if context.requested_start is None:
        return 0
    return max(0, (context.requested_start - context.submitted_at) // _DAY)
