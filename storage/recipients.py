"""Who gets a mail, and why: an audience's people, as they want it, and whoever reads along (SPEC 6.4)."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from domain.base import Language
from domain.decisions import Approver
from domain.mail import RELEVANT_GROUP, Template, Why
from domain.notifications import Choice, choice_counts, loudest
from domain.organisations import ApprovalMails, Parties, Permission, Role, default_choice, roles_with
from domain.transitions import Audience
from storage.tables import GrantRow, NotificationRow, PersonRow


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody who gets a mail, and why.

    Attributes:
        approval_mails: How this reader wants mails that ask for decisions.
        choice: How this reader wants this mail, where that is up to the reader.
    """

    key: str
    name: str
    email: str
    language: Language
    why: Why
    approval_mails: ApprovalMails = ApprovalMails.AT_ONCE
    choice: Choice = Choice.ON

    @property
    def action_links(self) -> bool:
        """Whether the mail may ask for anything; a Workflow_Mails address only reads along (SPEC 6.4)."""
        return self.why is not Why.WORKFLOW_MAILS


@dataclass(frozen=True, slots=True)
class _Holding:
    """A role of somebody in an organisation, with what they chose for the mail's group there."""

    organisation: str | None
    role: Role | None
    choice: Choice | None


@dataclass(frozen=True, slots=True)
class _Somebody:
    row: PersonRow
    holdings: list[_Holding]

    def holding(self, roles: Container[Role], organisations: Container[str]) -> list[_Holding]:
        """Those of the roles that are among these, in one of the organisations."""
        return [each for each in self.holdings if each.role in roles and each.organisation in organisations]


async def recipients(
    session: AsyncSession,
    audience: Audience,
    template: Template,
    *,
    parties: Parties | None = None,
    roster: Iterable[Approver] = (),
    requester: str | None = None,
) -> tuple[Recipient, ...]:
    """The people of an audience who can be mailed, each once, ordered by key.

    Whoever switched the mail's group off is left out, where that is up to them (`choice_counts`). The
    Workflow_Mails addresses of an organisation get whatever goes to anybody of it, switched off or not, and
    what goes to a line's contacts.

    Args:
        session: Where to look.
        audience: Who is meant.
        template: What the mail is about.
        parties: Of the process, if it is about one; their Workflow_Mails addresses read along.
        roster: The seats of the open stage. Who has one is mailed as approver, however reached.
        requester: Whose request it is, if known; other people named without a seat are only involved.
    """
    seated = {seat.key for seat in roster}
    named = {*audience.people, *(seated if audience.roster else ())}
    told = roles_with(audience.permission) if audience.permission else frozenset()
    places = {*audience.organisations, *(parties.everybody if parties is not None else ())}
    people = await _people(session, audience, template, named, places)
    reached: dict[str, Recipient] = {}
    read_along = _reading_along(audience, parties)
    for key, somebody in people.items():
        by_role = somebody.holding(told, audience.organisations)
        if key in seated:
            why = Why.APPROVER
        elif key in named:
            why = Why.REQUESTER if requester in {None, key} else Why.INVOLVED
        elif by_role:
            why = Why.NOTIFY if audience.permission is Permission.NOTIFY else Why.OPERATOR
        else:
            continue
        read_along |= {each.organisation for each in somebody.holdings if each.organisation is not None}
        choice = _choice(template, why, by_role if why is Why.NOTIFY else somebody.holdings)
        if choice is not Choice.OFF:
            reached[key] = _recipient(somebody.row, why, choice)
    for key, somebody in people.items():
        if key not in reached and somebody.holding({Role.WORKFLOW_MAILS}, read_along):
            reached[key] = _recipient(somebody.row, Why.WORKFLOW_MAILS)
    return (*_outsiders(audience), *(reached[key] for key in sorted(reached)))


def _reading_along(audience: Audience, parties: Parties | None) -> set[str]:
    """Organisations whose Workflow_Mails addresses get the mail, whoever else does."""
    read_along = set(audience.organisations) if audience.workflow_mails else set()
    if audience.contact is not None and parties is not None:
        read_along |= {parties.partner, parties.customer}
    return read_along


async def _people(
    session: AsyncSession, audience: Audience, template: Template, named: set[str], places: set[str]
) -> dict[str, _Somebody]:
    """Everybody who may be meant or may read along, with the roles they have in these organisations."""
    told = roles_with(audience.permission) if audience.permission else frozenset()
    organisation, role = col(GrantRow.organisation), col(GrantRow.role)
    is_told = organisation.in_(audience.organisations) & role.in_(told)
    chose = (
        (col(NotificationRow.person) == col(PersonRow.key))
        & (col(NotificationRow.organisation) == organisation)
        & (col(NotificationRow.group) == RELEVANT_GROUP[template])
    )
    rows = await session.execute(
        select(PersonRow, organisation, role, col(NotificationRow.choice))
        .outerjoin(GrantRow, (col(GrantRow.person) == col(PersonRow.key)) & organisation.in_(places))
        .outerjoin(NotificationRow, chose)
        .where(
            col(PersonRow.active),
            col(PersonRow.email).is_not(None),
            col(PersonRow.key).not_in(audience.excluding),
            col(PersonRow.key).in_(named) | is_told | (role == Role.WORKFLOW_MAILS),
        )
    )
    people: dict[str, _Somebody] = {}
    for row, where, held, choice in rows:
        people.setdefault(row.key, _Somebody(row, [])).holdings.append(_Holding(where, held, choice))
    return people


def _choice(template: Template, why: Why, holdings: Iterable[_Holding]) -> Choice:
    if not choice_counts(template, why):
        return Choice.ON
    group = RELEVANT_GROUP[template]
    if why is Why.NOTIFY:
        usual = ((each.choice, each.role) for each in holdings)
        return loudest(choice or default_choice(role, group) for choice, role in usual if role is not None)
    # Whoever ordered need not have a role that is told of anything.
    chosen = {each.choice for each in holdings if each.choice is not None}
    return loudest(chosen) if chosen else Choice.ON


def _recipient(row: PersonRow, why: Why, choice: Choice = Choice.ON) -> Recipient:
    return Recipient(
        key=row.key,
        name=row.name,
        email=row.email or "",
        language=row.language,
        why=why,
        approval_mails=row.approval_mails,
        choice=choice,
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
