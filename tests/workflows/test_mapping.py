"""Binding a line to its organisations, and what follows until its service is there (b.2 L12-L17, L22)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from domain import wire
from domain.checks import Claim
from domain.contact import ChangeContact, Contact, ContactState, HandOver
from domain.dns.verdicts import Overall
from domain.errors import Code
from domain.forms import answers_in
from domain.mail import Template
from domain.mapping import MapLine, Mapped, MappingPurpose, NewOrganisation, OrganisationChoice, SetUpBy
from domain.orders import Line, LineCommand
from domain.provisioning import Provisioned
from domain.transitions import ProcessView
from tests.workflows.backend import Backend
from tests.workflows.conftest import Scene
from tests.workflows.test_details import DAVE, FOR_CUSTOMER, GONE, asked, with_contact
from tests.workflows.world import OWNERSHIP, World, later, seen

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
FORM = {
    "fields": [{"name": "site", "type": "text", "title": {"en": "Site", "de": "Site"}, "required": False}]
}
BY_PARTNER = FOR_CUSTOMER.model_copy(update={"generation": None, "actor": "dora"})
NOWHERE = NewOrganisation(name="Atlantis AG", industry="Retail", country="ZZ")
ADMIN = Contact(email="admin@contoso.example")
Run = WorkflowHandle[object, object]


def with_records(**more: object) -> Line:
    """A line that has to be completed, and whose records are looked at afterwards."""
    wanted = with_contact(**more)  # type: ignore[arg-type]
    offer = wanted.offer.model_copy(update={"records": (OWNERSHIP,)})
    return wanted.model_copy(update={"offer": offer})


async def mapped(handle: Run, command: MapLine = FOR_CUSTOMER) -> Mapped:
    return await handle.execute_update(wire.MAP_LINE, command, result_type=Mapped)


async def outcome(handle: Run) -> str:
    return str((await handle.result())["state"])  # type: ignore[index]


async def view_of(handle: Run) -> ProcessView:
    return await handle.query(wire.VIEW, result_type=ProcessView)


# L12: the point of no return


async def test_l12_the_mapping_is_the_point_of_no_return_and_the_closure_clock_goes_on(
    scene: Scene, world: World
) -> None:
    handle = await asked(scene, with_contact(form=FORM))
    until = (await view_of(handle)).until
    answer = await mapped(handle)
    step = await world.told(handle.id, "line.mapped")
    assert (step.view.ponr_at, step.view.until) == (answer.at, until)
    assert (step.from_state, step.to_state) == ("awaiting_provisioning_details", "provisioning")
    assert step.services[0].status == "provisioning"
    [told] = [notice for notice in step.notices if notice.template is Template.LINE_MAPPED]
    assert (told.audience.organisations, told.audience.permission) == (("partner", "customer"), "notify")
    await scene.skip(handle, 7 * DAY)
    closed = await world.told(handle.id, "line.closed")
    assert closed.notices[0].audience.contact is None, "since the mapping it is no longer the contact's"
    await handle.execute_update(wire.SET_UP_LINE, {"actor": "dora", "answers": {}})
    assert await outcome(handle) == "provisioned"
    assert world.actions(handle.id).count("line.closed") == 1


async def test_l12_a_line_mapped_before_its_mail_arrived_has_a_clock_all_the_same(
    scene: Scene, world: World
) -> None:
    handle = await scene.start(with_contact(GONE, form=FORM))
    await world.told(handle.id, "line.contact_bounced")
    answer = await mapped(handle, BY_PARTNER)
    assert (await view_of(handle)).until == answer.at + 7 * DAY
    await handle.execute_update(wire.SET_UP_LINE, {"actor": "dora", "answers": {}})
    assert await outcome(handle) == "provisioned"


async def test_l12_what_becomes_of_a_mail_after_the_mapping_matters_to_nobody(
    scene: Scene, world: World
) -> None:
    world.post = lambda _address: (_ for _ in ()).throw(later(HOUR))
    handle = await scene.start(with_contact(GONE, form=FORM))
    await world.told(handle.id, "line.details_requested")
    await mapped(handle, BY_PARTNER)
    until = (await view_of(handle)).until
    world.post = lambda _address: None
    await scene.skip(handle, 2 * HOUR)
    assert "line.contact_bounced" not in world.actions(handle.id)
    assert (await view_of(handle)).until == until
    await handle.execute_update(wire.SET_UP_LINE, {"actor": "dora", "answers": {}})
    await handle.result()


async def test_l12_a_line_for_my_own_company_is_bound_to_it_alone(scene: Scene, world: World) -> None:
    handle = await scene.start(with_contact(), for_domain=False)
    await world.told(handle.id, "line.details_sent")
    own = FOR_CUSTOMER.model_copy(update={"purpose": MappingPurpose.OWN_COMPANY, "customer": None})
    answer = await mapped(handle, own)
    assert (answer.partner, answer.customer) == ("partner", "partner")
    assert await outcome(handle) == "provisioned"


async def test_l12_a_directory_that_is_away_binds_nothing(scene: Scene, world: World) -> None:
    handle = await asked(scene, with_contact())
    world.database_down = True
    assert (await scene.refusal(handle, wire.MAP_LINE, FOR_CUSTOMER)).type == Code.UNAVAILABLE
    world.database_down = False
    assert (await view_of(handle)).ponr_at is None
    await mapped(handle)
    assert await outcome(handle) == "provisioned"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"partner": OrganisationChoice(key="nobody")}, "partner"),
        ({"customer": OrganisationChoice(key="nobody")}, "customer"),
        ({"customer": OrganisationChoice(key="partner")}, "customer"),
        ({"customer": OrganisationChoice(new=NOWHERE)}, "customer.new.country"),
        ({"partner": OrganisationChoice(new=NOWHERE)}, "partner.new.country"),
        ({"set_up_by": SetUpBy.CUSTOMER, "customer_admin": ADMIN}, "set_up_by"),
        ({"set_up_by": SetUpBy.NOW, "answers": {"site": "x"}}, "answers"),
    ],
)
async def test_l12_what_does_not_fit_is_refused_by_name_and_binds_nothing(
    scene: Scene, world: World, changes: dict[str, Any], field: str
) -> None:
    handle = await asked(scene, with_contact())
    refusal = await scene.refusal(handle, wire.MAP_LINE, FOR_CUSTOMER.model_copy(update=changes))
    assert (refusal.type, refusal.message.partition(":")[0]) == (Code.INVALID_INPUT, field)
    assert (await view_of(handle)).ponr_at is None
    await scene.command(handle, wire.CANCEL_LINE)


# Races for the point of no return


async def test_of_two_who_confirm_at_once_one_binds_and_the_other_is_told_so(
    scene: Scene, world: World
) -> None:
    handle = await asked(scene, with_contact(form=FORM))
    answers = await asyncio.gather(mapped(handle), mapped(handle), return_exceptions=True)
    [loser] = [each for each in answers if not isinstance(each, Mapped)]
    assert isinstance(loser, WorkflowUpdateFailedError)
    assert isinstance(loser.cause, ApplicationError)
    assert loser.cause.type == Code.POINT_OF_NO_RETURN
    assert world.actions(handle.id).count("line.mapped") == 1
    await handle.execute_update(wire.SET_UP_LINE, {"actor": "dora", "answers": {}})
    await handle.result()


@pytest.mark.parametrize("rival", ["change", "hand over", "cancel"])
async def test_of_a_mapping_and_what_would_revoke_it_exactly_one_happens(
    scene: Scene, world: World, rival: str
) -> None:
    """Ten lines, as the order in which two messages arrive is not the test's."""
    lines = [await asked(scene, with_contact(form=FORM)) for _ in range(10)]

    async def race(handle: Run) -> None:
        other: Any = {
            "change": lambda: handle.execute_update(
                wire.CHANGE_CONTACT, ChangeContact(actor="dora", contact=DAVE), result_type=ContactState
            ),
            "hand over": lambda: handle.execute_update(
                wire.HAND_OVER, HandOver(generation=1, contact=DAVE), result_type=ContactState
            ),
            "cancel": lambda: handle.execute_update(wire.CANCEL_LINE, LineCommand(actor="dora")),
        }[rival]
        bound, revoked = await asyncio.gather(mapped(handle), other(), return_exceptions=True)
        assert isinstance(bound, BaseException) is not isinstance(revoked, BaseException)
        actions = world.actions(handle.id)
        if isinstance(bound, Mapped):
            assert not {"line.contact_changed", "line.cancelled"} & set(actions)
            await handle.execute_update(wire.SET_UP_LINE, {"actor": "dora", "answers": {}})
            assert await outcome(handle) == "provisioned"
        else:
            assert "line.mapped" not in actions
            if rival != "cancel":
                await world.told(handle.id, "line.details_sent", 2)
                await scene.command(handle, wire.CANCEL_LINE)
            assert await outcome(handle) == "cancelled"

    await asyncio.gather(*map(race, lines))


# The set-up (L13)


async def test_l13_the_partner_sets_up_later_and_is_reminded_until_then(scene: Scene, world: World) -> None:
    handle = await asked(scene, with_contact(days=30, form=FORM))
    answer = await mapped(handle)
    assert answer.waits_for == "partner"
    assert (await view_of(handle)).open_tasks == ("partner",)
    await scene.skip(handle, 3 * DAY + HOUR)
    reminded = await world.told(handle.id, "line.set_up_reminded")
    assert abs(reminded.at - answer.at - 3 * DAY) < MINUTE
    bound = (await world.told(handle.id, "line.mapped")).notices[0].facts
    command = f"countersign order set-up {handle.id.split('-')[1]} --line 1"
    assert (bound.decided_by, bound.command) == (FOR_CUSTOMER.actor, command)
    assert (reminded.notices[0].facts.command, reminded.notices[0].facts.closes_at) == (
        command,
        reminded.view.until,
    )
    await handle.execute_update(wire.SET_UP_LINE, {"actor": "dora", "answers": {"site": "Bern"}})
    assert await outcome(handle) == "provisioned"
    assert world.mails(handle.id).count(Template.SET_UP_REMINDER) == 1
    assert answers_in((await world.told(handle.id, "line.set_up")).data) == {"site": "Bern"}


async def test_l13_the_customers_admin_is_mailed_a_link_and_the_partner_keeps_access(
    scene: Scene, world: World
) -> None:
    handle = await asked(scene, with_contact(form=FORM))
    by_customer = {"set_up_by": SetUpBy.CUSTOMER, "customer_admin": Contact(email="admin@Müller.example")}
    await mapped(handle, FOR_CUSTOMER.model_copy(update=by_customer))
    step = await world.told(handle.id, "line.mapped")
    notice = next(each for each in step.notices if each.template is Template.CUSTOMER_SET_UP)
    assert notice.audience.contact == Contact(email="admin@xn--mller-kva.example")
    assert notice.facts.link is not None
    assert notice.facts.link.purpose == "set_up"
    assert (notice.facts.decided_by, notice.facts.closes_at) == (FOR_CUSTOMER.actor, step.view.until)
    assert step.view.parties.partner == "partner"
    await handle.execute_update(wire.SET_UP_LINE, {"actor": "dora", "answers": {"site": "Bern"}})
    assert await outcome(handle) == "provisioned"


async def test_l13_a_form_that_asks_for_nothing_in_particular_is_answered_with_nothing(
    scene: Scene, world: World
) -> None:
    handle = await asked(scene, with_contact(form=FORM))
    await mapped(handle, FOR_CUSTOMER.model_copy(update={"set_up_by": SetUpBy.NOW, "answers": {}}))
    assert await outcome(handle) == "provisioned"


async def test_l13_answers_reach_the_backend_beside_the_offers_parameters(scene: Scene, world: World) -> None:
    handle = await asked(scene, with_contact(form=FORM, adapter="local", parameters={"size": "s"}))
    now = {"set_up_by": SetUpBy.NOW, "answers": {"site": "Bern"}}
    await mapped(handle, FOR_CUSTOMER.model_copy(update=now))
    assert await outcome(handle) == "provisioned"
    [order] = world.provisioned
    assert order.order.parameters == {"size": "s", "site": "Bern"}
    assert answers_in((await world.told(handle.id, "line.mapped")).data) == {"site": "Bern"}


async def test_l13_set_up_is_refused_before_the_mapping_and_the_second_time(
    scene: Scene, world: World
) -> None:
    handle = await asked(scene, with_contact(form=FORM, adapter="local"))
    world.provision = lambda _order: (_ for _ in ()).throw(later(HOUR))
    answers = {"actor": "dora", "answers": {}}
    assert (await scene.refusal(handle, wire.SET_UP_LINE, answers)).type == Code.NOT_PENDING
    await mapped(handle)
    await handle.execute_update(wire.SET_UP_LINE, answers)
    assert (await scene.refusal(handle, wire.SET_UP_LINE, answers)).type == Code.ALREADY_DECIDED


# L14, L15, L17, L22: records after the mapping; scenarios d.2 and d.8


async def test_d2_records_that_appear_on_day_six_are_found_by_check_now_and_nothing_closes(
    scene: Scene, world: World
) -> None:
    world.records = lambda _watch, _attempt: seen(Overall.PENDING)
    handle = await asked(scene, with_records())
    sent = await world.told(handle.id, "line.details_sent")
    await scene.skip(handle, DAY)
    await mapped(handle)
    pending = await world.told(handle.id, "line.records_seen")
    assert pending.view.open_tasks == ("dns",)
    assert pending.view.until == sent.view.until, "it counts from the mail, as completion does"
    await scene.skip(handle, 5 * DAY + HOUR)
    warned = await world.told(handle.id, "line.closure_warned")
    assert abs(warned.at - sent.at - 6 * DAY) < MINUTE
    world.records = lambda _watch, _attempt: seen(Overall.VERIFIED)
    looked = await scene.command(handle, wire.CHECK_RECORDS)
    assert looked["state"] == Overall.VERIFIED  # type: ignore[index]
    assert await outcome(handle) == "provisioned"
    assert Template.LINE_CLOSED not in world.mails(handle.id)
    assert world.mails(handle.id).count(Template.CLOSURE_WARNING) == 1


async def test_l17_l19_a_mapped_line_closes_over_its_records_and_is_provisioned_when_they_appear(
    scene: Scene, world: World
) -> None:
    world.records = lambda _watch, _attempt: seen(Overall.PENDING)
    handle = await asked(scene, with_records())
    await mapped(handle)
    await world.told(handle.id, "line.records_seen")
    await scene.skip(handle, 8 * DAY)
    await world.told(handle.id, "line.closed")
    for update in (wire.RESEND_MAIL, wire.CANCEL_LINE):
        refusal = await scene.refusal(handle, update, LineCommand(actor="dora"))
        assert refusal.type == Code.POINT_OF_NO_RETURN
    world.records = lambda _watch, _attempt: seen(Overall.VERIFIED)
    await scene.skip(handle, 5 * HOUR)
    assert await outcome(handle) == "provisioned"
    assert world.states(handle.id)[-4:] == ["provisioning", "closed", "provisioning", "provisioned"]


async def test_a_mapped_line_whose_domain_is_verified_by_somebody_else_fails_and_leaves_nothing(
    scene: Scene, world: World
) -> None:
    backend = Backend()
    world.provision, world.remove = backend.provision, backend.remove
    world.records = lambda _watch, _attempt: seen(Overall.VERIFIED, claim=Claim.TAKEN)
    handle = await asked(
        scene, with_records(preparation=[{"name": "site", "title": "Site", "adapter": "local"}])
    )
    await mapped(handle)
    assert await outcome(handle) == "failed"
    assert backend.log == ["+site", "-site"]


async def test_d8_a_line_that_is_executed_cannot_be_cancelled_and_points_to_unsubscribe(
    scene: Scene, world: World
) -> None:
    world.provision = lambda _order: (_ for _ in ()).throw(later(HOUR))
    handle = await asked(scene, with_contact(adapter="local"))
    await mapped(handle)
    await world.told(handle.id, "line.executing")
    refusal = await scene.refusal(handle, wire.CANCEL_LINE, LineCommand(actor="dora"))
    assert refusal.type == Code.POINT_OF_NO_RETURN
    assert "unsubscribe" in refusal.message
    assert (await view_of(handle)).state == "provisioning"
    world.provision = lambda _order: Provisioned(reference="ref")
    await scene.skip(handle, 2 * HOUR)
    assert await outcome(handle) == "provisioned"


async def test_check_now_is_refused_where_no_records_are_asked_for(scene: Scene, world: World) -> None:
    """It once asked a domain that does not exist, and stopped the line for good."""
    handle = await scene.start(with_contact(form=FORM), for_domain=False)
    await world.told(handle.id, "line.details_sent")
    own = FOR_CUSTOMER.model_copy(update={"purpose": MappingPurpose.OWN_COMPANY, "customer": None})
    await mapped(handle, own)
    refusal = await scene.refusal(handle, wire.CHECK_RECORDS, LineCommand(actor="dora"))
    assert refusal.type == Code.NOT_PENDING
    await handle.execute_update(wire.SET_UP_LINE, {"actor": "dora", "answers": {}})
    assert await outcome(handle) == "provisioned"


async def test_a_line_that_waits_for_its_contact_is_none_of_the_automatic_deployments_business(
    scene: Scene, world: World
) -> None:
    wanted = with_contact()
    offer = wanted.offer.model_copy(update={"deployment": "on_demand"})
    order = await scene.order(wanted.model_copy(update={"offer": offer}))
    handle = await scene.line_of(order, 1, "line.details_sent")
    attributes = {pair.key.name: pair.value for pair in (await handle.describe()).typed_search_attributes}
    assert attributes[wire.PROCESS_STATE] != "confirmed"
    await scene.command(handle, wire.CANCEL_LINE)


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "{{ 7 * 7 }}", "ACME & Söhne <b>"])
async def test_an_organisation_is_bound_under_its_name_as_it_was_written(
    scene: Scene, world: World, name: str
) -> None:
    """What a name does in a mail is held in tests/activities/mail; the process passes it on as it is."""
    handle = await scene.start(with_contact(form=FORM), for_domain=False)
    await world.told(handle.id, "line.details_sent")
    new = NewOrganisation(name=name, industry="Retail", country="CH")
    await mapped(handle, FOR_CUSTOMER.model_copy(update={"customer": OrganisationChoice(new=new)}))
    step = await world.told(handle.id, "line.mapped")
    assert step.organisations[0].organisation.name == name
    assert step.notices[0].facts.organisation == name
    attributes = {pair.key.name: pair.value for pair in (await handle.describe()).typed_search_attributes}
    assert attributes[wire.TENANT_REF] == step.view.parties.customer, "operators find it under who has it now"
    await handle.execute_update(wire.SET_UP_LINE, {"actor": "dora", "answers": {}})
    await handle.result()
