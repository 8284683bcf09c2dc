"""Announcements: writes what a process says of itself, and to whom it has something to say (SPEC D6)."""

from __future__ import annotations

import structlog
from sqlalchemy.ext.asyncio import AsyncSession
from temporalio import activity

from activities.directory import is_entitled
from domain import wire
from domain.decisions import Approver
from domain.errors import Code
from domain.lookups import Authorise
from domain.mail import Template, Why
from domain.transitions import Announced, Announcement, SeatRoster, Transition
from domain.views import people_asked, seated
from storage import audit, directory, inventory, mails, projection
from storage.database import Database
from storage.recipients import recipients
from storage.stages import Stages

log = structlog.get_logger(__name__)


class Notices:
    """Takes announcements.

    Args:
        database: Where projection, audit, inventory and outbox are; all of it in one transaction.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    @activity.defn(name=wire.ANNOUNCE)
    async def announce(self, announcement: Announcement) -> Announced:
        """Writes the transitions in order and answers what the process wants to know.

        Hearing an announcement again, late or out of order changes nothing, and the first answer stands.
        If the actor of the last transition may not decide any more, that transition is written as refused
        and nothing follows from it; what was noted before it stands.
        """
        async with self._database.session() as session:
            announced, queued = await _write(session, announcement)
        last = announcement.transitions[-1]
        log.info(
            "announced",
            process=last.process,
            seq=last.seq,
            action=last.action,
            state=last.to_state,
            authorised=announced.authorised,
            mails=queued,
        )
        return announced


async def _write(session: AsyncSession, announcement: Announcement) -> tuple[Announced, int]:
    """Writes everything; returns the answer and how many mails were queued."""
    steps, wish = announcement.transitions, announcement.authorise
    if wish is not None and not await _may_decide(session, wish, steps[-1]):
        _, queued = await _tell(session, steps[:-1], None)
        await audit.record(session, [_refused(steps[-1])])
        return Announced(authorised=False), queued
    roster, queued = await _tell(session, steps, announcement.seat)
    return Announced(roster=roster), queued


async def _may_decide(session: AsyncSession, wish: Authorise, decision: Transition) -> bool:
    """Whether the actor may decide now, or the answer given before (SPEC 4.3)."""
    before = await projection.answer_before(session, decision.process, decision.seq)
    if before is not None:
        return before
    return await is_entitled(session, wish)


def _refused(decision: Transition) -> Transition:
    said = {"reason": decision.reason} if decision.reason else {}
    return decision.model_copy(
        update={
            "accepted": False,
            "code": Code.NOT_PERMITTED,
            "to_state": decision.from_state,
            "reason": f"actor: {decision.actor} may no longer decide it",
            "data": decision.data | said,
        }
    )


async def _tell(
    session: AsyncSession, steps: tuple[Transition, ...], seat: SeatRoster | None
) -> tuple[tuple[Approver, ...] | None, int]:
    """Writes transitions and what follows from the new ones; returns the roster, if asked, and the mails."""
    if not steps:
        return None, 0
    view = await projection.advance(session, steps)
    stages = await Stages.of(session, steps[-1].process)
    roster = await _seated(session, seat, stages.roster(steps[-1].view.approval)) if seat else None
    if roster is not None:
        steps = (*steps[:-1], _asking(steps[-1], roster))
    new = await audit.record(session, steps)
    if roster is not None:
        await projection.show(session, steps[-1], seated(steps[-1].view, roster))
    if new:
        await stages.update(view, new, roster)
    queued = 0
    for step in new:
        await _change_inventory(session, step)
        if step.view.ended or any(notice.awaited for notice in step.notices):
            await mails.outdate_awaited(session, step.process, step.seq, step.at)
        queued += await _queue_mails(session, step, roster)
    return roster, queued


async def _seated(
    session: AsyncSession, seat: SeatRoster, recorded: tuple[Approver, ...] | None
) -> tuple[Approver, ...]:
    """The roster of the stage that opens: the recorded one, or the directory's answer now."""
    if recorded is not None:
        return recorded
    entitled = await directory.approvers(session, seat.approvers, seat.parties)
    return tuple(approver for approver in entitled if approver.key not in seat.excluding)


def _asking(opening: Transition, roster: tuple[Approver, ...]) -> Transition:
    """The opening of a stage as the audit has it: with those who are asked (SPEC 4.3)."""
    return opening.model_copy(update={"data": opening.data | people_asked(each.key for each in roster)})


async def _change_inventory(session: AsyncSession, step: Transition) -> None:
    for each in step.organisations:
        await directory.create_organisation(session, each.key, each.kind, each.organisation, each.partner)
    await inventory.record_services(session, step.services, step.process, step.seq, step.at)
    if step.release_claim and step.view.domain is not None:
        await inventory.release_claim(session, step.view.domain, step.view.parties.customer)


async def _queue_mails(session: AsyncSession, step: Transition, resolved: tuple[Approver, ...] | None) -> int:
    if not step.notices:
        return 0
    stage = step.view.approval
    roster = stage.roster if stage is not None and stage.roster is not None else resolved or ()
    letters = []
    told: set[tuple[str, Template]] = set()
    for notice in step.notices:
        readers = await recipients(
            session,
            notice.audience,
            notice.template,
            parties=step.view.parties,
            roster=roster,
            requester=step.view.requested_by,
        )
        # A step may tell several people the same; whoever only reads along needs to read it once.
        wanted = [
            each
            for each in readers
            if each.why is not Why.WORKFLOW_MAILS or (each.key, notice.template) not in told
        ]
        told |= {(each.key, notice.template) for each in wanted}
        letters.append((notice, wanted))
    return await mails.queue(session, step, letters)
