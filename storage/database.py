"""The connection to SQLite or PostgreSQL: transactions, and the schema that goes with this version."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from time import monotonic, sleep

from alembic import command
from alembic.config import Config
from sqlalchemy import URL, Connection, event, make_url, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

DEFAULT_URL = "sqlite+aiosqlite:///.countersign/countersign.db"
BUSY_TIMEOUT_S = 1.5
"""How long a worker waits for another process's write to SQLite: well within a decision's 3 s (SPEC D6)."""
COMMAND_BUSY_TIMEOUT_S = 10.0
"""How long a command waits for it: SQLite gives nobody a turn, a busy worker can be ahead for seconds."""
MIGRATION_PATIENCE_S = 30
"""How long a process waits for its turn to migrate, in seconds."""

_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
}
_MIGRATION_LOCK = 0x636F756E74657273
"""Key of PostgreSQL's advisory lock under which only one process migrates at a time."""


# synchronous=FULL, not NORMAL: claims, submissions and the outbox exist nowhere else, so a commit that was
# answered must survive a power cut, as Temporal's own does. In WAL mode it costs one fsync a commit.
_PRAGMAS = (
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
)


class NoDatabase(Exception):
    """There is no such SQLite file; looking for it made none.

    Attributes:
        file: Its path.
    """

    def __init__(self, file: str) -> None:
        super().__init__(f"there is no database {file}")
        self.file = file


class Database:
    """One database, shared by everything in this process.

    Args:
        url: SQLAlchemy URL of an SQLite file or a PostgreSQL database; the driver may be left out.
        busy_timeout: How long to wait for another process's write to SQLite, in seconds.

    Only migrating makes an SQLite file; everything else raises `NoDatabase` where there is none.

    What goes into statements is kept out of error messages: those end up in workflow histories and logs.

    Raises:
        ValueError: As `parse_url` says.
    """

    def __init__(self, url: str = DEFAULT_URL, *, busy_timeout: float = BUSY_TIMEOUT_S) -> None:
        self.url = parse_url(url)
        if self.url.get_backend_name() == "sqlite":
            self._writer, self._reader = _sqlite_engines(self.url, busy_timeout)
        else:
            self._writer = create_async_engine(self.url, pool_pre_ping=True, hide_parameters=True)
            self._reader = self._writer.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )

    @asynccontextmanager
    async def session(self) -> AsyncGenerator[AsyncSession]:
        """One transaction that may write: commits at the end, rolls back if the block raises."""
        async with AsyncSession(self._writer, expire_on_commit=False) as session, session.begin():
            yield session

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[AsyncSession]:
        """One transaction that only reads, all of it as of one moment.

        On SQLite it neither waits for writers nor keeps them waiting.
        """
        async with AsyncSession(self._reader) as session, session.begin():
            yield session

    async def migrate(self) -> None:
        """Brings the schema up to date; any number of processes may ask for it at once."""
        if self.url.get_backend_name() == "postgresql":
            async with self._writer.begin() as connection:
                await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
                await connection.run_sync(_upgrade)
            return
        Path(_file(self.url)).parent.mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread(_write_ahead, _file(self.url))
        patient = _sqlite_engine(self.url, "BEGIN IMMEDIATE", _busy_timeout(MIGRATION_PATIENCE_S))
        try:
            async with patient.begin() as connection:
                await connection.run_sync(_upgrade)
        finally:
            await patient.dispose()

    async def dispose(self) -> None:
        """Closes all connections."""
        await asyncio.gather(self._writer.dispose(), self._reader.dispose())


def parse_url(written: str) -> URL:
    """The URL of a database of ours, with its driver; nothing is opened yet.

    Raises:
        ValueError: It is no URL, or of another kind of database, or of SQLite without a file. The message
            does not repeat the URL, which may hold a password.
    """
    try:
        url = make_url(written)
    except (ArgumentError, ValueError):
        raise ValueError("database: no URL such as postgresql://user:password@host:5432/name") from None
    backend = url.get_backend_name()
    if backend not in _DRIVERS:
        raise ValueError(f"database: {backend} is not supported; use sqlite or postgresql")
    if "+" in url.drivername and url.drivername not in _DRIVERS.values():
        raise ValueError(f"database: {url.drivername} is not supported; use {_DRIVERS[backend]}")
    if backend == "sqlite" and url.database in {None, "", ":memory:"}:
        raise ValueError("database: SQLite needs a file, for example sqlite:///countersign.db")
    return url if "+" in url.drivername else url.set(drivername=_DRIVERS[backend])


def alembic_config(connection: Connection) -> Config:
    """Alembic's configuration; the migrations are found beside this file, installed or not."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def _upgrade(connection: Connection) -> None:
    command.upgrade(alembic_config(connection), "head")


def _write_ahead(file: str) -> None:
    """Has an SQLite file write ahead; the file remembers it, so it is for migrating and not for connecting.

    SQLite does not wait for the busy timeout here but refuses at once while another process has the file open
    for writing.
    """
    give_up_at = monotonic() + MIGRATION_PATIENCE_S
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError:
                if monotonic() > give_up_at:
                    raise
                sleep(0.05)
            else:
                return


def _sqlite_engines(url: URL, busy_timeout: float) -> tuple[AsyncEngine, AsyncEngine]:
    """One connection that writes and several that only read.

    Writers of this process queue for their connection, in order and without polling; BEGIN IMMEDIATE and the
    busy timeout settle it with writers of other processes, who could otherwise deadlock on the upgrade from
    a read lock.
    """
    timeout = _busy_timeout(busy_timeout)
    writer = _sqlite_engine(url, "BEGIN IMMEDIATE", timeout, pool_size=1, max_overflow=0)
    reader = _sqlite_engine(url, "BEGIN", timeout, "PRAGMA query_only = ON")
    return writer, reader


def _file(url: URL) -> str:
    return url.database or ""


def _busy_timeout(seconds: float) -> str:
    return f"PRAGMA busy_timeout = {seconds * 1000:.0f}"


def _sqlite_engine(url: URL, begin: str, *pragmas: str, **pool: int) -> AsyncEngine:
    """An engine whose connections start with these pragmas and whose transactions begin as told."""
    engine = create_async_engine(url, hide_parameters=True, **pool)

    @event.listens_for(engine.sync_engine, "do_connect")
    def before_connecting(*_: object) -> None:
        if not Path(_file(url)).exists():  # SQLite would make an empty one.
            raise NoDatabase(_file(url))

    @event.listens_for(engine.sync_engine, "connect")
    def on_connect(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # the driver must not begin transactions of its own
        cursor = connection.cursor()
        for pragma in (*_PRAGMAS, *pragmas):
            cursor.execute(pragma)
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def on_begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine
