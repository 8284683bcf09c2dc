"""The provisioning activity, with a backend on loopback behind it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import timedelta

import pytest
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.testing import ActivityEnvironment

from activities.provisioning.activity import Provisioning
from activities.provisioning.adapter import Adapter
from activities.provisioning.http import HttpAdapter
from domain import wire
from domain.provisioning import Provisioned, ProvisionService, ServiceOrder
from tests.activities.provisioning.backend import Backend


async def provision(adapters: Mapping[str, Adapter], order: ServiceOrder, attempt: int = 1) -> Provisioned:
    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(environment.info, attempt=attempt)
    request = ProvisionService(adapter="acme-cloud", order=order)
    provisioned = await environment.run(Provisioning(adapters).provision, request)
    assert isinstance(provisioned, Provisioned)
    return provisioned


async def failure(adapter: Adapter, order: ServiceOrder, attempt: int = 1) -> ApplicationError:
    with pytest.raises(ApplicationError) as raised:
        await provision({"acme-cloud": adapter}, order, attempt)
    return raised.value


async def test_a_service_is_provisioned_once_its_status_says_so(
    adapter: HttpAdapter, backend: Backend, order: ServiceOrder
) -> None:
    backend.says(200, {"reference": "tenant-7"})
    backend.says(200, {"reference": "tenant-7"})

    assert await provision({"acme-cloud": adapter}, order) == Provisioned(reference="tenant-7")
    assert [request.path for request in backend.requests] == ["/v1/provision", "/v1/status/7k-1"]


async def test_a_service_without_a_reference_goes_by_its_own_id(
    adapter: HttpAdapter, backend: Backend, order: ServiceOrder
) -> None:
    backend.says(200, {})
    backend.says(200, {})

    assert await provision({"acme-cloud": adapter}, order) == Provisioned(reference="7k-1")


async def test_pending_fails_benignly_until_the_next_attempt_finds_it_done(
    adapter: HttpAdapter, backend: Backend, order: ServiceOrder
) -> None:
    backend.says(202, {"href": "tasks/9", "message": "tenant is being built", "retry_after": 45})
    backend.says(200, {"reference": "tenant-7"})
    backend.says(200, {"reference": "tenant-7"})

    waiting = await failure(adapter, order)
    provisioned = await provision({"acme-cloud": adapter}, order, attempt=2)

    assert waiting.type == wire.NOT_YET
    assert waiting.category is ApplicationErrorCategory.BENIGN
    assert not waiting.non_retryable
    assert waiting.next_retry_delay == timedelta(seconds=45)
    assert waiting.message == (
        f"Waiting for mail-gateway@2 for service 7k-1 from acme-cloud ({backend.origin}/v1/tasks/9): "
        "tenant is being built. Asking again in 45 s."
    )
    assert provisioned == Provisioned(reference="tenant-7")
    first, again, _ = backend.requests
    assert first == again


async def test_without_a_wish_of_the_backend_the_waits_grow(
    adapter: HttpAdapter, backend: Backend, order: ServiceOrder
) -> None:
    backend.says(202, {})
    backend.says(202, {})

    assert (await failure(adapter, order, attempt=1)).next_retry_delay == timedelta(seconds=10)
    assert (await failure(adapter, order, attempt=3)).next_retry_delay == timedelta(seconds=40)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (202, {"message": "still booting"}),
        (409, {"message": "has other seats"}),
        (422, {"message": "there is no such service"}),
        (200, {"reference": "tenant-8"}),
    ],
)
async def test_done_is_waited_for_while_the_read_back_disagrees(
    status: int, body: dict[str, str], adapter: HttpAdapter, backend: Backend, order: ServiceOrder
) -> None:
    backend.says(200, {"reference": "tenant-7"})
    backend.says(status, body)

    waiting = await failure(adapter, order)

    assert waiting.type == wire.NOT_YET
    assert not waiting.non_retryable
    assert "the backend reports done, but its status is" in waiting.message


@pytest.mark.parametrize(("status", "outcome"), [(409, "conflict"), (422, "invalid")])
async def test_a_refusal_is_final_and_says_why(
    status: int, outcome: str, adapter: HttpAdapter, backend: Backend, order: ServiceOrder
) -> None:
    backend.says(status, {"message": "25 seats are too many"})

    refused = await failure(adapter, order)

    assert refused.type == wire.ADAPTER_REFUSED
    assert refused.category is ApplicationErrorCategory.BENIGN
    assert refused.non_retryable
    assert refused.details == (outcome, "25 seats are too many")
    assert refused.message == (
        f"25 seats are too many ({outcome}; mail-gateway@2 for service 7k-1 from acme-cloud)"
    )


async def test_a_backend_that_is_not_available_is_left_to_the_retry_policy(
    adapter: HttpAdapter, backend: Backend, order: ServiceOrder
) -> None:
    backend.says(500, {})

    fault = await failure(adapter, order)

    assert fault.type == "UNAVAILABLE"
    assert fault.category is ApplicationErrorCategory.UNSPECIFIED
    assert not fault.non_retryable
    assert fault.next_retry_delay is None
    assert "answered 500" in fault.message


async def test_a_status_that_cannot_be_read_does_not_count_as_done(
    adapter: HttpAdapter, backend: Backend, order: ServiceOrder
) -> None:
    backend.says(200, {"reference": "tenant-7"})
    backend.says(404, {})

    assert (await failure(adapter, order)).type == "UNAVAILABLE"


@pytest.mark.parametrize(("known", "named"), [(["local", "beta"], "beta, local"), ([], "none")])
async def test_an_unknown_adapter_is_a_loud_fault_that_another_worker_may_mend(
    known: list[str], named: str, adapter: HttpAdapter, order: ServiceOrder
) -> None:
    with pytest.raises(ApplicationError) as raised:
        await provision(dict.fromkeys(known, adapter), order)

    assert f"no adapter 'acme-cloud'; it has: {named}." in raised.value.message
    assert raised.value.category is ApplicationErrorCategory.UNSPECIFIED
    assert not raised.value.non_retryable
