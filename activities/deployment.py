"""The automatic deployment's one activity: finds the lines that wait and asks each to begin (SPEC 5.3)."""

from __future__ import annotations

from temporalio import activity
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from domain import wire
from domain.line import LineState
from domain.orders import LineCommand
from domain.transitions import SYSTEM, ProcessKind

WAITING = (
    f"{wire.PROCESS_KIND} = '{ProcessKind.ORDER_LINE}' AND {wire.PROCESS_STATE} = '{LineState.CONFIRMED}' "
    "AND ExecutionStatus = 'Running'"
)
"""Visibility query for confirmed lines that are not deployed; the line itself decides (SPEC D1)."""


class Deployments:
    """Deploys whatever is confirmed."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @activity.defn(name=wire.DEPLOY_CONFIRMED)
    async def deploy_confirmed(self) -> int:
        """Signals every waiting line and returns how many there were."""
        asked = 0
        command = LineCommand(actor=SYSTEM, reason="automatic deployment")
        async for run in self._client.list_workflows(WAITING):
            try:
                await self._client.get_workflow_handle(run.id).signal(wire.DEPLOY, command)
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise
                continue  # It has ended since it was listed.
            asked += 1
            activity.heartbeat(asked)
        return asked
