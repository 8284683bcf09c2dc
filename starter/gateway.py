"""The way in: updates to processes and transactions on the database, with typed refusals out of both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import TypeVar
from uuid import uuid4

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession
from temporalio.client import Client

from domain import wire
from domain.base import Message
from domain.definitions import content_hash
from domain.errors import Code, Refusal
from domain.links import LinkSigner
from domain.organisations import Permission
from domain.provisioning import IdempotencyKey
from domain.transitions import ProcessKind, ProcessView
from starter.faults import NotRunning, database_errors, temporal_errors
from starter.files import validated
from storage import audit, directory, processes
from storage.audit import RefusedCommand
from storage.database import Database

PATIENCE_S = 30.0
"""How long a caller waits for the answer to a command, in seconds; the command itself is not lost by it."""

NO_VERDICT = frozenset({Code.UNAVAILABLE, Code.LINES_STARTED})
"""Nobody has judged the command yet: it was not heard, or goes on to the lines of the order."""

T = TypeVar("T")


class Asked(Message):
    """Whose command it was, of one that nobody read any further."""

    actor: str


class _Keyed(Message):
    request_id: IdempotencyKey


def read_key(request_id: str) -> str:
    """A caller's idempotency key.

    Raises:
        Refusal: INVALID_INPUT.
    """
    return validated(_Keyed, {"request_id": request_id}).request_id


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
        """Sends an update and returns its answer; sent again with the same request id, it counts once.

        Another command under that id is never answered with what the first one came to.

        Raises:
            Refusal: What the process answered, INVALID_INPUT for a request id that is none, or UNAVAILABLE.
            NotRunning: There is no such run any more.
        """
        same = (
            f"{name}/{read_key(request_id)}/{content_hash(command)[:16]}" if request_id is not None else None
        )
        return await self._update_as(process, name, command, answer, same)

    async def _update_as(
        self, process: str, name: str, command: BaseModel, answer: type[T], update_id: str | None
    ) -> T:
        """Sends an update under an id, or one that is not sent again; see `_update`."""
        handle = self.client.get_workflow_handle(process)
        try:
            with temporal_errors(f"{process}: the answer to {name}"):
                async with asyncio.timeout(PATIENCE_S):
                    answered: T = await handle.execute_update(
                        name, command, id=update_id or uuid4().hex, result_type=answer
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
        self, actor: str, view: ProcessView, permissions: Iterable[Permission], name: str, what: str
    ) -> None:
        """Checks that an actor may give a command for an order now.

        The permission counts in the organisation that ordered and in the one it is for; whoever operates
        the provider may do everything, and is the only one who may if no permission is named.

        Args:
            actor: Who gives it.
            view: The order, or a line of it.
            permissions: One of these is needed.
            name: The command's wire name.
            what: The command in words.

        Raises:
            Refusal: NOT_PERMITTED.
        """
        wanted, parties = tuple(permissions), view.parties
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
        refusal = Refusal(
            Code.NOT_PERMITTED,
            f"actor: {actor} may not {what}; it takes {at_parties}operate at {parties.provider}",
        )
        raise await self._refused(wire.order_id(view.order), name, Asked(actor=actor), refusal)

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
