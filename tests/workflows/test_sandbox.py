"""The sandbox guards runs as the SDK's own does, and does not enter one for what only codecs ask."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from tests.temporal import new_worker
from tests.workflows.impure import Answers


async def test_a_workflow_cannot_read_the_clock(client: Client, task_queue: str) -> None:
    async with new_worker(client, workflows=[Answers], task_queue=task_queue):
        with pytest.raises(WorkflowFailureError) as error:
            await client.execute_workflow(
                Answers.run, "machine", id=f"clock-{uuid4()}", task_queue=task_queue
            )
    cause = error.value.cause
    assert isinstance(cause, ApplicationError)
    assert cause.type == "RestrictedWorkflowAccessError"


async def test_payloads_are_translated_without_entering_a_run(
    client: Client, task_queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def spied(runner: SandboxedWorkflowRunner, det: WorkflowInstanceDetails) -> WorkflowInstance:
        run = create(runner, det)

        def ask(*_: Any) -> None:
            asked.append(det.info.workflow_id)

        monkeypatch.setattr(run, "get_serialization_context", ask)
        monkeypatch.setattr(run, "get_external_store_context", ask)
        return run

    create = SandboxedWorkflowRunner.create_instance
    monkeypatch.setattr(SandboxedWorkflowRunner, "create_instance", spied)
    async with new_worker(client, workflows=[Answers], task_queue=task_queue):
        await client.execute_workflow(Answers.run, "run", id=f"clock-{uuid4()}", task_queue=task_queue)
    assert asked == []
