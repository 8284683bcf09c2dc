"""Scripted runs, one for each way a line is completed, taken back or tried again (SPEC 5.4, 5.5, 5.7)."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio.exceptions import ApplicationError

from domain import wire
from domain.contact import ChangeContact, HandOver
from domain.customer import AskCustomer
from domain.definitions import OnChange, content_hash
from domain.dns.verdicts import Overall
from domain.errors import Code
from domain.links import LinkPurpose
from domain.mapping import SetUpBy
from domain.orders import Line
from domain.rollouts import ChangeLines, DefinitionChange
from tests.replay.scenarios import Run, blocked, scenario
from tests.workflows.backend import Backend, Fault, is_away_for, refuses
from tests.workflows.conftest import Scene
from tests.workflows.test_details import DAVE, FOR_CUSTOMER, GONE, asked, with_contact
from tests.workflows.test_mapping import ADMIN, FORM
from tests.workflows.world import definition, line, seen, stage

SOON, HOUR, DAY = timedelta(milliseconds=50), timedelta(hours=1), timedelta(days=1)
PREPARATION = [{"name": name, "title": name.title(), "adapter": "local"} for name in ("site", "numbers")]
NEW = definition(stage("legal")).model_copy(update={"version": 2})
BY_DAVE = FOR_CUSTOMER.model_copy(update={"actor": DAVE.email, "generation": 2})


def _backend(scene: Scene) -> Backend:
    backend = Backend()
    scene.world.provision, scene.world.remove = backend.provision, backend.remove
    return backend


def _prepared(**more: object) -> Line:
    return line(adapter="local", preparation=PREPARATION, **more)


async def _ended(handle: Run) -> Run:
    await handle.result()
    return handle


# The contact (L7, L10, L11, L12, L19)


@scenario
async def line_mapped_by_its_contact(scene: Scene) -> Run:
    handle = await asked(scene, with_contact(adapter="local"))
    await handle.execute_update(wire.MAP_LINE, FOR_CUSTOMER)
    return await _ended(handle)


@scenario
async def line_mapped_by_another_contact_after_a_bounce(scene: Scene) -> Run:
    handle = await scene.start(with_contact(GONE))
    await scene.world.told(handle.id, "line.contact_bounced")
    await handle.execute_update(wire.CHANGE_CONTACT, ChangeContact(actor="dora", contact=DAVE))
    await scene.world.told(handle.id, "line.details_sent")
    await handle.execute_update(wire.MAP_LINE, BY_DAVE)
    return await _ended(handle)


@scenario
async def line_handed_over_and_mapped(scene: Scene) -> Run:
    handle = await asked(scene, with_contact())
    await handle.execute_update(wire.HAND_OVER, HandOver(generation=1, contact=DAVE, reason="on leave"))
    await scene.world.told(handle.id, "line.details_sent", 2)
    await handle.execute_update(wire.MAP_LINE, BY_DAVE)
    return await _ended(handle)


@scenario
async def line_closed_mailed_again_and_mapped_late(scene: Scene) -> Run:
    handle = await asked(scene, with_contact())
    await scene.skip(handle, 7 * DAY)
    await scene.world.told(handle.id, "line.closed")
    await handle.execute_update(wire.RESEND_MAIL, {"actor": "dora"})
    await scene.world.told(handle.id, "line.details_sent", 2)
    await handle.execute_update(wire.MAP_LINE, FOR_CUSTOMER)
    return await _ended(handle)


# The set-up (L13)


@scenario
async def line_set_up_by_the_customer(scene: Scene) -> Run:
    handle = await asked(scene, with_contact(form=FORM, adapter="local"))
    by_customer = FOR_CUSTOMER.model_copy(update={"set_up_by": SetUpBy.CUSTOMER, "customer_admin": ADMIN})
    await handle.execute_update(wire.MAP_LINE, by_customer)
    await scene.world.told(handle.id, "line.customer_mailed")
    await scene.skip(handle, 4 * DAY)
    await scene.world.told(handle.id, "line.set_up_reminded")
    await handle.execute_update(wire.SET_UP_LINE, {"actor": ADMIN.email, "answers": {"site": "Bern"}})
    return await _ended(handle)


@scenario
async def line_set_up_by_another_admin_after_a_bounce(scene: Scene) -> Run:
    handle = await asked(scene, with_contact(form=FORM, adapter="local"))
    by_customer = FOR_CUSTOMER.model_copy(update={"set_up_by": SetUpBy.CUSTOMER, "customer_admin": GONE})
    await handle.execute_update(wire.MAP_LINE, by_customer)
    await scene.world.told(handle.id, "line.customer_bounced")
    await handle.execute_update(wire.ASK_CUSTOMER, AskCustomer(actor="dora", customer_admin=ADMIN))
    await scene.world.told(handle.id, "line.customer_mailed")
    by_link = {"actor": ADMIN.email, "purpose": LinkPurpose.SET_UP, "generation": 2}
    await handle.execute_update(wire.SET_UP_LINE, by_link | {"answers": {"site": "Bern"}})
    return await _ended(handle)


# Taken back, and tried again (L21, L23)


class Silence:
    """A backend that does not answer until it is told to."""

    def __init__(self) -> None:
        self.is_over = False

    def __call__(self, _attempt: int) -> None:
        if not self.is_over:
            raise ApplicationError("no connection", type=Code.UNAVAILABLE, next_retry_delay=SOON)


async def _cancelled_amid_a_step(scene: Scene, silence: Fault) -> tuple[Run, asyncio.Future[object]]:
    """A line cancelled while its second step is under way; the answer to it is still to come."""
    _backend(scene).faults = {"numbers": silence}
    handle = await scene.start(_prepared())
    async with asyncio.timeout(80):
        while len(scene.world.provisioned) < len(PREPARATION):
            await asyncio.sleep(0.01)
    answer = asyncio.ensure_future(scene.command(handle, wire.CANCEL_LINE))
    await scene.world.told(handle.id, "line.cancelling")
    return handle, answer


@scenario
async def line_cancelled_amid_a_step_and_taken_back(scene: Scene) -> Run:
    silence = Silence()
    handle, answer = await _cancelled_amid_a_step(scene, silence)
    silence.is_over = True
    await answer
    return await _ended(handle)


@scenario
async def line_cancelled_and_taken_back_late(scene: Scene) -> Run:
    handle, answer = await _cancelled_amid_a_step(scene, is_away_for(6 * DAY))
    await scene.skip(handle, 8 * HOUR)
    await answer
    return await _ended(handle)


@scenario
async def line_cancelled_over_a_backend_that_is_away_and_one_that_will_not(scene: Scene) -> Run:
    backend = _backend(scene)
    backend.removal_faults = {"numbers": is_away_for(6 * SOON), "site": refuses}
    scene.world.records = lambda _watch, _attempt: seen(Overall.PENDING)
    handle = await scene.start(_prepared())
    await scene.world.told(handle.id, "line.records_seen")
    await scene.world.asks(handle.id, wire.WATCH_RECORDS, 2)
    await scene.command(handle, wire.CANCEL_LINE)
    return await _ended(handle)


@scenario
async def line_tried_again_by_an_operator(scene: Scene) -> Run:
    backend = _backend(scene)
    backend.faults = {"service": refuses}
    handle = await scene.start(_prepared(retry_for=30 * DAY))
    await scene.world.told(handle.id, "line.refused")
    backend.faults = {}
    await scene.command(handle, wire.RETRY_LINE, "otto")
    return await _ended(handle)


@scenario
async def line_tried_again_by_nobody(scene: Scene) -> Run:
    _backend(scene).faults = {"numbers": refuses}
    handle = await scene.start(_prepared(retry_for=10 * DAY))
    await scene.world.told(handle.id, "line.refused")
    await scene.skip(handle, 10 * DAY + HOUR)
    return await _ended(handle)


# Lines that have not started when their definition changes (SPEC 4.6)


async def _changed(scene: Scene, mode: OnChange) -> Run:
    """An order of which one line is concerned, and which is confirmed afterwards."""
    handle = await blocked(scene, line(1, approval=definition()), line(2))
    change = DefinitionChange(mode=mode, definition=NEW, definition_hash=content_hash(NEW))
    command = ChangeLines(change=change, actor="ada", reason="new rules")
    await handle.execute_update(wire.CHANGE_DEFINITION, command)
    scene.world.findings = ()
    await scene.command(handle, wire.CHECK_ORDER)
    return handle


@scenario
async def order_with_a_line_on_the_new_definition(scene: Scene) -> Run:
    handle = await _changed(scene, OnChange.RESET)
    await scene.line_of(handle, 2, "line.provisioned")
    first = await scene.line_of(handle, 1, "approval.opened")
    await scene.decide(first, "ann", stage="legal")
    await handle.result()
    return handle


@scenario
async def order_with_a_line_dropped(scene: Scene) -> Run:
    handle = await _changed(scene, OnChange.ABORT)
    await handle.result()
    return handle
