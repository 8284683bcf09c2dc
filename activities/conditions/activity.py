"""Waiting for a condition of an outside system (SPEC 4.1, D7; approvals.md a5, WC).

Temporal's retry is the poll loop. An attempt that is told "not yet" fails benignly with the time of the next
one, so that the Temporal UI shows what is waited for and waiting costs no history.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.conditions.source import ConditionSource, SourceUnavailable
from activities.heartbeat import heartbeating
from activities.polling import not_yet, time_waited
from domain import wire
from domain.errors import Code
from domain.external import AwaitCondition, ConditionMet, ConditionState, ask_again_after


class Conditions:
    """The activity that asks condition sources, by those this worker is configured with."""

    def __init__(self, sources: Mapping[str, ConditionSource]) -> None:
        self._sources = sources

    @activity.defn(name=wire.APPROVAL_AWAIT_CONDITION)
    async def await_condition(self, question: AwaitCondition) -> ConditionMet:
        """Asks whether a condition is fulfilled, until it is, or never will be.

        Raises:
            ApplicationError: NOT_YET (benign) while it may still come; UNAVAILABLE, for which the policy's
                back-off is, if nobody gives an answer that can be understood.
        """
        source = self._source(question.source)
        try:
            async with heartbeating():
                reply = await source.ask(question)
        except SourceUnavailable as error:
            raise ApplicationError(f"Cannot ask {_whom(question)}. {error}", type=Code.UNAVAILABLE) from error
        if reply.answer is ConditionState.NOT_YET:
            wait = ask_again_after(time_waited(), reply.retry_after)
            raise not_yet(_still_waiting(question, reply.message, wait), wait)
        return ConditionMet(answer=reply.answer, message=reply.message)

    def _source(self, name: str) -> ConditionSource:
        source = self._sources.get(name)
        if source is None:
            known = ", ".join(sorted(self._sources)) or "none"
            raise ApplicationError(
                f"This worker has no condition source {name!r}; it has: {known}. "
                "Configure it here, or let a worker that has it take over.",
                type=Code.UNAVAILABLE,
            )
        return source


def _whom(question: AwaitCondition) -> str:
    """Who is asked and for what, as people read it."""
    return f"{question.source} for stage {question.stage}, round {question.round}"


def _still_waiting(question: AwaitCondition, message: str, wait: timedelta) -> str:
    said = f": {message}" if message else ""
    return f"Waiting for {_whom(question)}{said}. Asking again in {wait.total_seconds():g} s."
