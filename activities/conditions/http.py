"""A condition source that speaks our JSON contract over HTTP (docs/condition-sources.md)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from activities.conditions.source import SourceUnavailable
from activities.http import Address, HttpPeer, NoAnswer, Nonsense, PeerSettings, Reply, legible
from domain.external import AwaitCondition, ConditionReply, ConditionState


class HttpSourceSettings(PeerSettings):
    """Where a source is and how to talk to it.

    Attributes:
        url: Where questions are posted to.
    """

    url: Address


class _Reply(BaseModel):
    """The body of every answer; fields we do not know are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    answer: ConditionState
    message: str = ""
    retry_after: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None


class HttpSource(HttpPeer):
    """Asks a source over HTTP."""

    def __init__(self, settings: HttpSourceSettings) -> None:
        super().__init__(settings)
        self._url = settings.url

    async def ask(self, question: AwaitCondition) -> ConditionReply:
        """See `ConditionSource.ask`."""
        # The name is our own; the note is for people to read.
        body = question.model_dump_json(exclude={"source": True, "request": {"note": True}}).encode()
        try:
            return await self.call(
                "POST", self._url, key=question.idempotency_key, body=body, understand=_understand
            )
        except NoAnswer as error:
            raise SourceUnavailable(str(error)) from error


def _understand(reply: Reply) -> ConditionReply:
    """The answer that a complete reply stands for.

    Raises:
        Nonsense: The reply does not fit the contract.
    """
    fields = reply.read(_Reply, [HTTPStatus.OK])
    message = legible(fields.message)
    if fields.answer is ConditionState.FAILED and not message:
        raise Nonsense("answered failed without a message that says why")
    return ConditionReply(answer=fields.answer, message=message, retry_after=fields.retry_after)
