"""What whoever provides a service must offer us (provisioning.md c.3; docs/provisioning-adapters.md).

Idempotency. `ServiceOrder.idempotency_key` stands for one intention. Requests with one key are one
request: repeating it starts nothing anew and is answered with how far it has come (pending, then done, as
long as the service stays as it is). The same key with other contents is a conflict. Every request may arrive
more than once, and again after a time-out whose work went on unseen, so an adapter that lost track of a key
looks at the service itself before it creates a second one.
"""

from __future__ import annotations

from typing import Protocol

from domain.provisioning import Answer, ServiceOrder


class AdapterUnavailable(Exception):
    """The backend gave no answer that can be understood, so nothing is known of the request.

    The message names what was wrong: no connection, a time-out, a reply outside the contract.
    """


class Adapter(Protocol):
    """Provides the services of one backend.

    Every method takes what is wanted and answers at once; work that takes longer is answered with
    `pending` and asked for again with the same key. Every method raises `AdapterUnavailable` if there is
    no answer, never for a refusal.
    """

    async def check(self, order: ServiceOrder) -> Answer:
        """Say whether `provision` would be accepted, without doing anything."""
        ...

    async def provision(self, order: ServiceOrder) -> Answer:
        """Create the service (TMF `add`); a conflict if it exists with other parameters."""
        ...

    async def modify(self, order: ServiceOrder) -> Answer:
        """Give the existing service the order's parameters (TMF `modify`)."""
        ...

    async def deprovision(self, order: ServiceOrder) -> Answer:
        """Remove the service (TMF `delete`); done if there is none."""
        ...

    async def status(self, order: ServiceOrder) -> Answer:
        """Say whether the service is there as ordered, from the real thing and not from memory.

        Done if it is, pending while it is being made so, conflict if it is there with other parameters,
        invalid if it is not there. Changes nothing.
        """
        ...
