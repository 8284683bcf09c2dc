"""Idempotency of orders: the same key and body is the same order, however often it arrives."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from domain.errors import Code, Refusal
from storage.statements import dialect, insert
from storage.tables import SubmissionRow


async def reserve(session: AsyncSession, customer: str, key: str, body_hash: str, order_id: str) -> str:
    """The id of the order that this key stands for: `order_id`, or the one that was there first.

    Args:
        session: The transaction; a second one with the same key waits for it.
        customer: Keys of different customers never meet.
        key: The caller's idempotency key.
        body_hash: Stands for the order's content.
        order_id: The id the order gets if the key is new.

    Raises:
        Refusal: IDEMPOTENCY_MISMATCH, if the key stands for an order with another body.
    """
    await session.execute(
        insert(dialect(session), "submission")
        .values(customer=customer, key=key, body_hash=body_hash, order_id=order_id)
        .on_conflict_do_nothing(index_elements=["customer", "key"])
    )
    row = await session.get_one(SubmissionRow, (customer, key))
    if row.body_hash != body_hash:
        raise Refusal(
            Code.IDEMPOTENCY_MISMATCH,
            f"idempotency key: {key} was used for order {row.order_id}, which has another content",
        )
    return row.order_id
