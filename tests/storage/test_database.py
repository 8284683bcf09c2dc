"""Transactions and times behave alike on both databases."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, StatementError

from domain.checks import CheckReport
from storage.database import Database, NoDatabase
from storage.tables import CheckReportRow, SubmissionRow

AT = datetime(2026, 3, 2, 8, 0, 0, 123456, tzinfo=UTC)
REPORT = CheckReport(id="r", at=AT)


def submission(key: str) -> SubmissionRow:
    return SubmissionRow(customer="contoso", key=key, body_hash="h", order_id=f"order-{key}")


async def keys(database: Database) -> list[str]:
    async with database.reading() as session:
        return list(await session.scalars(select(SubmissionRow.key).order_by(SubmissionRow.key)))


async def test_a_session_commits_at_its_end(database: Database) -> None:
    async with database.session() as session:
        session.add(submission("a"))
    assert await keys(database) == ["a"]


async def test_a_session_that_fails_leaves_nothing(database: Database) -> None:
    async def fail() -> None:
        async with database.session() as session:
            session.add(submission("a"))
            await session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await keys(database) == []


async def test_a_reading_session_cannot_write(database: Database) -> None:
    async def write() -> None:
        async with database.reading() as session:
            session.add(submission("a"))
            await session.flush()

    with pytest.raises(DBAPIError, match=r"read-?only"):
        await write()
    async with database.session() as session:
        session.add(submission("b"))
    assert await keys(database) == ["b"]


async def test_times_come_back_in_utc_whatever_zone_they_came_from(database: Database) -> None:
    zurich = AT.astimezone(timezone(timedelta(hours=2)))
    async with database.session() as session:
        session.add(CheckReportRow(id="r", process="order-a", at=zurich, verdict="clean", body=REPORT))
    async with database.reading() as session:
        read = await session.scalar(select(CheckReportRow.at).where(CheckReportRow.at == zurich))
    assert read == AT
    assert read.tzinfo is UTC


async def test_a_time_without_a_zone_is_refused(database: Database) -> None:
    async def write() -> None:
        async with database.session() as session:
            session.add(
                CheckReportRow(id="r", process="p", at=AT.replace(tzinfo=None), verdict="v", body=REPORT)
            )

    with pytest.raises(StatementError, match="has no time zone"):
        await write()


async def test_parallel_read_modify_write_loses_nothing(database: Database) -> None:
    async with database.session() as session:
        session.add(submission("0"))

    async def count() -> None:
        async with database.session() as session:
            row = await session.get_one(SubmissionRow, ("contoso", "0"), with_for_update=True)
            row.body_hash = "1" if row.body_hash == "h" else str(int(row.body_hash) + 1)

    await asyncio.gather(*(count() for _ in range(12)))
    async with database.reading() as session:
        assert await session.scalar(select(SubmissionRow.body_hash)) == "12"


async def test_two_sqlite_connections_wait_for_each_other_instead_of_deadlocking(sqlite_url: str) -> None:
    databases = [Database(sqlite_url) for _ in range(4)]

    async def read_then_write(number: int) -> None:
        async with databases[number % 4].session() as session:
            await session.scalars(select(SubmissionRow.key))
            session.add(submission(f"{number:02}"))

    await asyncio.gather(*(read_then_write(number) for number in range(20)))
    assert len(await keys(databases[0])) == 20
    await asyncio.gather(*(each.dispose() for each in databases))


async def test_sqlite_is_durable_checks_references_and_lets_readers_read(sqlite_database: Database) -> None:
    async with sqlite_database.session() as session:
        pragmas = {
            name: (await session.execute(text(f"PRAGMA {name}"))).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
        session.add(submission("unseen"))
        await session.flush()
        assert await keys(sqlite_database) == []
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 1500}


async def test_looking_for_a_database_makes_none(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'state' / 'countersign.db'}")
    for transaction in (database.reading, database.session):
        with pytest.raises(NoDatabase, match=r"countersign\.db"):
            async with transaction() as session:
                await session.scalars(select(SubmissionRow.key))
    assert list(tmp_path.iterdir()) == []
    await database.migrate()
    assert await keys(database) == []
    await database.dispose()


@pytest.mark.parametrize(
    "url",
    [
        "mysql://host/db",
        "sqlite://",
        "sqlite:///:memory:",
        "",
        "secret",
        "postgresql://me:secret@host:secret/db",
        "postgresql+psycopg2://host/db",
    ],
)
def test_other_databases_are_refused_by_name_and_without_the_password(url: str) -> None:
    with pytest.raises(ValueError, match=r"^database: ") as refused:
        Database(url)
    assert "secret" not in str(refused.value)


def test_the_driver_may_be_left_out() -> None:
    assert Database("postgresql://localhost/x").url.drivername == "postgresql+psycopg"
