"""What Temporal and the database raise, as the refusals that callers get."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as NoTurn
from temporalio.api.errordetails.v1 import NamespaceNotFoundFailure
from temporalio.client import (
    RPCError,
    RPCTimeoutOrCancelledError,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCStatusCode

from domain.errors import Code, Refusal
from storage.database import NoDatabase

BUSY = "database: busy, as others keep writing; try again"

UNREACHABLE = frozenset({RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED})


class NotRunning(Exception):
    """The process has ended, or there never was one; the projection knows which."""


@contextmanager
def temporal_errors(what: str) -> Iterator[None]:
    """Turns what the Temporal client raises into refusals.

    Args:
        what: What was asked for; names it when nobody answers.

    Raises:
        Refusal: A refusal by the process, LIMIT_REACHED, TOO_OFTEN or UNAVAILABLE.
        NotRunning: There is no such run any more.
    """
    try:
        yield
    except WorkflowUpdateFailedError as error:
        raise refusal_in(error.cause) or error from None
    except WorkflowQueryFailedError as error:
        raise Refusal(Code.UNAVAILABLE, f"{what} failed: {error.message}") from None
    except (TimeoutError, RPCTimeoutOrCancelledError):
        raise Refusal(Code.UNAVAILABLE, f"{what} did not come in time; is a worker running?") from None
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND and not _lacks_namespace(error):
            raise NotRunning from None
        raise _refusal_of(what, error) or error from None
    except RuntimeError as error:
        # A connection that was left for later is opened with the first call; the SDK has no type for it.
        if "client connect" not in str(error):
            raise
        raise Refusal(Code.UNAVAILABLE, "Temporal does not answer: no connection") from None


def _refusal_of(what: str, error: RPCError) -> Refusal | None:
    """What the server itself refuses, if that is anything people can do something about."""
    if _lacks_namespace(error):
        return Refusal(Code.UNAVAILABLE, f"Temporal is not set up: {error.message}")
    if error.status is RPCStatusCode.FAILED_PRECONDITION and "distinct updates" in error.message:
        return Refusal(
            Code.LIMIT_REACHED,
            f"{what} will not come: its run has taken all the updates that Temporal allows; "
            "the signals approve and deny still reach it",
        )
    if error.status is RPCStatusCode.RESOURCE_EXHAUSTED:
        return Refusal(Code.TOO_OFTEN, f"{what} did not come: {error.message}")
    if error.status in UNREACHABLE:
        return Refusal(Code.UNAVAILABLE, f"Temporal does not answer: {error.message}")
    return None


def _lacks_namespace(error: RPCError) -> bool:
    return any(detail.Is(NamespaceNotFoundFailure.DESCRIPTOR) for detail in error.grpc_status.details)


def refusal_in(cause: BaseException) -> Refusal | None:
    """The business refusal that a process answered with, if it was one."""
    if isinstance(cause, ApplicationError) and cause.type in set(Code):
        details = next((each for each in cause.details if isinstance(each, dict)), {})
        return Refusal(
            Code(cause.type),
            cause.message,
            retry_after=details.get("retry_after"),
            noted=bool(details.get("noted")),
        )
    return None


@contextmanager
def database_errors() -> Iterator[None]:
    """Turns a database that is missing, unprepared, busy or out of reach into a refusal that says which.

    Raises:
        Refusal: UNAVAILABLE.
    """
    try:
        yield
    except NoDatabase as error:
        advice = "`countersign dev` sets one up with everything else, `countersign migrate` an empty one"
        raise Refusal(Code.UNAVAILABLE, f"database: there is no {error.file}; {advice}") from None
    except NoTurn:
        raise Refusal(Code.UNAVAILABLE, BUSY) from None
    except (OperationalError, InterfaceError, ProgrammingError) as error:
        cause = str(error.orig).partition("\n")[0]
        if _is_busy(error):
            raise Refusal(Code.UNAVAILABLE, BUSY) from None
        if _lacks_schema(error):
            raise Refusal(
                Code.UNAVAILABLE, f"database: {cause}; `countersign migrate` prepares it for this version"
            ) from None
        if _is_our_fault(error):
            raise
        raise Refusal(Code.UNAVAILABLE, f"database: {cause}") from None
    except OSError as error:
        raise Refusal(Code.UNAVAILABLE, f"database: {error}") from None


def _is_busy(error: DBAPIError) -> bool:
    """Whether SQLite gave up waiting for other processes' writes."""
    return _sqlite_code(error) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def _is_our_fault(error: DBAPIError) -> bool:
    """Whether the statement makes no sense, to either database."""
    return isinstance(error, ProgrammingError) or _sqlite_code(error) == sqlite3.SQLITE_ERROR


def _sqlite_code(error: DBAPIError) -> int:
    """SQLite's primary result code; its lowest byte."""
    return int(getattr(error.orig, "sqlite_errorcode", 0)) & 0xFF


def _lacks_schema(error: DBAPIError) -> bool:
    """Whether a table or a column is missing."""
    undefined = {"42P01", "42703"}  # PostgreSQL's SQLSTATEs of a table and a column
    words = r"no such (table|column)|has no column named"
    return getattr(error.orig, "sqlstate", None) in undefined or bool(re.search(words, str(error.orig)))
