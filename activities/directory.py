"""Asking the directory who may act, and who somebody is (SPEC 4.3, 4.4)."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession
from temporalio import activity

from domain import wire
from domain.lookups import Authorise, FoundOrganisation, LookedUp, LookUp
from domain.organisations import Permission
from storage import directory
from storage.database import Database


class Directory:
    """Answers questions of processes; it only reads.

    Args:
        database: Where organisations, people and their roles are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    @activity.defn(name=wire.LOOK_UP)
    async def look_up(self, question: LookUp) -> LookedUp:
        """Answers what is asked, from the directory as it is now."""
        async with self._database.reading() as session:
            return await _answer(session, question)


async def _answer(session: AsyncSession, question: LookUp) -> LookedUp:
    parties = question.parties
    found = LookedUp()
    if question.authorise is not None:
        found = found.model_copy(update={"authorised": await is_entitled(session, question.authorise)})
    if question.person is not None:
        person = await directory.active_person(session, question.person)
        may = await directory.may_approve(session, question.person, parties)
        found = found.model_copy(update={"person": person, "person_may_approve": may})
    if question.operator is not None:
        may = await directory.may(session, question.operator, parties.provider, Permission.OPERATE)
        found = found.model_copy(update={"is_operator": may})
    if question.roster is not None:
        roster = await directory.approvers(session, question.roster, parties)
        found = found.model_copy(update={"roster": roster})
    if question.organisations:
        organisations = await directory.organisations(session, question.organisations)
        there = {each.key: FoundOrganisation(kind=each.kind, name=each.name) for each in organisations}
        found = found.model_copy(update={"organisations": there})
    return found


async def is_entitled(session: AsyncSession, wish: Authorise) -> bool:
    """Whether somebody still may decide: by the stage's own approvers, and their delegate as well."""
    entitled = {each.key for each in await directory.approvers(session, wish.approvers, wish.parties)}
    if wish.actor not in entitled:
        return False
    return wish.delegate is None or await directory.may_approve(session, wish.delegate, wish.parties)
