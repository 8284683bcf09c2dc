"""What backends do for a line, one step after the other, and how it is taken back (SPEC 5.7; L15, L21)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from domain import wire
from domain.offers import SERVICE_STEP, Offer
from domain.orders import OrderLine
from domain.organisations import Parties
from domain.provisioning import Provisioned, ProvisionService, Removed, RemoveService, ServiceOrder
from domain.views import summary
from workflows.names import PATIENT_RETRY, SILENT_AFTER

with workflow.unsafe.imports_passed_through():
    from activities.provisioning import Provisioning

STEP_PATIENCE = timedelta(minutes=10)
"""How long a cancelled line waits for the step that is under way, before it is taken back unseen."""

LATE_LOOKS = (timedelta(minutes=10), timedelta(hours=1), timedelta(hours=6))
"""When a step that was given up is looked for again: a backend may come round to it late."""


class BackendRefused(Exception):
    """A backend will not take a step; the message is its own."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing a backend does for a line.

    Attributes:
        name: `SERVICE_STEP`, or the preparation's own name.
        service: What the backend knows it by; the line's service, or one of its own.
        retries: How often an operator had it tried again: a backend answers the same request the same way.
    """

    name: str
    title: str
    adapter: str
    service: str
    parameters: dict[str, str]
    retries: int = 0

    @property
    def intention(self) -> str:
        """What its idempotency key stands for."""
        return f"{self.name}/retry-{self.retries}" if self.retries else self.name


def preparation_of(line: OrderLine) -> tuple[Step, ...]:
    """The steps before the point of no return."""
    return tuple(
        Step(
            name=each.name,
            title=each.title,
            adapter=each.adapter,
            service=f"{line.service}-{each.name}",
            parameters=each.parameters,
        )
        for each in line.line.offer.preparation
    )


def provision_of(line: OrderLine, adapter: str, answers: dict[str, str]) -> Step:
    """The step that provides the service itself, with the answers of its set-up form as parameters."""
    offer = line.line.offer
    return Step(
        name=SERVICE_STEP,
        title=offer.title,
        adapter=adapter,
        service=line.service,
        parameters=offer.parameters | answers,
    )


class BackendSteps:
    """The steps a line has taken, those under way and given up included."""

    def __init__(self, line: OrderLine) -> None:
        self._line = line
        self.taken: list[Step] = []
        self.given_up: list[Step] = []

    async def take(self, step: Step, parties: Parties) -> Provisioned:
        """Has a backend take a step; from here on it is to be taken back if the line ends early.

        A step that was refused is not: the backend has promised that nothing of it is left, and what is in
        conflict with it may be somebody else's (docs/provisioning-adapters.md).

        Raises:
            BackendRefused: In the backend's words.
        """
        self.taken.append(step)
        try:
            return await workflow.execute_activity_method(
                Provisioning.provision,
                ProvisionService(adapter=step.adapter, order=self._order(step, parties, step.intention)),
                start_to_close_timeout=timedelta(seconds=60),
                heartbeat_timeout=SILENT_AFTER,
                retry_policy=PATIENT_RETRY,
                summary=summary(f"provision {step.title} through {step.adapter}"),
            )
        except ActivityError as error:
            cause = error.cause
            if not isinstance(cause, ApplicationError) or cause.type != wire.ADAPTER_REFUSED:
                raise
            self.taken.remove(step)
            raise BackendRefused(cause.message) from error

    async def take_back(self, step: Step, parties: Parties, look: int = 0) -> Removed:
        """Has a step undone and its absence read back.

        Args:
            step: What was done.
            parties: For whom.
            look: How often it was undone before: each time is a request of its own, as a backend answers
                the same one out of its memory.

        Raises:
            ActivityError: The backend refuses to.
        """
        intention = f"{step.name}/undo-{look}" if look else f"{step.name}/undo"
        return await workflow.execute_activity_method(
            Provisioning.deprovision,
            RemoveService(adapter=step.adapter, order=self._order(step, parties, intention)),
            start_to_close_timeout=timedelta(seconds=60),
            heartbeat_timeout=SILENT_AFTER,
            retry_policy=PATIENT_RETRY,
            summary=summary(f"take back {step.title} through {step.adapter}"),
        )

    def _order(self, step: Step, parties: Parties, intention: str) -> ServiceOrder:
        offer: Offer = self._line.line.offer
        context = self._line.context
        return ServiceOrder(
            idempotency_key=f"{workflow.info().workflow_id}/{intention}",
            process=workflow.info().workflow_id,
            service=step.service,
            organisation=parties.customer,
            offer=offer.name,
            offer_version=offer.version,
            domain=context.domain.key if context.domain else None,
            parameters=step.parameters,
            at=workflow.now(),
        )
