"""What uses which version of an approval definition, and what becomes of those nobody uses (SPEC 4.6)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, desc, distinct, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from domain.decisions import ApprovalStatus, Verdict
from domain.definitions import ApprovalDefinition, Purpose
from domain.errors import Code, Refusal
from domain.organisations import roles_with
from storage import catalogue
from storage.requests import open_requests
from storage.tables import (
    ApprovalRow,
    ApprovalSeatRow,
    DefinitionVersionRow,
    GrantRow,
    OrganisationRow,
    PersonRow,
    ProcessRow,
    RemovedDefinitionRow,
)

AT_ONCE = 500
"""Processes that one query asks for."""


@dataclass(frozen=True, slots=True)
class NamedBy:
    """An offer that names a definition, and what for."""

    offer: str
    purpose: Purpose


@dataclass(frozen=True, slots=True)
class Usage:
    """What uses one version of a definition.

    Attributes:
        published_at: None for what was removed before anybody wrote that down; the same goes for who did it.
        published_by: A person's key, or who did it in a person's place.
        retired_by: Likewise.
        removed_at: Since when it is gone, as nobody used it any more.
        is_current: Whether new requests take it.
        processes: Open processes that started with it or were moved to it, and orders whose lines will.
        offers: Whose new requests take it; none unless it is current.
    """

    reference: str
    published_at: datetime | None
    published_by: str | None
    published_reason: str | None
    retired_at: datetime | None
    retired_by: str | None
    retired_reason: str | None
    removed_at: datetime | None
    is_current: bool
    processes: tuple[str, ...]
    offers: tuple[NamedBy, ...]


@dataclass(frozen=True, slots=True)
class CastVote:
    """A vote as the projection has it."""

    stage: str
    round: int
    person: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the approval of an open process has come.

    Attributes:
        definition: The version it runs on now.
        stage: The stage that was opened last; None before the first.
        is_pending: Whether it can still be decided.
    """

    process: str
    definition: str | None
    stage: str | None
    is_pending: bool
    votes: tuple[CastVote, ...]


async def usage(
    session: AsyncSession, name: str | None = None, version: int | None = None
) -> tuple[Usage, ...]:
    """What uses the versions of definitions, newest first under each name; removed ones are among them.

    Args:
        session: Where to look.
        name: Only those of this name.
        version: Only this one.
    """
    current = await _current(session)
    processes = await _open_processes(session)
    offers = await _named_by(session)
    found: list[DefinitionVersionRow | RemovedDefinitionRow] = []
    for table in (DefinitionVersionRow, RemovedDefinitionRow):
        query = select(table)
        if name is not None:
            query = query.where(col(table.name) == name)
        if version is not None:
            query = query.where(col(table.version) == version)
        found += await session.scalars(query)
    return tuple(
        Usage(
            reference=f"{row.name}@{row.version}",
            published_at=row.published_at,
            published_by=row.published_by,
            published_reason=row.published_reason,
            retired_at=row.retired_at,
            retired_by=row.retired_by,
            retired_reason=row.retired_reason,
            removed_at=row.removed_at if isinstance(row, RemovedDefinitionRow) else None,
            is_current=current.get(row.name) == row.version,
            processes=tuple(processes.get(f"{row.name}@{row.version}", ())),
            offers=tuple(offers.get(row.name, ())) if current.get(row.name) == row.version else (),
        )
        for row in sorted(found, key=lambda row: (row.name, -row.version))
    )


async def find(session: AsyncSession, name: str, version: int) -> catalogue.Version:
    """One published version of a definition.

    Raises:
        Refusal: NOT_FOUND.
    """
    for each in await catalogue.list_versions(session, ApprovalDefinition, name):
        if each.version == version:
            return each
    raise Refusal(Code.NOT_FOUND, f"definition: there is no {name}@{version}")


async def retire(
    session: AsyncSession,
    name: str,
    version: int,
    at: datetime,
    *,
    by: str | None = None,
    reason: str | None = None,
) -> datetime:
    """Lets no new request take a version any more; open requests keep it (SPEC D8).

    Returns:
        Since when it is retired; done again, that time stays, and so do who did it and why.

    Raises:
        Refusal: NOT_FOUND, or IN_USE naming the offers that would be left without a definition.
    """
    rows = await session.scalars(
        select(DefinitionVersionRow).where(col(DefinitionVersionRow.name) == name).with_for_update()
    )
    versions = {row.version: row for row in rows}
    if version not in versions:
        raise Refusal(Code.NOT_FOUND, f"definition: there is no {name}@{version}")
    row = versions.pop(version)
    if row.retired_at is not None:
        return row.retired_at
    offers = (await _named_by(session)).get(name, [])
    if offers and all(other.retired_at is not None for other in versions.values()):
        named = ", ".join(each.offer for each in offers)
        raise Refusal(
            Code.IN_USE,
            f"definition: {name}@{version} is the only one left for new requests of {named}",
        )
    row.retired_at, row.retired_by, row.retired_reason = at, by, reason
    return at


async def remove_unused(session: AsyncSession, idle_since: datetime, at: datetime) -> tuple[str, ...]:
    """Removes versions that no new request takes and no open process uses (SPEC 4.6).

    Args:
        session: The transaction.
        idle_since: Only those that were retired or superseded before.
        at: The time of removal.

    Returns:
        What was removed, as `name@version`.
    """
    current = await _current(session)
    in_use = await _open_processes(session)
    rows = (await session.scalars(select(DefinitionVersionRow).with_for_update())).all()
    removed = [
        row
        for row in rows
        if current.get(row.name) != row.version
        and row.body.reference not in in_use
        and _idle(row, rows) < idle_since
    ]
    session.add_all(
        RemovedDefinitionRow(**row.model_dump(exclude={"body"}), removed_at=at) for row in removed
    )
    keys = [(row.name, row.version) for row in removed]
    identity = tuple_(col(DefinitionVersionRow.name), col(DefinitionVersionRow.version))
    await session.execute(delete(DefinitionVersionRow).where(identity.in_(keys)))
    return tuple(sorted(row.body.reference for row in removed))


async def standings(session: AsyncSession, processes: Sequence[str]) -> dict[str, Standing]:
    """How far the approvals of these processes have come, as far as the projection knows them."""
    found: dict[str, Standing] = {}
    for start in range(0, len(processes), AT_ONCE):
        found |= await _standings(session, processes[start : start + AT_ONCE])
    return found


async def _standings(session: AsyncSession, processes: Sequence[str]) -> dict[str, Standing]:
    votes: dict[str, list[CastVote]] = {}
    seats = await session.scalars(
        select(ApprovalSeatRow)
        .where(col(ApprovalSeatRow.process).in_(processes), col(ApprovalSeatRow.verdict).is_not(None))
        .order_by(col(ApprovalSeatRow.decided_at), col(ApprovalSeatRow.person))
    )
    for seat in seats:
        assert seat.verdict is not None
        cast = CastVote(seat.stage, seat.round, seat.person, seat.verdict)
        votes.setdefault(seat.process, []).append(cast)
    stages = await session.scalars(
        select(ApprovalRow).where(col(ApprovalRow.process).in_(processes)).order_by(col(ApprovalRow.seq))
    )
    newest = {stage.process: stage for stage in stages}
    rows = await session.scalars(select(ProcessRow).where(col(ProcessRow.id).in_(processes)))
    return {row.id: _standing(row, newest.get(row.id), votes.get(row.id, ())) for row in rows}


def _standing(row: ProcessRow, stage: ApprovalRow | None, votes: Iterable[CastVote]) -> Standing:
    approval = row.view.approval
    return Standing(
        process=row.id,
        definition=row.view.definition,
        stage=stage.stage if stage else None,
        is_pending=not row.ended and (approval is None or approval.status is ApprovalStatus.PENDING),
        votes=tuple(votes),
    )


async def people(session: AsyncSession) -> dict[str, bool]:
    """Everybody in the directory by key, and whether they are still there."""
    rows = await session.execute(select(col(PersonRow.key), col(PersonRow.active)))
    return {row.key: row.active for row in rows}


async def most_seats(session: AsyncSession, definition: ApprovalDefinition) -> dict[str, int]:
    """How many people each stage with a quorum could ask at most, by its name: at the party that has most."""
    found = {}
    for stage in definition.stages:
        if stage.quorum is None:
            continue
        asked = stage.asks
        roles = roles_with(asked.permission) if asked.permission else frozenset()
        roles |= {asked.role} if asked.role else set()
        most = await session.scalar(
            select(func.count(distinct(col(GrantRow.person))).label("people"))
            .join(OrganisationRow, col(OrganisationRow.key) == col(GrantRow.organisation))
            .join(PersonRow, col(PersonRow.key) == col(GrantRow.person))
            .where(
                col(OrganisationRow.kind) == asked.party,
                col(PersonRow.active),
                col(GrantRow.role).in_(roles),
                col(GrantRow.person).not_in(asked.people),
            )
            .group_by(col(GrantRow.organisation))
            .order_by(desc("people"))
            .limit(1)
        )
        found[stage.name] = len(set(asked.people)) + (most or 0)
    return found


async def _current(session: AsyncSession) -> dict[str, int]:
    """The version of each definition that new requests take."""
    rows = await session.execute(
        select(col(DefinitionVersionRow.name), col(DefinitionVersionRow.version))
        .where(col(DefinitionVersionRow.retired_at).is_(None))
        .order_by(col(DefinitionVersionRow.version))
    )
    return {row.name: row.version for row in rows}


async def _open_processes(session: AsyncSession) -> dict[str, list[str]]:
    """Open processes by the definition they, or lines of theirs, run on or will run on."""
    found: dict[str, dict[str, None]] = {}
    for each in await open_requests(session):
        found.setdefault(each.definition, {})[each.process] = None
    return {reference: sorted(processes) for reference, processes in found.items()}


async def _named_by(session: AsyncSession) -> dict[str, list[NamedBy]]:
    """The current offers that name each definition."""
    found: dict[str, list[NamedBy]] = {}
    for offer, _ in (await catalogue.current_offers(session)).values():
        for purpose, name in offer.definitions.items():
            found.setdefault(name, []).append(NamedBy(offer.reference, purpose))
    return found


def _idle(row: DefinitionVersionRow, rows: Iterable[DefinitionVersionRow]) -> datetime:
    """Since when at the latest no new request has taken a version that is not current."""
    if row.retired_at is not None:
        return row.retired_at
    # One that was retired since may have given its place back for a while.
    return min(
        each.published_at
        for each in rows
        if each.name == row.name and each.version > row.version and each.retired_at is None
    )
