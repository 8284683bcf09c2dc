"""A backend whose faults a test chooses: what stands there in the end is what counts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError

from domain import wire
from domain.errors import Code
from domain.provisioning import Provisioned, ProvisionService, Removed, RemoveService

Fault = Callable[[int], None]
"""Given the number of the attempt, raises what the backend answers instead, or lets it through."""


def refuses(_attempt: int) -> None:
    """It says no, for good."""
    raise ApplicationError("no such size", type=wire.ADAPTER_REFUSED, non_retryable=True)


def is_away_for(span: timedelta) -> Fault:
    """It does not answer for a while, and is asked again six times meanwhile."""

    def fault(attempt: int) -> None:
        if attempt <= 6:
            raise ApplicationError("no connection", type=Code.UNAVAILABLE, next_retry_delay=span / 6)

    return fault


def loses_the_worker(attempt: int) -> None:
    """The worker that asked is killed before it can report: its heartbeats end, another one asks again."""
    if attempt == 1:
        activity.raise_complete_async()


class Backend:
    """Provides whatever it is asked for, unless told otherwise.

    Attributes:
        there: The services that exist now.
        faults: What goes wrong when a service is made, by its id or the name of its step.
        removal_faults: The same for removing it.
        keys: The idempotency keys it has seen.
    """

    def __init__(self) -> None:
        self.there: set[str] = set()
        self._done: list[tuple[str, str]] = []
        self.faults: dict[str, Fault] = {}
        self.removal_faults: dict[str, Fault] = {}
        self.keys: list[str] = []

    @property
    def log(self) -> list[str]:
        """What it did, in order; a repeated request does nothing again."""
        return self.of("")

    def of(self, order: str) -> list[str]:
        """What it did for an order."""
        return [sign + name_of(service) for service, sign in self._done if service.startswith(order)]

    def provision(self, request: ProvisionService) -> Provisioned:
        """Makes a service, once per idempotency key."""
        order = request.order
        name = name_of(order.service)
        fault = self.faults.get(order.service) or self.faults.get(name)
        if fault is not loses_the_worker and fault is not None:
            fault(activity.info().attempt)
        self.comes_about(order.service, order.idempotency_key)
        if fault is loses_the_worker:
            fault(activity.info().attempt)
        return Provisioned(reference=f"ref-{name}")

    def comes_about(self, service: str, key: str = "late") -> None:
        """A service is there, with whatever it takes."""
        if key not in self.keys:
            self.keys.append(key)
            self._done.append((service, "+"))
        self.there.add(service)

    def remove(self, request: RemoveService) -> Removed:
        """Takes a service away; every removal has a key of its own."""
        order = request.order
        name = name_of(order.service)
        fault = self.removal_faults.get(order.service) or self.removal_faults.get(name)
        if fault is not loses_the_worker and fault is not None:
            fault(activity.info().attempt)
        was_there = order.service in self.there
        if order.idempotency_key not in self.keys:
            self.keys.append(order.idempotency_key)
            self._done.append((order.service, "-"))
            self.there.discard(order.service)
        if fault is loses_the_worker:
            fault(activity.info().attempt)
        return Removed(was_there=was_there)


def name_of(service: str) -> str:
    """The preparation step a service belongs to; `service` for the line's own."""
    return "-".join(service.split("-")[2:]) or "service"
