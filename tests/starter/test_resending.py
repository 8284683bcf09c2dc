"""Updates that the server drops reach their run all the same, once."""

from __future__ import annotations

from typing import Any, cast

import pytest
from temporalio.api.common.v1 import GrpcStatus
from temporalio.api.errordetails.v1 import WorkflowNotReadyFailure
from temporalio.client import (
    OutboundInterceptor,
    StartWorkflowUpdateInput,
    WorkflowUpdateHandle,
    WorkflowUpdateStage,
)
from temporalio.service import RPCError, RPCStatusCode

from domain import wire
from starter import resending
from starter.resending import ResendDroppedUpdates

ACCEPTED = cast("WorkflowUpdateHandle[Any]", object())


class Dropping(OutboundInterceptor):
    """Stands for a server whose run ends with the update, just as an activity of its own is answered."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.sent: list[str | None] = []

    async def start_workflow_update(self, input: StartWorkflowUpdateInput) -> WorkflowUpdateHandle[Any]:  # noqa: A002
        self.sent.append(input.update_id)
        if len(self.sent) > self.times:
            return ACCEPTED
        status = GrpcStatus(code=9, message="unexpected workflow task failure")
        status.details.add().Pack(WorkflowNotReadyFailure())
        raise RPCError(status.message, RPCStatusCode.FAILED_PRECONDITION, status.SerializeToString())


def cancel(update_id: str | None) -> StartWorkflowUpdateInput:
    return StartWorkflowUpdateInput(
        id="order-1-line-1",
        run_id=None,
        first_execution_run_id=None,
        update_id=update_id,
        update=wire.CANCEL_LINE,
        args=[],
        wait_for_stage=WorkflowUpdateStage.COMPLETED,
        headers={},
        ret_type=None,
        rpc_metadata={},
        rpc_timeout=None,
    )


@pytest.mark.parametrize("update_id", ["cancel-1", None])
async def test_an_update_that_the_server_dropped_is_sent_again_as_the_same(update_id: str | None) -> None:
    server = Dropping(times=2)
    sending = ResendDroppedUpdates().intercept_client(server)
    assert await sending.start_workflow_update(cancel(update_id)) is ACCEPTED
    assert len(server.sent) == 3
    [sent_as] = set(server.sent)
    assert sent_as == update_id if update_id else sent_as


async def test_a_run_that_never_takes_an_update_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resending, "GIVE_UP_AFTER_S", 0.25)
    server = Dropping(times=1000)
    with pytest.raises(RPCError, match="workflow task failure"):
        await ResendDroppedUpdates().intercept_client(server).start_workflow_update(cancel(None))
    assert 2 <= len(server.sent) <= 5


async def test_what_the_server_refuses_is_not_sent_again() -> None:
    class Refusing(Dropping):
        async def start_workflow_update(self, input: StartWorkflowUpdateInput) -> WorkflowUpdateHandle[Any]:  # noqa: A002
            self.sent.append(input.update_id)
            raise RPCError("distinct updates", RPCStatusCode.FAILED_PRECONDITION, b"")

    server = Refusing(times=0)
    with pytest.raises(RPCError, match="distinct updates"):
        await ResendDroppedUpdates().intercept_client(server).start_workflow_update(cancel(None))
    assert len(server.sent) == 1
