"""Every workflow type, and the sandbox they run in; shared by worker, tests and replay."""

from __future__ import annotations

from temporalio.worker.workflow_sandbox import SandboxRestrictions

from workflows.deployment import DeploymentRoundWorkflow
from workflows.line import OrderLineWorkflow
from workflows.maintenance import DefinitionsMaintenanceWorkflow
from workflows.order import OrderWorkflow
from workflows.payloads import NothingIsNoCommand
from workflows.relay import RelayOutboxWorkflow
from workflows.rollout import DefinitionRolloutWorkflow
from workflows.sandbox import Sandbox

WORKFLOWS = (
    OrderWorkflow,
    OrderLineWorkflow,
    DeploymentRoundWorkflow,
    DefinitionRolloutWorkflow,
    DefinitionsMaintenanceWorkflow,
    RelayOutboxWorkflow,
)

INTERCEPTORS = (NothingIsNoCommand(),)
"""What stands between the server and the workflows of every worker."""

LIBRARIES = ("domain", "activities", "storage", "email_validator", "idna")
"""Ours and deterministic (domain), or used for names and types only (activities, and what they import).

ruff and import-linter keep clock, random and I/O out of `domain`. What
`domain` reads addresses with is named as well, as it imports parts of itself only when called.
"""


def workflow_runner(*, guarded: bool = False) -> Sandbox:
    """The sandbox of every worker and replayer.

    Args:
        guarded: Import the workflow modules anew for every run, so that anything in them that is not
            deterministic is refused. Tests do; workers do not, as a replay then takes 2.4 times the CPU
            (bench/README.md).
    """
    passed = LIBRARIES if guarded else (*LIBRARIES, "workflows")
    return Sandbox(restrictions=SandboxRestrictions.default.with_passthrough_modules(*passed))
