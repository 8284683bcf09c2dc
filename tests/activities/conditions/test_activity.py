"""The condition activity, with a system on loopback behind it."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.testing import ActivityEnvironment

from activities.conditions import Conditions
from activities.conditions.http import HttpSource
from domain import wire
from domain.external import AwaitCondition, ConditionMet, ConditionState
from tests.activities.provisioning.backend import Backend


async def wait_for(
    source: HttpSource, question: AwaitCondition, waited: timedelta = timedelta()
) -> ConditionMet:
    """One attempt, so long after the first."""
    environment = ActivityEnvironment()
    started = environment.info.scheduled_time + waited
    environment.info = dataclasses.replace(environment.info, started_time=started)
    met = await environment.run(Conditions({"credit": source}).await_condition, question)
    assert isinstance(met, ConditionMet)
    return met


async def failure(
    source: HttpSource, question: AwaitCondition, waited: timedelta = timedelta()
) -> ApplicationError:
    with pytest.raises(ApplicationError) as raised:
        await wait_for(source, question, waited)
    return raised.value


@pytest.mark.parametrize("answer", [ConditionState.FULFILLED, ConditionState.FAILED])
async def test_yes_and_no_are_final(
    answer: ConditionState, source: HttpSource, backend: Backend, question: AwaitCondition
) -> None:
    backend.says(200, {"answer": answer, "message": "4800 are free"})
    met = await wait_for(source, question)
    assert met == ConditionMet(answer=answer, message="4800 are free")
    assert met.is_fulfilled == (answer is ConditionState.FULFILLED)


async def test_not_yet_fails_benignly_until_the_same_question_is_answered(
    source: HttpSource, backend: Backend, question: AwaitCondition
) -> None:
    backend.says(200, {"answer": "not_yet", "message": "being checked", "retry_after": 45})
    backend.says(200, {"answer": "fulfilled"})

    waiting = await failure(source, question)
    met = await wait_for(source, question, timedelta(seconds=45))

    assert waiting.type == wire.NOT_YET
    assert waiting.category is ApplicationErrorCategory.BENIGN
    assert not waiting.non_retryable
    assert waiting.next_retry_delay == timedelta(seconds=45)
    assert waiting.message == (
        "Waiting for credit for stage credit-check, round 2: being checked. Asking again in 45 s."
    )
    assert met.is_fulfilled
    first, again = backend.requests
    assert first == again


async def test_without_a_wish_the_waits_grow_with_the_time_waited(
    source: HttpSource, backend: Backend, question: AwaitCondition
) -> None:
    backend.says(200, {"answer": "not_yet"})
    backend.says(200, {"answer": "not_yet"})

    assert (await failure(source, question)).next_retry_delay == timedelta(minutes=1)
    later = await failure(source, question, timedelta(minutes=6))
    assert later.next_retry_delay == timedelta(minutes=15)
    assert later.message == "Waiting for credit for stage credit-check, round 2. Asking again in 900 s."


async def test_a_source_that_is_not_available_is_left_to_the_retry_policy(
    source: HttpSource, backend: Backend, question: AwaitCondition
) -> None:
    backend.says(200, {"answer": "maybe"})

    fault = await failure(source, question)

    assert fault.type == "UNAVAILABLE"
    assert fault.category is ApplicationErrorCategory.UNSPECIFIED
    assert not fault.non_retryable
    assert fault.next_retry_delay is None
    assert fault.message.startswith(
        "Cannot ask credit for stage credit-check, round 2. POST http://127.0.0.1:"
    )


@pytest.mark.parametrize(("known", "named"), [(["stock", "beta"], "beta, stock"), ([], "none")])
async def test_an_unknown_source_is_a_loud_fault_that_another_worker_may_mend(
    known: list[str], named: str, source: HttpSource, question: AwaitCondition
) -> None:
    conditions = Conditions(dict.fromkeys(known, source))
    with pytest.raises(ApplicationError) as raised:
        await ActivityEnvironment().run(conditions.await_condition, question)

    assert f"no condition source 'credit'; it has: {named}." in raised.value.message
    assert raised.value.type == "UNAVAILABLE"
    assert not raised.value.non_retryable
