"""The one statement that SQLAlchemy spells differently for each database: insert, or take what is there."""

from __future__ import annotations

from typing import cast

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from storage.tables.columns import Row


def insert(session: AsyncSession, table: type[Row]) -> postgresql.Insert:
    """An insert that knows ON CONFLICT; both dialects offer it with the same methods."""
    if session.get_bind().dialect.name == "postgresql":
        return postgresql.insert(table)
    return cast(postgresql.Insert, sqlite.insert(table))
