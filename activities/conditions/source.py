"""What whoever knows a condition must offer us (docs/condition-sources.md)."""

from __future__ import annotations

from typing import Protocol

from domain.external import AwaitCondition, ConditionReply


class SourceUnavailable(Exception):
    """The source gave no answer that can be understood, so nothing is known of the condition.

    The message names what was wrong: no connection, a time-out, a reply outside the contract.
    """


class ConditionSource(Protocol):
    """Knows whether conditions are fulfilled.

    `AwaitCondition.idempotency_key` stands for one question, however often it is repeated. A source that has
    to start something to find out starts it once.
    """

    async def ask(self, question: AwaitCondition) -> ConditionReply:
        """Say how the condition stands, at once.

        Raises:
            SourceUnavailable: There is no answer; never for a condition that failed.
        """
        ...
