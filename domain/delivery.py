"""How handing a mail over fails, and when it is tried again (engineering.md 2.4).

Pure: the SMTP dialogue is in `activities/mail/delivery.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class FailureKind(StrEnum):
    """How handing a mail over failed, and so what may be done about it (engineering.md 2.4).

    CONNECTION: nothing was sent. TEMPORARY: the server said 4xx. RECIPIENT_REJECTED: 5xx for this
    address. REJECTED: 5xx for anything else, our fault. UNKNOWN_AFTER_DOT: the mail was sent completely
    and the answer did not arrive.
    """

    CONNECTION = "connection"
    TEMPORARY = "temporary"
    RECIPIENT_REJECTED = "recipient_rejected"
    REJECTED = "rejected"
    UNKNOWN_AFTER_DOT = "unknown_after_dot"

    @property
    def maybe_duplicate(self) -> bool:
        """Whether trying again may show the mail twice, with the same Message-ID."""
        return self is FailureKind.UNKNOWN_AFTER_DOT


GIVE_UP_AFTER = timedelta(hours=48)
"""Total waiting after which a mail is given up and escalated (engineering.md 2.4: 24 to 48 hours)."""


@dataclass(frozen=True, slots=True)
class _Backoff:
    first: timedelta
    longest: timedelta

    def delay(self, attempt: int) -> timedelta:
        # Doubling 16 times is beyond every cap and keeps the arithmetic small.
        return min(self.first * (1 << min(attempt - 1, 16)), self.longest)


_UNREACHABLE = _Backoff(first=timedelta(seconds=30), longest=timedelta(minutes=30))
# Greylisting servers punish impatience. A lost answer counts as 451 (RFC 5321 3.8).
_ASKED_TO_WAIT = _Backoff(first=timedelta(minutes=5), longest=timedelta(minutes=60))
_BACKOFF = {
    FailureKind.CONNECTION: _UNREACHABLE,
    FailureKind.TEMPORARY: _ASKED_TO_WAIT,
    FailureKind.UNKNOWN_AFTER_DOT: _ASKED_TO_WAIT,
}


def retry_delay(failure: FailureKind, attempt: int) -> timedelta | None:
    """How long to wait before the next attempt, or None to give up (engineering.md 2.4).

    Args:
        failure: How the last attempt failed.
        attempt: Its number, from 1.
    """
    backoff = _BACKOFF.get(failure)
    if backoff is None:
        return None
    waited = sum((backoff.delay(each) for each in range(1, attempt + 1)), timedelta())
    return backoff.delay(attempt) if waited <= GIVE_UP_AFTER else None
