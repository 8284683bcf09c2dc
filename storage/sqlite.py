"""How SQLite is driven where a decision waits for it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Any

import aiosqlite

_CHUNK = 64
"""Rows that an iteration over a cursor would fetch at once; SQLAlchemy fetches all."""

_WAITING = ("BEGIN", "PRAGMA")


class WritingConnection(aiosqlite.Connection):
    """A connection that goes to its thread only for what may wait: the lock, the disk, the end.

    A decision is about ten statements on single rows by their keys, some microseconds each, and each would go
    to the thread and back four times: to open a cursor, execute, fetch and close. The round trips were most
    of what a decision took, above all on a machine that is busy (bench/README.md).
    """

    async def _execute(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Runs one call of the driver, here or in the thread."""
        connection = self._conn
        ends = fn in {connection.commit, connection.rollback, connection.close}
        if ends or (args and isinstance(args[0], str) and args[0].startswith(_WAITING)):
            return await super()._execute(fn, *args, **kwargs)  # type: ignore[no-untyped-call]
        return fn(*args, **kwargs)


def writing_connection(*args: Any, **kwargs: Any) -> WritingConnection:
    """What SQLAlchemy awaits to connect; the arguments are those of `sqlite3.connect`."""
    connection = WritingConnection(partial(sqlite3.connect, *args, **kwargs), _CHUNK)
    connection._thread.daemon = True  # as SQLAlchemy does with its own
    return connection
