"""The migrations build exactly the schema the tables describe, and take it away again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect
from sqlalchemy.ext.asyncio import create_async_engine

from storage.database import Database, alembic_config
from storage.tables import metadata
from tests.databases import KINDS


@pytest.fixture(params=KINDS)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/new/countersign.db"
    url: str = request.getfixturevalue("empty_postgresql")
    return url


def differences(connection: Connection) -> list[object]:
    return compare_metadata(MigrationContext.configure(connection), metadata)


def names(connection: Connection) -> set[str]:
    """Every name of a constraint or index, as the database has it."""
    found: set[str | None] = set()
    inspector = inspect(connection)
    for table in metadata.tables:
        found |= {each["name"] for each in inspector.get_indexes(table)}
        found |= {each["name"] for each in inspector.get_foreign_keys(table)}
        found |= {each["name"] for each in inspector.get_unique_constraints(table)}
        found |= {inspector.get_pk_constraint(table)["name"]}
    return {name for name in found if name is not None}


async def test_migrating_an_empty_database_gives_the_schema_of_the_tables(empty_url: str) -> None:
    database = Database(empty_url)
    await database.migrate()
    await database.migrate()
    engine = create_async_engine(database.url)
    async with engine.begin() as connection:
        assert await connection.run_sync(differences) == []
        migrated = await connection.run_sync(names)
        await connection.run_sync(metadata.drop_all)
        await connection.run_sync(metadata.create_all)
        assert migrated == await connection.run_sync(names)
    await engine.dispose()
    await database.dispose()


async def test_downgrading_leaves_nothing(database_url: str) -> None:
    engine = create_async_engine(Database(database_url).url)
    async with engine.begin() as connection:
        await connection.run_sync(lambda sync: command.downgrade(alembic_config(sync), "base"))
        tables = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
    assert tables == ["alembic_version"]
    await engine.dispose()


async def test_several_processes_may_migrate_at_once(empty_url: str) -> None:
    databases = [Database(empty_url) for _ in range(4)]
    await asyncio.gather(*(database.migrate() for database in databases))
    await asyncio.gather(*(database.dispose() for database in databases))
