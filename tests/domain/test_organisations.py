"""Roles and what each permits (SPEC 4.3, 6.4; provisioning.md a.2)."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from domain.organisations import (
    PERMISSIONS,
    OrganisationKind,
    Parties,
    Permission,
    Person,
    Role,
    roles_with,
)


def test_every_role_says_what_it_permits() -> None:
    assert set(PERMISSIONS) == set(Role)


def test_every_permission_is_held_by_some_role() -> None:
    assert all(roles_with(permission) for permission in Permission)


@pytest.mark.parametrize("role", [Role.WORKFLOW_MAILS, Role.READ_ONLY, Role.FINANCIAL_CONTACT])
def test_who_only_reads_along_may_do_nothing(role: Role) -> None:
    assert not PERMISSIONS[role]


def test_to_be_told_and_to_decide_are_separate() -> None:
    assert Role.TECHNICAL_CONTACT in roles_with(Permission.NOTIFY) - roles_with(Permission.APPROVE)
    assert Role.SERVICE in roles_with(Permission.APPROVE) - roles_with(Permission.NOTIFY)


@pytest.mark.parametrize(
    ("permission", "roles"),
    [
        (Permission.APPROVE, {Role.COMPANY_ADMIN, Role.TECHNICAL_ADMIN, Role.FINANCE, Role.SERVICE}),
        (Permission.ORDER, {Role.COMPANY_ADMIN, Role.TECHNICAL_ADMIN, Role.FINANCE, Role.SALES}),
        (Permission.OPERATE, {Role.OPERATOR}),
        (
            Permission.DEPLOY,
            {Role.COMPANY_ADMIN, Role.TECHNICAL_ADMIN, Role.TECH, Role.OPERATOR, Role.SERVICE},
        ),
    ],
)
def test_a_permission_is_granted_by_exactly_these_roles(permission: Permission, roles: set[Role]) -> None:
    assert roles_with(permission) == roles


@pytest.mark.parametrize("kind", OrganisationKind)
def test_each_part_is_played_by_one_organisation(kind: OrganisationKind) -> None:
    parties = Parties(provider="the-provider", partner="the-partner", customer="the-customer")
    assert parties.organisation(kind) == f"the-{kind}"


def test_a_person_is_active_and_reads_english_unless_told_otherwise() -> None:
    person = Person(key="ann", name="Ann")
    assert person.active
    assert person.language == "en"
    assert person.grants == ()


def test_an_unknown_role_is_refused_and_named() -> None:
    grant = {"organisation": "contoso", "role": "owner"}
    with pytest.raises(ValidationError, match="role"):
        Person.model_validate({"key": "ann", "name": "Ann", "grants": [grant]})
