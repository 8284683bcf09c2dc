"""JSON over HTTP with systems that are not ours: bounded in time and size, and never misread.

A reply either fits the contract or counts as no answer at all. What a system says may end a process for good,
so it must be unmistakable: an error page of some proxy never is an answer.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache
from types import TracebackType
from typing import Annotated, Self, TypeVar
from urllib.parse import quote

import httpx
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, HttpUrl, SecretStr, ValidationError

from domain.base import MAX_COMMENT

MAX_REPLY = 1_000_000
"""Longest reply that is read, in bytes."""

Body = TypeVar("Body", bound=BaseModel)
Answer = TypeVar("Answer")


def _address(value: str) -> str:
    try:
        url = HttpUrl(value)
    except ValidationError as error:
        raise ValueError(error.errors()[0]["msg"]) from error
    if url.username or url.password or url.query or url.fragment:
        raise ValueError("must not contain credentials, a query or a fragment; the token has its own field")
    return str(url)


def _header_value(token: SecretStr) -> SecretStr:
    bare = token.get_secret_value().strip()  # secrets mounted as files tend to end with a newline
    if not re.fullmatch(r"[\x21-\x7e]+", bare):
        raise ValueError("must be visible ASCII characters without spaces")
    return SecretStr(bare)


@cache
def _trusted() -> ssl.SSLContext:
    """Whose certificates count: read once, not for every system that is talked to."""
    return httpx.create_ssl_context()


Address = Annotated[str, AfterValidator(_address)]
"""An http or https address that holds no secret."""


class PeerSettings(BaseModel):
    """How to talk to a system.

    Attributes:
        token: Sent as bearer token, if set.
        timeout: Seconds a whole exchange may take; two of them fit into one attempt of a minute.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    token: Annotated[SecretStr, AfterValidator(_header_value)] | None = None
    timeout: Annotated[float, Field(gt=0, le=25)] = 20


class NoAnswer(Exception):
    """There is no answer that can be understood; the message names who was asked and what was wrong."""


class Nonsense(Exception):
    """A reply outside the contract; the message goes on from "POST https://…:"."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete reply, not yet understood."""

    url: httpx.URL
    status: int
    is_redirect: bool
    media_type: str
    content: bytes

    def read(self, model: type[Body], answers: Collection[int]) -> Body:
        """The body of an answer.

        Args:
            model: What it must fit.
            answers: The only status codes that are answers.

        Raises:
            Nonsense: The reply does not fit the contract.
        """
        if self.is_redirect:
            raise Nonsense(f"answered {self.status}, a redirect; configure the address it leads to")
        if self.status not in answers:
            known = ", ".join(str(int(each)) for each in answers)
            raise Nonsense(f"answered {self.status}; answers are {known}")
        if self.media_type != "application/json" and not self.media_type.endswith("+json"):
            raise Nonsense(
                f"answered {self.status} with {self.media_type or 'no content type'}, not with JSON"
            )
        try:
            return model.model_validate_json(self.content)
        except ValidationError as error:
            raise Nonsense(f"answered {self.status} with {_first_problem(error)}") from error


class HttpPeer:
    """A system that is asked over HTTP; an async context manager that closes its connections."""

    def __init__(self, settings: PeerSettings) -> None:
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        if settings.token is not None:
            headers["Authorization"] = f"Bearer {settings.token.get_secret_value()}"
        self._timeout = settings.timeout
        self._client = httpx.AsyncClient(
            headers=headers, timeout=settings.timeout, follow_redirects=False, verify=_trusted()
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._client.aclose()

    async def call(
        self,
        method: str,
        url: str,
        *,
        key: str,
        understand: Callable[[Reply], Answer],
        body: bytes | None = None,
    ) -> Answer:
        """One exchange: send, read within the limits, understand.

        Args:
            method: Of HTTP.
            url: Where to.
            key: Sent as `Idempotency-Key`.
            understand: What a complete reply stands for; raises `Nonsense` for one that is no answer.
            body: JSON to send.

        Raises:
            NoAnswer: Nothing came, or nothing that could be understood.
        """
        headers = {"Idempotency-Key": quote(key, safe=_VISIBLE)}
        if body is not None:
            headers["Content-Type"] = "application/json"
        request = self._client.build_request(method, url, headers=headers, content=body)
        try:
            return understand(await self._exchange(request))
        except (TimeoutError, httpx.TimeoutException) as error:
            problem = f"no complete answer within {self._timeout:g} s"
            raise NoAnswer(f"{method} {url}: {problem}") from error
        except httpx.HTTPError as error:
            problem = f"no answer, {type(error).__name__} {error}".rstrip()
            raise NoAnswer(f"{method} {url}: {problem}") from error
        except Nonsense as error:
            raise NoAnswer(f"{method} {url}: {error}") from error

    async def _exchange(self, request: httpx.Request) -> Reply:
        async with asyncio.timeout(self._timeout):
            response = await self._client.send(request, stream=True)
            try:
                content = await _read(response)
            finally:
                await response.aclose()
        return Reply(
            url=response.url,
            status=response.status_code,
            is_redirect=response.is_redirect,
            media_type=response.headers.get("Content-Type", "").partition(";")[0].strip().lower(),
            content=content,
        )


def legible(message: str) -> str:
    """A message as people and databases can bear it: no control characters, of bounded length."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f]+", " ", message).strip()[:MAX_COMMENT]


_VISIBLE = "!\"#$&'()*+,/:;<=>?@[\\]^`{|}"
"""What a header can carry as it is, besides letters and digits; `%` has to stand for the rest."""


async def _read(response: httpx.Response) -> bytes:
    """The body as sent: never decompressed, so a small reply cannot become a huge one."""
    content = bytearray()
    async for chunk in response.aiter_raw():
        content += chunk
        if len(content) > MAX_REPLY:
            raise Nonsense(f"answered {response.status_code} with more than {MAX_REPLY} bytes")
    return bytes(content)


def _first_problem(error: ValidationError) -> str:
    """What was wrong with a body, without repeating any of it."""
    problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
    field = ".".join(str(step) for step in problem["loc"])
    return f"{field}: {problem['msg']}" if field else f"a body that does not fit: {problem['msg']}"
