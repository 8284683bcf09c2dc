"""The automatic deployment's one activity: finds the lines that wait and asks each to begin (SPEC 5.3)."""

from __future__ import annotations

import structlog
from temporalio import activity
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from domain import wire
from domain.line import LineState
from domain.orders import LineCommand
from domain.transitions import SYSTEM, ProcessKind

log = structlog.get_logger(__name__)


def waiting(task_queue: str) -> str:
    """Visibility query for an installation's confirmed lines; whether to begin, the line itself decides.

    Args:
        task_queue: Where its processes run; another installation in the namespace has another.
    """
    return (
        f"{wire.PROCESS_KIND} = '{ProcessKind.ORDER_LINE}' AND {wire.PROCESS_STATE} = '{LineState.CONFIRMED}'"
        f" AND ExecutionStatus = 'Running' AND TaskQueue = '{task_queue}'"
    )


class Deployments:
    """Deploys whatever is confirmed.

    Args:
        client: Finds the lines and signals them.
        task_queue: Where the processes of this installation run.
    """

    def __init__(self, client: Client, task_queue: str) -> None:
        self._client = client
        self._task_queue = task_queue

    @activity.defn(name=wire.DEPLOY_CONFIRMED)
    async def deploy_confirmed(self) -> int:
        """Signals every waiting line and returns how many there were.

        Raises:
            RPCError: Some line could not be reached; all others were asked all the same.
        """
        asked, failed = 0, None
        command = LineCommand(actor=SYSTEM, reason="automatic deployment")
        async for run in self._client.list_workflows(waiting(self._task_queue)):
            try:
                await self._client.get_workflow_handle(run.id).signal(wire.DEPLOY, command)
            except RPCError as error:
                if (
                    error.status is not RPCStatusCode.NOT_FOUND
                ):  # Then it has merely ended since it was listed.
                    log.warning("line_not_reached", process=run.id, error=error.message)
                    failed = error
                continue
            asked += 1
            activity.heartbeat(asked)
        if failed is not None:
            raise failed
        return asked
