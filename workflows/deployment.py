"""The automatic deployment: several times a day, whatever is confirmed and waiting (SPEC 5.3, seed 000)."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow

from domain import wire
from workflows.names import PATIENT_RETRY

with workflow.unsafe.imports_passed_through():
    from activities.deployment import Deployments


@workflow.defn(name=wire.DEPLOYMENT_ROUND)
class DeploymentRoundWorkflow:
    """One round: asks every line that waits for its deployment to begin. Each line decides for itself."""

    @workflow.run
    async def run(self) -> int:
        """Returns how many lines were asked."""
        return await workflow.execute_activity_method(
            Deployments.deploy_confirmed,
            start_to_close_timeout=timedelta(minutes=10),
            heartbeat_timeout=timedelta(seconds=30),
            retry_policy=PATIENT_RETRY,
            summary="deploy every confirmed line",
        )
