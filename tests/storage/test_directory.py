"""Who may decide, who is told, and what loading a directory does."""

from __future__ import annotations

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from domain.definitions import Approvers
from domain.errors import Code, Refusal
from domain.organisations import Directory, Organisation, OrganisationKind, Permission, Person, Role
from storage import directory
from storage.database import Database
from tests.storage.samples import DIRECTORY, PARTIES


async def approvers(session: AsyncSession, **wanted: object) -> list[str]:
    found = await directory.approvers(session, Approvers.model_validate(wanted), PARTIES)
    return [approver.key for approver in found]


# Loading


async def test_what_was_loaded_is_found_again(session: AsyncSession) -> None:
    for organisation in DIRECTORY.organisations:
        assert await directory.organisation(session, organisation.key) == organisation
    for person in DIRECTORY.people:
        assert await directory.person(session, person.key) == person
    assert (await directory.provider(session)).key == "acme"


async def test_loading_the_same_again_changes_nothing(session: AsyncSession) -> None:
    assert await directory.load_directory(session, DIRECTORY) == directory.Changes((), ())


async def test_only_what_differs_counts_as_changed_and_the_unmentioned_stay(session: AsyncSession) -> None:
    ada = await directory.person(session, "ada")
    bob = await directory.person(session, "bob")
    left = bob.model_copy(update={"active": False, "grants": ()})
    renamed = Organisation(key="acme", kind=OrganisationKind.PROVIDER, name="Acme AG")
    changes = await directory.load_directory(session, Directory(organisations=(renamed,), people=(ada, left)))
    assert changes == directory.Changes(organisations=("acme",), people=("bob",))
    assert await directory.person(session, "bob") == left
    assert (await directory.person(session, "carl")).grants


async def test_a_calendar_is_kept_and_only_a_changed_one_counts_as_a_change(session: AsyncSession) -> None:
    def acme(**calendar: object) -> Directory:
        given = {"key": "acme", "kind": "provider", "name": "Acme", "calendar": calendar or None}
        return Directory.model_validate({"organisations": [given], "people": []})

    zurich = acme(time_zone="Europe/Zurich", country="CH", hours=["08:00-12:00"] * 6 + [None])
    geneva = acme(time_zone="Europe/Zurich", country="CH", subdivision="GE")
    changed = directory.Changes(organisations=("acme",), people=())
    for wanted in (zurich, geneva, acme()):
        assert await directory.load_directory(session, wanted) == changed
        assert await directory.load_directory(session, wanted) == directory.Changes((), ())
        assert await directory.organisation(session, "acme") == wanted.organisations[0]


async def test_addresses_are_stored_as_smtp_carries_them(session: AsyncSession) -> None:
    zoe = Person(key="zoe", name="Zoe", email="zoe@bücher.example")
    await directory.load_directory(session, Directory(organisations=(), people=(zoe,)))
    assert (await directory.person(session, "zoe")).email == "zoe@xn--bcher-kva.example"


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        (
            {"people": [{"key": "eve", "name": "Eve", "email": "a@b.example, c@d.example"}]},
            "people.eve.email",
        ),
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
    session: AsyncSession, entry: dict[str, object], field: str
) -> None:
    wrong = Directory.model_validate({"organisations": [], "people": []} | entry)
    with pytest.raises(Refusal, match=f"^{field}: ") as refusal:
        await directory.load_directory(session, wrong)
    assert refusal.value.code is Code.INVALID_INPUT


async def test_whom_nobody_knows_is_not_found(session: AsyncSession) -> None:
    for look in (directory.person(session, "nobody"), directory.organisation(session, "nowhere")):
        with pytest.raises(Refusal) as refusal:
            await look
        assert refusal.value.code is Code.NOT_FOUND


async def test_without_a_directory_there_is_no_provider(sqlite_database: Database) -> None:
    async with sqlite_database.reading() as session:
        with pytest.raises(Refusal, match="load one first"):
            await directory.provider(session)


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
    session: AsyncSession, person: str, organisation: str, permission: Permission, allowed: bool
) -> None:
    assert await directory.may(session, person, organisation, permission) is allowed


async def test_a_permission_names_whoever_of_the_party_holds_it_by_name(session: AsyncSession) -> None:
    assert await approvers(session, party="customer", permission="approve") == ["ada", "bob"]
    assert await approvers(session, party="provider", permission="operate") == ["olga"]


async def test_a_role_names_those_of_the_party_who_may_also_approve(session: AsyncSession) -> None:
    assert await approvers(session, party="customer", role="finance") == ["bob"]
    assert await approvers(session, party="partner", role="finance") == []
    assert await approvers(session, party="partner", role="sales") == []


async def test_named_people_must_be_active_and_may_approve_for_any_party(session: AsyncSession) -> None:
    named = ["tess", "ada", "carl", "dora", "nobody", "olga"]
    assert await approvers(session, people=named) == ["ada", "tess"]


async def test_a_named_service_principal_needs_no_permission(session: AsyncSession) -> None:
    assert await approvers(session, people=["erp", "robot"]) == ["erp", "robot"]


async def test_people_permission_and_role_add_up(session: AsyncSession) -> None:
    everybody = await approvers(
        session, people=["tess"], party="customer", permission="order", role="finance"
    )
    assert everybody == ["ada", "bob", "tess"]


async def test_another_organisations_people_never_approve(session: AsyncSession) -> None:
    stranger = Person.model_validate(
        {"key": "fay", "name": "Fay", "grants": [{"organisation": "fabrikam", "role": "company_admin"}]}
        | {"email": "fay@fabrikam.example"}
    )
    await directory.load_directory(session, Directory(organisations=(), people=(stranger,)))
    assert "fay" not in await approvers(session, people=["fay"], party="customer", permission="approve")


# Roles


async def test_a_directory_of_many_roles_knows_every_role(session: AsyncSession) -> None:
    person = Person.model_validate(
        {
            "key": "all",
            "name": "All",
            "grants": [{"organisation": "acme", "role": role} for role in sorted(Role)],
        }
    )
    await directory.load_directory(session, Directory(organisations=(), people=(person,)))
    assert await directory.person(session, "all") == person
