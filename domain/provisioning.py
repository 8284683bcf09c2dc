"""What the systems that provide services are asked, and what their answers amount to (provisioning.md c.3).

Whoever provides a service stands behind an *adapter*. It is asked again and again with the same
idempotency key until it is done, and "done" counts only once it was read back: a backend that accepted
a request has not yet carried it out (provisioning.md a.1, TRAP).
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from domain.base import Key, Message, UtcDatetime

ASK_AGAIN_FIRST = timedelta(seconds=10)
"""The wait after the first pending answer, if the backend names none."""

ASK_AGAIN_SOONEST = timedelta(seconds=1)
"""The shortest wait a backend can ask for."""

ASK_AGAIN_LATEST = timedelta(minutes=5)
"""The longest wait, whoever names it: nobody should wait longer for a service that is there."""

IdempotencyKey = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,200}$")]
"""Stands for one intention; fits an HTTP header."""

MAX_REFERENCE = 500
"""Longest name a backend may give a service or a task, in characters."""

Reference = Annotated[
    str,
    StringConstraints(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=MAX_REFERENCE, strip_whitespace=True),
]
"""A backend's own name for something: one line, never empty."""


class ServiceOrder(Message):
    """What an adapter is asked to do for one service.

    Attributes:
        idempotency_key: The same for every repetition of this request, another one for every other request.
        process: Workflow id of the process that asks, for the backend's own records.
        organisation: The organisation the service is for.
        parameters: The offer's parameters, as is.
        at: The process's time of asking; repetitions carry the same.
    """

    idempotency_key: IdempotencyKey
    process: str
    service: Key
    organisation: Key
    offer: Key
    offer_version: int
    at: UtcDatetime
    domain: str | None = None
    parameters: dict[str, str] = Field(default_factory=dict)


class Outcome(StrEnum):
    """What a backend says to a request.

    `conflict` and `invalid` are final: the same request would meet the same answer.
    """

    DONE = "done"
    PENDING = "pending"
    CONFLICT = "conflict"
    INVALID = "invalid"


class Answer(Message):
    """A backend's answer.

    Attributes:
        reference: The backend's own name for the service or, while pending, for the task.
        message: For people; says why, unless done.
        retry_after: Seconds to wait before asking again, if the backend has a wish.
    """

    outcome: Outcome
    reference: Reference | None = None
    message: str = ""
    retry_after: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None

    @property
    def is_refusal(self) -> bool:
        """Whether asking again is pointless."""
        return self.outcome in {Outcome.CONFLICT, Outcome.INVALID}


class ProvisionService(Message):
    """Asks for a service to be provided.

    Attributes:
        adapter: Name of the adapter, from the offer.
    """

    adapter: Key
    order: ServiceOrder


class RemoveService(Message):
    """Asks for something that was provided to be taken away again (SPEC 5.7).

    Attributes:
        adapter: Name of the adapter that provided it.
        order: As it was ordered, under an idempotency key of its own.
    """

    adapter: Key
    order: ServiceOrder


class Removed(Message):
    """The service is not there, read back.

    Attributes:
        was_there: Whether it had to be removed, or had never come about.
    """

    was_there: bool


class Provisioned(Message):
    """The service is there, read back.

    Attributes:
        reference: The backend's name for it; the service's own id if the backend has none.
    """

    reference: str


def ask_again_after(attempt: int, retry_after: float | None = None) -> timedelta:
    """How long to wait after a pending answer.

    Args:
        attempt: How often the backend has been asked, from 1.
        retry_after: The backend's wish in seconds; followed between 1 s and 5 min.

    Returns:
        Without a wish 10 s, doubled with every attempt up to 5 min.
    """
    if retry_after is not None:
        wish = timedelta(seconds=min(retry_after, ASK_AGAIN_LATEST.total_seconds()))
        return max(wish, ASK_AGAIN_SOONEST)
    doublings = min(attempt - 1, 10)
    return min(ASK_AGAIN_FIRST * (1 << doublings), ASK_AGAIN_LATEST)


def is_gone(status: Answer) -> bool:
    """Whether a status, read back after a removal, says that there is nothing."""
    return status.outcome is Outcome.INVALID


def confirm(done: Answer, status: Answer) -> Answer:
    """What a "done" amounts to once the service's status was read back.

    Args:
        done: The answer that claims to be done.
        status: What the backend says of the service when asked for its status afterwards.

    Returns:
        Done if both agree, on the reference too; pending otherwise. A status never refuses: the request
        itself was accepted.
    """
    references = {each.reference for each in (done, status) if each.reference}
    if len(references) > 1:
        doubt = f"its status is of {status.reference} instead of {done.reference}"
    elif status.outcome is not Outcome.DONE:
        doubt = f"its status is still {status.outcome}"
    else:
        return status.model_copy(update={"reference": done.reference or status.reference})
    message = f"the backend reports done, but {doubt}"
    return Answer(
        outcome=Outcome.PENDING,
        reference=done.reference,
        message=f"{message}: {status.message}" if status.message else message,
        retry_after=status.retry_after,
    )
