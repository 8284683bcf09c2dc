"""The database is away for a while: decisions are accepted all the same, and all of it is written later."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

import pytest

from domain.decisions import ApprovalStatus
from domain.errors import Code, Refusal
from tests.e2e.site import MANAGERS, Site, archive_for

PATIENCE_S = 25
"""How long two votes may take together: a decision waits 3 s for the database, the rest is a busy machine.

A vote that was held up would wait for as long as the file is locked, and its caller gives up after 60 s.
"""


@contextmanager
def locked(site: Site) -> Iterator[None]:
    """Keeps everybody else from writing to the SQLite file, as a stuck backup would."""
    connection = sqlite3.connect(site.stack.folder / "countersign.db", isolation_level=None, timeout=30)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.rollback()
        connection.close()


async def test_decisions_are_accepted_while_nothing_can_be_written_and_are_written_afterwards(
    site: Site,
) -> None:
    orders = [await site.order_archive() for _ in range(3)]
    processes = [await site.asked(order) for order in orders]
    told = {order: len((await site.countersign.show(order)).timeline) for order in orders}

    with locked(site):
        began = monotonic()
        for manager, status in zip(MANAGERS, (ApprovalStatus.PENDING, ApprovalStatus.APPROVED), strict=True):
            answers = await asyncio.gather(*(site.approve(process, manager) for process in processes))
            assert [answer.status for answer in answers] == [status] * 3
        assert monotonic() - began < PATIENCE_S
        for order in orders:
            assert len((await site.countersign.show(order)).timeline) == told[order]

    for order in orders:
        await site.ended(order)
    await site.nothing_is_lost_or_doubled(*orders)


async def test_an_order_that_cannot_be_kept_is_refused_and_nothing_is_started(site: Site) -> None:
    customer = next(site.customers)
    with locked(site), pytest.raises(Refusal) as refusal:
        await site.countersign.submit(archive_for(customer), "archive")
    assert refusal.value.code is Code.UNAVAILABLE
    assert await site.countersign.orders(customer) == ()
    again = await site.countersign.submit(archive_for(customer), "archive")
    assert again.created
