"""Waiting for an outside system in a stage that asks no people: one activity whose retries are the polls."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from domain.approval import Approval
from domain.external import AwaitCondition, ConditionMet, ConditionState
from domain.request_data import RequestData
from workflows.names import PATIENT_RETRY, SILENT_AFTER

with workflow.unsafe.imports_passed_through():
    from activities.conditions import Conditions


async def await_condition(approval: Approval, request: RequestData) -> ConditionMet:
    """Asks the open stage's source until it says yes or no; cancelling this ends the asking.

    Args:
        approval: Its open stage waits for a condition.
        request: What is to be approved.

    Returns:
        The answer; failed, too, if an operator has the activity fail in Temporal.
    """
    wait, opening = approval.stage.wait, approval.opening
    assert wait is not None
    question = AwaitCondition(
        source=wait.source,
        parameters=wait.parameters,
        process=workflow.info().workflow_id,
        stage=opening.stage.name,
        round=opening.round,
        at=opening.opened_at,
        request=request,
    )
    try:
        return await workflow.execute_activity_method(
            Conditions.await_condition,
            question,
            start_to_close_timeout=timedelta(seconds=60),
            heartbeat_timeout=SILENT_AFTER,
            retry_policy=PATIENT_RETRY,
            summary=f"ask {wait.source} until it says yes or no",
        )
    except ActivityError as error:
        if is_cancelled_exception(error):
            raise
        return ConditionMet(answer=ConditionState.FAILED, message=str(error.cause or error))
