"""Who there is, what they may do, and who is meant by a stage's approvers."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import BindParameter, ColumnElement, Select, bindparam, delete, exists, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from domain.decisions import Approver
from domain.definitions import Approvers
from domain.errors import Code, Refusal
from domain.mail import parse_address
from domain.mapping import NewOrganisation
from domain.notifications import NotificationChoice
from domain.organisations import (
    Directory,
    Grant,
    Organisation,
    OrganisationKind,
    Parties,
    Permission,
    Person,
    Role,
    roles_with,
)
from storage import matching, notifications
from storage.statements import dialect, insert
from storage.tables import GrantRow, OrganisationRow, PersonRow

_BATCH = 500

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Changes:
    """What loading a directory changed, as keys."""

    organisations: tuple[str, ...]
    people: tuple[str, ...]


# Loading


async def load_directory(session: AsyncSession, directory: Directory) -> Changes:
    """Makes the directory say what the file says; loading it again changes nothing.

    Organisations and people the file does not mention are left alone; the grants of those it mentions
    become exactly the ones it lists, and so do the notifications of those for whom it lists any.

    Raises:
        Refusal: INVALID_INPUT, if an address is none, if an organisation is named that does not exist, if
            somebody but a customer has a partner, or if somebody chooses notifications they never get.
    """
    people = {person.key: _with_parsed_address(person) for person in directory.people}
    await _check_references(session, directory)
    # A partner is written before the customers that refer to it.
    partners_first = sorted(directory.organisations, key=lambda each: each.partner is not None)
    organisations = {each.key: each for each in partners_first}
    return Changes(
        organisations=tuple(
            [key for some in _batches(organisations) for key in await _load_organisations(session, some)]
        ),
        people=tuple([key for some in _batches(people) for key in await _load_people(session, some)]),
    )


def _batches(wanted: dict[str, _T]) -> Iterator[list[_T]]:
    """What is looked up and written in one go: a statement takes only so many keys."""
    values = list(wanted.values())
    return (values[start : start + _BATCH] for start in range(0, len(values), _BATCH))


def _with_parsed_address(person: Person) -> Person:
    if person.email is None:
        return person
    address = parse_address(person.email, f"people.{person.key}.email")
    return person.model_copy(update={"email": address})


async def _check_references(session: AsyncSession, directory: Directory) -> None:
    rows = await session.execute(select(col(OrganisationRow.key), col(OrganisationRow.kind)))
    kinds = {key: kind for key, kind in rows}  # noqa: C416 - a Row is a tuple, but not to the type checker
    kinds |= {each.key: each.kind for each in directory.organisations}
    for organisation in directory.organisations:
        _check_partner(organisation, kinds.get(organisation.partner or ""))
    for person in directory.people:
        for grant in person.grants:
            if grant.organisation not in kinds:
                field = f"people.{person.key}.grants"
                raise Refusal(Code.INVALID_INPUT, f"{field}: there is no organisation {grant.organisation}")
        notifications.check(person)


def _check_partner(organisation: Organisation, kind: OrganisationKind | None) -> None:
    """Refuses a partner to whom no partner belongs, and one that is none; `kind` is what the named one is."""
    if organisation.partner is None:
        return
    field = f"organisations.{organisation.key}.partner"
    if organisation.kind is not OrganisationKind.CUSTOMER:
        raise Refusal(Code.INVALID_INPUT, f"{field}: only a customer has one, not a {organisation.kind}")
    if kind in {None, OrganisationKind.CUSTOMER}:
        raise Refusal(Code.INVALID_INPUT, f"{field}: {organisation.partner} is neither partner nor provider")


async def _load_organisations(session: AsyncSession, organisations: Sequence[Organisation]) -> list[str]:
    known = {each.key: each for each in await _find_organisations(session, [o.key for o in organisations])}
    changed = [each for each in organisations if known.get(each.key) != each]
    for each in changed:
        await _write(session, OrganisationRow(**dict(each)), exists=each.key in known)
    await session.flush()
    await matching.index_names(session, changed)
    return [each.key for each in changed]


async def _load_people(session: AsyncSession, people: Sequence[Person]) -> list[str]:
    known = await _find_people(session, [each.key for each in people])
    changed = [each for each in people if not _is_known(each, known.get(each.key))]
    for each in changed:
        address, domain = matching.person_keys(each.email)
        values = each.model_dump(exclude={"grants", "notifications"})
        row = PersonRow(**values, address=address, domain=domain)
        await _write(session, row, exists=each.key in known)
    await session.flush()
    keys = [each.key for each in changed]
    await session.execute(delete(GrantRow).where(col(GrantRow.person).in_(keys)))
    for each in changed:
        session.add_all(
            GrantRow(person=each.key, organisation=grant.organisation, role=grant.role)
            for grant in _sorted(each).grants
        )
        if each.notifications is not None:
            await notifications.replace(session, each.key, each.notifications)
    await session.flush()
    return keys


async def _write(session: AsyncSession, row: OrganisationRow | PersonRow, *, exists: bool) -> None:
    if exists:
        await session.merge(row)
    else:
        session.add(row)


def _is_known(wanted: Person, found: Person | None) -> bool:
    return found is not None and _sorted(wanted, found.notifications) == found


# Creating


async def create_organisation(
    session: AsyncSession,
    key: str,
    kind: OrganisationKind,
    new: NewOrganisation,
    partner: str | None = None,
) -> Organisation:
    """Creates an organisation that somebody describes; doing so again changes nothing.

    Args:
        session: The transaction.
        key: Made by the caller, the same one for the same request.
        kind: What it is.
        new: How it is described.
        partner: For a customer: the partner that orders on its behalf.

    Raises:
        Refusal: DUPLICATE if the key stands for another organisation, INVALID_INPUT if the partner is none.
    """
    wanted = Organisation(key=key, kind=kind, partner=partner, **dict(new))
    partner_row = await session.get(OrganisationRow, partner) if partner is not None else None
    _check_partner(wanted, partner_row.kind if partner_row else None)
    creating = insert(dialect(session), "organisation").values(**wanted.model_dump())
    created = await session.scalar(creating.on_conflict_do_nothing().returning(creating.table.c.key))
    if created is not None:
        await matching.index_names(session, [wanted])
    elif await organisation(session, key) != wanted:
        raise Refusal(Code.DUPLICATE, f"organisation: {key} is another one already")
    return wanted


# Looking up


async def person(session: AsyncSession, key: str) -> Person:
    """A person with all grants.

    Raises:
        Refusal: NOT_FOUND.
    """
    found = await _find_people(session, [key])
    if key not in found:
        raise Refusal(Code.NOT_FOUND, f"person: there is no {key}")
    return found[key]


async def organisation(session: AsyncSession, key: str) -> Organisation:
    """An organisation.

    Raises:
        Refusal: NOT_FOUND.
    """
    found = await _find_organisations(session, [key])
    if not found:
        raise Refusal(Code.NOT_FOUND, f"organisation: there is no {key}")
    return found[0]


async def organisations(session: AsyncSession, keys: Iterable[str]) -> tuple[Organisation, ...]:
    """Those of these organisations that exist."""
    wanted = list(dict.fromkeys(keys))
    found = {each.key: each for each in await _find_organisations(session, wanted)}
    return tuple(found[key] for key in wanted if key in found)


async def provider(session: AsyncSession) -> Organisation:
    """The organisation that runs Countersign.

    Raises:
        Refusal: NOT_FOUND if the directory names none.
    """
    key = await session.scalar(
        select(col(OrganisationRow.key))
        .where(col(OrganisationRow.kind) == OrganisationKind.PROVIDER)
        .order_by(col(OrganisationRow.key))
        .limit(1)
    )
    if key is None:
        raise Refusal(Code.NOT_FOUND, "organisation: the directory names no provider; load one first")
    return await organisation(session, key)


async def may(session: AsyncSession, person: str, organisation: str, permission: Permission) -> bool:
    """Whether a person, if still active, holds a permission in an organisation now."""
    found = await session.scalar(
        select(col(PersonRow.key)).where(
            col(PersonRow.key) == person, col(PersonRow.active), _holds(permission, [organisation])
        )
    )
    return found is not None


async def approvers(session: AsyncSession, approvers: Approvers, parties: Parties) -> tuple[Approver, ...]:
    """Who may decide a stage now, ordered by name (SPEC 4.1, 4.3).

    People that are named count if they may approve for any of the parties; a service principal, who has no
    address, counts because it is named. They are joined by the party's people with the wanted permission,
    and by those with the wanted role who may approve there.
    """
    rows = await session.execute(
        _entitled(approvers.permission, approvers.role),
        {
            "named": approvers.people,
            "everybody": sorted(parties.everybody),
            "party": [parties.organisation(approvers.party)],
        },
    )
    return tuple(Approver(key=key, name=name) for key, name in rows)


@cache
def _entitled(permission: Permission | None, role: Role | None) -> Select[str, str]:
    """Whoever is among the named, or has a permission or a role; built once, as every vote asks."""
    named = _several("named")
    everybody, party = _several("everybody"), _several("party")
    is_principal = col(PersonRow.email).is_(None)
    meant = col(PersonRow.key).in_(named) & (is_principal | _holds(Permission.APPROVE, everybody))
    if permission is not None:
        meant |= _holds(permission, party)
    if role is not None:
        meant |= _has_role([role], party) & _holds(Permission.APPROVE, party)
    return (
        select(col(PersonRow.key), col(PersonRow.name))
        .where(col(PersonRow.active), meant)
        .order_by(col(PersonRow.name), col(PersonRow.key))
    )


async def active_person(session: AsyncSession, key: str) -> Approver | None:
    """Somebody who could be asked; None if there is nobody of that key, or no longer."""
    found = (
        await session.execute(
            select(col(PersonRow.key), col(PersonRow.name)).where(
                col(PersonRow.key) == key, col(PersonRow.active)
            )
        )
    ).one_or_none()
    return Approver(key=found.key, name=found.name) if found else None


async def may_approve(session: AsyncSession, person: str, parties: Parties) -> bool:
    """Whether somebody may approve for any of the parties, as people do who are asked by name."""
    return bool(await approvers(session, Approvers(people=(person,)), parties))


# What stands behind

_Organisations = list[str] | BindParameter[Any]


def _several(name: str) -> BindParameter[Any]:
    """Keys that are given when the statement is executed."""
    return bindparam(name, expanding=True)


def _holds(permission: Permission, organisations: _Organisations) -> ColumnElement[bool]:
    return _has_role(roles_with(permission), organisations)


def _has_role(roles: Iterable[Role], organisations: _Organisations) -> ColumnElement[bool]:
    return exists().where(
        col(GrantRow.person) == col(PersonRow.key),
        col(GrantRow.organisation).in_(organisations),
        col(GrantRow.role).in_(sorted(roles)),
    )


def _sorted(person: Person, chosen: tuple[NotificationChoice, ...] | None = None) -> Person:
    """The person as found in the database; `chosen` stands for what the file does not say."""
    grants = sorted(set(person.grants), key=lambda grant: (grant.organisation, grant.role))
    wanted = chosen if person.notifications is None else person.notifications
    choices = sorted(wanted or (), key=lambda each: (each.organisation, each.group))
    return person.model_copy(update={"grants": tuple(grants), "notifications": tuple(choices) or None})


async def _find_people(session: AsyncSession, keys: Collection[str]) -> dict[str, Person]:
    """Those of these people that exist, by key."""
    rows = await session.scalars(select(PersonRow).where(col(PersonRow.key).in_(keys)))
    grants: dict[str, list[Grant]] = {}
    for grant in await session.scalars(select(GrantRow).where(col(GrantRow.person).in_(keys))):
        grants.setdefault(grant.person, []).append(Grant(organisation=grant.organisation, role=grant.role))
    chosen = await notifications.chosen(session, keys)
    return {
        row.key: _sorted(
            Person(
                key=row.key,
                name=row.name,
                email=row.email,
                language=row.language,
                active=row.active,
                approval_mails=row.approval_mails,
                notifications=chosen.get(row.key),
                grants=tuple(grants.get(row.key, ())),
            )
        )
        for row in rows
    }


async def _find_organisations(session: AsyncSession, keys: Collection[str]) -> list[Organisation]:
    rows = await session.scalars(select(OrganisationRow).where(col(OrganisationRow.key).in_(keys)))
    return [Organisation(**row.model_dump()) for row in rows]
