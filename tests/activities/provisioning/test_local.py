"""The local adapter keeps the contract, on both databases."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import text
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.provisioning.activity import Provisioning
from activities.provisioning.adapter import AdapterUnavailable
from activities.provisioning.local import LocalAdapter
from domain import wire
from domain.provisioning import Answer, Outcome, Provisioned, ProvisionService, ServiceOrder
from storage.database import Database

pytest_plugins = ["tests.databases"]

DONE = Answer(outcome=Outcome.DONE, reference="local:7k-1")
ABSENT = Answer(outcome=Outcome.INVALID, message="there is no service 7k-1")


@pytest.fixture
def local(database: Database) -> LocalAdapter:
    return LocalAdapter(database)


def changed(order: ServiceOrder, key: str | None = None, **fields: object) -> ServiceOrder:
    return order.model_copy(update={"idempotency_key": key or order.idempotency_key, **fields})


async def test_a_service_is_there_from_provisioning_to_deprovisioning(
    local: LocalAdapter, order: ServiceOrder
) -> None:
    assert await local.status(order) == ABSENT
    assert await local.provision(order) == DONE
    assert await local.status(order) == DONE
    assert (await local.deprovision(changed(order, "remove"))).outcome is Outcome.DONE
    assert await local.status(order) == ABSENT


async def test_a_check_changes_nothing(local: LocalAdapter, order: ServiceOrder) -> None:
    assert (await local.check(order)).outcome is Outcome.DONE
    assert await local.status(order) == ABSENT


async def test_pending_is_answered_as_often_as_the_offer_says(
    local: LocalAdapter, order: ServiceOrder
) -> None:
    order = changed(order, parameters={"pending_polls": "2"})

    answers = [await local.provision(order) for _ in range(5)]

    assert [answer.outcome for answer in answers] == ["pending", "pending", "done", "done", "done"]
    assert {answer.reference for answer in answers} == {"local:7k-1"}


async def test_looking_at_the_status_is_not_a_poll(local: LocalAdapter, order: ServiceOrder) -> None:
    order = changed(order, parameters={"pending_polls": "1"})
    await local.provision(order)

    assert [(await local.status(order)).outcome for _ in range(3)] == ["pending"] * 3
    assert await local.provision(order) == DONE


async def test_the_same_request_under_another_key_finds_the_same_service(
    local: LocalAdapter, order: ServiceOrder
) -> None:
    await local.provision(order)
    assert await local.provision(changed(order, "another")) == DONE


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("offer", "mail-archive", "offer"),
        ("domain", None, "domain"),
        ("parameters", {"seats": "30"}, "parameters.seats"),
        ("parameters", {"seats": "25", "site": "vie"}, "parameters.site"),
        ("parameters", {}, "parameters.seats"),
    ],
)
async def test_a_service_that_exists_otherwise_is_a_conflict_that_names_the_difference(
    field: str, value: Any, named: str, local: LocalAdapter, order: ServiceOrder
) -> None:
    await local.provision(order)
    other = changed(order, **{field: value})
    conflict = Answer(
        outcome=Outcome.CONFLICT, message=f"service 7k-1 is in place already and differs in: {named}"
    )

    assert await local.check(other) == conflict
    assert await local.provision(other) == conflict
    assert await local.provision(changed(other, "another")) == conflict
    assert await local.status(other) == conflict
    assert await local.status(order) == DONE


async def test_a_key_stands_for_one_service(local: LocalAdapter, order: ServiceOrder) -> None:
    await local.provision(order)
    conflict = await local.provision(changed(order, service="7k-2"))
    assert conflict.outcome is Outcome.CONFLICT
    assert "differs in: service" in conflict.message


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"refuse": "No capacity."}, "No capacity."),
        ({"pending_polls": "-1"}, "parameters.pending_polls: '-1' is not a whole number from 0 to 999"),
        ({"pending_polls": "1000"}, "parameters.pending_polls: '1000' is not a whole number from 0 to 999"),
        ({"pending_polls": "²"}, "parameters.pending_polls: '²' is not a whole number from 0 to 999"),
        ({"pending_polls": ""}, "parameters.pending_polls: '' is not a whole number from 0 to 999"),
    ],
)
async def test_parameters_it_cannot_fulfil_are_invalid(
    parameters: dict[str, str], message: str, local: LocalAdapter, order: ServiceOrder
) -> None:
    for ask in (local.check, local.provision, local.modify):
        answer = await ask(changed(order, parameters=parameters))
        assert answer == Answer(outcome=Outcome.INVALID, message=message)
    assert await local.status(order) == ABSENT


async def test_modifying_gives_the_service_other_parameters(local: LocalAdapter, order: ServiceOrder) -> None:
    more = changed(order, "more", parameters={"seats": "30"})
    assert await local.modify(more) == ABSENT
    await local.provision(order)

    assert await local.modify(more) == DONE
    assert await local.modify(more) == DONE
    assert await local.status(more) == DONE
    assert (await local.status(order)).outcome is Outcome.CONFLICT


async def test_a_late_repetition_does_not_bring_back_what_was_removed(
    local: LocalAdapter, order: ServiceOrder
) -> None:
    await local.provision(order)
    await local.deprovision(changed(order, "remove"))

    assert (await local.provision(order)).outcome is Outcome.CONFLICT
    assert await local.provision(changed(order, "anew")) == DONE


async def test_removing_is_done_when_nothing_is_there_and_whatever_the_offer_refuses(
    local: LocalAdapter, order: ServiceOrder
) -> None:
    for _ in range(2):
        assert (await local.deprovision(order)).outcome is Outcome.DONE
    await local.provision(order)
    await local.deprovision(changed(order, "remove", parameters={"refuse": "No capacity."}))
    assert await local.status(order) == ABSENT


async def test_services_do_not_meet(local: LocalAdapter, order: ServiceOrder) -> None:
    other = changed(order, "another", service="7k-2", parameters={})
    await local.provision(order)
    await local.provision(other)
    await local.deprovision(changed(order, "remove"))
    assert (await local.status(other)).outcome is Outcome.DONE


async def test_repetitions_that_meet_are_one_request(local: LocalAdapter, order: ServiceOrder) -> None:
    answers = await asyncio.gather(*(local.provision(order) for _ in range(8)), return_exceptions=True)

    assert DONE in answers
    assert all(each == DONE or isinstance(each, AdapterUnavailable) for each in answers)
    assert await local.provision(order) == DONE


async def test_a_database_that_fails_is_no_answer(own_url: str, order: ServiceOrder) -> None:
    database = Database(own_url)
    async with database.session() as session:
        await session.execute(text("DROP TABLE resource"))
    with pytest.raises(AdapterUnavailable, match=r"the database fails: .*resource"):
        await LocalAdapter(database).provision(order)
    await database.dispose()


async def test_the_activity_polls_the_local_adapter_until_it_is_done(
    local: LocalAdapter, order: ServiceOrder
) -> None:
    request = ProvisionService(adapter="local", order=changed(order, parameters={"pending_polls": "1"}))
    activity = Provisioning({"local": local}).provision

    with pytest.raises(ApplicationError, match="it is being created") as waiting:
        await ActivityEnvironment().run(activity, request)
    provisioned = await ActivityEnvironment().run(activity, request)

    assert waiting.value.type == wire.NOT_YET
    assert provisioned == Provisioned(reference="local:7k-1")
