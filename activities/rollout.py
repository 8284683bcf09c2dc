"""The rollout's one activity: tells open requests that their definition has changed (SPEC 4.6)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from enum import StrEnum

import structlog
from temporalio import activity
from temporalio.client import (
    Client,
    RPCTimeoutOrCancelledError,
    WorkflowExecution,
    WorkflowUpdateFailedError,
)
from temporalio.common import SearchAttributeKey
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from domain import wire
from domain.actions import ChangeDefinition, DefinitionChanged
from domain.errors import Code
from domain.rollouts import RolloutProgress, TellRequests

AT_ONCE = 10
"""Requests told side by side; how far the rollout has come is kept after each such batch."""

ANSWERS_WITHIN_S = 10.0
"""How long a request may take to answer, in seconds; one that no worker works on never does."""

OVER = frozenset({Code.NOT_PENDING, Code.ALREADY_DECIDED, Code.APPROVAL_EXPIRED, Code.PROCESS_ENDED})
"""Refusals that mean that the change came too late for the request."""

_SHOWN = 200
"""Characters of a refusal that are kept."""

OFFER_VERSION = SearchAttributeKey.for_keyword(wire.OFFER_VERSION)
DEFINITION_VERSION = SearchAttributeKey.for_keyword(wire.DEFINITION_VERSION)

log = structlog.get_logger(__name__)


class _Told(StrEnum):
    CHANGED = "changed"
    PASSED_BY = "passed_by"
    REFUSED = "refused"
    UNREACHED = "unreached"


class Rollouts:
    """Tells requests of changed definitions."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @activity.defn(name=wire.ROLL_OUT)
    async def roll_out(self, order: TellRequests) -> RolloutProgress:
        """Tells every request that the change concerns, in the order of their ids.

        Heartbeats carry the progress: whoever takes over goes on behind the last batch. A request that is
        told again answers as before.

        Raises:
            RPCError: The requests cannot be listed.
        """
        details = activity.info().heartbeat_details
        progress = RolloutProgress.model_validate(details[0]) if details else RolloutProgress()
        loop = asyncio.get_running_loop()
        left = [process for process in await self._concerned(order) if process > progress.cursor]
        for start in range(0, len(left), AT_ONCE):
            began = loop.time()
            batch = left[start : start + AT_ONCE]
            told = await asyncio.gather(*(self._tell(process, order) for process in batch))
            progress = progress.plus(_sum(batch, told, progress.unreached))
            activity.heartbeat(progress)
            await asyncio.sleep(max(0.0, began + len(batch) / order.per_second - loop.time()))
        return progress

    async def _concerned(self, order: TellRequests) -> list[str]:
        if order.only is not None:
            return sorted(order.only)
        found = []
        async for run in self._client.list_workflows(order.change.query(order.task_queue)):
            activity.heartbeat(*activity.info().heartbeat_details)
            if concerns(order, run):
                found.append(run.id)
        return sorted(found)

    async def _tell(self, process: str, order: TellRequests) -> tuple[_Told, str]:
        """Tells one request; every answer is an outcome, and only faults of ours are raised."""
        change = order.change
        command = ChangeDefinition(
            definition=change.definition,
            definition_hash=change.definition_hash,
            mode=change.mode,
            actor=order.actor,
            reason=order.reason,
        )
        try:
            async with asyncio.timeout(ANSWERS_WITHIN_S):
                answer: DefinitionChanged = await self._client.get_workflow_handle(process).execute_update(
                    wire.CHANGE_DEFINITION, command, id=order.rollout, result_type=DefinitionChanged
                )
        except WorkflowUpdateFailedError as error:
            return _refusal(error)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return _Told.PASSED_BY, ""
            log.warning("request_not_reached", process=process, error=error.message)
            return _Told.UNREACHED, ""
        except (TimeoutError, RPCTimeoutOrCancelledError):
            log.warning("request_not_reached", process=process, error="no answer")
            return _Told.UNREACHED, ""
        log.info("request_told", process=process, **answer.model_dump())
        return _Told.CHANGED, ""


def concerns(order: TellRequests, run: WorkflowExecution) -> bool:
    """Whether a change concerns a run, by the search attributes it has."""
    attributes = run.typed_search_attributes
    return order.change.concerns(
        attributes.get(OFFER_VERSION) or "", attributes.get(DEFINITION_VERSION) or ""
    )


def _refusal(error: WorkflowUpdateFailedError) -> tuple[_Told, str]:
    cause = error.cause
    code = cause.type if isinstance(cause, ApplicationError) else None
    return (_Told.PASSED_BY, "") if code in OVER else (_Told.REFUSED, f"{code}: {cause}"[:_SHOWN])


def _sum(batch: Sequence[str], told: Sequence[tuple[_Told, str]], before: tuple[str, ...]) -> RolloutProgress:
    """What a batch adds; those that earlier batches did not reach are kept."""
    outcomes = [outcome for outcome, _ in told]
    answered = dict(zip(batch, told, strict=True))
    return RolloutProgress(
        cursor=batch[-1],
        changed=outcomes.count(_Told.CHANGED),
        passed_by=outcomes.count(_Told.PASSED_BY),
        refused={process: why for process, (outcome, why) in answered.items() if outcome is _Told.REFUSED},
        unreached=(
            *before,
            *(process for process, (outcome, _) in answered.items() if outcome is _Told.UNREACHED),
        ),
    )
