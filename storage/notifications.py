"""What people chose to be told of, and what they are told of if they chose nothing (SPEC 6.4)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from domain.errors import Code, Refusal
from domain.mail import MailGroup
from domain.notifications import SELECTABLE, Choice, NotificationChoice, loudest
from domain.organisations import SUBSCRIBED, Person, Role, default_choice
from storage.tables import GrantRow, NotificationRow


@dataclass(frozen=True, slots=True)
class Setting:
    """How somebody has the mails of a group about an organisation.

    Attributes:
        chosen: Whether the person chose so, or the roles say it.
    """

    organisation: str
    group: MailGroup
    choice: Choice
    chosen: bool


def check(person: Person) -> None:
    """Refuses choices for organisations of which somebody is told nothing, and two for the same group.

    Raises:
        Refusal: INVALID_INPUT.
    """
    field = f"people.{person.key}.notifications"
    seen: set[tuple[str, MailGroup]] = set()
    for each in person.notifications or ():
        roles = {grant.role for grant in person.grants if grant.organisation == each.organisation}
        if not roles & SUBSCRIBED.keys():
            raise Refusal(Code.INVALID_INPUT, f"{field}: no role is notified for {each.organisation}")
        if (each.organisation, each.group) in seen:
            raise Refusal(Code.INVALID_INPUT, f"{field}: two choices for {each.group} of {each.organisation}")
        seen.add((each.organisation, each.group))


async def chosen(session: AsyncSession, people: Collection[str]) -> dict[str, tuple[NotificationChoice, ...]]:
    """What each of these people chose who chose anything."""
    made: dict[str, tuple[NotificationChoice, ...]] = {}
    for row in await session.scalars(select(NotificationRow).where(col(NotificationRow.person).in_(people))):
        choice = NotificationChoice(organisation=row.organisation, group=row.group, choice=row.choice)
        made[row.person] = (*made.get(row.person, ()), choice)
    return made


async def replace(session: AsyncSession, person: str, choices: Iterable[NotificationChoice]) -> None:
    """Makes these somebody's only choices."""
    await session.execute(delete(NotificationRow).where(col(NotificationRow.person) == person))
    session.add_all(NotificationRow(person=person, **dict(choice)) for choice in choices)
    await session.flush()


async def choose(session: AsyncSession, person: str, choice: NotificationChoice) -> None:
    """Makes one choice for somebody; the others stay.

    Raises:
        Refusal: NOT_ALLOWED if the person is told nothing about that organisation.
    """
    roles = await _roles(session, person)
    if not roles.get(choice.organisation, set()) & SUBSCRIBED.keys():
        raise Refusal(
            Code.NOT_ALLOWED,
            f"organisation: no role of {person} is notified for {choice.organisation}, so nothing is sent",
        )
    await session.merge(NotificationRow(person=person, **dict(choice)))
    await session.flush()


async def settings(session: AsyncSession, person: str) -> tuple[Setting, ...]:
    """What somebody is told of, for every organisation in which a role is notified and every group."""
    choices = (await chosen(session, [person])).get(person, ())
    made = {(each.organisation, each.group): each.choice for each in choices}
    found = []
    for organisation, roles in sorted((await _roles(session, person)).items()):
        if not roles & SUBSCRIBED.keys():
            continue
        for group in (group for group in MailGroup if group in SELECTABLE):
            usual = loudest(default_choice(role, group) for role in roles)
            choice = made.get((organisation, group))
            found.append(Setting(organisation, group, choice or usual, chosen=choice is not None))
    return tuple(found)


async def _roles(session: AsyncSession, person: str) -> dict[str, set[Role]]:
    rows = await session.execute(
        select(col(GrantRow.organisation), col(GrantRow.role)).where(col(GrantRow.person) == person)
    )
    roles: dict[str, set[Role]] = {}
    for organisation, role in rows:
        roles.setdefault(organisation, set()).add(role)
    return roles
