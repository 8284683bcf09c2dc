"""One idempotency key, one order."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from domain.errors import Code, Refusal
from storage import submissions
from storage.database import Database


async def test_the_same_key_and_body_is_the_same_order(session: AsyncSession) -> None:
    assert await submissions.reserve(session, "contoso", "k", "hash", "o1") == "o1"
    assert await submissions.reserve(session, "contoso", "k", "hash", "o2") == "o1"


async def test_the_same_key_of_another_customer_is_another_order(session: AsyncSession) -> None:
    assert await submissions.reserve(session, "contoso", "k", "hash", "o1") == "o1"
    assert await submissions.reserve(session, "fabrikam", "k", "hash", "o2") == "o2"


async def test_the_same_key_with_another_body_is_refused_naming_the_order(session: AsyncSession) -> None:
    await submissions.reserve(session, "contoso", "k", "hash", "o1")
    with pytest.raises(Refusal, match="k was used for order o1") as refusal:
        await submissions.reserve(session, "contoso", "k", "other", "o2")
    assert refusal.value.code is Code.IDEMPOTENCY_MISMATCH


async def test_of_many_at_once_exactly_one_order_comes_out(database: Database, database_url: str) -> None:
    another = Database(database_url)

    async def submit(number: int) -> str:
        async with (database if number % 2 else another).session() as session:
            return await submissions.reserve(session, "contoso", "k", "hash", f"o{number}")

    orders = await asyncio.gather(*(submit(number) for number in range(10)))
    assert len(set(orders)) == 1
    await another.dispose()


async def test_a_key_whose_submission_failed_is_free_again(database: Database) -> None:
    async def fail() -> None:
        async with database.session() as session:
            await submissions.reserve(session, "contoso", "k", "hash", "o1")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    async with database.session() as session:
        assert await submissions.reserve(session, "contoso", "k", "other", "o2") == "o2"
