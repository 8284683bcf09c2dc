"""When to look again (provisioning.md e.6).

A watch is one activity whose retries are the polls (SPEC D7); the plan is therefore a function of the
attempt, and time is the nominal time the plan itself has spent since the first attempt.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from functools import lru_cache

PLAN = (
    (timedelta(minutes=10), timedelta(minutes=1)),
    (timedelta(hours=1), timedelta(minutes=5)),
    (timedelta(hours=6), timedelta(minutes=15)),
    (timedelta(hours=72), timedelta(minutes=60)),
)
"""Until when since the start, and how long between two polls."""

AFTERWARDS = timedelta(hours=4)
LAST_DAY = timedelta(hours=24)
LAST_DAY_INTERVAL = timedelta(minutes=15)
JITTER = 0.1
"""Share of a delay by which it is moved, so that watches started together drift apart."""


def poll_delay(attempt: int, closes_after: timedelta | None = None, seed: str = "") -> timedelta:
    """Return how long to wait after an attempt before the next.

    Args:
        attempt: The attempt that has just ended, the first is 1.
        closes_after: Time from the start of the watch to the closure of the line, whose last day is
            watched more closely; None without a closure.
        seed: Identifies the watch; the jitter of +-10 % is drawn from it and the attempt.

    Raises:
        ValueError: The attempt is less than 1.
    """
    if attempt < 1:
        raise ValueError(f"attempts count from 1, not {attempt}")
    return _interval(elapsed(attempt, closes_after), closes_after) * _jitter(seed, attempt)


def _interval(elapsed: timedelta, closes_after: timedelta | None) -> timedelta:
    usual = next((interval for until, interval in PLAN if elapsed < until), AFTERWARDS)
    if closes_after is None or elapsed >= closes_after:
        return usual
    last_day = closes_after - LAST_DAY
    if elapsed >= last_day:
        return min(usual, LAST_DAY_INTERVAL)
    return min(usual, max(last_day - elapsed, LAST_DAY_INTERVAL))


@lru_cache(maxsize=256)
def _schedule(closes_after: timedelta | None) -> tuple[timedelta, ...]:
    """Return the start of every attempt until only the steady interval is left."""
    end = max(PLAN[-1][0], closes_after or timedelta())
    starts = [timedelta()]
    while starts[-1] < end:
        starts.append(starts[-1] + _interval(starts[-1], closes_after))
    return tuple(starts)


def elapsed(attempt: int, closes_after: timedelta | None = None) -> timedelta:
    """Return the nominal time between the first attempt and this one, without jitter."""
    starts = _schedule(closes_after)
    if attempt <= len(starts):
        return starts[attempt - 1]
    return starts[-1] + (attempt - len(starts)) * AFTERWARDS


def _jitter(seed: str, attempt: int) -> float:
    drawn = int.from_bytes(hashlib.sha256(f"{seed}/{attempt}".encode()).digest()[:8])
    return 1 + JITTER * (2 * drawn / (2**64 - 1) - 1)
