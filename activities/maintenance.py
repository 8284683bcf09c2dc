"""The maintenance's one activity: removes definitions that nobody uses (SPEC 4.6)."""

from __future__ import annotations

import structlog
from temporalio import activity

from domain import wire
from domain.rollouts import RemoveUnused
from storage import definitions
from storage.database import Database

log = structlog.get_logger(__name__)


class Maintenance:
    """Keeps the catalogue of definitions tidy."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @activity.defn(name=wire.REMOVE_UNUSED)
    async def remove_unused(self, order: RemoveUnused) -> tuple[str, ...]:
        """Removes versions that are superseded or retired long enough and that no open process uses."""
        async with self._database.session() as session:
            removed = await definitions.remove_unused(session, order.idle_since, order.at)
        if removed:
            log.info("definitions_removed", versions=removed)
        return removed
