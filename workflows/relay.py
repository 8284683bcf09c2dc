"""The relay: one run, one heartbeating activity that hands the outbox over (SPEC D6)."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

from domain import wire

with workflow.unsafe.imports_passed_through():
    from activities.outbox import Outbox

HEARTBEAT_TIMEOUT = timedelta(seconds=8)
"""A relay that is silent this long counts as dead; another worker takes over within 15 seconds."""

SHIFT = timedelta(hours=6)
"""How long one activity relays before the run starts anew, so that its history stays short."""


@workflow.defn(name=wire.RELAY_OUTBOX)
class RelayOutboxWorkflow:
    """Keeps exactly one relay alive, for ever."""

    @workflow.run
    async def run(self) -> None:
        """Relays for one shift, then hands over to a fresh run."""
        try:
            await workflow.execute_activity_method(
                Outbox.relay,
                SHIFT,
                start_to_close_timeout=SHIFT + timedelta(minutes=30),
                heartbeat_timeout=HEARTBEAT_TIMEOUT,
                retry_policy=RetryPolicy(
                    initial_interval=timedelta(seconds=1),
                    backoff_coefficient=1.0,
                    maximum_interval=timedelta(seconds=1),
                ),
                summary="hand mails over to the mail server",
            )
        except ActivityError as error:
            workflow.logger.warning("The relay ended its shift early: %s", error.cause)
            await workflow.sleep(timedelta(seconds=1), summary="before the next relay begins")
        workflow.continue_as_new()
