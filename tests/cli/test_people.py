"""What people are told of, on the command line."""

from __future__ import annotations

from tests.cli.conftest import Run
from tests.starter.office import Office

CONTACT = ("people", "notifications", "bergsicht-contact-1")
SERVICES = ("--organisation", "bergsicht", "--group", "services")


async def test_what_somebody_is_told_of_is_listed_with_whether_it_was_chosen(
    run: Run, office: Office
) -> None:
    shown = (await run(*CONTACT)).out.splitlines()
    assert [line.split() for line in shown[1:]] == [
        ["bergsicht", "ordering", "on", "by", "role"],
        ["bergsicht", "financial", "on", "by", "role"],
        ["bergsicht", "company", "on", "by", "role"],
        ["bergsicht", "services", "hourly", "chosen"],
    ]


async def test_a_choice_is_kept_until_the_next(run: Run, office: Office) -> None:
    for choice in ("off", "on", "hourly"):
        made = await run(*CONTACT, *SERVICES, "--choice", choice, "--json")
        assert made.code == 0
        assert made.json == (await run(*CONTACT, "--json")).json
        assert [each["choice"] for each in made.json if each["group"] == "services"] == [choice]


async def test_what_cannot_be_chosen_is_refused_with_what_can(run: Run, office: Office) -> None:
    hourly = await run(
        *CONTACT, "--organisation", "bergsicht", "--group", "ordering", "--choice", "hourly", "--json"
    )
    assert hourly.error["code"] == "INVALID_INPUT"
    assert "ordering cannot be hourly, only on or off" in hourly.error["message"]
    personal = await run(
        *CONTACT, "--organisation", "bergsicht", "--group", "security", "--choice", "off", "--json"
    )
    assert "security cannot be off, only on; its mails are personal" in personal.error["message"]
    elsewhere = await run(
        *CONTACT, "--organisation", "seaview", "--group", "services", "--choice", "off", "--json"
    )
    assert elsewhere.error["code"] == "NOT_ALLOWED"


async def test_half_a_choice_is_refused(run: Run, office: Office) -> None:
    half = await run(*CONTACT, *SERVICES, "--json")
    assert half.error["code"] == "INVALID_INPUT"
    assert "--choice" in half.error["message"]


async def test_whom_nobody_knows_is_not_found_and_whom_nobody_tells_has_nothing_to_choose(
    run: Run, office: Office
) -> None:
    assert (await run("people", "notifications", "nobody", "--json")).error["code"] == "NOT_FOUND"
    assert "No role is notified." in (await run("people", "notifications", "bergsicht-tickets")).out
