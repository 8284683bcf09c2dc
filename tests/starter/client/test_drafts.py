"""Set-up forms and drafts through the client: by people, and by whoever holds a link (SPEC 5.5; L13)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from temporalio.client import Client

from domain.contact import Contact, ContactState
from domain.line import OpenTask
from domain.links import LinkClaims, LinkPurpose, LinkSigner, recipient_digest
from domain.transitions import ProcessView
from starter.client import Countersign
from starter.faults import NotRunning
from storage import projection
from storage.database import Database
from tests.starter.office import OPERATOR, SALES, refusal
from tests.storage.samples import step, view

SIGNER = LinkSigner(("k" * 64,))
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
PARTIES = {"provider": "nordwall", "partner": "bergsicht", "customer": "alpenblick"}
LINE, PLAIN, DONE, OVER = (f"order-o1-line-{n}" for n in (1, 2, 3, 4))
DRAFT: dict[str, Any] = {"sites": [{"name": "Alpenblick", "early_release": True}]}


class Offline(Countersign):
    """A client whose processes have all ended: everything is answered by the projection."""

    async def _ask(self, process: str) -> ProcessView:
        raise NotRunning


def line(number: int, **more: Any) -> ProcessView:
    values = {
        "parties": PARTIES,
        "offer": "meetings-suite@1",
        "line": number,
        "title": "Meetings, Alpenblick",
    }
    return view(more.pop("state", "awaiting_provisioning_details"), **values | more)


@pytest.fixture
async def client(sampled: Database) -> Countersign:
    """Four lines: one to be set up, one whose offer asks nothing, one set up, and one that is over."""
    views = {
        LINE: line(1),
        PLAIN: line(2, offer="certificate@1"),
        DONE: line(3, state="provisioning", ponr_at=NOW),
        OVER: line(4, state="cancelled", ended=True),
    }
    async with sampled.session() as session:
        for process, each in views.items():
            await projection.advance(session, [step(1, process=process, view=each)])
    return Offline(cast(Client, None), sampled, clock=lambda: NOW, links=SIGNER)


def token(process: str = LINE, **more: Any) -> str:
    claims = {
        "process": process,
        "purpose": LinkPurpose.PROVISION,
        "generation": 1,
        "recipient": recipient_digest(process, "anna@alpenblick.example"),
        "expires_at": NOW + timedelta(days=90),
    }
    return SIGNER.sign(LinkClaims.model_validate(claims | more))


async def test_a_form_is_that_of_the_offer_as_it_was_ordered(client: Countersign) -> None:
    asked = await client.set_up_form(LINE)
    assert (asked.offer, asked.parameters["licences"]) == ("meetings-suite@1", "25")
    assert [each.name for each in asked.form.fields][:2] == ["sites", "audio"]


async def test_what_one_began_another_goes_on_with(client: Countersign) -> None:
    assert (await client.draft(LINE)).version == 0
    first = await client.save_draft(LINE, DRAFT, SALES)
    assert (first.version, first.saved_by, first.saved_at) == (1, SALES, NOW)
    assert first.answers == {"sites": [{"name": "alpenblick", "early_release": True}]}
    second = await client.save_draft(LINE, first.answers | {"audio": "computer"}, OPERATOR, 1)
    assert await client.draft(LINE) == second
    assert second.version == 2


async def test_of_two_who_go_on_from_the_same_draft_the_second_is_told(client: Countersign) -> None:
    await client.save_draft(LINE, DRAFT, SALES)
    code, message = await refusal(client.save_draft(LINE, {}, OPERATOR))
    assert code == "DRAFT_CHANGED"
    assert f"which {SALES} saved" in message
    assert (await client.draft(LINE)).version == 1


async def test_a_draft_may_lack_answers_but_holds_none_that_is_wrong(client: Countersign) -> None:
    code, message = await refusal(client.save_draft(LINE, {"sites": [{"licences": 26}], "colour": 1}, SALES))
    assert code == "INVALID_INPUT"
    assert "colour: is not asked" in message
    assert "sites: licences add up to 26; there are 25" in message
    assert (await client.draft(LINE)).version == 0


@pytest.mark.parametrize(
    ("process", "code"),
    [
        (PLAIN, "INVALID_INPUT"),
        (DONE, "NOT_PENDING"),
        (OVER, "PROCESS_ENDED"),
        ("order-o9-line-1", "NOT_FOUND"),
    ],
)
async def test_nothing_is_drafted_that_nobody_will_want(client: Countersign, process: str, code: str) -> None:
    assert (await refusal(client.save_draft(process, {}, SALES)))[0] == code


async def test_a_mapped_line_is_drafted_while_its_set_up_is_open(
    client: Countersign, sampled: Database
) -> None:
    later = line(3, state="provisioning", ponr_at=NOW, open_tasks=(OpenTask.PARTNER,))
    async with sampled.session() as session:
        await projection.advance(session, [step(2, process=DONE, view=later)])
    assert (await client.save_draft(DONE, DRAFT, SALES)).version == 1


async def test_only_people_who_order_or_deploy_may_save(client: Countersign) -> None:
    assert (await refusal(client.save_draft(LINE, DRAFT, "hafenblick-sales-1")))[0] == "NOT_PERMITTED"


async def test_whoever_holds_a_link_drafts_the_line_it_is_for(client: Countersign) -> None:
    saved = await client.save_draft_behind(token(), DRAFT)
    assert saved.saved_by == "provision link 1"
    assert await client.draft_behind(token(purpose=LinkPurpose.SET_UP)) == saved == await client.draft(LINE)


async def test_whoever_holds_a_link_sees_what_is_asked(client: Countersign) -> None:
    for purpose in LinkPurpose:
        assert await client.form_behind(token(purpose=purpose)) == await client.set_up_form(LINE)


async def test_a_former_contacts_link_shows_and_drafts_nothing_any_more_but_the_admins_does(
    client: Countersign, sampled: Database
) -> None:
    contact = ContactState(contact=Contact(email="dave@alpenblick.example"), generation=2)
    async with sampled.session() as session:
        await projection.advance(session, [step(2, process=LINE, view=line(1, contact=contact))])
    former, present = token(generation=1), token(generation=2)
    for call in (client.form_behind(former), client.draft_behind(former)):
        assert (await refusal(call))[0] == "LINK_REVOKED"
    assert (await refusal(client.save_draft_behind(former, DRAFT)))[0] == "LINK_REVOKED"
    saved = await client.save_draft_behind(present, DRAFT)
    assert await client.draft_behind(token(purpose=LinkPurpose.SET_UP)) == saved


async def test_once_the_customer_sets_up_the_contacts_link_drafts_nothing(
    client: Countersign, sampled: Database
) -> None:
    mapped = line(1, state="provisioning", ponr_at=NOW, open_tasks=(OpenTask.CUSTOMER_SETUP,))
    async with sampled.session() as session:
        await projection.advance(session, [step(2, process=LINE, view=mapped)])
    code, message = await refusal(client.save_draft_behind(token(), DRAFT))
    assert (code, "a link of their own" in message) == ("LINK_INVALID", True)
    assert (await client.save_draft_behind(token(purpose=LinkPurpose.SET_UP), DRAFT)).version == 1


@pytest.mark.parametrize(
    ("given", "code"), [("forged", "LINK_INVALID"), (token(expires_at=NOW), "LINK_EXPIRED")]
)
async def test_a_link_that_is_none_or_over_drafts_nothing(client: Countersign, given: str, code: str) -> None:
    assert (await refusal(client.save_draft_behind(given, DRAFT)))[0] == code
    assert (await refusal(client.draft_behind(given)))[0] == code
    assert (await refusal(client.form_behind(given)))[0] == code
    assert (await client.draft(LINE)).version == 0
