"""What a summary says of an order: as it was placed, decided, mapped and set up (SPEC 5.5; seed 004)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from temporalio.client import Client

from domain.base import Language
from domain.contact import Contact, ContactState
from domain.decisions import Verdict
from domain.forms import audit_data
from domain.links import LinkClaims, LinkPurpose, LinkSigner, recipient_digest
from domain.transitions import ProcessKind, ProcessView
from starter.client import Countersign
from starter.faults import NotRunning
from starter.summary import OrderSummary
from storage import audit, drafts, projection
from storage.database import Database
from tests.starter.office import SALES, Office, refusal
from tests.storage.samples import AT, step, view

SIGNER = LinkSigner(("k" * 64,))
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
PARTIES = {"provider": "nordwall", "partner": "bergsicht", "customer": "alpenblick"}
ONE, TWO = "order-o1-line-1", "order-o1-line-2"
ANSWERS: dict[str, Any] = {"sites": [{"name": "alpenblick", "licences": 25}], "audio": "computer"}
ANNA = ContactState(contact=Contact(email="anna@alpenblick.example"), generation=1, sent_at=NOW)


class Offline(Countersign):
    """A client whose processes have all ended: everything is answered by the projection."""

    async def _ask(self, process: str) -> ProcessView:
        raise NotRunning


def line(number: int, state: str, **more: Any) -> ProcessView:
    values = {
        "parties": PARTIES,
        "offer": "meetings-suite@1",
        "line": number,
        "title": "Meetings, Alpenblick",
    }
    return view(state, **values | more)


async def tell(database: Database, *steps: Any) -> None:
    async with database.session() as session:
        await projection.advance(session, steps)
        await audit.record(session, steps)


@pytest.fixture
async def countersign(sampled: Database) -> Countersign:
    """An order with a line that is mapped and one whose contact is still to act."""
    placed = view(
        "inProgress",
        kind=ProcessKind.ORDER,
        line=None,
        offer=None,
        parties=PARTIES,
        requested_by=SALES,
        domain="xn--bcher-kva.example",
        title="Order of 2 services",
    )
    remarks = {"external_id": "PO-1", "note": "By Easter", "requested_start": "2026-03-02T09:00:00Z"}
    mapped = line(1, "provisioning", ponr_at=NOW, contact=ANNA)
    await tell(sampled, step(1, "order.submitted", process="order-o1", view=placed, data=remarks))
    bound = {"partner": "bergsicht", "customer": "created-later"}
    await tell(
        sampled,
        step(1, "line.ordered", process=ONE, view=line(1, "awaiting_provisioning_details", contact=ANNA)),
        step(
            2, "line.mapped", process=ONE, view=mapped, data=bound, from_state="awaiting_provisioning_details"
        ),
    )
    await tell(sampled, step(1, "line.ordered", process=TWO, view=line(2, "scheduled", until=NOW)))
    return Offline(cast(Client, None), sampled, clock=lambda: NOW, links=SIGNER)


async def test_says_who_ordered_what_for_whom_and_when(countersign: Countersign) -> None:
    made = await countersign.order_summary("o1")
    assert (made.order, made.state, made.title) == ("o1", "inProgress", "Order of 2 services")
    assert (made.requested_by.key, made.requested_by.name) == (SALES, "Lena Brunner")
    assert [(party.kind, party.key) for party in made.parties] == list(PARTIES.items())
    assert made.parties[2].name == "Alpenblick Treuhand AG"
    assert (made.domain, made.external_id, made.note) == ("bücher.example", "PO-1", "By Easter")
    assert made.placed_at == AT + timedelta(hours=1)
    assert made.as_of == AT + timedelta(hours=2)


async def test_says_of_each_line_where_it_stands_since_when_and_with_whom(countersign: Countersign) -> None:
    one, two = (await countersign.order_summary("o1")).lines
    assert (one.number, one.title, one.offer, one.state) == (
        1,
        "Meetings suite, flexible plan",
        "meetings-suite@1",
        "provisioning",
    )
    assert (one.started_at, one.updated_at) == (AT + timedelta(hours=1), AT + timedelta(hours=2))
    assert one.contact == ANNA
    assert one.requested_start == two.requested_start == NOW
    assert (two.state, two.until, two.contact, two.binding) == ("scheduled", NOW, None, None)


async def test_names_what_a_line_is_bound_to_even_if_the_directory_forgot_it(
    countersign: Countersign,
) -> None:
    binding = (await countersign.order_summary("o1")).lines[0].binding
    assert binding is not None
    assert binding.at == AT + timedelta(hours=2)
    assert (binding.partner.key, binding.partner.name) == ("bergsicht", "Bergsicht IT GmbH")
    assert (binding.customer.key, binding.customer.name) == ("created-later", "created-later")


async def test_shows_a_draft_as_a_draft_and_confirmed_answers_instead_of_it(
    countersign: Countersign, sampled: Database
) -> None:
    assert (await countersign.order_summary("o1")).lines[0].set_up is None
    async with sampled.session() as session:
        await drafts.save(session, ONE, {"audio": "dial_in"}, actor="anna", at=NOW, version=0)
    drafted = (await countersign.order_summary("o1", Language.DE)).lines[0].set_up
    assert drafted is not None
    assert (drafted.confirmed, drafted.by, drafted.at) == (False, "anna", NOW)
    assert [each.value for each in drafted.shown] == ["Einwahl über unsere Rufnummern"]
    taken = step(
        3,
        "line.set_up",
        process=ONE,
        view=line(1, "provisioning"),
        actor="anna@a.example",
        data=audit_data(ANSWERS),
    )
    await tell(sampled, taken)
    confirmed = (await countersign.order_summary("o1")).lines[0].set_up
    assert confirmed is not None
    assert (confirmed.confirmed, confirmed.by, confirmed.answers) == (True, "anna@a.example", ANSWERS)
    assert [(each.title, each.value) for each in confirmed.shown] == [
        ("Site 1: Site name", "alpenblick.meetings.nordwall.example"),
        ("Site 1: Licences", "25"),
        ("Audio", "By computer only"),
    ]


async def test_answers_that_were_refused_are_none(countersign: Countersign, sampled: Database) -> None:
    refused = {"accepted": False, "code": "NOT_PENDING", "data": audit_data(ANSWERS)}
    await tell(sampled, step(3, "line.set_up", process=ONE, view=line(1, "provisioning"), **refused))
    assert (await countersign.order_summary("o1")).lines[0].set_up is None


async def test_is_the_same_however_often_it_is_asked_for_and_survives_the_wire(
    countersign: Countersign,
) -> None:
    made = await countersign.order_summary("o1")
    assert await countersign.order_summary("o1") == made
    assert OrderSummary.model_validate_json(made.model_dump_json()) == made


async def test_of_an_order_that_is_not_there_is_not_found(countersign: Countersign) -> None:
    assert (await refusal(countersign.order_summary("o9")))[0] == "NOT_FOUND"


async def test_behind_a_link_shows_that_line_alone_and_nothing_of_its_approval(
    countersign: Countersign,
) -> None:
    claims = LinkClaims(
        process=TWO,
        purpose=LinkPurpose.PROVISION,
        generation=1,
        recipient=recipient_digest(TWO, "anna@alpenblick.example"),
        expires_at=NOW + timedelta(days=1),
    )
    made = await countersign.order_summary_behind(SIGNER.sign(claims))
    assert [each.process for each in made.lines] == [TWO]
    assert (made.note, made.lines[0].approval) == (None, ())
    assert (await refusal(countersign.order_summary_behind("forged")))[0] == "LINK_INVALID"


async def test_says_who_decided_what_why_and_by_which_rules(office: Office) -> None:
    accepted = await office.submit("mail-archive", note="For ten years")
    process = await office.pending(accepted.order, "managers")
    await office.client.approve(process, "nordwall-manager-1", "Budget is there")
    await office.client.approve(process, "nordwall-manager-2")
    await office.closed(accepted.process)
    made = await office.client.order_summary(accepted.order)
    (stage,) = made.lines[0].approval
    assert (stage.title, stage.round, stage.status, stage.definition) == (
        "Service managers",
        1,
        "APPROVED",
        "two-of-three@1",
    )
    assert [(each.person.name, each.verdict, each.reason) for each in stage.decisions] == [
        ("Urs Caduff", Verdict.APPROVE, "Budget is there"),
        ("Grace Oyelaran", Verdict.APPROVE, None),
    ]
    assert made.note == "For ten years"
