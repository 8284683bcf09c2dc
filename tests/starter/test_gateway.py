from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from domain import wire
from domain.errors import Code, Refusal
from starter.client import Countersign
from starter.faults import database_errors, temporal_errors
from storage.database import Database
from tests.starter.office import Office, office, refusal, sampled  # noqa: F401 - fixtures


async def test_a_query_that_failed_says_what_failed_and_blames_no_worker(
    office: Office,  # noqa: F811
    client: Client,
    sqlite_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    accepted = await office.submit("certificate")
    await office.line_is(accepted.order, "confirmed")
    monkeypatch.setattr(wire, "VIEW", "look")
    database = Database(f"{sqlite_url}.other")
    await database.migrate()
    code, message = await refusal(Countersign(client, database).show(accepted.order))
    await database.dispose()
    assert code == "UNAVAILABLE"
    assert message.startswith(f"{accepted.process}: its view failed: ")
    assert "look" in message
    assert "worker" not in message


async def write(database: Database) -> None:
    with database_errors():
        async with database.session() as session:
            await session.execute(text("SELECT 1"))


async def unavailable(operation: Callable[[Database], object], database: Database) -> str:
    """What the refusal says."""
    with pytest.raises(Refusal) as refused:
        await operation(database)  # type: ignore[misc]
    assert refused.value.code is Code.UNAVAILABLE
    return refused.value.message


async def test_a_database_whose_writers_keep_others_waiting_is_busy_and_not_unprepared(
    sqlite_database: Database, sqlite_url: str
) -> None:
    other = Database(sqlite_url)
    async with other.session() as session:
        await session.execute(text("SELECT 1"))
        message = await unavailable(write, sqlite_database)
    await other.dispose()
    assert message == "database: busy, as others keep writing; try again"
    await write(sqlite_database)


@pytest.mark.parametrize("query", ["SELECT a FROM nowhere", "SELECT no_such FROM mail"])
async def test_a_database_without_our_tables_says_how_to_prepare_it(database: Database, query: str) -> None:
    async def read(database: Database) -> None:
        with database_errors():
            async with database.reading() as session:
                await session.execute(text(query))

    assert "`countersign migrate` prepares it" in await unavailable(read, database)


async def test_a_database_that_does_not_answer_is_not_to_be_migrated() -> None:
    nowhere = Database("postgresql://127.0.0.1:1/countersign")
    message = await unavailable(write, nowhere)
    await nowhere.dispose()
    assert message.startswith("database: ")
    assert "migrate" not in message


async def test_a_query_of_ours_that_is_wrong_is_a_fault_and_no_refusal(database: Database) -> None:
    with pytest.raises(DBAPIError), database_errors():
        async with database.reading() as session:
            await session.execute(text("SELEKT 1"))


def test_a_server_that_is_too_busy_for_another_command_asks_for_patience() -> None:
    busy = RPCError("too many updates in flight", RPCStatusCode.RESOURCE_EXHAUSTED, b"")
    with pytest.raises(Refusal) as caught, temporal_errors("order-1: the answer to approval.decide"):
        raise busy
    assert caught.value.code is Code.TOO_OFTEN
    assert caught.value.message == (
        "order-1: the answer to approval.decide did not come: too many updates in flight"
    )


def test_a_fault_of_the_server_that_nobody_can_mend_stays_a_fault() -> None:
    fault = RPCError("corrupt", RPCStatusCode.DATA_LOSS, b"")
    with pytest.raises(RPCError) as caught, temporal_errors("order-1: its view"):
        raise fault
    assert caught.value is fault
