"""An adapter for backends that speak our JSON contract over HTTP (docs/provisioning-adapters.md).

A reply either fits the contract or counts as no answer at all. A refusal fails an order line for good, so
it must be unmistakable: an error page of some proxy never is one.
"""

from __future__ import annotations

import asyncio
import re
from http import HTTPStatus
from types import TracebackType
from typing import Annotated, Self

import httpx
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, HttpUrl, SecretStr, ValidationError

from activities.provisioning.adapter import AdapterUnavailable
from domain.base import MAX_COMMENT
from domain.provisioning import MAX_REFERENCE, Answer, Outcome, Reference, ServiceOrder

MAX_REPLY = 1_000_000
"""Longest reply that is read, in bytes."""

OUTCOMES: dict[int, Outcome] = {
    HTTPStatus.OK: Outcome.DONE,
    HTTPStatus.ACCEPTED: Outcome.PENDING,
    HTTPStatus.CONFLICT: Outcome.CONFLICT,
    HTTPStatus.UNPROCESSABLE_ENTITY: Outcome.INVALID,
}
"""The only status codes that are answers."""


def _base_url(value: str) -> str:
    try:
        url = HttpUrl(value)
    except ValidationError as error:
        raise ValueError(error.errors()[0]["msg"]) from error
    if url.username or url.password or url.query or url.fragment:
        raise ValueError("must not contain credentials, a query or a fragment; the token has its own field")
    return str(url).rstrip("/")


def _header_value(token: SecretStr) -> SecretStr:
    bare = token.get_secret_value().strip()  # secrets mounted as files tend to end with a newline
    if not re.fullmatch(r"[\x21-\x7e]+", bare):
        raise ValueError("must be visible ASCII characters without spaces")
    return SecretStr(bare)


class HttpAdapterSettings(BaseModel):
    """Where a backend is and how to talk to it.

    Attributes:
        base_url: What `/provision` and the others are appended to.
        token: Sent as bearer token, if set.
        timeout: Seconds a whole exchange may take; two of them fit into one attempt of a minute.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    base_url: Annotated[str, AfterValidator(_base_url)]
    token: Annotated[SecretStr, AfterValidator(_header_value)] | None = None
    timeout: Annotated[float, Field(gt=0, le=25)] = 20


class _Reply(BaseModel):
    """The body of every answer; fields we do not know are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    reference: Reference | None = None
    message: str = ""
    href: str | None = None
    retry_after: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None


class HttpAdapter:
    """Asks a backend over HTTP; an async context manager that closes its connections."""

    def __init__(self, settings: HttpAdapterSettings) -> None:
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        if settings.token is not None:
            headers["Authorization"] = f"Bearer {settings.token.get_secret_value()}"
        self._base_url = settings.base_url
        self._timeout = settings.timeout
        self._client = httpx.AsyncClient(headers=headers, timeout=settings.timeout, follow_redirects=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def check(self, order: ServiceOrder) -> Answer:
        """See `Adapter.check`."""
        return await self._post("check", order)

    async def provision(self, order: ServiceOrder) -> Answer:
        """See `Adapter.provision`."""
        return await self._post("provision", order)

    async def modify(self, order: ServiceOrder) -> Answer:
        """See `Adapter.modify`."""
        return await self._post("modify", order)

    async def deprovision(self, order: ServiceOrder) -> Answer:
        """See `Adapter.deprovision`."""
        return await self._post("deprovision", order)

    async def status(self, order: ServiceOrder) -> Answer:
        """See `Adapter.status`."""
        return await self._ask("GET", f"status/{order.service}", order.idempotency_key, content=None)

    async def _post(self, action: str, order: ServiceOrder) -> Answer:
        content = order.model_dump_json(exclude={"idempotency_key"}).encode()
        return await self._ask("POST", action, order.idempotency_key, content)

    async def _ask(self, method: str, path: str, key: str, content: bytes | None) -> Answer:
        """One exchange: send, read within the limits, understand."""
        headers = {"Idempotency-Key": key}
        if content is not None:
            headers["Content-Type"] = "application/json"
        url = f"{self._base_url}/{path}"
        request = self._client.build_request(method, url, headers=headers, content=content)
        try:
            async with asyncio.timeout(self._timeout):
                reply = await self._client.send(request, stream=True)
                try:
                    body = await _read(reply)
                finally:
                    await reply.aclose()
            return _understand(reply, body)
        except (TimeoutError, httpx.TimeoutException) as error:
            problem = f"no complete answer within {self._timeout:g} s"
            raise AdapterUnavailable(f"{method} {url}: {problem}") from error
        except httpx.HTTPError as error:
            problem = f"no answer, {type(error).__name__} {error}".rstrip()
            raise AdapterUnavailable(f"{method} {url}: {problem}") from error
        except _Nonsense as error:
            raise AdapterUnavailable(f"{method} {url}: {error}") from error


class _Nonsense(Exception):
    """A reply outside the contract."""


async def _read(reply: httpx.Response) -> bytes:
    """The body as sent: never decompressed, so a small reply cannot become a huge one."""
    body = bytearray()
    async for chunk in reply.aiter_raw():
        body += chunk
        if len(body) > MAX_REPLY:
            raise _Nonsense(f"answered {reply.status_code} with more than {MAX_REPLY} bytes")
    return bytes(body)


def _understand(reply: httpx.Response, body: bytes) -> Answer:
    """The answer that a complete reply stands for.

    Raises:
        _Nonsense: The reply does not fit the contract.
    """
    if reply.is_redirect:
        raise _Nonsense(f"answered {reply.status_code}, a redirect; set base_url to where it leads")
    outcome = OUTCOMES.get(reply.status_code)
    if outcome is None:
        raise _Nonsense(f"answered {reply.status_code}, which is neither 200, 202, 409 nor 422")
    media_type = reply.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise _Nonsense(f"answered {reply.status_code} with {media_type or 'no content type'}, not with JSON")
    try:
        fields = _Reply.model_validate_json(body)
    except ValidationError as error:
        raise _Nonsense(f"answered {reply.status_code} with {_first_problem(error)}") from error
    message = _legible(fields.message)
    if outcome in {Outcome.CONFLICT, Outcome.INVALID} and not message:
        raise _Nonsense(f"answered {reply.status_code} without a message that says why")
    reference = fields.reference
    if outcome is Outcome.PENDING and fields.href is not None:
        reference = _same_origin(reply.url, fields.href)
    return Answer(outcome=outcome, reference=reference, message=message, retry_after=fields.retry_after)


def _first_problem(error: ValidationError) -> str:
    """What was wrong with a body, without repeating any of it."""
    problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
    field = ".".join(str(step) for step in problem["loc"])
    return f"{field}: {problem['msg']}" if field else f"a body that does not fit: {problem['msg']}"


def _same_origin(asked: httpx.URL, href: str) -> str:
    """The absolute address of a task, which must be where the backend itself is."""
    try:
        task = asked.join(href)
    except (httpx.InvalidURL, ValueError) as error:
        raise _Nonsense(f"answered 202 with an href that is no address: {error}") from error
    if (task.scheme, task.netloc, task.userinfo) != (asked.scheme, asked.netloc, asked.userinfo):
        raise _Nonsense(f"answered 202 with an href to another origin, {task.scheme}://{task.host}")
    if len(str(task)) > MAX_REFERENCE:
        raise _Nonsense(f"answered 202 with an href of more than {MAX_REFERENCE} characters")
    return str(task)


def _legible(message: str) -> str:
    """A message as people and databases can bear it: no control characters, of bounded length."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f]+", " ", message).strip()[:MAX_COMMENT]
