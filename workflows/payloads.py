"""Refuses commands that are nothing at all before a workflow sees them.

A client's nothing (nil, null or undefined in other languages) is decoded without regard to the type that is
wanted. A handler that reads a field of it fails its workflow task time and again, while others wait.
"""

from __future__ import annotations

from typing import Any

from temporalio.worker import (
    HandleUpdateInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

from domain.errors import Code, Refusal
from workflows.process import refused


class NothingIsNoCommand(Interceptor):
    """For every worker of ours: each of our updates takes one command."""

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: A002, ARG002 - the SDK's signature
    ) -> type[WorkflowInboundInterceptor]:
        """Part of the SDK's interface."""
        return _Inbound


class _Inbound(WorkflowInboundInterceptor):
    def handle_update_validator(self, input: HandleUpdateInput) -> None:  # noqa: A002 - the SDK's signature
        _check_given(input)
        super().handle_update_validator(input)

    async def handle_update_handler(self, input: HandleUpdateInput) -> Any:  # noqa: A002
        _check_given(input)  # Not every update has a validator.
        return await super().handle_update_handler(input)


def _check_given(update: HandleUpdateInput) -> None:
    if not update.args or update.args[0] is None:
        raise refused(Refusal(Code.INVALID_INPUT, "payload: must be an object, not nothing"))
