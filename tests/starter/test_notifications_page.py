"""What docs/notifications.md says of groups, reasons and mails is what the code does."""

from __future__ import annotations

import re

import pytest
import yaml

from domain.mail import ASKED, RELEVANT_GROUP, MailGroup, Template, Why
from domain.notifications import CHOICES, PERSONAL, NotificationChoice, choice_counts
from domain.organisations import SUBSCRIBED, Permission, Role, default_choice, roles_with
from starter.dev.samples import ROOT

PAGE = (ROOT / "docs" / "notifications.md").read_text()
PRINTED = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
BY_ROLE = {
    "Company Admin, Technical Admin, Technical Contact": (
        Role.COMPANY_ADMIN,
        Role.TECHNICAL_ADMIN,
        Role.TECHNICAL_CONTACT,
    ),
    "Finance": (Role.FINANCE,),
    "Sales, Tech, Operator": (Role.SALES, Role.TECH, Role.OPERATOR),
}


def table(first_column: str) -> list[dict[str, str]]:
    """The rows of the table whose first column has this heading, by heading."""
    [found] = re.findall(rf"^\| {first_column} \|.*?(?=\n\n|\Z)", PAGE, re.DOTALL | re.MULTILINE)
    head, _, *rows = (
        [cell.strip(" `") for cell in line.strip("|").split("|")] for line in found.splitlines()
    )
    return [dict(zip(head, row, strict=True)) for row in rows]


def test_every_group_is_listed_with_what_may_be_chosen_for_it() -> None:
    listed = {row["group"]: row["may be"].split(", ") for row in table("group")}
    assert listed == {group: list(CHOICES[group]) for group in MailGroup}


@pytest.mark.parametrize("roles", BY_ROLE)
def test_every_role_is_told_of_its_groups(roles: str) -> None:
    for row in table("group"):
        group = MailGroup(row["group"])
        for role in BY_ROLE[roles]:
            told = "personal" if group in PERSONAL else default_choice(role, group)
            assert row[roles] == told, (role, group)


def test_the_roles_of_the_table_are_those_that_are_notified() -> None:
    listed = {role for roles in BY_ROLE.values() for role in roles}
    assert listed == SUBSCRIBED.keys() == roles_with(Permission.NOTIFY)


def test_every_reason_is_listed_with_whether_it_follows_the_choice() -> None:
    listed = {row["reason"]: row["follows the person's choice"] for row in table("reason")}
    assert listed.keys() == set(Why)
    for why, follows in listed.items():
        counts = {template: choice_counts(template, Why(why)) for template in Template}
        match follows:
            case "always":
                assert all(counts.values()), why
            case "never":
                assert not any(counts.values()), why
            case _:
                asked = {template for template in Template if Why(why) in ASKED.get(template, ())}
                assert {template for template, follow in counts.items() if not follow} == asked


def test_every_mail_is_listed_with_its_group_and_those_it_wants_something_of() -> None:
    expected = [
        {
            "mail": template,
            "group": RELEVANT_GROUP[template],
            "wanted of": ", ".join(why for why in Why if why in ASKED.get(template, ()))
            or "nobody in particular",
        }
        for template in Template
    ]
    assert table("mail") == expected


def test_the_printed_choices_are_ones_that_can_be_made() -> None:
    for choice in yaml.safe_load(PRINTED[0])["notifications"]:
        NotificationChoice.model_validate(choice)
