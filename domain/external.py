"""Conditions of outside systems that an approval waits for (SPEC 4.1, D7; approvals.md a5, WC).

Whoever knows whether a condition is fulfilled stands behind a *condition source*. It is asked again and
again with the same idempotency key until it says yes or no; "not yet" only means that it is asked later.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from domain.base import Key, Message, UtcDatetime
from domain.request_data import RequestData

ASK_AGAIN_SOONEST = timedelta(seconds=10)
"""The shortest wait a source can ask for."""

ASK_AGAIN_LATEST = timedelta(hours=1)
"""The longest wait, whoever names it: an answer is noticed no later than that."""

PLAN = (
    (timedelta(minutes=1), timedelta(minutes=1)),
    (timedelta(minutes=6), timedelta(minutes=5)),
    (timedelta(minutes=21), timedelta(minutes=15)),
)
"""Until when since the first question, and how long to wait then, if the source has no wish."""


class ConditionState(StrEnum):
    """What a source says of a condition; all but `not_yet` is final."""

    FULFILLED = "fulfilled"
    NOT_YET = "not_yet"
    FAILED = "failed"


class ConditionReply(Message):
    """A source's answer.

    Attributes:
        message: For people; says why, unless fulfilled.
        retry_after: Seconds to wait before asking again, if the source has a wish.
    """

    answer: ConditionState
    message: str = ""
    retry_after: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None


class AwaitCondition(Message):
    """Asks whether the condition of a stage is fulfilled.

    Attributes:
        source: Name of the source, from the definition.
        parameters: What the definition gives the source, as is.
        process: Workflow id of the process that asks.
        stage: The stage that waits, and in `round` how often it was opened.
        at: When the stage opened; repetitions carry the same.
        request: What is to be approved.
    """

    source: Key
    process: str
    stage: Key
    round: int
    at: UtcDatetime
    request: RequestData
    parameters: dict[str, str] = Field(default_factory=dict)

    @property
    def idempotency_key(self) -> str:
        """The same for every repetition of the question, another one for every other question."""
        return f"{self.process}/{self.stage}/{self.round}"


class ConditionMet(Message):
    """How the waiting ended.

    Attributes:
        answer: Never `not_yet`.
        message: What the source says about it, for people.
    """

    answer: ConditionState
    message: str = ""

    @property
    def is_fulfilled(self) -> bool:
        """Whether the stage has passed."""
        return self.answer is ConditionState.FULFILLED


def ask_again_after(waited: timedelta, retry_after: float | None = None) -> timedelta:
    """How long to wait after "not yet".

    Args:
        waited: Time since the source was asked first.
        retry_after: The source's wish in seconds; followed between 10 s and 1 h.

    Returns:
        Without a wish 1 min, then 5 min, 15 min, and 1 h from the fourth question on.
    """
    if retry_after is not None:
        wish = timedelta(seconds=min(retry_after, ASK_AGAIN_LATEST.total_seconds()))
        return max(wish, ASK_AGAIN_SOONEST)
    return next((wait for until, wait in PLAN if waited < until), ASK_AGAIN_LATEST)
