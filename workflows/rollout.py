"""The rollout of changed definitions over the requests that are open (SPEC 4.6)."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow

from domain import wire
from domain.rollouts import DefinitionChange, Rollout, RolloutProgress, TellRequests
from workflows.names import PATIENT_RETRY

with workflow.unsafe.imports_passed_through():
    from activities.rollout import Rollouts

AGAIN_AFTER = (timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1), timedelta(hours=6))
"""When requests that did not answer are told again; then they are left to an operator."""

LONGEST = timedelta(days=1)
"""How long telling may take altogether: 20 a second are more than a million in that time."""


@workflow.defn(name=wire.DEFINITION_ROLLOUT)
class DefinitionRolloutWorkflow:
    """Tells every open request that a publication concerns; whether it is too late, each knows itself."""

    @workflow.run
    async def run(self, rollout: Rollout) -> RolloutProgress:
        """Returns what became of the requests, those not reached included."""
        await workflow.sleep(rollout.settle, summary="requests that are just being started are listed")
        total = RolloutProgress()
        for change in rollout.changes:
            total = total.plus(await self._tell_all(rollout, change))
        return total

    async def _tell_all(self, rollout: Rollout, change: DefinitionChange) -> RolloutProgress:
        progress = await self._tell(rollout, change)
        for pause in AGAIN_AFTER:
            if not progress.unreached:
                break
            await workflow.sleep(pause, summary=f"{len(progress.unreached)} requests did not answer")
            progress = progress.plus(await self._tell(rollout, change, progress.unreached))
        return progress

    async def _tell(
        self, rollout: Rollout, change: DefinitionChange, only: tuple[str, ...] | None = None
    ) -> RolloutProgress:
        return await workflow.execute_activity_method(
            Rollouts.roll_out,
            TellRequests(
                rollout=workflow.info().workflow_id,
                change=change,
                actor=rollout.actor,
                reason=rollout.reason,
                task_queue=rollout.task_queue,
                per_second=rollout.per_second,
                only=only,
            ),
            start_to_close_timeout=LONGEST,
            heartbeat_timeout=timedelta(seconds=30),
            retry_policy=PATIENT_RETRY,
            summary=f"{change.mode} open requests for {change.definition.reference}",
        )
