"""When to look again (provisioning.md e.6).

A watch is one activity whose retries are the polls (SPEC D7). The plan is a function of the time since the
watch began, so that it is kept whatever delays or repeats single polls.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta

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


def poll_delay(elapsed: timedelta, closes_after: timedelta | None = None, seed: str = "") -> timedelta:
    """Return how long to wait after a poll before the next.

    Args:
        elapsed: Time from the start of the watch to the poll that has just ended.
        closes_after: Time from the start of the watch to the closure of the line, whose last day is
            watched more closely; None without a closure.
        seed: Identifies the watch; the jitter of +-10 % is drawn from it and the time.
    """
    return _interval(elapsed, closes_after) * _jitter(seed, elapsed)


def _interval(elapsed: timedelta, closes_after: timedelta | None) -> timedelta:
    usual = next((interval for until, interval in PLAN if elapsed < until), AFTERWARDS)
    if closes_after is None or elapsed >= closes_after:
        return usual
    last_day = closes_after - LAST_DAY
    if elapsed >= last_day:
        return min(usual, LAST_DAY_INTERVAL)
    return min(usual, max(last_day - elapsed, LAST_DAY_INTERVAL))


def _jitter(seed: str, elapsed: timedelta) -> float:
    drawn = int.from_bytes(hashlib.sha256(f"{seed}/{elapsed}".encode()).digest()[:8])
    return 1 + JITTER * (2 * drawn / (2**64 - 1) - 1)
