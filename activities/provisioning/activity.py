"""Providing a service: ask, wait, read back (SPEC D7; provisioning.md L16 and a.1).

Temporal's retry is the poll loop. An attempt that finds the service not there yet fails benignly with the
time of the next one, so that the Temporal UI shows what is waited for and waiting costs no history.
"""

from __future__ import annotations

from collections.abc import Mapping

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.heartbeat import heartbeating
from activities.provisioning.adapter import Adapter, AdapterUnavailable
from domain import wire
from domain.errors import Code
from domain.provisioning import (
    Answer,
    Outcome,
    Provisioned,
    ProvisionService,
    Removed,
    RemoveService,
    ask_again_after,
    confirm,
    is_gone,
)


class Provisioning:
    """The activities that talk to the backends, by the adapters this worker is configured with."""

    def __init__(self, adapters: Mapping[str, Adapter]) -> None:
        self._adapters = adapters

    @activity.defn(name=wire.PROVISION)
    async def provision(self, request: ProvisionService) -> Provisioned:
        """Have a service provided, once per idempotency key however often this is tried.

        Returns:
            The service as the backend knows it, after its status was read back.

        Raises:
            ApplicationError: NOT_YET (benign) while it is under way; ADAPTER_REFUSED (benign, final) with
                outcome and message as details; UNAVAILABLE for everything the policy's back-off is for.
        """
        adapter = self._adapter(request.adapter)
        order = request.order
        try:
            async with heartbeating():
                answer = await adapter.provision(order)
                if answer.outcome is Outcome.DONE:
                    answer = confirm(answer, await adapter.status(order))
        except AdapterUnavailable as error:
            raise ApplicationError(
                f"Cannot ask for {_what(request)}. {error}", type=Code.UNAVAILABLE
            ) from error
        if answer.is_refusal:
            raise _refused(request, answer)
        if answer.outcome is Outcome.PENDING:
            raise _not_yet(request, answer)
        return Provisioned(reference=answer.reference or order.service)

    @activity.defn(name=wire.DEPROVISION)
    async def deprovision(self, request: RemoveService) -> Removed:
        """Have a service taken away, however often this is tried; what is not there is gone already.

        Returns:
            Whether there was anything, after its absence was read back.

        Raises:
            ApplicationError: As for `provision`.
        """
        adapter = self._adapter(request.adapter)
        order = request.order
        was_there = any(activity.info().heartbeat_details)  # An attempt before may have found and removed it.
        try:
            async with heartbeating(was_there):
                was_there = not is_gone(await adapter.status(order)) or was_there
            async with heartbeating(was_there):
                answer = await adapter.deprovision(order)
                after = await adapter.status(order)
        except AdapterUnavailable as error:
            raise ApplicationError(
                f"Cannot remove {_what(request)}. {error}", type=Code.UNAVAILABLE
            ) from error
        if answer.is_refusal:
            raise _refused(request, answer)
        if answer.outcome is Outcome.PENDING or not is_gone(after):
            raise _not_yet(request, answer)
        return Removed(was_there=was_there)

    def _adapter(self, name: str) -> Adapter:
        adapter = self._adapters.get(name)
        if adapter is None:
            known = ", ".join(sorted(self._adapters)) or "none"
            raise ApplicationError(
                f"This worker has no adapter {name!r}; it has: {known}. "
                "Configure it here, or let a worker that has it take over.",
                type=Code.UNAVAILABLE,
            )
        return adapter


def _what(request: ProvisionService | RemoveService) -> str:
    """Which service of which backend is meant, as people read it."""
    order = request.order
    return f"{order.offer}@{order.offer_version} for service {order.service} from {request.adapter}"


def _not_yet(request: ProvisionService | RemoveService, answer: Answer) -> ApplicationError:
    wait = ask_again_after(activity.info().attempt, answer.retry_after)
    said = f": {answer.message}" if answer.message else ""
    task = f" ({answer.reference})" if answer.reference else ""
    return ApplicationError(
        f"Waiting for {_what(request)}{task}{said}. Asking again in {wait.total_seconds():g} s.",
        type=wire.NOT_YET,
        next_retry_delay=wait,
        category=ApplicationErrorCategory.BENIGN,
    )


def _refused(request: ProvisionService | RemoveService, answer: Answer) -> ApplicationError:
    return ApplicationError(
        f"{answer.message} ({answer.outcome}; {_what(request)})",
        answer.outcome.value,
        answer.message,
        type=wire.ADAPTER_REFUSED,
        non_retryable=True,
        category=ApplicationErrorCategory.BENIGN,
    )
