"""The sandbox that workflows run in, without a detour that only codecs need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.converter import SerializationContext, StorageDriverStoreContext
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner
from temporalio.workflow import Info


@dataclass(frozen=True)
class Sandbox(SandboxedWorkflowRunner):
    """The SDK's sandbox, entered to run workflow code and for nothing else.

    The SDK enters it several times for each payload as well, to ask the run in which context a codec or an
    external store would see that payload. Our data converter has neither (`starter.settings.connect`), so the
    answer changes nothing, and asking was a quarter of a worker's CPU (bench/README.md). Whoever adds a codec
    that reads its context goes back to `SandboxedWorkflowRunner`.
    """

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """A run in a sandbox of its own."""
        return _Run(super().create_instance(det))


class _Run(WorkflowInstance):
    def __init__(self, sandboxed: WorkflowInstance) -> None:
        self._sandboxed = sandboxed

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        return self._sandboxed.activate(act)

    def get_serialization_context(self, command_info: Any) -> SerializationContext | None:  # noqa: ARG002 - the SDK's signature
        return None

    def get_external_store_context(self, command_info: Any) -> StorageDriverStoreContext:  # noqa: ARG002 - the SDK's signature
        return StorageDriverStoreContext(target=None)

    def get_info(self) -> Info:
        return self._sandboxed.get_info()

    def get_thread_id(self) -> int | None:
        return self._sandboxed.get_thread_id()
