"""An adapter for backends that speak our JSON contract over HTTP (docs/provisioning-adapters.md)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

import httpx
from pydantic import BaseModel, ConfigDict, Field

from activities.http import Address, HttpPeer, NoAnswer, Nonsense, PeerSettings, Reply, legible
from activities.provisioning.adapter import AdapterUnavailable
from domain.provisioning import MAX_REFERENCE, Answer, Outcome, Reference, ServiceOrder

OUTCOMES: dict[int, Outcome] = {
    HTTPStatus.OK: Outcome.DONE,
    HTTPStatus.ACCEPTED: Outcome.PENDING,
    HTTPStatus.CONFLICT: Outcome.CONFLICT,
    HTTPStatus.UNPROCESSABLE_ENTITY: Outcome.INVALID,
}
"""The only status codes that are answers."""


class HttpAdapterSettings(PeerSettings):
    """Where a backend is and how to talk to it.

    Attributes:
        base_url: What `/provision` and the others are appended to.
    """

    base_url: Address


class _Reply(BaseModel):
    """The body of every answer; fields we do not know are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    reference: Reference | None = None
    message: str = ""
    href: str | None = None
    retry_after: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None


class HttpAdapter(HttpPeer):
    """Asks a backend over HTTP."""

    def __init__(self, settings: HttpAdapterSettings) -> None:
        super().__init__(settings)
        self._base_url = settings.base_url.rstrip("/")

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
        return await self._ask("GET", f"status/{order.service}", order.idempotency_key)

    async def _post(self, action: str, order: ServiceOrder) -> Answer:
        body = order.model_dump_json(exclude={"idempotency_key"}).encode()
        return await self._ask("POST", action, order.idempotency_key, body)

    async def _ask(self, method: str, path: str, key: str, body: bytes | None = None) -> Answer:
        url = f"{self._base_url}/{path}"
        try:
            return await self.call(method, url, key=key, body=body, understand=_understand)
        except NoAnswer as error:
            raise AdapterUnavailable(str(error)) from error


def _understand(reply: Reply) -> Answer:
    """The answer that a complete reply stands for.

    Raises:
        Nonsense: The reply does not fit the contract.
    """
    fields = reply.read(_Reply, OUTCOMES)
    outcome = OUTCOMES[reply.status]
    message = legible(fields.message)
    if outcome in {Outcome.CONFLICT, Outcome.INVALID} and not message:
        raise Nonsense(f"answered {reply.status} without a message that says why")
    reference = fields.reference
    if outcome is Outcome.PENDING and fields.href is not None:
        reference = _same_origin(reply.url, fields.href)
    return Answer(outcome=outcome, reference=reference, message=message, retry_after=fields.retry_after)


def _same_origin(asked: httpx.URL, href: str) -> str:
    """The absolute address of a task, which must be where the backend itself is."""
    try:
        task = asked.join(href)
    except (httpx.InvalidURL, ValueError) as error:
        raise Nonsense(f"answered 202 with an href that is no address: {error}") from error
    if (task.scheme, task.netloc, task.userinfo) != (asked.scheme, asked.netloc, asked.userinfo):
        raise Nonsense(f"answered 202 with an href to another origin, {task.scheme}://{task.host}")
    if len(str(task)) > MAX_REFERENCE:
        raise Nonsense(f"answered 202 with an href of more than {MAX_REFERENCE} characters")
    return str(task)
