"""Taking a service back, with a backend on loopback behind it (SPEC 5.7, L21)."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.provisioning.activity import Provisioning
from activities.provisioning.http import HttpAdapter
from domain import wire
from domain.provisioning import Removed, RemoveService, ServiceOrder
from tests.activities.provisioning.backend import Backend

THERE, GONE = (200, {}), (422, {"message": "There is no such service."})


class Attempts:
    """Attempts at one removal; what one of them knew, the next finds in its heartbeat details."""

    def __init__(self, adapter: HttpAdapter, order: ServiceOrder) -> None:
        self._provisioning = Provisioning({"acme-cloud": adapter})
        self._request = RemoveService(adapter="acme-cloud", order=order)
        self._known: tuple[Any, ...] = ()

    async def next(self) -> Removed:
        environment = ActivityEnvironment()
        environment.info = dataclasses.replace(
            environment.info, heartbeat_timeout=timedelta(seconds=10), heartbeat_details=self._known
        )
        environment.on_heartbeat = self._keep
        removed = await environment.run(self._provisioning.deprovision, self._request)
        assert isinstance(removed, Removed)
        return removed

    def _keep(self, *details: Any) -> None:
        self._known = details


@pytest.fixture
def attempts(adapter: HttpAdapter, order: ServiceOrder) -> Attempts:
    return Attempts(adapter, order)


@pytest.mark.parametrize(("before", "was_there"), [(THERE, True), (GONE, False)])
async def test_a_service_is_removed_once_its_status_says_that_it_is_gone(
    attempts: Attempts, backend: Backend, before: tuple[int, dict[str, str]], was_there: bool
) -> None:
    for answer in (before, (200, {}), GONE):
        backend.says(*answer)
    assert await attempts.next() == Removed(was_there=was_there)
    assert [each.path for each in backend.requests] == [
        "/v1/status/7k-1",
        "/v1/deprovision",
        "/v1/status/7k-1",
    ]


@pytest.mark.parametrize("first", [(202, {"retry_after": 5}), (200, {})])
async def test_a_service_that_goes_slowly_was_there_all_the_same(
    attempts: Attempts, backend: Backend, first: tuple[int, dict[str, int]]
) -> None:
    for answer in (THERE, first, THERE, GONE, (200, {}), GONE):
        backend.says(*answer)
    with pytest.raises(ApplicationError) as waiting:
        await attempts.next()
    assert (waiting.value.type, waiting.value.non_retryable) == (wire.NOT_YET, False)
    assert await attempts.next() == Removed(was_there=True)


async def test_a_backend_that_is_lost_after_it_removed_the_service_is_asked_again(
    attempts: Attempts, backend: Backend
) -> None:
    for answer in (THERE, (200, {}), (500, {}), GONE, (200, {}), GONE):
        backend.says(*answer)
    with pytest.raises(ApplicationError, match="Cannot remove") as away:
        await attempts.next()
    assert (away.value.type, away.value.non_retryable) == ("UNAVAILABLE", False)
    assert await attempts.next() == Removed(was_there=True)


async def test_a_backend_that_will_not_remove_it_has_the_last_word(
    attempts: Attempts, backend: Backend
) -> None:
    for answer in (THERE, (409, {"message": "It is in use."}), THERE):
        backend.says(*answer)
    with pytest.raises(ApplicationError, match=r"It is in use\.") as refused:
        await attempts.next()
    assert (refused.value.type, refused.value.non_retryable) == (wire.ADAPTER_REFUSED, True)
