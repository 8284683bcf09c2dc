"""Every workflow type, and the sandbox they run in; shared by worker, tests and replay."""

from __future__ import annotations

import compileall
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from temporalio.converter import SerializationContext, StorageDriverStoreContext
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions
from temporalio.workflow import Info

from workflows.deployment import DeploymentRoundWorkflow
from workflows.line import OrderLineWorkflow
from workflows.order import OrderWorkflow
from workflows.relay import RelayOutboxWorkflow

WORKFLOWS = (OrderWorkflow, OrderLineWorkflow, DeploymentRoundWorkflow, RelayOutboxWorkflow)

PASSED_THROUGH = ("domain", "activities", "storage")
"""Ours and deterministic (domain), or used for names and types only (activities, and what they import).

Importing them anew into every run's sandbox would more than double the cost of a replay (peers.md C4);
ruff and import-linter keep clock, random and I/O out of `domain` instead.
"""


def workflow_runner() -> SandboxedWorkflowRunner:
    """The sandbox of every worker and replayer.

    Each run imports our workflow modules anew. Without their byte code on disk, as PYTHONDONTWRITEBYTECODE
    leaves it, each would also compile them anew, for a third of what a short replay costs (bench/README.md).
    So they are compiled here; where nothing can be written, runs merely start more slowly.
    """
    compileall.compile_dir(Path(__file__).parent, maxlevels=0, quiet=2)
    return _Sandbox(restrictions=SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH))


@dataclass(frozen=True)
class _Sandbox(SandboxedWorkflowRunner):
    """The SDK's sandbox, entered for workflow code only."""

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        return _Run(super().create_instance(det))


class _Run(WorkflowInstance):
    """One run in the sandbox.

    For every payload that comes or goes the SDK asks the run for what codecs and external storage may want to
    know, and enters the sandbox for the answer: a fifth to a quarter of what a replay costs. We have neither.
    """

    def __init__(self, sandboxed: WorkflowInstance) -> None:
        self._sandboxed = sandboxed

    def activate(self, act: Any) -> Any:
        return self._sandboxed.activate(act)

    def get_serialization_context(self, command_info: object) -> SerializationContext | None:  # noqa: ARG002
        return None

    def get_external_store_context(self, command_info: object) -> StorageDriverStoreContext:  # noqa: ARG002
        return StorageDriverStoreContext(target=None)

    def get_info(self) -> Info:
        return self._sandboxed.get_info()

    def get_thread_id(self) -> int | None:
        return self._sandboxed.get_thread_id()
