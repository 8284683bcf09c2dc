"""The adapter of the embedded stack: services that exist in our own database and nowhere else.

It keeps the whole contract, so that a process can be tried out before there is a backend. Two parameters of
an offer make it behave like one: `pending_polls` has it answer pending so many times, `refuse` has it
refuse with that message.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from enum import StrEnum

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from activities.provisioning.adapter import AdapterUnavailable
from domain.provisioning import Answer, Outcome, ServiceOrder
from storage.database import Database
from storage.tables import ResourceRow

PENDING_POLLS = "pending_polls"
REFUSE = "refuse"

RETRY_AFTER = 1.0
"""Seconds between polls: nobody wants to wait for a resource that is not really being built."""


class ResourceState(StrEnum):
    """How far a resource has come."""

    CREATING = "creating"
    ACTIVE = "active"
    REMOVED = "removed"


class LocalAdapter:
    """Keeps one resource per service; its idempotency key is the one it was created with."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def check(self, order: ServiceOrder) -> Answer:
        """See `Adapter.check`."""
        objection = _objection(order)
        if objection is not None:
            return objection
        async with _available(self._database.reading()) as session:
            resource = await _in_place(session, order.service)
            return _clash(resource, order) or Answer(outcome=Outcome.DONE)

    async def provision(self, order: ServiceOrder) -> Answer:
        """See `Adapter.provision`. Every call while the resource is being created counts as one poll."""
        objection = _objection(order)
        if objection is not None:
            return objection
        async with _available(self._database.session()) as session:
            resource = await session.get(ResourceRow, order.idempotency_key)
            resource = resource or await _in_place(session, order.service)
            clash = _clash(resource, order)
            if clash is not None:
                return clash
            if resource is None:
                resource = _new(order)
                session.add(resource)
            _advance(resource)
            return _progress(resource)

    async def modify(self, order: ServiceOrder) -> Answer:
        """See `Adapter.modify`. Takes effect at once."""
        objection = _objection(order)
        if objection is not None:
            return objection
        async with _available(self._database.session()) as session:
            resource = await _in_place(session, order.service)
            if resource is None:
                return _absent(order)
            resource.offer = order.offer
            resource.domain = order.domain
            resource.parameters = order.parameters
            resource.state = ResourceState.ACTIVE
            resource.updated_at = order.at
            return _progress(resource)

    async def deprovision(self, order: ServiceOrder) -> Answer:
        """See `Adapter.deprovision`. Never refused, whatever the offer's parameters say."""
        async with _available(self._database.session()) as session:
            resource = await _in_place(session, order.service)
            if resource is not None:
                resource.state = ResourceState.REMOVED
                resource.updated_at = order.at
            return Answer(outcome=Outcome.DONE)

    async def status(self, order: ServiceOrder) -> Answer:
        """See `Adapter.status`."""
        async with _available(self._database.reading()) as session:
            resource = await _in_place(session, order.service)
            if resource is None:
                return _absent(order)
            return _clash(resource, order) or _progress(resource)


@asynccontextmanager
async def _available(transaction: AbstractAsyncContextManager[AsyncSession]) -> AsyncIterator[AsyncSession]:
    """A transaction whose faults mean that there is no answer.

    Two requests that met are such a fault as well: asking again shows what came of the other one.
    """
    try:
        async with transaction as session:
            yield session
    except DBAPIError as error:
        raise AdapterUnavailable(f"the database fails: {error.orig}") from error
    except PoolTimeout as error:
        raise AdapterUnavailable("the database has no connection free") from error


async def _in_place(session: AsyncSession, service: str) -> ResourceRow | None:
    statement = select(ResourceRow).where(
        col(ResourceRow.service) == service, col(ResourceRow.state) != ResourceState.REMOVED
    )
    return (await session.execute(statement)).scalars().first()


def _objection(order: ServiceOrder) -> Answer | None:
    """Why the order's parameters cannot be fulfilled, whatever exists already."""
    if refusal := order.parameters.get(REFUSE):
        return Answer(outcome=Outcome.INVALID, message=refusal)
    polls = order.parameters.get(PENDING_POLLS, "0")
    if not re.fullmatch("[0-9]{1,3}", polls):
        message = f"parameters.{PENDING_POLLS}: {polls!r} is not a whole number from 0 to 999"
        return Answer(outcome=Outcome.INVALID, message=message)
    return None


def _clash(resource: ResourceRow | None, order: ServiceOrder) -> Answer | None:
    """Why the order cannot be meant for the resource that its key or its service names."""
    if resource is None:
        return None
    if resource.state == ResourceState.REMOVED:
        message = f"service {resource.service} was removed; order it anew under another idempotency key"
        return Answer(outcome=Outcome.CONFLICT, message=message)
    present, wanted = _traits(resource), _traits(order)
    differing = sorted(name for name in present | wanted if present.get(name) != wanted.get(name))
    if not differing:
        return None
    message = f"service {resource.service} is in place already and differs in: {', '.join(differing)}"
    return Answer(outcome=Outcome.CONFLICT, message=message)


def _traits(thing: ResourceRow | ServiceOrder) -> dict[str, str | None]:
    """What makes two resources the same."""
    return {"service": thing.service, "offer": thing.offer, "domain": thing.domain} | {
        f"parameters.{name}": value for name, value in thing.parameters.items() if name != PENDING_POLLS
    }


def _new(order: ServiceOrder) -> ResourceRow:
    return ResourceRow(
        key=order.idempotency_key,
        service=order.service,
        offer=order.offer,
        domain=order.domain,
        parameters=order.parameters,
        state=ResourceState.CREATING,
        updated_at=order.at,
    )


def _advance(resource: ResourceRow) -> None:
    """One poll: the resource's own copy of `pending_polls` counts those still to come."""
    if resource.state != ResourceState.CREATING:
        return
    left = int(resource.parameters.get(PENDING_POLLS, "0"))
    if left:
        resource.parameters = resource.parameters | {PENDING_POLLS: str(left - 1)}
    else:
        resource.state = ResourceState.ACTIVE


def _progress(resource: ResourceRow) -> Answer:
    reference = f"local:{resource.service}"
    if resource.state == ResourceState.ACTIVE:
        return Answer(outcome=Outcome.DONE, reference=reference)
    return Answer(
        outcome=Outcome.PENDING, reference=reference, message="it is being created", retry_after=RETRY_AFTER
    )


def _absent(order: ServiceOrder) -> Answer:
    return Answer(outcome=Outcome.INVALID, message=f"there is no service {order.service}")
