"""The HTTP adapter against a real server on loopback."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any

import pytest
from pydantic import ValidationError

from activities.http import MAX_REPLY
from activities.provisioning.adapter import AdapterUnavailable
from activities.provisioning.http import HttpAdapter, HttpAdapterSettings
from domain.provisioning import Answer, Outcome, ServiceOrder
from tests.activities.provisioning.backend import Backend


@pytest.mark.parametrize("action", ["check", "provision", "modify", "deprovision"])
async def test_an_action_posts_the_order_with_its_key(
    action: str, adapter: HttpAdapter, backend: Backend, order: ServiceOrder
) -> None:
    backend.says(200, {})

    await getattr(adapter, action)(order)

    [request] = backend.requests
    assert (request.method, request.path) == ("POST", f"/v1/{action}")
    assert request.headers["Idempotency-Key"] == "order-7k-line-1:provision"
    assert request.headers["Content-Type"] == "application/json"
    assert "Authorization" not in request.headers
    assert json.loads(request.body) == {
        "process": "order-7k-line-1",
        "service": "7k-1",
        "organisation": "acme",
        "offer": "mail-gateway",
        "offer_version": 2,
        "at": "2026-03-02T08:00:00Z",
        "domain": "acme.example",
        "parameters": {"seats": "25"},
    }


async def test_the_status_is_read_by_service(
    adapter: HttpAdapter, backend: Backend, order: ServiceOrder
) -> None:
    backend.says(200, {"reference": "tenant-7"})

    assert await adapter.status(order) == Answer(outcome=Outcome.DONE, reference="tenant-7")

    [request] = backend.requests
    assert (request.method, request.path, request.body) == ("GET", "/v1/status/7k-1", b"")
    assert request.headers["Idempotency-Key"] == "order-7k-line-1:provision"


async def test_the_token_is_sent_and_never_shown(backend: Backend, order: ServiceOrder) -> None:
    settings = HttpAdapterSettings.model_validate({"base_url": backend.origin, "token": "s3cret\n"})
    backend.says(200, {})
    backend.says(500, {})

    async with HttpAdapter(settings) as adapter:
        await adapter.provision(order)
        with pytest.raises(AdapterUnavailable) as unavailable:
            await adapter.provision(order)

    assert backend.requests[0].headers["Authorization"] == "Bearer s3cret"
    assert "s3cret" not in f"{settings!r} {unavailable.value}"


@pytest.mark.parametrize(
    ("status", "body", "answer"),
    [
        (200, {}, Answer(outcome=Outcome.DONE)),
        (200, {"reference": "t-7", "colour": "blue"}, Answer(outcome=Outcome.DONE, reference="t-7")),
        (202, {}, Answer(outcome=Outcome.PENDING)),
        (
            202,
            {"retry_after": 30, "message": "queued"},
            Answer(outcome=Outcome.PENDING, message="queued", retry_after=30),
        ),
        (409, {"message": "other seats"}, Answer(outcome=Outcome.CONFLICT, message="other seats")),
        (422, {"message": "no seats"}, Answer(outcome=Outcome.INVALID, message="no seats")),
    ],
)
async def test_each_status_code_of_the_contract_is_an_answer(
    *, status: int, body: Any, answer: Answer, adapter: HttpAdapter, backend: Backend, order: ServiceOrder
) -> None:
    backend.says(status, body)
    assert await adapter.provision(order) == answer


async def test_problem_json_is_json(adapter: HttpAdapter, backend: Backend, order: ServiceOrder) -> None:
    backend.says(422, {"message": "no seats"}, Content_Type="application/problem+json; charset=utf-8")
    assert (await adapter.provision(order)).outcome is Outcome.INVALID


async def test_a_message_is_made_legible(adapter: HttpAdapter, backend: Backend, order: ServiceOrder) -> None:
    backend.says(422, {"message": "\x1b[31mno\0\r\nseats\x9b" + "!" * 5_000})
    assert (await adapter.provision(order)).message == ("[31mno seats " + "!" * 5_000)[:2_000]


@pytest.mark.parametrize("href", ["tasks/9", "/v1/tasks/9", "{origin}/v1/tasks/9"])
async def test_a_task_of_the_same_origin_becomes_the_reference(
    href: str, adapter: HttpAdapter, backend: Backend, order: ServiceOrder
) -> None:
    backend.says(202, {"href": href.format(origin=backend.origin)})
    assert (await adapter.provision(order)).reference == f"{backend.origin}/v1/tasks/9"


@pytest.mark.parametrize(
    ("href", "problem"),
    [
        ("https://127.0.0.1:{port}/tasks/9", "another origin"),
        ("http://127.0.0.1:1/tasks/9", "another origin"),
        ("//evil.example/tasks/9", "another origin"),
        ("http://127.0.0.1:{port}@evil.example/", "another origin"),
        ("http://user:word@127.0.0.1:{port}/tasks/9", "another origin"),
        ("javascript:alert(1)", "another origin"),
        ("http://[::1", "no address"),
        ("a:////[", "no address"),
        ("tasks/\0", "no address"),
        ("tasks/" + "9" * 500, "more than 500 characters"),
    ],
)
async def test_a_task_elsewhere_is_no_answer(
    href: str, problem: str, adapter: HttpAdapter, backend: Backend, order: ServiceOrder
) -> None:
    backend.says(202, {"href": href.replace("{port}", str(backend.port))})
    with pytest.raises(AdapterUnavailable, match=problem):
        await adapter.provision(order)


@pytest.mark.parametrize("status", [201, 204, 400, 401, 404, 429, 500, 503])
async def test_any_other_status_code_is_no_answer(
    status: int, adapter: HttpAdapter, backend: Backend, order: ServiceOrder
) -> None:
    backend.says(status, b"" if status == 204 else {"message": "no"})
    with pytest.raises(AdapterUnavailable, match=rf"POST {backend.origin}/v1/provision: answered {status}"):
        await adapter.provision(order)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed(
    status: int, adapter: HttpAdapter, backend: Backend, order: ServiceOrder
) -> None:
    backend.says(status, {}, Location="/elsewhere")
    with pytest.raises(AdapterUnavailable, match=f"answered {status}, a redirect"):
        await adapter.provision(order)
    assert len(backend.requests) == 1


@pytest.mark.parametrize(
    ("status", "body", "problem"),
    [
        (200, b"", "does not fit: Invalid JSON"),
        (200, b"<html>", "does not fit: Invalid JSON"),
        (200, b"\xff\xfe", "does not fit: Invalid JSON"),
        (200, b"[" * 100_000, "does not fit: Invalid JSON"),
        (200, [], "does not fit: Input should be an object"),
        (200, "done", "does not fit: Input should be an object"),
        (200, {"reference": 7}, "reference: Input should be a valid string"),
        (200, {"reference": "two\nlines"}, "reference: String should match pattern"),
        (202, {"retry_after": -1}, "retry_after: Input should be greater"),
        (202, {"retry_after": True}, "retry_after: Input should be a valid number"),
        (202, {"retry_after": "30"}, "retry_after: Input should be a valid number"),
        (202, b'{"retry_after": 1e999}', "retry_after: Input should be a finite number"),
        (409, {}, "without a message that says why"),
        (422, {"message": " \r\n"}, "without a message that says why"),
    ],
)
async def test_a_body_outside_the_contract_is_no_answer(
    *, status: int, body: Any, problem: str, adapter: HttpAdapter, backend: Backend, order: ServiceOrder
) -> None:
    backend.says(status, body)
    with pytest.raises(AdapterUnavailable, match=f"answered {status} with.*{problem}|{problem}"):
        await adapter.provision(order)


@pytest.mark.parametrize("status", [200, 409, 422])
async def test_a_page_for_people_is_no_answer_whatever_its_status(
    status: int, adapter: HttpAdapter, backend: Backend, order: ServiceOrder
) -> None:
    backend.says(status, {"message": "blocked"}, Content_Type="text/html")
    with pytest.raises(AdapterUnavailable, match=f"answered {status} with text/html, not with JSON"):
        await adapter.provision(order)


async def test_a_reply_of_one_megabyte_is_read_and_one_byte_more_is_not(
    adapter: HttpAdapter, backend: Backend, order: ServiceOrder
) -> None:
    backend.says(200, b"{}".ljust(MAX_REPLY))
    backend.says(200, b"{}".ljust(MAX_REPLY + 1))

    assert (await adapter.provision(order)).outcome is Outcome.DONE
    with pytest.raises(AdapterUnavailable, match="more than 1000000 bytes"):
        await adapter.provision(order)


async def test_a_compressed_reply_is_never_unpacked(
    adapter: HttpAdapter, backend: Backend, order: ServiceOrder
) -> None:
    backend.says(200, gzip.compress(b"{}"), Content_Encoding="gzip")
    with pytest.raises(AdapterUnavailable, match="Invalid JSON"):
        await adapter.provision(order)
    assert backend.requests[0].headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="hangs up"),
        pytest.param(b"220 mail.example ESMTP\r\n", id="not HTTP"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{}", id="cut off"
        ),
    ],
)
async def test_a_broken_exchange_is_no_answer(
    raw: bytes, adapter: HttpAdapter, backend: Backend, order: ServiceOrder
) -> None:
    backend.sends(raw)
    with pytest.raises(AdapterUnavailable, match="no answer, RemoteProtocolError"):
        await adapter.provision(order)


async def test_a_backend_that_is_down_is_unavailable(order: ServiceOrder) -> None:
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()

    async with HttpAdapter(HttpAdapterSettings(base_url=f"http://127.0.0.1:{port}")) as adapter:
        with pytest.raises(AdapterUnavailable, match="no answer, ConnectError"):
            await adapter.provision(order)


async def test_a_backend_that_never_answers_is_left_after_the_time_out(
    backend: Backend, order: ServiceOrder
) -> None:
    async def stall(_writer: asyncio.StreamWriter) -> None:
        await backend.stopped.wait()

    backend.script.append(stall)
    async with HttpAdapter(HttpAdapterSettings(base_url=backend.origin, timeout=0.1)) as adapter:
        with pytest.raises(AdapterUnavailable, match=r"no complete answer within 0\.1 s"):
            await adapter.provision(order)


async def test_a_backend_that_drips_is_left_after_the_time_out(backend: Backend, order: ServiceOrder) -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 999999\r\n\r\n")
        while not backend.stopped.is_set():
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.01)

    backend.script.append(drip)
    async with HttpAdapter(HttpAdapterSettings(base_url=backend.origin, timeout=0.2)) as adapter:
        with pytest.raises(AdapterUnavailable, match=r"no complete answer within 0\.2 s"):
            await adapter.provision(order)


async def test_an_adapter_recovers_after_a_bad_exchange(
    adapter: HttpAdapter, backend: Backend, order: ServiceOrder
) -> None:
    backend.sends(b"")
    backend.says(200, {"reference": "tenant-7"})

    with pytest.raises(AdapterUnavailable):
        await adapter.provision(order)
    assert (await adapter.provision(order)).outcome is Outcome.DONE


@pytest.mark.parametrize(
    "base_url",
    [
        "",
        "backend.example",
        "ftp://backend.example",
        "https://",
        "https://user:word@backend.example",
        "https://backend.example/?tenant=1",
        "https://backend.example/#top",
        "http://[",
        "http://backend.example:99999",
    ],
)
def test_a_base_address_must_be_plain_http(base_url: str) -> None:
    with pytest.raises(ValidationError, match="base_url"):
        HttpAdapterSettings(base_url=base_url)


@pytest.mark.parametrize("token", ["", "two s3cret", "s3cret\r\nHost: evil", "s3crét"])
def test_a_token_must_fit_a_header_and_is_not_shown_if_it_does_not(token: str) -> None:
    with pytest.raises(ValidationError, match="token") as refused:
        HttpAdapterSettings.model_validate({"base_url": "https://backend.example", "token": token})
    assert "s3c" not in str(refused.value)


def test_credentials_in_a_base_address_are_not_shown() -> None:
    with pytest.raises(ValidationError, match="must not contain credentials") as refused:
        HttpAdapterSettings(base_url="https://user:s3cret@backend.example")
    assert "s3cret" not in str(refused.value)
