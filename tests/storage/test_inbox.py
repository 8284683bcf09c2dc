"""What waits for a person comes first, the nearest deadline before all; a page never costs a sort."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import event, insert, text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.decisions import ApprovalStatus, Verdict
from storage.inbox import InboxEntry, inbox_of
from storage.tables import ApprovalRow, ApprovalSeatRow, ProcessRow
from tests.storage.samples import AT, HOUR, PARTIES, view


async def seat(
    session: AsyncSession,
    process: str,
    *,
    pending: bool = True,
    deadline: datetime | None = None,
    decided_at: datetime | None = None,
    person: str = "erp",
) -> None:
    """Gives somebody a seat in a process of its own."""
    shown = view("awaiting_approval")
    session.add(
        ProcessRow(
            id=process,
            seq=1,
            kind=shown.kind,
            state=shown.state,
            ended=False,
            order_id=process,
            partner=PARTIES.partner,
            customer=PARTIES.customer,
            requested_by=shown.requested_by,
            started_at=AT,
            updated_at=AT,
            view=shown,
        )
    )
    opening: dict[str, Any] = {"process": process, "stage": "one", "round": 1, "deadline": deadline}
    session.add(
        ApprovalRow(
            **opening,
            seq=1,
            status=ApprovalStatus.PENDING,
            is_open=pending,
            stage_title="One",
            definition="wf@1",
            opened_at=AT,
        )
    )
    verdict = Verdict.APPROVE if decided_at else None
    session.add(
        ApprovalSeatRow(**opening, person=person, pending=pending, verdict=verdict, decided_at=decided_at)
    )
    await session.flush()


@pytest.fixture
async def full(session: AsyncSession) -> AsyncSession:
    """An inbox with everything that one can hold."""
    await seat(session, "undated")
    await seat(session, "far", deadline=AT + 9 * HOUR)
    await seat(session, "near", deadline=AT + HOUR)
    await seat(session, "asked-again", deadline=AT + 5 * HOUR, decided_at=AT)
    await seat(session, "decided-first", pending=False, deadline=AT, decided_at=AT + HOUR)
    await seat(session, "decided-last", pending=False, decided_at=AT + 2 * HOUR)
    await seat(session, "missed", pending=False, deadline=AT)
    await seat(session, "of-another", deadline=AT, person="ada")
    return session


def ids(entries: tuple[InboxEntry, ...]) -> list[str]:
    return [each.process for each in entries]


IN_ORDER = ["near", "asked-again", "far", "undated", "decided-last", "decided-first", "missed"]


async def test_the_nearest_deadline_comes_first_then_the_latest_decision(full: AsyncSession) -> None:
    found = await inbox_of(full, "erp")
    assert ids(found) == IN_ORDER
    assert [each.pending for each in found] == [True] * 4 + [False] * 3


@pytest.mark.parametrize("limit", range(1, len(IN_ORDER) + 1))
async def test_a_page_is_the_beginning_of_the_inbox(full: AsyncSession, limit: int) -> None:
    assert ids(await inbox_of(full, "erp", limit)) == IN_ORDER[:limit]


async def test_a_page_is_read_off_an_index_however_full_the_inbox_is(session: AsyncSession) -> None:
    """The database is asked how it goes about each query that reads seats, once there are many."""
    connection = await session.connection()
    asked: list[tuple[str, Any]] = []

    def remember(*said: Any) -> None:
        asked.append((said[2], said[3]))

    event.listen(connection.sync_connection, "before_cursor_execute", remember)
    await inbox_of(session, "erp")
    event.remove(connection.sync_connection, "before_cursor_execute", remember)

    parts = ((True, None), (False, AT), (False, None))
    many = [
        {"process": f"p{n}", "stage": "one", "round": 1, "person": "erp", "pending": pending, "deadline": AT}
        | {"decided_at": decided_at, "automatic": False, "to_answer": False}
        for n, (pending, decided_at) in enumerate(parts * 1_000)
    ]
    await session.execute(insert(ApprovalSeatRow), many)
    await session.execute(text("ANALYZE approval_seat"))
    explain = "EXPLAIN QUERY PLAN" if connection.dialect.name == "sqlite" else "EXPLAIN"
    seats = [(said, values) for said, values in asked if "FROM approval_seat" in said]
    assert len(seats) == 3
    for said, values in seats:
        plan = str((await connection.exec_driver_sql(f"{explain} {said}", values)).all())
        assert "USING INDEX" in plan or "Index Scan" in plan
        assert "Sort" not in plan
        assert "TEMP B-TREE" not in plan
