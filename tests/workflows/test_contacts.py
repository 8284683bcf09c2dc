"""Who is asked to complete a line, again or instead, and what races with it (b.2 L7, L9-L11, L17, L18)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import WorkflowHandle

from domain import wire
from domain.contact import ChangeContact, Contact, ContactState, HandOver, MailDelivery, ResendMail
from domain.errors import Code
from domain.mail import Template
from domain.orders import LineOutcome
from domain.transitions import ProcessView
from tests.domain.test_contact import HOSTILE
from tests.workflows.conftest import Scene
from tests.workflows.test_details import CARLA, DAVE, FOR_CUSTOMER, GONE, asked, with_contact
from tests.workflows.world import World, definition, later

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
RESEND = ResendMail(actor="dora")
EVE = Contact(email="eve@contoso.example")
Run = WorkflowHandle[object, object]


def to(contact: Contact, actor: str = "dora") -> ChangeContact:
    return ChangeContact(actor=actor, contact=contact)


async def change(handle: Run, contact: Contact) -> ContactState:
    return await handle.execute_update(wire.CHANGE_CONTACT, to(contact), result_type=ContactState)


async def seen_by_operators(handle: Run) -> ProcessView:
    return await handle.query(wire.VIEW, result_type=ProcessView)


async def end(scene: Scene, handle: Run) -> None:
    """Cancels a line; as the server drops a command that ends a run just as something else reaches it, once
    its mails are out.
    """
    mailed = sum(notice.awaited for step in scene.world.announced[handle.id] for notice in step.notices)
    fates = {"line.details_sent", "line.contact_bounced"}
    async with asyncio.timeout(80):
        while sum(action in fates for action in scene.world.actions(handle.id)) < mailed:
            await asyncio.sleep(0.01)
    await scene.command(handle, wire.CANCEL_LINE)
    await handle.result()


# L7: the first mail


async def test_l7_the_mail_waits_for_the_requested_start_date(scene: Scene, world: World) -> None:
    start = datetime.now(UTC) + 10 * DAY
    handle = await scene.start(with_contact(), start=start)
    await world.told(handle.id, "line.scheduled")
    await scene.skip(handle, 9 * DAY)
    assert world.delivered == []
    await scene.skip(handle, 2 * DAY)
    sent = await world.told(handle.id, "line.details_sent")
    assert abs(sent.at - start) < MINUTE
    assert sent.view.until is not None
    assert abs(sent.view.until - start - 7 * DAY) < MINUTE
    await end(scene, handle)


@pytest.mark.parametrize(("days", "warned_at"), [(7, [6]), (30, [27, 29]), (None, [])])
async def test_l7_l17_the_offer_says_when_the_line_closes_and_when_it_is_warned(
    scene: Scene, world: World, days: int | None, warned_at: list[int]
) -> None:
    wanted = with_contact()
    closes_after = None if days is None else timedelta(days=days)
    offer = wanted.offer.model_copy(update={"closes_after": closes_after})
    handle = await asked(scene, wanted.model_copy(update={"offer": offer}))
    sent = await world.told(handle.id, "line.details_sent")
    await scene.skip(handle, 40 * DAY)
    warned = [step.at for step in world.announced[handle.id] if step.action == "line.closure_warned"]
    assert [round((at - sent.at) / DAY, 2) for at in warned] == warned_at
    assert world.actions(handle.id).count("line.closed") == (0 if days is None else 1)
    await end(scene, handle)


async def test_l7_the_clock_starts_when_a_patient_server_takes_the_mail_at_last(
    scene: Scene, world: World
) -> None:
    def greylist(_address: str) -> MailDelivery | None:
        if activity.info().attempt < 3:
            raise later(HOUR)
        return None

    world.post = greylist
    handle = await scene.start(with_contact())
    requested = await world.told(handle.id, "line.details_requested")
    asked_at = requested.at
    assert requested.notices[0].facts.closes_at == asked_at + 7 * DAY, "the earliest end, as the mail says it"
    assert (await seen_by_operators(handle)).until is None
    await scene.skip(handle, 3 * HOUR)
    sent = await world.told(handle.id, "line.details_sent")
    assert abs(sent.at - asked_at - 2 * HOUR) < MINUTE
    assert sent.view.until is not None
    assert abs(sent.view.until - sent.at - 7 * DAY) < SECOND
    await end(scene, handle)


@pytest.mark.parametrize("answer", ["550 5.1.1 no such mailbox", None])
async def test_l7_a_mail_that_cannot_be_delivered_is_told_at_once_whatever_the_server_said(
    scene: Scene, world: World, answer: str | None
) -> None:
    world.post = lambda _address: MailDelivery(accepted=False, reason=answer)
    handle = await scene.start(with_contact())
    bounced = await world.told(handle.id, "line.contact_bounced")
    [notice] = bounced.notices
    assert notice.audience.people == ("dora",)
    assert notice.audience.workflow_mails
    order = handle.id.split("-")[1]
    assert notice.facts.command == f"countersign order change-contact {order} --line 1"
    assert bounced.view.until is None
    assert bounced.view.waiting_for.startswith("another contact: carla@contoso.example")
    assert bounced.reason == (answer or "the mail could not be delivered")
    await end(scene, handle)


async def test_a_mail_server_that_answers_twice_counts_once(scene: Scene, world: World) -> None:
    """The mail and its repetition are both taken; the clock counts from the first."""
    handle = await asked(scene, with_contact())
    until = (await seen_by_operators(handle)).until
    await scene.skip(handle, HOUR)
    await handle.execute_update(wire.RESEND_MAIL, RESEND)
    await world.told(handle.id, "line.details_sent", 2)
    assert (await seen_by_operators(handle)).until == until
    await end(scene, handle)


async def test_a_mail_to_a_contact_who_was_replaced_meanwhile_starts_no_clock(
    scene: Scene, world: World
) -> None:
    """Its server takes it two hours late; the new contact's has not answered by then."""

    def hesitate(address: str) -> MailDelivery | None:
        if address == DAVE.email or activity.info().attempt < 3:
            raise later(HOUR)
        return None

    world.post = hesitate
    handle = await scene.start(with_contact())
    await world.told(handle.id, "line.details_requested")
    await change(handle, DAVE)
    await scene.skip(handle, 4 * HOUR)
    late = await world.told(handle.id, "line.details_sent")
    assert late.data == {"contact": "1"}
    view = await seen_by_operators(handle)
    assert view.until is None
    assert view.contact is not None
    assert (view.contact.contact, view.contact.accepted_at) == (DAVE, None)
    await scene.command(handle, wire.CANCEL_LINE)


# L9: resend; scenario d.4


async def test_l9_nothing_is_sent_again_before_the_first_mail(scene: Scene, world: World) -> None:
    handle = await scene.start(with_contact(), start=datetime.now(UTC) + 10 * DAY)
    await world.told(handle.id, "line.scheduled")
    assert (await scene.refusal(handle, wire.RESEND_MAIL, RESEND)).type == Code.NOT_YET_SENT
    await end(scene, handle)


async def test_d4_a_closed_line_is_mailed_again_and_the_second_try_says_how_long_to_wait(
    scene: Scene, world: World
) -> None:
    handle = await asked(scene, with_contact())
    await scene.skip(handle, 7 * DAY + 23 * HOUR)
    await world.told(handle.id, "line.closed")
    await handle.execute_update(wire.RESEND_MAIL, RESEND)
    await world.told(handle.id, "line.details_sent", 2)
    await scene.skip(handle, 20 * SECOND)
    refusal = await scene.refusal(handle, wire.RESEND_MAIL, RESEND)
    assert refusal.type == Code.TOO_OFTEN
    [detail] = refusal.details
    assert detail["retry_after"] in {39, 40}
    assert refusal.message.endswith(f" {detail['retry_after']} s")
    assert world.delivered == [CARLA.email] * 2
    view = await seen_by_operators(handle)
    assert (view.state, view.until) == ("closed", None), "no new clock (L18)"
    await end(scene, handle)


async def test_l9_the_eleventh_mail_of_a_day_waits(scene: Scene, world: World) -> None:
    handle = await asked(scene, with_contact())
    for number in range(2, 11):
        await scene.skip(handle, HOUR)
        await handle.execute_update(wire.RESEND_MAIL, RESEND)
        await world.told(handle.id, "line.details_sent", number)
    for update, command in [(wire.RESEND_MAIL, RESEND), (wire.CHANGE_CONTACT, to(DAVE))]:
        await scene.skip(handle, HOUR)
        refusal = await scene.refusal(handle, update, command)
        assert refusal.type == Code.TOO_OFTEN
        assert 12 * 3600 < refusal.details[0]["retry_after"] <= 14 * 3600
    await scene.skip(handle, 13 * HOUR)
    await handle.execute_update(wire.RESEND_MAIL, RESEND)
    await end(scene, handle)


async def test_l9_the_mail_sent_again_brings_a_new_link_and_the_old_one_still_works(
    scene: Scene, world: World
) -> None:
    handle = await asked(scene, with_contact())
    await scene.skip(handle, DAY)
    await handle.execute_update(wire.RESEND_MAIL, RESEND)
    again = await world.told(handle.id, "line.details_resent")
    first = await world.told(handle.id, "line.details_requested")
    links = [step.notices[0].facts.link for step in (first, again)]
    assert [link.generation for link in links if link] == [1, 1]
    assert links[0] is not None
    assert links[1] is not None
    assert links[1].expires_at > links[0].expires_at
    await handle.execute_update(wire.MAP_LINE, FOR_CUSTOMER)
    await handle.result()


# L10, L11, L18: somebody else; scenarios d.3 and d.5


async def test_l10_a_contact_changed_before_the_start_date_gets_the_first_mail_and_nobody_else_any(
    scene: Scene, world: World
) -> None:
    handle = await scene.start(with_contact(), start=datetime.now(UTC) + 10 * DAY)
    await world.told(handle.id, "line.scheduled")
    state = await change(handle, DAVE)
    assert (state.contact, state.generation, state.sent_at) == (DAVE, 2, None)
    assert (await world.told(handle.id, "line.contact_changed")).notices == ()
    await scene.skip(handle, 11 * DAY)
    await world.told(handle.id, "line.details_sent")
    assert world.delivered == [DAVE.email]
    await end(scene, handle)


async def test_l10_a_contact_can_be_changed_while_the_line_waits_for_its_approval(
    scene: Scene, world: World
) -> None:
    wanted = with_contact().model_copy(update={"approval": definition()})
    handle = await scene.start(wanted)
    await world.told(handle.id, "approval.opened")
    await change(handle, DAVE)
    await scene.decide(handle, "ann")
    await world.told(handle.id, "line.details_sent")
    assert world.delivered == [DAVE.email]
    await end(scene, handle)


async def test_d3_a_closed_line_is_completed_late_by_a_new_contact_and_never_closes_again(
    scene: Scene, world: World
) -> None:
    handle = await asked(scene, with_contact())
    await scene.skip(handle, 7 * DAY + MINUTE)
    closed = await world.told(handle.id, "line.closed")
    [notice] = closed.notices
    assert notice.audience.contact == CARLA
    await scene.skip(handle, 11 * DAY)
    assert (await change(handle, DAVE)).generation == 2
    changed = await world.told(handle.id, "line.contact_changed")
    told = {each.template: each.audience.contact for each in changed.notices}
    assert told == {Template.PROVISIONING_DETAILS: DAVE, Template.CONTACT_CHANGED: CARLA}
    await world.told(handle.id, "line.details_sent", 2)
    await scene.skip(handle, DAY + HOUR)
    assert (await scene.refusal(handle, wire.MAP_LINE, FOR_CUSTOMER)).type == Code.LINK_REVOKED
    await handle.execute_update(wire.MAP_LINE, FOR_CUSTOMER.model_copy(update={"generation": 2}))
    assert LineOutcome.model_validate(await handle.result()).state == "provisioned"
    assert world.states(handle.id)[-4:] == [
        "awaiting_provisioning_details",
        "closed",
        "provisioning",
        "provisioned",
    ]
    assert world.actions(handle.id).count("line.closed") == 1


@pytest.mark.parametrize(
    ("update", "command"),
    [
        (wire.RESEND_MAIL, RESEND),
        (wire.CHANGE_CONTACT, to(DAVE)),
        (wire.HAND_OVER, HandOver(generation=1, contact=DAVE)),
    ],
)
async def test_d5_after_the_mapping_the_contact_is_pointed_to_the_portal_and_nobody_is_mailed(
    scene: Scene, world: World, update: str, command: Any
) -> None:
    form = {"fields": [{"name": "site", "type": "text", "title": {"en": "Site", "de": "Site"}}]}
    handle = await asked(scene, with_contact(form=form))
    await handle.execute_update(wire.MAP_LINE, FOR_CUSTOMER)
    await scene.skip(handle, 5 * MINUTE)
    before = len(world.mails(handle.id))
    refusal = await scene.refusal(handle, update, command)
    assert refusal.type == Code.POINT_OF_NO_RETURN
    assert "portal" in refusal.message
    assert (len(world.mails(handle.id)), world.delivered) == (before, [CARLA.email])
    await handle.execute_update(wire.SET_UP_LINE, {"actor": "carla", "answers": {"site": "Bern"}})
    await handle.result()


async def test_l11_a_closed_line_is_handed_over_by_its_contact(scene: Scene, world: World) -> None:
    handle = await asked(scene, with_contact())
    await scene.skip(handle, 8 * DAY)
    await world.told(handle.id, "line.closed")
    await handle.execute_update(wire.HAND_OVER, HandOver(generation=1, contact=DAVE))
    step = await world.told(handle.id, "line.contact_changed")
    assert [notice.template for notice in step.notices] == [
        Template.PROVISIONING_DETAILS,
        Template.CONTACT_CHANGED,
        Template.CONTACT_HANDED_OVER,
    ]
    told = step.notices[-1].facts
    assert (told.contact, told.decided_by) == (DAVE.email, CARLA.email)
    assert step.notices[0].facts.closes_at is None, "it is closed already"
    await end(scene, handle)


async def test_l21_a_contact_who_was_asked_hears_of_the_cancellation_and_one_who_was_not_does_not(
    scene: Scene, world: World
) -> None:
    early = await scene.start(with_contact(), start=datetime.now(UTC) + 10 * DAY)
    await world.told(early.id, "line.scheduled")
    late = await asked(scene, with_contact(DAVE))
    bounced = await scene.start(with_contact(GONE))
    await world.told(bounced.id, "line.contact_bounced")
    for handle in (early, late, bounced):
        await end(scene, handle)
    heard = [(await world.told(each.id, "line.cancelled")).notices[0] for each in (early, late, bounced)]
    assert [notice.audience.contact for notice in heard] == [None, DAVE, None]


async def test_l16_the_contact_hears_that_the_service_is_there(scene: Scene, world: World) -> None:
    handle = await asked(scene, with_contact())
    await handle.execute_update(wire.MAP_LINE, FOR_CUSTOMER)
    await handle.result()
    [notice] = (await world.told(handle.id, "line.provisioned")).notices
    assert (notice.template, notice.audience.contact) == (Template.PROVISIONED, CARLA)


# Races


async def test_of_two_changes_at_once_both_count_in_turn_and_each_answer_is_its_own(
    scene: Scene, world: World
) -> None:
    handle = await asked(scene, with_contact())
    states = await asyncio.gather(change(handle, DAVE), change(handle, EVE))
    answers = {state.contact.email: state.generation for state in states}
    assert sorted(answers.values()) == [2, 3]
    view = await seen_by_operators(handle)
    assert view.contact is not None
    assert answers[view.contact.contact.email] == 3
    await end(scene, handle)


async def test_of_a_hand_over_and_a_change_at_once_the_contacts_word_never_undoes_the_partners(
    scene: Scene, world: World
) -> None:
    """Either the hand-over came first, and the partner changed it, or its link was dead already."""
    handle = await asked(scene, with_contact())
    handed_over, changed = await asyncio.gather(
        handle.execute_update(wire.HAND_OVER, HandOver(generation=1, contact=DAVE)),
        change(handle, EVE),
        return_exceptions=True,
    )
    assert isinstance(changed, ContactState)
    view = await seen_by_operators(handle)
    assert view.contact is not None
    assert view.contact.contact == EVE
    assert changed.generation == (2 if isinstance(handed_over, BaseException) else 3)
    await end(scene, handle)


async def test_while_a_line_is_cancelled_nobody_is_asked_any_more(scene: Scene, world: World) -> None:
    handle = await asked(scene, with_contact())
    answers = await asyncio.gather(
        scene.command(handle, wire.CANCEL_LINE), change(handle, DAVE), return_exceptions=True
    )
    assert answers[0] == "cancelled"
    await handle.result()
    actions = world.actions(handle.id)
    if "line.contact_changed" in actions:
        assert actions.index("line.contact_changed") < actions.index("line.cancelling")


async def test_before_the_first_mail_of_a_line_that_is_prepared_only_the_newest_contact_is_asked(
    scene: Scene, world: World
) -> None:
    """Changed while something is reserved: the mail goes out afterwards, once."""

    def slow(_order: object) -> Any:
        if activity.info().attempt < 2:
            raise later(HOUR)
        return world_provision(_order)

    world_provision, world.provision = world.provision, slow
    handle = await scene.start(
        with_contact(preparation=[{"name": "site", "title": "Site", "adapter": "local"}])
    )
    await world.told(handle.id, "line.preparing")
    await change(handle, DAVE)
    refusal = await scene.refusal(handle, wire.MAP_LINE, FOR_CUSTOMER.model_copy(update={"generation": 2}))
    assert refusal.type == Code.NOT_PENDING
    await scene.skip(handle, 2 * HOUR)
    await world.told(handle.id, "line.details_sent")
    assert world.delivered == [DAVE.email]
    await end(scene, handle)


# Hostile input, straight through Temporal


async def test_no_message_makes_a_contact_of_what_is_no_plain_address(
    scene: Scene, world: World, waiting_line: Run
) -> None:
    for address in HOSTILE:
        contact = {"email": address, "name": "Eve"}
        customer = FOR_CUSTOMER.model_dump(mode="json") | {"set_up_by": "customer", "customer_admin": contact}
        for update, command, field in [
            (wire.CHANGE_CONTACT, {"actor": "dora", "contact": contact}, "contact"),
            (wire.HAND_OVER, {"generation": 1, "contact": contact}, "contact"),
            (wire.MAP_LINE, customer, "customer_admin"),
        ]:
            refusal = await scene.refusal(waiting_line, update, command)
            assert (refusal.type, refusal.message.partition(": ")[0]) == (
                Code.INVALID_INPUT,
                f"{field}.email",
            )
    assert world.delivered == [CARLA.email]
    assert world.actions(waiting_line.id)[-1] == "line.details_sent"


@pytest.fixture
async def waiting_line(scene: Scene) -> Run:
    """A line whose contact was asked and whose services somebody has to set up."""
    form = {"fields": [{"name": "site", "type": "text", "title": {"en": "Site", "de": "Site"}}]}
    return await asked(scene, with_contact(form=form))


async def test_no_message_makes_a_contact_with_a_name_that_breaks_a_header(
    scene: Scene, world: World, waiting_line: Run
) -> None:
    for name in ["Eve\r\nBcc: all@contoso.example", "Eve\x00", "E" * 201, ""]:
        command = {"actor": "dora", "contact": {"email": "eve@contoso.example", "name": name}}
        await scene.refusal(waiting_line, wire.CHANGE_CONTACT, command)
    assert world.delivered == [CARLA.email]


async def test_an_international_domain_is_mailed_in_the_form_mail_carries(
    scene: Scene, world: World, waiting_line: Run
) -> None:
    state = await change(waiting_line, Contact(email="eve@Müller.example"))
    assert state.contact.email == "eve@xn--mller-kva.example"
    await world.told(waiting_line.id, "line.details_sent", 2)
    assert world.delivered[-1] == "eve@xn--mller-kva.example"
    await end(scene, waiting_line)
