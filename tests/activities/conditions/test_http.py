"""The HTTP condition source against a real server on loopback."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from pydantic import ValidationError

from activities.conditions.http import HttpSource, HttpSourceSettings
from activities.conditions.source import SourceUnavailable
from activities.http import MAX_REPLY
from domain.external import AwaitCondition, ConditionReply, ConditionState
from tests.activities.provisioning.backend import Backend


async def test_the_question_is_posted_with_its_key_and_without_the_note(
    source: HttpSource, backend: Backend, question: AwaitCondition
) -> None:
    backend.says(200, {"answer": "fulfilled"})

    await source.ask(question)

    [request] = backend.requests
    assert (request.method, request.path) == ("POST", "/credit/")
    assert request.headers["Idempotency-Key"] == "order-7k-line-1/credit-check/2"
    assert request.headers["Content-Type"] == "application/json"
    assert "Authorization" not in request.headers
    assert json.loads(request.body) == {
        "process": "order-7k-line-1",
        "stage": "credit-check",
        "round": 2,
        "at": "2026-03-02T08:00:00Z",
        "parameters": {"limit": "5000"},
        "request": {
            "offer": "sign",
            "offer_version": 3,
            "parameters": {},
            "provider": "",
            "partner": "",
            "customer": "alpenblick",
            "requested_by": "",
            "domain": "",
            "external_id": "",
            "lead_days": 0,
        },
    }


async def test_a_key_fits_a_header_whatever_a_process_is_called(
    source: HttpSource, backend: Backend, question: AwaitCondition
) -> None:
    backend.says(200, {"answer": "fulfilled"})
    await source.ask(question.model_copy(update={"process": "Prüfung\r\nHost: evil 7%"}))
    key = backend.requests[0].headers["Idempotency-Key"]
    assert key == "Pr%C3%BCfung%0D%0AHost:%20evil%207%25/credit-check/2"


async def test_the_token_is_sent_and_never_shown(backend: Backend, question: AwaitCondition) -> None:
    settings = HttpSourceSettings.model_validate({"url": backend.origin, "token": "s3cret\n"})
    backend.says(200, {"answer": "fulfilled"})
    backend.says(500, {})

    async with HttpSource(settings) as source:
        await source.ask(question)
        with pytest.raises(SourceUnavailable) as unavailable:
            await source.ask(question)

    assert backend.requests[0].headers["Authorization"] == "Bearer s3cret"
    assert "s3cret" not in f"{settings!r} {unavailable.value}"


@pytest.mark.parametrize(
    ("body", "reply"),
    [
        ({"answer": "fulfilled"}, ConditionReply(answer=ConditionState.FULFILLED)),
        (
            {"answer": "fulfilled", "message": " 4800 are free\0", "colour": "blue"},
            ConditionReply(answer=ConditionState.FULFILLED, message="4800 are free"),
        ),
        (
            {"answer": "not_yet", "message": "being checked", "retry_after": 30},
            ConditionReply(answer=ConditionState.NOT_YET, message="being checked", retry_after=30),
        ),
        (
            {"answer": "failed", "message": "no credit"},
            ConditionReply(answer=ConditionState.FAILED, message="no credit"),
        ),
    ],
)
async def test_there_are_three_answers(
    body: Any, reply: ConditionReply, source: HttpSource, backend: Backend, question: AwaitCondition
) -> None:
    backend.says(200, body)
    assert await source.ask(question) == reply


@pytest.mark.parametrize("status", [201, 202, 204, 400, 401, 404, 409, 422, 429, 500, 503])
async def test_only_a_200_is_an_answer(
    status: int, source: HttpSource, backend: Backend, question: AwaitCondition
) -> None:
    backend.says(status, b"" if status == 204 else {"answer": "failed", "message": "no"})
    with pytest.raises(SourceUnavailable, match=f"POST {backend.origin}/credit/: answered {status}"):
        await source.ask(question)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed(
    status: int, source: HttpSource, backend: Backend, question: AwaitCondition
) -> None:
    backend.says(status, {"answer": "fulfilled"}, Location="/elsewhere")
    with pytest.raises(SourceUnavailable, match=f"answered {status}, a redirect"):
        await source.ask(question)
    assert len(backend.requests) == 1


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "Invalid JSON"),
        (b"fulfilled", "Invalid JSON"),
        (b"[" * 100_000, "Invalid JSON"),
        ("fulfilled", "should be an object"),
        ({}, "answer: Field required"),
        ({"answer": "yes"}, "answer: Input should be 'fulfilled', 'not_yet' or 'failed'"),
        ({"answer": "FAILED"}, "answer: Input should be"),
        ({"answer": True}, "answer: Input should be"),
        ({"answer": None}, "answer: Input should be"),
        ({"answer": "not_yet", "retry_after": "30"}, "retry_after: Input should be a valid number"),
        ({"answer": "not_yet", "retry_after": -1}, "retry_after: Input should be greater"),
        (b'{"answer": "not_yet", "retry_after": 1e999}', "retry_after: Input should be a finite number"),
        ({"answer": "fulfilled", "message": 7}, "message: Input should be a valid string"),
        ({"answer": "failed"}, "without a message that says why"),
        ({"answer": "failed", "message": " \r\n"}, "without a message that says why"),
    ],
)
async def test_what_is_outside_the_contract_is_no_answer_least_of_all_a_failure(
    body: Any, problem: str, source: HttpSource, backend: Backend, question: AwaitCondition
) -> None:
    backend.says(200, body)
    with pytest.raises(SourceUnavailable, match=problem):
        await source.ask(question)


async def test_a_page_for_people_is_no_answer(
    source: HttpSource, backend: Backend, question: AwaitCondition
) -> None:
    backend.says(200, {"answer": "failed", "message": "blocked"}, Content_Type="text/html")
    with pytest.raises(SourceUnavailable, match="answered 200 with text/html, not with JSON"):
        await source.ask(question)


async def test_a_reply_of_one_megabyte_is_read_and_one_byte_more_is_not(
    source: HttpSource, backend: Backend, question: AwaitCondition
) -> None:
    backend.says(200, b'{"answer": "fulfilled"}'.ljust(MAX_REPLY))
    backend.says(200, b'{"answer": "fulfilled"}'.ljust(MAX_REPLY + 1))

    assert (await source.ask(question)).answer is ConditionState.FULFILLED
    with pytest.raises(SourceUnavailable, match="more than 1000000 bytes"):
        await source.ask(question)


async def test_a_system_that_never_answers_is_left_after_the_time_out(
    backend: Backend, question: AwaitCondition
) -> None:
    async def stall(_writer: asyncio.StreamWriter) -> None:
        await backend.stopped.wait()

    backend.script.append(stall)
    async with HttpSource(HttpSourceSettings(url=backend.origin, timeout=0.1)) as source:
        with pytest.raises(SourceUnavailable, match=r"no complete answer within 0\.1 s"):
            await source.ask(question)


async def test_a_system_that_hangs_up_is_asked_again_on_a_new_connection(
    source: HttpSource, backend: Backend, question: AwaitCondition
) -> None:
    backend.sends(b"")
    backend.says(200, {"answer": "fulfilled"})

    with pytest.raises(SourceUnavailable, match="no answer, RemoteProtocolError"):
        await source.ask(question)
    assert (await source.ask(question)).answer is ConditionState.FULFILLED


@pytest.mark.parametrize(
    "url",
    ["", "credit.example", "ftp://credit.example", "https://u:p@credit.example", "https://c.example/?t=1"],
)
def test_an_address_must_be_plain_http(url: str) -> None:
    with pytest.raises(ValidationError, match="url"):
        HttpSourceSettings(url=url)
