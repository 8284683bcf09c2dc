"""Placing an order: everything that can be refused is refused before anything is started (SPEC 5; a.6)."""

from __future__ import annotations

import secrets

from temporalio.common import (
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import WorkflowAlreadyStartedError

from domain import wire
from domain.base import Key, Message
from domain.definitions import content_hash
from domain.dns.names import DomainName, parse_domain
from domain.orders import Line, Order, OrderContext, SubmitOrder
from domain.provisioning import IdempotencyKey
from domain.transitions import ProcessKind
from domain.views import summary
from starter.faults import temporal_errors
from starter.files import validated
from starter.gateway import Gateway, SubmittedLine, utc_now
from starter.resolving import resolve
from storage import submissions

CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
"""Base 32 without the letters that are mistaken for digits or for each other."""

ID_LENGTH = 10
"""50 bit: short enough to read out, too many to guess."""


class Submitted(Message):
    """The answer to an order.

    Attributes:
        process: The workflow id.
        created: False if the same order was accepted before under the same idempotency key.
    """

    order: Key
    process: str
    lines: tuple[SubmittedLine, ...]
    created: bool


class _Keyed(Message):
    key: IdempotencyKey


class Submissions(Gateway):
    """Accepts orders."""

    async def submit(self, order: SubmitOrder, idempotency_key: str) -> Submitted:
        """Accepts an order and starts its process; sent again with the same key, it is the same order.

        A caller that died before it got the answer, and we ourselves between reservation and start, are
        mended by sending the order again.

        Args:
            order: What is ordered.
            idempotency_key: The caller's name for this one intention.

        Raises:
            Refusal: INVALID_INPUT naming the field, NOT_PERMITTED, DUPLICATE, IDEMPOTENCY_MISMATCH or
                UNAVAILABLE.
        """
        key = validated(_Keyed, {"key": idempotency_key}, "idempotency").key
        domain = self._parse(order.domain)
        body = content_hash(order.model_copy(update={"domain": domain.key if domain else None}))
        offered, at = new_order_id(), self._clock() or utc_now()
        async with self._writing() as session:
            order_id = await submissions.reserve(session, order.customer, key, body, offered)
            # A refusal takes the reservation back with it: the corrected order may use the same key.
            wanted = await resolve(session, order, domain, order_id, at) if order_id == offered else None
        if wanted is None:
            if (before := await self._accepted_before(order_id)) is not None:
                return before
            async with self._writing() as session:
                wanted = await resolve(session, order, domain, order_id, at)
        lines = tuple(_submitted(order_id, line) for line in wanted.lines)
        await self._start(wanted, lines)
        return Submitted(
            order=order_id,
            process=wire.order_id(order_id),
            lines=lines,
            created=order_id == offered,
        )

    def _parse(self, domain: str | None) -> DomainName | None:
        if domain is None:
            return None
        return parse_domain(domain, allow_special_use=self._allow_special_use)

    async def _start(self, order: Order, lines: tuple[SubmittedLine, ...]) -> None:
        context = order.context
        try:
            with temporal_errors("the start of the order"):
                await self.client.start_workflow(
                    wire.ORDER,
                    order,
                    id=wire.order_id(context.id),
                    task_queue=self._task_queue,
                    id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                    id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                    memo={"lines": [line.model_dump(mode="json") for line in lines]},
                    search_attributes=_attributes(context),
                    static_summary=describe(order),
                )
        except WorkflowAlreadyStartedError:
            return  # The same order came a moment earlier and has already ended.

    async def _accepted_before(self, order_id: str) -> Submitted | None:
        """The answer that was given for this order, or None if its process was never started.

        Its lines are not asked: an order that was cancelled before they began has none once Temporal has
        forgotten it, and was there all the same.
        """
        process = wire.order_id(order_id)
        lines = await self._lines(order_id)
        if not lines:
            if not await self._is_projected(order_id):
                return None
            lines = await self._lines(order_id)  # The first call may have started it in between.
        return Submitted(order=order_id, process=process, lines=lines, created=False)


def new_order_id() -> str:
    """A fresh order id: short, opaque, unguessable."""
    return "".join(secrets.choice(CROCKFORD) for _ in range(ID_LENGTH))


def describe(order: Order) -> str:
    """What operators read beside the run's id; it names no person."""
    offers = ", ".join(line.offer.title for line in order.lines)
    where = f" for {order.context.domain.display}" if order.context.domain else ""
    return summary(f"Order of {offers}{where}")


def _attributes(context: OrderContext) -> TypedSearchAttributes:
    values = {
        wire.PROCESS_KIND: ProcessKind.ORDER,
        wire.ORDER_REF: context.id,
        wire.TENANT_REF: context.parties.customer,
    }
    return TypedSearchAttributes(
        [SearchAttributePair(SearchAttributeKey.for_keyword(name), value) for name, value in values.items()]
    )


def _submitted(order: str, line: Line) -> SubmittedLine:
    return SubmittedLine(
        number=line.number,
        process=wire.line_id(order, line.number),
        offer=line.offer.reference,
        offer_hash=line.offer_hash,
        definition=line.approval.reference if line.approval else None,
        definition_hash=line.approval_hash,
        added=line.added,
    )
