"""Activities whose retries are the polls of something outside (SPEC D7)."""

from __future__ import annotations

from datetime import timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from domain import wire


def time_waited() -> timedelta:
    """How long the running activity had been waiting when this attempt of it began.

    By the run's clock, which Temporal stamps on attempts, and not by counting them: attempts that failed
    because the database was away are no polls, and an outage of all workers is one long pause.
    """
    info = activity.info()
    return info.started_time - info.scheduled_time


def not_yet(message: str, delay: timedelta) -> ApplicationError:
    """The expected failure that makes Temporal call again after a delay."""
    return ApplicationError(
        message, type=wire.NOT_YET, category=ApplicationErrorCategory.BENIGN, next_retry_delay=delay
    )
