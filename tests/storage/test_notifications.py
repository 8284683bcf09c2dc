"""What people choose to be told of, by file and by command."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from domain.errors import Code, Refusal
from domain.mail import MailGroup
from domain.notifications import Choice, NotificationChoice
from domain.organisations import Directory, Person
from storage import directory, notifications
from storage.directory import Changes
from tests.storage.samples import DIRECTORY

OFF = {"organisation": "reseller", "group": "services", "choice": "off"}
HOURLY = OFF | {"choice": "hourly"}


async def load(session: AsyncSession, **more: Any) -> Changes:
    """Loads Tess, Technical Admin of the reseller."""
    [tess] = [each for each in DIRECTORY.people if each.key == "tess"]
    wanted = Person.model_validate(tess.model_dump() | more)
    return await directory.load_directory(session, Directory(organisations=(), people=(wanted,)))


async def services(session: AsyncSession) -> notifications.Setting:
    settings = await notifications.settings(session, "tess")
    return next(each for each in settings if each.group is MailGroup.SERVICES)


async def choose(
    session: AsyncSession, choice: Choice, person: str = "tess", where: str = "reseller"
) -> None:
    made = NotificationChoice(organisation=where, group=MailGroup.SERVICES, choice=choice)
    await notifications.choose(session, person, made)


async def test_without_a_choice_the_roles_decide(session: AsyncSession) -> None:
    assert await services(session) == notifications.Setting(
        "reseller", MailGroup.SERVICES, Choice.ON, chosen=False
    )
    finance = await notifications.settings(session, "bob")
    assert {each.group: each.choice for each in finance} == {
        MailGroup.ORDERING: Choice.ON,
        MailGroup.FINANCIAL: Choice.ON,
        MailGroup.COMPANY: Choice.OFF,
        MailGroup.SERVICES: Choice.OFF,
    }


async def test_the_last_choice_counts(session: AsyncSession) -> None:
    for choice in (Choice.OFF, Choice.HOURLY, Choice.ON):
        await choose(session, choice)
        assert await services(session) == notifications.Setting(
            "reseller", MailGroup.SERVICES, choice, chosen=True
        )


async def test_a_file_that_says_nothing_of_notifications_leaves_choices_alone(session: AsyncSession) -> None:
    await choose(session, Choice.HOURLY)
    assert await load(session) == Changes((), ())
    assert await load(session, name="Tess T.") == Changes((), ("tess",))
    assert (await services(session)).choice is Choice.HOURLY


async def test_a_file_that_lists_notifications_makes_them_the_only_ones(session: AsyncSession) -> None:
    await choose(session, Choice.HOURLY)
    ordering = OFF | {"group": "ordering"}
    assert await load(session, notifications=[ordering]) == Changes((), ("tess",))
    assert await load(session, notifications=[ordering]) == Changes((), ())
    assert not (await services(session)).chosen
    assert (await directory.person(session, "tess")).notifications == (
        NotificationChoice.model_validate(ordering),
    )
    assert await load(session, notifications=[]) == Changes((), ("tess",))
    assert (await directory.person(session, "tess")).notifications is None


@pytest.mark.parametrize(
    ("chosen", "problem"),
    [
        ([OFF | {"organisation": "contoso"}], "no role is notified for contoso"),
        ([OFF, HOURLY], "two choices for services of reseller"),
    ],
)
async def test_a_choice_without_effect_and_a_contradiction_are_refused(
    session: AsyncSession, chosen: list[dict[str, str]], problem: str
) -> None:
    with pytest.raises(Refusal, match=rf"^people.tess.notifications: {problem}") as refusal:
        await load(session, notifications=chosen)
    assert refusal.value.code is Code.INVALID_INPUT


@pytest.mark.parametrize(
    ("person", "where"), [("carl", "contoso"), ("tess", "contoso"), ("helpdesk", "reseller"), ("no", "acme")]
)
async def test_nobody_can_choose_for_an_organisation_that_tells_them_nothing(
    session: AsyncSession, person: str, where: str
) -> None:
    with pytest.raises(Refusal) as refusal:
        await choose(session, Choice.OFF, person, where)
    assert refusal.value.code is Code.NOT_ALLOWED


@pytest.mark.parametrize(
    ("group", "choice"),
    [
        ("security", "off"),
        ("people", "off"),
        ("people", "hourly"),
        ("ordering", "hourly"),
        ("financial", "hourly"),
        ("company", "hourly"),
    ],
)
def test_personal_groups_stay_on_and_only_services_come_hourly(group: str, choice: str) -> None:
    with pytest.raises(ValidationError, match=f"{group} cannot be {choice}"):
        NotificationChoice.model_validate({"organisation": "x", "group": group, "choice": choice})


@pytest.mark.parametrize(("written", "meant"), [(True, Choice.ON), (False, Choice.OFF)])
def test_yaml_reads_a_bare_on_and_off_as_truth_values(written: bool, meant: Choice) -> None:
    read = NotificationChoice.model_validate({"organisation": "x", "group": "ordering", "choice": written})
    assert read.choice is meant
