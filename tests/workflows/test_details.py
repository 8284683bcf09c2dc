"""The provisioning contact, the mapping and the set-up of a line (SPEC 5.4, 5.5; provisioning.md b.2)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from domain import wire
from domain.contact import ChangeContact, Contact, ContactState, HandOver, ResendMail
from domain.errors import Code
from domain.mail import Template
from domain.mapping import MapLine, Mapped, MappingPurpose, NewOrganisation, OrganisationChoice, SetUpBy
from domain.orders import Line, LineCommand, LineOutcome
from tests.workflows.conftest import Scene
from tests.workflows.world import line

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
CARLA = Contact(email="carla@contoso.example")
DAVE = Contact(email="dave@contoso.example")
GONE = Contact(email="gone@contoso.example")
FOR_CUSTOMER = MapLine(
    actor="carla@contoso.example",
    purpose=MappingPurpose.FOR_CUSTOMER,
    partner=OrganisationChoice(key="partner"),
    customer=OrganisationChoice(key="customer"),
    generation=1,
)


def with_contact(contact: Contact = CARLA, *, days: int = 7, **more: object) -> Line:
    """A line whose offer wants somebody to complete it."""
    wanted = line(needs_contact=True, records=(), closes_after=timedelta(days=days), **more)
    return wanted.model_copy(update={"contact": contact})


async def refusal(handle: WorkflowHandle[object, object], update: str, command: Any) -> tuple[str, str]:
    """Code and message of a refused update."""
    with pytest.raises(WorkflowUpdateFailedError) as error:
        await handle.execute_update(update, command)
    cause = error.value.cause
    assert isinstance(cause, ApplicationError)
    return str(cause.type), cause.message


async def asked(scene: Scene, wanted: Line) -> WorkflowHandle[object, object]:
    """A line whose contact's mail was taken by a mail server."""
    handle = await scene.start(wanted)
    await scene.world.told(handle.id, "line.details_sent")
    return handle


async def test_the_mail_goes_to_the_contact_and_its_acceptance_starts_the_closure_clock(scene: Scene) -> None:
    handle = await asked(scene, with_contact())
    assert scene.world.delivered == [CARLA.email]
    assert scene.world.states(handle.id)[-1] == "awaiting_provisioning_details"
    await scene.skip(handle, 7 * DAY)
    closed = await scene.world.told(handle.id, "line.closed")
    sent = await scene.world.told(handle.id, "line.details_sent")
    assert abs(closed.at - sent.at - 7 * DAY) < 2 * MINUTE
    warned = await scene.world.told(handle.id, "line.closure_warned")
    for step in (warned, closed):
        [notice] = step.notices
        assert (notice.audience.contact, notice.audience.people) == (CARLA, ("dora",))
        assert notice.facts.link is not None
        assert notice.facts.closes_at is not None
        assert abs(notice.facts.closes_at - closed.at) < 2 * MINUTE
        assert notice.facts.command == f"countersign order map {handle.id.split('-')[1]} --line 1"
    assert scene.world.mails(handle.id).count(Template.CLOSURE_WARNING) == 1


async def test_mapping_is_the_point_of_no_return_and_provisions(scene: Scene) -> None:
    handle = await asked(scene, with_contact())
    mapped = await handle.execute_update(wire.MAP_LINE, FOR_CUSTOMER, result_type=Mapped)
    assert (mapped.partner, mapped.customer, mapped.waits_for) == ("partner", "customer", None)
    assert LineOutcome.model_validate(await handle.result()).state == "provisioned"
    assert scene.world.states(handle.id)[-2:] == ["provisioning", "provisioned"]


async def test_a_new_customer_organisation_comes_with_the_mapping(scene: Scene) -> None:
    handle = await scene.start(with_contact(), for_domain=False)
    await scene.world.told(handle.id, "line.details_sent")
    new = NewOrganisation(name="Contoso", industry="Retail", country="CH")
    command = FOR_CUSTOMER.model_copy(update={"customer": OrganisationChoice(new=new)})
    mapped = await handle.execute_update(wire.MAP_LINE, command, result_type=Mapped)
    step = await scene.world.told(handle.id, "line.mapped")
    assert [(each.key, each.partner) for each in step.organisations] == [(mapped.customer, "partner")]
    assert step.services[0].organisation == mapped.customer
    assert step.view.parties.customer == mapped.customer


async def test_a_line_for_a_domain_stays_with_whom_the_domain_was_ordered_for(scene: Scene) -> None:
    scene.world.organisations["other"] = scene.world.organisations["customer"]
    handle = await asked(scene, with_contact())
    command = FOR_CUSTOMER.model_copy(update={"customer": OrganisationChoice(key="other")})
    code, message = await refusal(handle, wire.MAP_LINE, command)
    assert (code, message.partition(":")[0]) == (Code.INVALID_INPUT, "customer")


async def test_a_hard_bounce_tells_at_once_and_starts_no_clock(scene: Scene) -> None:
    handle = await scene.start(with_contact(GONE))
    bounced = await scene.world.told(handle.id, "line.contact_bounced")
    assert bounced.reason == "550 5.1.1 no such mailbox"
    assert [notice.template for notice in bounced.notices] == [Template.CONTACT_BOUNCED]
    await scene.skip(handle, 30 * DAY)
    assert "line.closed" not in scene.world.actions(handle.id)
    changed = await handle.execute_update(
        wire.CHANGE_CONTACT, ChangeContact(actor="dora", contact=DAVE), result_type=ContactState
    )
    assert changed.generation == 2
    await scene.world.told(handle.id, "line.details_sent")
    await scene.skip(handle, 7 * DAY)
    await scene.world.told(handle.id, "line.closed")


async def test_the_mail_is_sent_again_once_a_minute_and_the_clock_goes_on(scene: Scene) -> None:
    handle = await asked(scene, with_contact())
    closes_at = (await scene.world.told(handle.id, "line.details_sent")).view.until
    code, message = await refusal(handle, wire.RESEND_MAIL, ResendMail(actor="dora"))
    assert code == Code.TOO_OFTEN
    assert message.endswith("s")
    await scene.skip(handle, MINUTE)
    await handle.execute_update(wire.RESEND_MAIL, ResendMail(actor="dora"))
    sent = await scene.world.told(handle.id, "line.details_sent", times=2)
    assert sent.view.until == closes_at


async def test_a_new_contact_ends_the_old_links_and_both_are_told(scene: Scene) -> None:
    handle = await asked(scene, with_contact())
    await handle.execute_update(wire.CHANGE_CONTACT, ChangeContact(actor="dora", contact=DAVE))
    step = await scene.world.told(handle.id, "line.contact_changed")
    told = {notice.template: notice.audience.contact for notice in step.notices}
    assert told == {Template.PROVISIONING_DETAILS: DAVE, Template.CONTACT_CHANGED: CARLA}
    code, _ = await refusal(handle, wire.MAP_LINE, FOR_CUSTOMER)
    assert code == Code.LINK_REVOKED
    code, _ = await refusal(handle, wire.HAND_OVER, HandOver(generation=1, contact=CARLA))
    assert code == Code.LINK_REVOKED
    await handle.execute_update(wire.MAP_LINE, FOR_CUSTOMER.model_copy(update={"generation": 2}))
    await handle.result()


async def test_the_contact_hands_over_and_the_placing_contact_hears(scene: Scene) -> None:
    handle = await asked(scene, with_contact())
    await handle.execute_update(wire.HAND_OVER, HandOver(generation=1, contact=DAVE))
    step = await scene.world.told(handle.id, "line.contact_changed")
    assert step.actor == CARLA.email
    assert Template.CONTACT_HANDED_OVER in [notice.template for notice in step.notices]


@pytest.mark.parametrize(
    ("update", "command"),
    [
        (wire.RESEND_MAIL, ResendMail(actor="dora")),
        (wire.CHANGE_CONTACT, ChangeContact(actor="dora", contact=DAVE)),
        (wire.HAND_OVER, HandOver(generation=1, contact=DAVE)),
        (wire.MAP_LINE, FOR_CUSTOMER),
        (wire.CANCEL_LINE, LineCommand(actor="dora")),
    ],
)
async def test_nothing_of_it_works_after_the_point_of_no_return(
    scene: Scene, update: str, command: Any
) -> None:
    """The services are still to be set up, so that the line has not ended."""
    form = {"fields": [{"name": "site", "type": "text", "title": {"en": "Site", "de": "Site"}}]}
    handle = await asked(scene, with_contact(form=form))
    await handle.execute_update(wire.MAP_LINE, FOR_CUSTOMER)
    code, message = await refusal(handle, update, command)
    assert code == Code.POINT_OF_NO_RETURN
    assert "portal" in message or "unsubscribe" in message


async def test_a_closed_line_can_still_be_completed_and_never_closes_twice(scene: Scene) -> None:
    handle = await asked(scene, with_contact())
    await scene.skip(handle, 8 * DAY)
    await scene.world.told(handle.id, "line.closed")
    await handle.execute_update(wire.CHANGE_CONTACT, ChangeContact(actor="dora", contact=DAVE))
    await scene.world.told(handle.id, "line.details_sent", times=2)
    await scene.skip(handle, 60 * DAY)
    await handle.execute_update(wire.MAP_LINE, FOR_CUSTOMER.model_copy(update={"generation": 2}))
    assert LineOutcome.model_validate(await handle.result()).state == "provisioned"
    assert scene.world.actions(handle.id).count("line.closed") == 1


async def test_what_was_reserved_is_taken_back_in_reverse(scene: Scene) -> None:
    steps = [{"name": name, "title": name, "adapter": "local"} for name in ("site", "numbers")]
    handle = await asked(scene, with_contact(preparation=steps))
    await scene.command(handle, wire.CANCEL_LINE)
    outcome = LineOutcome.model_validate(await handle.result())
    assert outcome.state == "cancelled"
    assert [each.order.service.rpartition("-")[2] for each in scene.world.removed] == ["numbers", "site"]
    assert scene.world.states(handle.id)[-2:] == ["cancelling", "cancelled"]


async def test_the_customer_sets_up_and_is_reminded(scene: Scene) -> None:
    form = {"fields": [{"name": "site", "type": "text", "title": {"en": "Site", "de": "Site"}}]}
    handle = await asked(scene, with_contact(days=30, form=form))
    command = FOR_CUSTOMER.model_copy(
        update={"set_up_by": SetUpBy.CUSTOMER, "customer_admin": Contact(email="admin@contoso.example")}
    )
    mapped = await handle.execute_update(wire.MAP_LINE, command, result_type=Mapped)
    assert mapped.waits_for == "customer_setup"
    await scene.skip(handle, 6 * DAY + HOUR)
    assert scene.world.mails(handle.id).count(Template.SET_UP_REMINDER) == 2
    code, _ = await refusal(handle, wire.SET_UP_LINE, {"actor": "admin", "answers": {"place": "x"}})
    assert code == Code.INVALID_INPUT
    await handle.execute_update(wire.SET_UP_LINE, {"actor": "admin", "answers": {"site": "Bern"}})
    await handle.result()
