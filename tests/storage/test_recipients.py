"""Who gets which mail: by name, by role as each person wants it, and reading along."""

from __future__ import annotations

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from domain.contact import Contact
from domain.errors import Code, Refusal
from domain.mail import ASKED, MailGroup, Template, Why
from domain.notifications import Choice, NotificationChoice
from domain.organisations import Directory, Permission, Person, Role
from domain.transitions import Audience
from storage import directory, notifications
from storage.recipients import Recipient, recipients
from tests.storage.samples import PARTIES, seats

ORDERING = Template.ORDER_CONFIRMED
SERVICES = Template.PROVISIONED
TOLD = {"organisations": ("reseller", "contoso"), "permission": Permission.NOTIFY}


async def reached(
    session: AsyncSession, *roster: str, template: Template = ORDERING, **audience: object
) -> dict[str, Why]:
    found = await recipients(session, Audience.model_validate(audience), template, roster=seats(*roster))
    return {recipient.key: recipient.why for recipient in found}


async def told(
    session: AsyncSession, template: Template, requester: str | None = "sam", **audience: object
) -> dict[str, Recipient]:
    """Who gets a mail of a process, reading along included."""
    meant = Audience.model_validate(audience)
    found = await recipients(session, meant, template, parties=PARTIES, requester=requester)
    return {recipient.key: recipient for recipient in found}


async def choose(
    session: AsyncSession, person: str, organisation: str, group: MailGroup, choice: Choice
) -> None:
    made = NotificationChoice(organisation=organisation, group=group, choice=choice)
    await notifications.choose(session, person, made)


# Audiences


async def test_a_permission_reaches_its_holders_and_workflow_mails_read_along(
    session: AsyncSession,
) -> None:
    told = await reached(
        session, organisations=("reseller",), permission=Permission.NOTIFY, workflow_mails=True
    )
    assert told == {"helpdesk": Why.WORKFLOW_MAILS, "sam": Why.NOTIFY, "tess": Why.NOTIFY}


async def test_only_workflow_mails_addresses_get_no_action_links(session: AsyncSession) -> None:
    audience = Audience(people=("ada",), organisations=("reseller",), workflow_mails=True)
    found = await recipients(session, audience, ORDERING)
    assert {recipient.key: recipient.action_links for recipient in found} == {"ada": True, "helpdesk": False}


async def test_a_person_is_mailed_once_and_as_approver_if_seated(session: AsyncSession) -> None:
    told = await reached(
        session,
        "ada",
        people=("bob", "ada"),
        organisations=("contoso",),
        permission=Permission.NOTIFY,
    )
    assert told == {"ada": Why.APPROVER, "bob": Why.REQUESTER}


async def test_whoever_is_named_without_a_seat_is_involved_unless_it_is_their_request(
    session: AsyncSession,
) -> None:
    audience = Audience(people=("ada", "bob", "carl"))
    found = await recipients(session, audience, ORDERING, roster=seats("ada"), requester="bob")
    why = {recipient.key: recipient.why for recipient in found}
    assert why == {"ada": Why.APPROVER, "bob": Why.REQUESTER, "carl": Why.INVOLVED}


async def test_the_roster_is_mailed_only_if_the_audience_says_so(session: AsyncSession) -> None:
    assert await reached(session, "ada", "bob") == {}
    assert await reached(session, "ada", "bob", roster=True) == {"ada": Why.APPROVER, "bob": Why.APPROVER}


async def test_leavers_principals_and_the_excluded_are_not_mailed(session: AsyncSession) -> None:
    told = await reached(
        session, "ada", people=("dora", "robot", "nobody", "carl"), roster=True, excluding=("ada",)
    )
    assert told == {"carl": Why.REQUESTER}


async def test_a_recipient_brings_address_and_language(session: AsyncSession) -> None:
    (ada,) = await recipients(session, Audience(people=("ada",)), ORDERING)
    assert (ada.name, ada.email, ada.language) == ("Ada", "ada@contoso.example", "de")


# Choices


@pytest.mark.parametrize("template", [ORDERING, SERVICES])
async def test_roles_are_told_of_their_groups_and_finance_of_orders_alone(
    session: AsyncSession, template: Template
) -> None:
    finance = {"bob": Why.NOTIFY} if template is ORDERING else {}
    usual = {"ada": Why.NOTIFY, "sam": Why.NOTIFY, "tess": Why.NOTIFY, "helpdesk": Why.WORKFLOW_MAILS}
    assert await reached(session, template=template, **TOLD) == usual | finance


async def test_a_group_that_is_switched_off_is_off_for_that_organisation_and_group_alone(
    session: AsyncSession,
) -> None:
    await choose(session, "tess", "reseller", MailGroup.SERVICES, Choice.OFF)
    assert "tess" not in await reached(session, template=SERVICES, **TOLD)
    assert "tess" in await reached(session, template=ORDERING, **TOLD)
    also = Person.model_validate(
        {"key": "tess", "name": "Tess", "email": "tess@reseller.example"}
        | {"grants": [{"organisation": key, "role": Role.TECHNICAL_ADMIN} for key in ("reseller", "contoso")]}
    )
    await directory.load_directory(session, Directory(organisations=(), people=(also,)))
    assert (await reached(session, template=SERVICES, **TOLD))["tess"] is Why.NOTIFY


async def test_a_group_can_be_switched_on_that_the_role_is_not_told_of(session: AsyncSession) -> None:
    await choose(session, "bob", "contoso", MailGroup.SERVICES, Choice.ON)
    assert (await reached(session, template=SERVICES, **TOLD))["bob"] is Why.NOTIFY


async def test_of_two_organisations_the_louder_choice_counts(session: AsyncSession) -> None:
    both = Person.model_validate(
        {
            "key": "both",
            "name": "Both",
            "email": "both@reseller.example",
            "grants": [{"organisation": key, "role": Role.COMPANY_ADMIN} for key in ("reseller", "contoso")],
            "notifications": [
                {"organisation": "reseller", "group": "services", "choice": "off"},
                {"organisation": "contoso", "group": "services", "choice": "hourly"},
            ],
        }
    )
    await directory.load_directory(session, Directory(organisations=(), people=(both,)))
    assert (await told(session, SERVICES, **TOLD))["both"].choice is Choice.HOURLY
    await choose(session, "both", "reseller", MailGroup.SERVICES, Choice.ON)
    assert (await told(session, SERVICES, **TOLD))["both"].choice is Choice.ON


async def test_whoever_decides_is_asked_whatever_they_switched_off(session: AsyncSession) -> None:
    await choose(session, "ada", "contoso", MailGroup.ORDERING, Choice.OFF)
    asked = await reached(session, "ada", template=Template.APPROVAL_REQUESTED, roster=True)
    assert asked == {"ada": Why.APPROVER}


async def test_whoever_ordered_can_do_without_news_but_not_without_what_is_wanted_of_them(
    session: AsyncSession,
) -> None:
    assert "sam" in await told(session, ORDERING, people=("sam",))
    await choose(session, "sam", "reseller", MailGroup.ORDERING, Choice.OFF)
    for template in (Template.ORDER_CONFIRMED, Template.CANCELLED):
        assert "sam" not in await told(session, template, people=("sam",))
    for template in (Template.CHECK_FINDINGS, Template.CONTACT_BOUNCED, Template.CLOSURE_WARNING):
        assert Why.REQUESTER in ASKED[template]
        assert "sam" in await told(session, template, people=("sam",))


async def test_operators_on_duty_are_told_whatever_they_switched_off(session: AsyncSession) -> None:
    await choose(session, "olga", "acme", MailGroup.SERVICES, Choice.OFF)
    on_duty = {"organisations": ("acme",), "permission": Permission.OPERATE}
    assert await reached(session, template=Template.FAILED, **on_duty) == {"olga": Why.OPERATOR}


# Reading along


@pytest.mark.parametrize(
    "audience",
    [
        {"people": ("sam",)},
        {"organisations": ("reseller",), "permission": Permission.NOTIFY},
        {"contact": Contact(email="carla@customer.example")},
        {"organisations": ("reseller", "contoso"), "workflow_mails": True},
    ],
)
async def test_whatever_goes_to_anybody_of_its_organisation_is_read_along(
    session: AsyncSession, audience: dict[str, object]
) -> None:
    found = await told(session, Template.PROVISIONING_DETAILS, **audience)
    assert found["helpdesk"].why is Why.WORKFLOW_MAILS
    assert not found["helpdesk"].action_links


@pytest.mark.parametrize(
    "audience",
    [
        {"people": ("ada",)},
        {"organisations": ("acme",), "permission": Permission.OPERATE},
        {"organisations": ("contoso",), "workflow_mails": True},
    ],
)
async def test_what_goes_to_others_alone_is_not_read_along(
    session: AsyncSession, audience: dict[str, object]
) -> None:
    assert "helpdesk" not in await told(session, ORDERING, **audience)


async def test_reading_along_does_not_depend_on_what_people_switch_off(session: AsyncSession) -> None:
    await choose(session, "sam", "reseller", MailGroup.ORDERING, Choice.OFF)
    found = await told(session, ORDERING, people=("sam",))
    assert {key: each.why for key, each in found.items()} == {"helpdesk": Why.WORKFLOW_MAILS}


async def test_who_reads_along_has_no_choice(session: AsyncSession) -> None:
    with pytest.raises(Refusal) as refusal:
        await choose(session, "helpdesk", "reseller", MailGroup.ORDERING, Choice.OFF)
    assert refusal.value.code is Code.NOT_ALLOWED
