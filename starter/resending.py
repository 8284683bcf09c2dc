"""Sends an update again that the server dropped, for every client of ours."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any
from uuid import uuid4

from temporalio.api.errordetails.v1 import WorkflowNotReadyFailure
from temporalio.client import Interceptor, OutboundInterceptor, StartWorkflowUpdateInput, WorkflowUpdateHandle
from temporalio.service import RPCError

SEND_AGAIN_S = 0.1
"""How soon an update is sent again, in seconds."""

GIVE_UP_AFTER_S = 30.0
"""How long it is sent again, in seconds; a run whose every workflow task fails never takes it."""


class ResendDroppedUpdates(Interceptor):
    """Hands every update to the server until it has passed it on.

    The server fails a workflow task that would end a run if something else reaches that run at the same
    moment, the answer of an activity for instance, and drops the updates that came with it. To the run they
    never happened. They keep their id, so that none counts twice.
    """

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002
        """Part of the SDK's interface."""
        return _Resending(next)


class _Resending(OutboundInterceptor):
    async def start_workflow_update(self, input: StartWorkflowUpdateInput) -> WorkflowUpdateHandle[Any]:  # noqa: A002
        update = replace(input, update_id=input.update_id or uuid4().hex)
        give_up_at = asyncio.get_running_loop().time() + GIVE_UP_AFTER_S
        while True:
            try:
                return await super().start_workflow_update(update)
            except RPCError as error:
                if not _was_dropped(error) or asyncio.get_running_loop().time() > give_up_at:
                    raise
            await asyncio.sleep(SEND_AGAIN_S)


def _was_dropped(error: RPCError) -> bool:
    return any(detail.Is(WorkflowNotReadyFailure.DESCRIPTOR) for detail in error.grpc_status.details)
