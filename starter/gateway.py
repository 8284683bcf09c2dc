"""The way in: updates to processes and transactions on the database, with typed refusals out of both."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from typing import TypeVar
from uuid import uuid4

from pydantic import BaseModel
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as NoTurn
from sqlalchemy.ext.asyncio import AsyncSession
from temporalio.api.errordetails.v1 import NamespaceNotFoundFailure
from temporalio.client import (
    Client,
    RPCError,
    RPCTimeoutOrCancelledError,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCStatusCode

from domain import wire
from domain.base import Message
from domain.errors import Code, Refusal
from domain.links import LinkSigner
from domain.organisations import Parties, Permission
from domain.transitions import ProcessKind, ProcessView
from storage import audit, directory, processes
from storage.audit import RefusedCommand
from storage.database import Database, NoDatabase

PATIENCE_S = 30.0
"""How long a caller waits for the answer to a command, in seconds; the command itself is not lost by it."""

BUSY = "database: busy, as others keep writing; try again"

UNREACHABLE = frozenset({RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED})

NO_VERDICT = frozenset({Code.UNAVAILABLE, Code.LINES_STARTED})
"""Nobody has judged the command yet: it was not heard, or goes on to the lines of the order."""

T = TypeVar("T")


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


class SubmittedLine(Message):
    """A line an order was accepted with; also what the memo of its run says, for operators (SPEC D8).

    Attributes:
        offer: `name@version`, like `definition`.
        added: Whether another line's offer included it.
    """

    number: int
    process: str
    offer: str
    offer_hash: str | None = None
    definition: str | None = None
    definition_hash: str | None = None
    added: bool = False


def utc_now() -> datetime:
    """The wall clock, in UTC."""
    return datetime.now(UTC)


class Gateway:
    """A connection to Temporal and one to the database.

    Args:
        client: Connected with the pydantic data converter.
        database: Migrated.
        clock: Stamps when a decision was received; one that answers None leaves that to the process, for
            runs that live on virtual time.
        allow_special_use: Accept domains such as `contoso.example`, for tests and the demo.
        task_queue: Where workers look for work.
        links: Reads the links in mails; None where this installation has no keys for them.
    """

    def __init__(
        self,
        client: Client,
        database: Database,
        *,
        clock: Callable[[], datetime | None] = utc_now,
        allow_special_use: bool = False,
        task_queue: str = wire.TASK_QUEUE,
        links: LinkSigner | None = None,
    ) -> None:
        self.client = client
        self.database = database
        self._clock = clock
        self._allow_special_use = allow_special_use
        self._task_queue = task_queue
        self._links = links

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[AsyncSession]:
        with database_errors():
            async with self.database.reading() as session:
                yield session

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[AsyncSession]:
        with database_errors():
            async with self.database.session() as session:
                yield session

    async def _update(
        self, process: str, name: str, command: BaseModel, answer: type[T], request_id: str | None
    ) -> T:
        """Sends an update and returns its answer.

        Raises:
            Refusal: What the process answered, or UNAVAILABLE.
            NotRunning: There is no such run any more.
        """
        handle = self.client.get_workflow_handle(process)
        try:
            with temporal_errors(f"{process}: the answer to {name}"):
                async with asyncio.timeout(PATIENCE_S):
                    answered: T = await handle.execute_update(
                        name, command, id=request_id or uuid4().hex, result_type=answer
                    )
                    return answered
        except Refusal as refusal:
            raise await self._refused(process, name, command, refusal) from None

    async def _refused(self, process: str, name: str, command: BaseModel, refusal: Refusal) -> Refusal:
        """Notes in the audit that a command was refused, unless its process has, and gives the refusal back.

        The caller gets it whether or not the database answers.
        """
        if not refusal.noted and refusal.code not in NO_VERDICT:
            said = RefusedCommand(
                process=process,
                action=name,
                actor=getattr(command, "actor", None),
                at=self._clock() or utc_now(),
                code=refusal.code,
                message=refusal.message,
                reason=getattr(command, "reason", None),
                on_behalf_of=getattr(command, "on_behalf_of", None),
                generation=getattr(command, "generation", None),
            )
            with suppress(Refusal):
                async with self._writing() as session:
                    await audit.refuse(session, said)
        return refusal

    async def _ask(self, process: str) -> ProcessView:
        """The view of a process by its own word."""
        with temporal_errors(f"{process}: its view"):
            async with asyncio.timeout(PATIENCE_S):
                view: ProcessView = await self.client.get_workflow_handle(process).query(
                    wire.VIEW, result_type=ProcessView
                )
                return view

    async def _view(self, process: str) -> ProcessView:
        """A process as the projection has it, or by its own word while the projection does not know it yet.

        Raises:
            Refusal: NOT_FOUND or UNAVAILABLE.
        """
        try:
            async with self._reading() as session:
                return await processes.get_view(session, process)
        except Refusal as refusal:
            if refusal.code is not Code.NOT_FOUND:
                raise
        try:
            return await self._ask(process)
        except NotRunning:
            raise Refusal(Code.NOT_FOUND, f"process: there is no {process}") from None

    async def _order(self, order: str) -> ProcessView:
        """An order, like `_view`."""
        try:
            return await self._view(wire.order_id(order))
        except Refusal as refusal:
            if refusal.code is not Code.NOT_FOUND:
                raise
            raise Refusal(Code.NOT_FOUND, f"order: there is no {order}") from None

    async def _authorise(
        self, actor: str, parties: Parties, permissions: Iterable[Permission], what: str
    ) -> None:
        """Checks that an actor may give a command for an order now.

        The permission counts in the organisation that ordered and in the one it is for; whoever operates
        the provider may do everything, and is the only one who may if no permission is named.

        Raises:
            Refusal: NOT_PERMITTED.
        """
        wanted = tuple(permissions)
        async with self._reading() as session:
            for organisation in dict.fromkeys((parties.partner, parties.customer)):
                for permission in wanted:
                    if await directory.may(session, actor, organisation, permission):
                        return
            if await directory.may(session, actor, parties.provider, Permission.OPERATE):
                return
        at_parties = (
            f"{' or '.join(wanted)} at {parties.partner} or {parties.customer}, or " if wanted else ""
        )
        raise Refusal(
            Code.NOT_PERMITTED,
            f"actor: {actor} may not {what}; it takes {at_parties}operate at {parties.provider}",
        )

    async def _has_ended(self, process: str) -> Refusal:
        """What to answer for a process that takes no commands any more, or never did."""
        try:
            view = await self._view(process)
        except Refusal as refusal:
            return refusal
        how = f"it is {view.state}" if view.ended else "its run was ended from outside"
        return Refusal(Code.PROCESS_ENDED, f"{process}: {how}")

    async def _lines(self, order: str) -> tuple[SubmittedLine, ...]:
        """The lines an order was accepted with, from the memo of its run; none if nobody knows the order.

        Raises:
            Refusal: UNAVAILABLE.
        """
        process = wire.order_id(order)
        try:
            with temporal_errors(f"{process}: its description"):
                described = await self.client.get_workflow_handle(process).describe()
        except NotRunning:
            return await self._projected_lines(order)
        memo = (await described.memo()).get("lines")
        if memo is None:
            return await self._projected_lines(order)
        return tuple(SubmittedLine.model_validate(each) for each in memo)

    async def _is_projected(self, order: str) -> bool:
        """Whether the projection knows an order, ended or not."""
        async with self._reading() as session:
            return bool(await processes.list_processes(session, order=order, kind=ProcessKind.ORDER, limit=1))

    async def _projected_lines(self, order: str) -> tuple[SubmittedLine, ...]:
        """The lines of an order that Temporal has forgotten, or that was started there by hand."""
        async with self._reading() as session:
            entries = await processes.list_processes(session, order=order, kind=ProcessKind.ORDER_LINE)
        lines = [
            SubmittedLine(
                number=view.line or 0, process=process, offer=view.offer or "", definition=view.definition
            )
            for process, view in ((entry.id, entry.view) for entry in entries)
        ]
        return tuple(sorted(lines, key=lambda line: line.number))
