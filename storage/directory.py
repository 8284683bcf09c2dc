"""Who there is, what they may do, and who is meant by a stage's approvers or a notice's audience."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, delete, exists, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from domain.base import Language
from domain.decisions import Approver
from domain.definitions import Approvers
from domain.errors import Code, Refusal
from domain.mail import Why, parse_address
from domain.mapping import NewOrganisation
from domain.organisations import (
    ApprovalMails,
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
from domain.transitions import Audience
from storage import matching
from storage.statements import dialect, insert
from storage.tables import GrantRow, OrganisationRow, PersonRow


@dataclass(frozen=True, slots=True)
class Changes:
    """What loading a directory changed, as keys."""

    organisations: tuple[str, ...]
    people: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody who gets a mail, and why."""

    key: str
    name: str
    email: str
    language: Language
    why: Why
    approval_mails: ApprovalMails = ApprovalMails.AT_ONCE

    @property
    def action_links(self) -> bool:
        """Whether the mail may ask for anything; a Workflow_Mails address only reads along (SPEC 6.4)."""
        return self.why is not Why.WORKFLOW_MAILS


# Loading


async def load_directory(session: AsyncSession, directory: Directory) -> Changes:
    """Makes the directory say what the file says; loading it again changes nothing.

    Organisations and people the file does not mention are left alone; the grants of those it mentions
    become exactly the ones it lists.

    Raises:
        Refusal: INVALID_INPUT, if an address is none, if an organisation is named that does not exist, or if
            somebody but a customer has a partner.
    """
    people = [_with_parsed_address(person) for person in directory.people]
    await _check_references(session, directory)
    organisations = await _load_organisations(session, directory.organisations)
    return Changes(organisations=organisations, people=await _load_people(session, people))


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


def _check_partner(organisation: Organisation, kind: OrganisationKind | None) -> None:
    """Refuses a partner to whom no partner belongs, and one that is none; `kind` is what the named one is."""
    if organisation.partner is None:
        return
    field = f"organisations.{organisation.key}.partner"
    if organisation.kind is not OrganisationKind.CUSTOMER:
        raise Refusal(Code.INVALID_INPUT, f"{field}: only a customer has one, not a {organisation.kind}")
    if kind in {None, OrganisationKind.CUSTOMER}:
        raise Refusal(Code.INVALID_INPUT, f"{field}: {organisation.partner} is neither partner nor provider")


async def _load_organisations(
    session: AsyncSession, organisations: Iterable[Organisation]
) -> tuple[str, ...]:
    changed = []
    # A partner is written before the customers that refer to it.
    for organisation in sorted(organisations, key=lambda each: each.partner is not None):
        if await _find_organisation(session, organisation.key) != organisation:
            await session.merge(OrganisationRow(**dict(organisation)))
            await session.flush()
            await matching.index_name(session, organisation)
            changed.append(organisation.key)
    return tuple(changed)


async def _load_people(session: AsyncSession, people: Iterable[Person]) -> tuple[str, ...]:
    changed = []
    for wanted in people:
        if await _find_person(session, wanted.key) == _with_sorted_grants(wanted):
            continue
        address, domain = matching.person_keys(wanted.email)
        row = PersonRow(**wanted.model_dump(exclude={"grants"}), address=address, domain=domain)
        await session.merge(row)
        await session.execute(delete(GrantRow).where(col(GrantRow.person) == wanted.key))
        session.add_all(
            GrantRow(person=wanted.key, organisation=grant.organisation, role=grant.role)
            for grant in _with_sorted_grants(wanted).grants
        )
        await session.flush()
        changed.append(wanted.key)
    return tuple(changed)


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
        await matching.index_name(session, wanted)
    elif await organisation(session, key) != wanted:
        raise Refusal(Code.DUPLICATE, f"organisation: {key} is another one already")
    return wanted


# Looking up


async def person(session: AsyncSession, key: str) -> Person:
    """A person with all grants.

    Raises:
        Refusal: NOT_FOUND.
    """
    found = await _find_person(session, key)
    if found is None:
        raise Refusal(Code.NOT_FOUND, f"person: there is no {key}")
    return found


async def organisation(session: AsyncSession, key: str) -> Organisation:
    """An organisation.

    Raises:
        Refusal: NOT_FOUND.
    """
    found = await _find_organisation(session, key)
    if found is None:
        raise Refusal(Code.NOT_FOUND, f"organisation: there is no {key}")
    return found


async def organisations(session: AsyncSession, keys: Iterable[str]) -> tuple[Organisation, ...]:
    """Those of these organisations that exist."""
    found = [await _find_organisation(session, key) for key in dict.fromkeys(keys)]
    return tuple(each for each in found if each is not None)


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
    party = [parties.organisation(approvers.party)]
    everybody = list({parties.provider, parties.partner, parties.customer})
    is_named = col(PersonRow.key).in_(approvers.people)
    is_principal = col(PersonRow.email).is_(None)
    meant = is_named & (is_principal | _holds(Permission.APPROVE, everybody))
    if approvers.permission is not None:
        meant |= _holds(approvers.permission, party)
    if approvers.role is not None:
        meant |= _has_role([approvers.role], party) & _holds(Permission.APPROVE, party)
    rows = await session.execute(
        select(col(PersonRow.key), col(PersonRow.name))
        .where(col(PersonRow.active), meant)
        .order_by(col(PersonRow.name), col(PersonRow.key))
    )
    return tuple(Approver(key=key, name=name) for key, name in rows)


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


async def recipients(
    session: AsyncSession,
    audience: Audience,
    roster: Iterable[Approver] = (),
    requester: str | None = None,
) -> tuple[Recipient, ...]:
    """The people of an audience who can be mailed, each once, ordered by key.

    Args:
        session: Where to look.
        audience: Who is meant.
        roster: The seats of the open stage. Who has one is mailed as approver, however reached.
        requester: Whose request it is, if known; other people named without a seat are only involved.
    """
    seated = {seat.key for seat in roster}
    named = {*audience.people, *(seated if audience.roster else ())}
    notified = roles_with(audience.permission) if audience.permission else frozenset()
    wanted = notified | ({Role.WORKFLOW_MAILS} if audience.workflow_mails else set())
    meant_by_role = col(GrantRow.organisation).in_(audience.organisations) & col(GrantRow.role).in_(wanted)
    rows = await session.execute(
        select(PersonRow, col(GrantRow.role))
        .outerjoin(GrantRow, (col(GrantRow.person) == col(PersonRow.key)) & meant_by_role)
        .where(
            col(PersonRow.active),
            col(PersonRow.email).is_not(None),
            col(PersonRow.key).not_in(audience.excluding),
            col(PersonRow.key).in_(named) | col(GrantRow.role).is_not(None),
        )
    )
    reached: dict[str, Recipient] = {}
    for row, role in rows:
        if row.key in seated:
            why = Why.APPROVER
        elif row.key in named:
            why = Why.REQUESTER if requester in {None, row.key} else Why.INVOLVED
        else:
            why = Why.NOTIFY if role in notified else Why.WORKFLOW_MAILS
        if row.key not in reached or why is Why.NOTIFY:
            reached[row.key] = _recipient(row, why)
    return (*_outsiders(audience), *(reached[key] for key in sorted(reached)))


# What stands behind


def _holds(permission: Permission, organisations: list[str]) -> ColumnElement[bool]:
    return _has_role(roles_with(permission), organisations)


def _has_role(roles: Iterable[Role], organisations: list[str]) -> ColumnElement[bool]:
    return exists().where(
        col(GrantRow.person) == col(PersonRow.key),
        col(GrantRow.organisation).in_(organisations),
        col(GrantRow.role).in_(sorted(roles)),
    )


def _outsiders(audience: Audience) -> Iterable[Recipient]:
    """The address outside the directory, if one is meant; its mail's key cannot be a person's."""
    contact = audience.contact
    if contact is not None:
        yield Recipient(
            key=f"({audience.contact_is})",
            name=contact.name or contact.email,
            email=contact.email,
            language=contact.language,
            why=audience.contact_is,
        )


def _recipient(row: PersonRow, why: Why) -> Recipient:
    return Recipient(
        key=row.key,
        name=row.name,
        email=row.email or "",
        language=row.language,
        why=why,
        approval_mails=row.approval_mails,
    )


def _with_sorted_grants(person: Person) -> Person:
    grants = sorted(set(person.grants), key=lambda grant: (grant.organisation, grant.role))
    return person.model_copy(update={"grants": tuple(grants)})


async def _find_person(session: AsyncSession, key: str) -> Person | None:
    row = await session.get(PersonRow, key)
    if row is None:
        return None
    grants = await session.scalars(select(GrantRow).where(col(GrantRow.person) == key))
    found = Person(
        key=row.key,
        name=row.name,
        email=row.email,
        language=row.language,
        active=row.active,
        approval_mails=row.approval_mails,
        grants=tuple(Grant(organisation=grant.organisation, role=grant.role) for grant in grants),
    )
    return _with_sorted_grants(found)


async def _find_organisation(session: AsyncSession, key: str) -> Organisation | None:
    row = await session.get(OrganisationRow, key)
    return None if row is None else Organisation(**row.model_dump())
