"""Every workflow type, and the sandbox they run in; shared by worker, tests and replay."""

from __future__ import annotations

from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

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
    """The sandbox of every worker and replayer."""
    return SandboxedWorkflowRunner(
        restrictions=SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH)
    )
