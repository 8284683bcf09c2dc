"""Who may decide, who is told, and what loading a directory does."""

from __future__ import annotations

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from domain.definitions import Approvers
from domain.errors import Code, Refusal
from domain.mail import Why
from domain.organisations import Directory, Organisation, OrganisationKind, Permission, Person, Role
from domain.transitions import Audience
from storage import directory
from tests.storage.samples import DIRECTORY, PARTIES, seats


async def approvers(session: AsyncSession, **wanted: object) -> list[str]:
    found = await directory.approvers(session, Approvers.model_validate(wanted), PARTIES)
    return [approver.key for approver in found]


async def reached(session: AsyncSession, *roster: str, **audience: object) -> dict[str, Why]:
    found = await directory.recipients(session, Audience.model_validate(audience), seats(*roster))
    return {recipient.key: recipient.why for recipient in found}


# Loading


async def test_what_was_loaded_is_found_again(inhabited: AsyncSession) -> None:
    for organisation in DIRECTORY.organisations:
        assert await directory.organisation(inhabited, organisation.key) == organisation
    for person in DIRECTORY.people:
        assert await directory.person(inhabited, person.key) == person
    assert (await directory.provider(inhabited)).key == "acme"


async def test_loading_the_same_again_changes_nothing(inhabited: AsyncSession) -> None:
    assert await directory.load_directory(inhabited, DIRECTORY) == directory.Changes((), ())


async def test_only_what_differs_counts_as_changed_and_the_unmentioned_stay(inhabited: AsyncSession) -> None:
    ada = await directory.person(inhabited, "ada")
    bob = await directory.person(inhabited, "bob")
    left = bob.model_copy(update={"active": False, "grants": ()})
    renamed = Organisation(key="acme", kind=OrganisationKind.PROVIDER, name="Acme AG")
    changes = await directory.load_directory(
        inhabited, Directory(organisations=(renamed,), people=(ada, left))
    )
    assert changes == directory.Changes(organisations=("acme",), people=("bob",))
    assert await directory.person(inhabited, "bob") == left
    assert (await directory.person(inhabited, "carl")).grants


async def test_addresses_are_stored_as_smtp_carries_them(inhabited: AsyncSession) -> None:
    zoe = Person(key="zoe", name="Zoe", email="zoe@bücher.test")
    await directory.load_directory(inhabited, Directory(organisations=(), people=(zoe,)))
    assert (await directory.person(inhabited, "zoe")).email == "zoe@xn--bcher-kva.test"


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        ({"people": [{"key": "eve", "name": "Eve", "email": "a@b.test, c@d.test"}]}, "people.eve.email"),
        (
            {
                "people": [
                    {"key": "eve", "name": "Eve", "grants": [{"organisation": "nowhere", "role": "sales"}]}
                ]
            },
            "people.eve.grants",
        ),
        (
            {"organisations": [{"key": "x", "kind": "customer", "name": "X", "partner": "nowhere"}]},
            "organisations.x.partner",
        ),
        (
            {"organisations": [{"key": "x", "kind": "customer", "name": "X", "partner": "contoso"}]},
            "organisations.x.partner",
        ),
        (
            {"organisations": [{"key": "x", "kind": "partner", "name": "X", "partner": "acme"}]},
            "organisations.x.partner",
        ),
    ],
)
async def test_a_wrong_entry_is_refused_by_its_field(
    inhabited: AsyncSession, entry: dict[str, object], field: str
) -> None:
    wrong = Directory.model_validate({"organisations": [], "people": []} | entry)
    with pytest.raises(Refusal, match=f"^{field}: ") as refusal:
        await directory.load_directory(inhabited, wrong)
    assert refusal.value.code is Code.INVALID_INPUT


async def test_whom_nobody_knows_is_not_found(session: AsyncSession) -> None:
    for look in (
        directory.person(session, "nobody"),
        directory.organisation(session, "x"),
        directory.provider(session),
    ):
        with pytest.raises(Refusal) as refusal:
            await look
        assert refusal.value.code is Code.NOT_FOUND


# Permissions


@pytest.mark.parametrize(
    ("person", "organisation", "permission", "allowed"),
    [
        ("sam", "reseller", Permission.ORDER, True),
        ("sam", "contoso", Permission.ORDER, False),
        ("sam", "reseller", Permission.APPROVE, False),
        ("carl", "contoso", Permission.NOTIFY, False),
        ("dora", "contoso", Permission.ORDER, False),
        ("nobody", "contoso", Permission.ORDER, False),
    ],
)
async def test_a_permission_is_held_by_a_role_in_that_organisation_while_active(
    inhabited: AsyncSession, person: str, organisation: str, permission: Permission, allowed: bool
) -> None:
    assert await directory.may(inhabited, person, organisation, permission) is allowed


async def test_a_permission_names_whoever_of_the_party_holds_it_by_name(inhabited: AsyncSession) -> None:
    assert await approvers(inhabited, party="customer", permission="approve") == ["ada", "bob"]
    assert await approvers(inhabited, party="provider", permission="operate") == ["olga"]


async def test_a_role_names_those_of_the_party_who_may_also_approve(inhabited: AsyncSession) -> None:
    assert await approvers(inhabited, party="customer", role="finance") == ["bob"]
    assert await approvers(inhabited, party="partner", role="finance") == []
    assert await approvers(inhabited, party="partner", role="sales") == []


async def test_named_people_must_be_active_and_may_approve_for_any_party(inhabited: AsyncSession) -> None:
    named = ["tess", "ada", "carl", "dora", "nobody", "olga"]
    assert await approvers(inhabited, people=named) == ["ada", "tess"]


async def test_a_named_service_principal_needs_no_permission(inhabited: AsyncSession) -> None:
    assert await approvers(inhabited, people=["erp", "robot"]) == ["erp", "robot"]


async def test_people_permission_and_role_add_up(inhabited: AsyncSession) -> None:
    everybody = await approvers(
        inhabited, people=["tess"], party="customer", permission="order", role="finance"
    )
    assert everybody == ["ada", "bob", "tess"]


async def test_another_organisations_people_never_approve(inhabited: AsyncSession) -> None:
    stranger = Person.model_validate(
        {"key": "fay", "name": "Fay", "grants": [{"organisation": "fabrikam", "role": "company_admin"}]}
        | {"email": "fay@fabrikam.test"}
    )
    await directory.load_directory(inhabited, Directory(organisations=(), people=(stranger,)))
    assert "fay" not in await approvers(inhabited, people=["fay"], party="customer", permission="approve")


# Audiences


async def test_a_permission_reaches_its_holders_and_workflow_mails_read_along(
    inhabited: AsyncSession,
) -> None:
    told = await reached(
        inhabited, organisations=("reseller",), permission=Permission.NOTIFY, workflow_mails=True
    )
    assert told == {"helpdesk": Why.WORKFLOW_MAILS, "sam": Why.NOTIFY, "tess": Why.NOTIFY}


async def test_only_workflow_mails_addresses_get_no_action_links(inhabited: AsyncSession) -> None:
    audience = Audience(people=("ada",), organisations=("reseller",), workflow_mails=True)
    found = await directory.recipients(inhabited, audience)
    assert {recipient.key: recipient.action_links for recipient in found} == {"ada": True, "helpdesk": False}


async def test_a_person_is_mailed_once_and_as_approver_if_seated(inhabited: AsyncSession) -> None:
    told = await reached(
        inhabited,
        "ada",
        people=("bob", "ada"),
        organisations=("contoso",),
        permission=Permission.NOTIFY,
    )
    assert told == {"ada": Why.APPROVER, "bob": Why.REQUESTER}


async def test_the_roster_is_mailed_only_if_the_audience_says_so(inhabited: AsyncSession) -> None:
    assert await reached(inhabited, "ada", "bob") == {}
    assert await reached(inhabited, "ada", "bob", roster=True) == {"ada": Why.APPROVER, "bob": Why.APPROVER}


async def test_leavers_principals_and_the_excluded_are_not_mailed(inhabited: AsyncSession) -> None:
    told = await reached(
        inhabited, "ada", people=("dora", "robot", "nobody", "carl"), roster=True, excluding=("ada",)
    )
    assert told == {"carl": Why.REQUESTER}


async def test_a_recipient_brings_address_and_language(inhabited: AsyncSession) -> None:
    (ada,) = await directory.recipients(inhabited, Audience(people=("ada",)))
    assert (ada.name, ada.email, ada.language) == ("Ada", "ada@contoso.test", "de")


async def test_a_directory_of_many_roles_knows_every_role(inhabited: AsyncSession) -> None:
    person = Person.model_validate(
        {
            "key": "all",
            "name": "All",
            "grants": [{"organisation": "acme", "role": role} for role in sorted(Role)],
        }
    )
    await directory.load_directory(inhabited, Directory(organisations=(), people=(person,)))
    assert await directory.person(inhabited, "all") == person
