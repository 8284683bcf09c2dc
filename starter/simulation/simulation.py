"""Simulating a request: everything from the definition to the story of what became of it."""

from __future__ import annotations

import logging
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import structlog

from domain import wire
from domain.decisions import ApprovalStatus
from domain.definition_checks import findings
from domain.definitions import ApprovalDefinition
from domain.errors import Code, Refusal
from domain.mail import ASKED
from domain.orders import OrderLine
from domain.organisations import Directory
from domain.request_data import request_data
from starter.gateway import utc_now
from starter.simulation.commands import PROCESS
from starter.simulation.play import Play
from starter.simulation.record import Record
from starter.simulation.request import Request, place
from starter.simulation.script import Step, in_words
from starter.simulation.site import Site, site
from starter.simulation.story import SaidOfDefinition, SimulatedMail, Simulation
from starter.simulation.surroundings import bring_in
from storage import definitions, mails
from storage.database import Database
from storage.tables import MailStatus

_ALL_MAILS = 100_000


@dataclass(frozen=True, slots=True)
class Plan:
    """What is simulated.

    Attributes:
        definition: Published or not.
        request: What is requested.
        script: Who does what; if nobody does anything, time alone decides.
        directory: The people; those of the installation if left out.
    """

    definition: ApprovalDefinition
    request: Request = field(default_factory=Request)
    script: Sequence[Step] = ()
    directory: Directory | None = None


async def simulate(plan: Plan, installation: Database) -> Simulation:
    """Runs a simulation on a stack of its own.

    Args:
        plan: What is simulated.
        installation: Lends its people and offers if it is there; nothing is written to it.

    Raises:
        Refusal: INVALID_INPUT naming the field; UNAVAILABLE if the stack does not start or go on.
    """
    with tempfile.TemporaryDirectory(prefix="countersign-simulation-") as folder, _quiet():
        database = Database(f"sqlite:///{folder}/simulation.db")
        try:
            await database.migrate()
            return await _simulate(plan, installation, database, Path(folder))
        except TimeoutError:
            raise Refusal(Code.UNAVAILABLE, "simulation: its stack does not go on") from None
        except (FileNotFoundError, RuntimeError) as error:
            raise Refusal(Code.UNAVAILABLE, f"simulation: {error}") from None
        finally:
            await database.dispose()


async def _simulate(plan: Plan, installation: Database, database: Database, folder: Path) -> Simulation:
    at = utc_now()
    async with database.session() as session:
        around = await bring_in(session, installation, plan.directory, at)
        line = await place(session, plan.request, plan.definition, around.offers, at)
        seats = await definitions.most_seats(session, plan.definition)
        said = findings(plan.definition, await definitions.people(session), seats)
    async with site(folder, database) as stack:
        await _start(stack, line)
        play = Play(stack, plan.script)
        view = await play.to_the_end()
        record, ended_at, reason = play.record, play.record.latest, play.record.steps[-1].reason
        undone = await play.try_the_rest()
    return Simulation(
        definition=plan.definition.reference,
        title=plan.definition.title,
        directory=around.directory,
        findings=tuple(
            SaidOfDefinition(path=each.path, severity=each.severity, message=each.message) for each in said
        ),
        request=request_data(line.context, line.line),
        started_at=record.started_at,
        steps=tuple(record.steps),
        mails=await _mails(database, record),
        # Without a stage that applies there is nobody to ask.
        outcome=view.approval.status if view.approval else ApprovalStatus.APPROVED,
        state=view.state,
        ended_at=ended_at,
        reason=reason,
        days=round(record.since_start(ended_at) / timedelta(days=1), 3),
        undone=tuple(in_words(step) for step in undone),
    )


async def _start(stack: Site, line: OrderLine) -> None:
    await stack.client.start_workflow(wire.ORDER_LINE, line, id=PROCESS, task_queue=wire.TASK_QUEUE)


async def _mails(database: Database, record: Record) -> tuple[SimulatedMail, ...]:
    """What waits in the outbox, in the order in which it was written."""
    async with database.reading() as session:
        outbox = await mails.list_mails(session, process=PROCESS, limit=_ALL_MAILS)
    return tuple(
        SimulatedMail(
            after=record.since_start(mail.at),
            at=mail.at,
            seq=mail.seq,
            template=mail.template,
            person=mail.person,
            name=mail.name,
            recipient=mail.recipient,
            collected=mail.status is MailStatus.COLLECTING,
            asks=mail.why in ASKED.get(mail.template, ()),
        )
        for mail in sorted(outbox, key=lambda each: (each.seq, each.template, each.person))
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the worker in this process from logging to where the answer goes."""
    before = structlog.get_config()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    try:
        yield
    finally:
        structlog.configure(**before)
