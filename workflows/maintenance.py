"""The maintenance of definitions: versions that nobody uses any more are removed daily (SPEC 4.6)."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow

from domain import wire
from domain.rollouts import RemoveUnused
from workflows.names import PATIENT_RETRY

with workflow.unsafe.imports_passed_through():
    from activities.maintenance import Maintenance

KEPT_FOR = timedelta(days=30)
"""How long a version is kept after the last new request could take it."""


@workflow.defn(name=wire.DEFINITIONS_MAINTENANCE)
class DefinitionsMaintenanceWorkflow:
    """One round of maintenance."""

    @workflow.run
    async def run(self) -> tuple[str, ...]:
        """Returns what was removed, as `name@version`."""
        now = workflow.now()
        return await workflow.execute_activity_method(
            Maintenance.remove_unused,
            RemoveUnused(idle_since=now - KEPT_FOR, at=now),
            start_to_close_timeout=timedelta(minutes=5),
            retry_policy=PATIENT_RETRY,
            summary="remove definitions that nobody uses",
        )
