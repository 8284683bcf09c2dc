"""The statement that SQLAlchemy spells differently for each database: insert, or deal with what is there.

Callers build such statements once per dialect and give the values on execution: building and compiling one
takes longer than running it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from sqlalchemy import ColumnElement, case
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from storage.tables import metadata


def dialect(session: AsyncSession) -> str:
    """Name of the database's dialect, `sqlite` or `postgresql`."""
    return session.get_bind().dialect.name


def insert(dialect: str, table: str) -> postgresql.Insert:
    """An insert that knows ON CONFLICT; both dialects offer it with the same methods."""
    build = postgresql.insert if dialect == "postgresql" else sqlite.insert
    return cast(postgresql.Insert, build(metadata.tables[table]))


def keep_newest(
    statement: postgresql.Insert, is_newer: ColumnElement[bool], names: Iterable[str], since: str
) -> dict[str, ColumnElement[Any]]:
    """What a row becomes when it is told again: the named columns move if this is newer, never back.

    Args:
        statement: The insert.
        is_newer: Whether what is told now is newer than what is there.
        names: The columns that move.
        since: A column that keeps the earliest time ever told.
    """
    given, there = statement.excluded, statement.table.c
    moved = {name: case((is_newer, given[name]), else_=there[name]) for name in names}
    return moved | {since: case((given[since] < there[since], given[since]), else_=there[since])}
