"""The rollout's one activity: tells open requests that their definition has changed (SPEC 4.6)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

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
from domain.base import Command, Message
from domain.calendars import Calendar
from domain.definitions import OnChange
from domain.errors import Code, Refusal
from domain.organisations import OrganisationKind
from domain.rollouts import ChangeLines, LinesChanged, OpenRequest, RolloutProgress, TellRequests
from domain.transitions import ProcessKind
from storage.calendars import calendars_for
from storage.database import Database
from storage.processes import get_view
from storage.requests import open_requests

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


_Outcome = tuple[_Told, str]
"""What became of a request, and why if it is to be read."""

_M = TypeVar("_M", bound=Message)


class Rollouts:
    """Tells requests of changed definitions.

    Args:
        client: Connected with the pydantic data converter.
        database: Where the projection is, which knows what each request runs on.
    """

    def __init__(self, client: Client, database: Database) -> None:
        self._client = client
        self._database = database

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
        concerned = await self._concerned(order)
        left = [process for process in concerned if process > progress.cursor]
        for start in range(0, len(left), AT_ONCE):
            began = loop.time()
            batch = left[start : start + AT_ONCE]
            told = await asyncio.gather(*(self._tell(process, concerned, order) for process in batch))
            outcomes = {process: outcome for each in told for process, outcome in each.items()}
            progress = progress.plus(_sum(batch[-1], outcomes, progress.unreached))
            activity.heartbeat(progress)
            await asyncio.sleep(max(0.0, began + len(batch) / order.per_second - loop.time()))
        return progress

    async def _concerned(self, order: TellRequests) -> dict[str, str]:
        """Whom to tell, in the order of their ids, each with its kind of process."""
        async with self._database.reading() as session:
            known = await open_requests(session)
        if order.only is not None:
            kinds = {each.process: each.kind for each in known}
            return {process: kinds.get(process, order.change.kind) for process in sorted(order.only)}
        listed = []
        async for run in self._client.list_workflows(order.change.query(order.task_queue)):
            activity.heartbeat(*activity.info().heartbeat_details)
            listed.append(_request(run, order.change.kind))
        return {process: each.kind for process, each in order.change.among(listed, known).items()}

    async def _tell(
        self, process: str, concerned: Mapping[str, str], order: TellRequests
    ) -> dict[str, _Outcome]:
        """Tells one process; every answer is an outcome, and only faults of ours are raised."""
        try:
            if concerned[process] == ProcessKind.ORDER:
                return await self._tell_order(process, concerned, order)
            return {process: await self._tell_request(process, order)}
        except Refusal as refusal:  # Its calendars cannot be told, perhaps as nobody has heard of it yet.
            is_new = refusal.code is Code.NOT_FOUND
            return {process: (_Told.UNREACHED, "") if is_new else (_Told.REFUSED, str(refusal)[:_SHOWN])}

    async def _tell_order(
        self, process: str, concerned: Mapping[str, str], order: TellRequests
    ) -> dict[str, _Outcome]:
        """Tells an order, and those of its lines that have started since the requests were listed."""
        command = ChangeLines(
            change=order.change,
            actor=order.actor,
            reason=order.reason,
            calendars=await self._calendars(process, order),
        )
        answer = await self._ask(process, command, LinesChanged, order)
        if not isinstance(answer, LinesChanged):
            return {process: answer}
        started = [line for line in answer.started if line not in concerned]
        told = await asyncio.gather(*(self._tell_request(line, order, is_new=True) for line in started))
        own = _Told.CHANGED if answer.changed else _Told.PASSED_BY
        return {process: (own, ""), **dict(zip(started, told, strict=True))}

    async def _tell_request(self, process: str, order: TellRequests, *, is_new: bool = False) -> _Outcome:
        """Tells one request; one that is new may be there only a moment later."""
        change = order.change
        command = ChangeDefinition(
            definition=change.definition,
            definition_hash=change.definition_hash,
            mode=change.mode,
            actor=order.actor,
            reason=order.reason,
            calendars=await self._calendars(process, order),
        )
        answer = await self._ask(process, command, DefinitionChanged, order)
        if isinstance(answer, DefinitionChanged):
            return _Told.CHANGED, ""
        return (_Told.UNREACHED, "") if is_new and answer is _GONE else answer

    async def _ask(
        self, process: str, command: Command, result: type[_M], order: TellRequests
    ) -> _M | _Outcome:
        """Sends the update and returns its answer, or what the lack of one comes to."""
        try:
            async with asyncio.timeout(ANSWERS_WITHIN_S):
                answer: _M = await self._client.get_workflow_handle(process).execute_update(
                    wire.CHANGE_DEFINITION, command, id=order.rollout, result_type=result
                )
        except WorkflowUpdateFailedError as error:
            return _refusal(error)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return _GONE
            log.warning("request_not_reached", process=process, error=error.message)
            return _Told.UNREACHED, ""
        except (TimeoutError, RPCTimeoutOrCancelledError):
            log.warning("request_not_reached", process=process, error="no answer")
            return _Told.UNREACHED, ""
        log.info("request_told", process=process, **answer.model_dump())
        return answer

    async def _calendars(self, process: str, order: TellRequests) -> dict[OrganisationKind, Calendar]:
        """The calendars of a request's parties that the new definition's stages count in."""
        definition = order.change.definition
        counts = order.change.mode is OnChange.RESET and any(stage.calendar for stage in definition.stages)
        if not counts:
            return {}
        async with self._database.reading() as session:
            parties = (await get_view(session, process)).parties
            return await calendars_for(session, definition, parties, activity.info().scheduled_time)


_LATE: _Outcome = (_Told.PASSED_BY, "its approval is over")
_GONE: _Outcome = (_Told.PASSED_BY, "there is no such run")


def _request(run: WorkflowExecution, kind: str) -> OpenRequest:
    """A run by the search attributes it was started with."""
    attributes = run.typed_search_attributes
    offer, definition = attributes.get(OFFER_VERSION), attributes.get(DEFINITION_VERSION)
    return OpenRequest(run.id, kind, offer or "", definition or "")


def _refusal(error: WorkflowUpdateFailedError) -> _Outcome:
    cause = error.cause
    code = cause.type if isinstance(cause, ApplicationError) else None
    return _LATE if code in OVER else (_Told.REFUSED, f"{code}: {cause}"[:_SHOWN])


def _sum(cursor: str, outcomes: Mapping[str, _Outcome], before: tuple[str, ...]) -> RolloutProgress:
    """What a batch adds; those that earlier batches did not reach are kept."""
    told = [outcome for outcome, _ in outcomes.values()]
    return RolloutProgress(
        cursor=cursor,
        changed=told.count(_Told.CHANGED),
        passed_by=told.count(_Told.PASSED_BY),
        refused={process: why for process, (outcome, why) in outcomes.items() if outcome is _Told.REFUSED},
        unreached=(
            *before,
            *(process for process, (outcome, _) in outcomes.items() if outcome is _Told.UNREACHED),
        ),
    )
