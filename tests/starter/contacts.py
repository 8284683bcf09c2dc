"""Lines that somebody has to complete, as tests order them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from domain import wire
from domain.contact import ContactState
from starter.binding import MappingGiven
from tests.starter.office import Office

CARLA = "carla@kueferei.example"
OWN_COMPANY = MappingGiven.model_validate({"purpose": "own_company", "partner": {"key": "bergsicht"}})


async def ordered(office: Office, *offers: str, contact: str = CARLA) -> str:
    """An order whose contact completes it."""
    given = {"email": contact, "language": "en"}
    accepted = await office.submit(*offers, domain=None, customer="kueferei", provisioning_contact=given)
    return accepted.order


async def asked(office: Office, order: str, number: int = 1) -> str:
    """A line whose contact has the mail."""
    process = wire.line_id(order, number)
    await contact(office, process, lambda state: state.accepted_at is not None)
    return process


async def contact(office: Office, process: str, holds: Callable[[ContactState], bool]) -> ContactState:
    """How a line's contact stands, once something holds for it."""
    async with asyncio.timeout(80):
        while True:
            view = await office.client._ask(process) if await begun(office, process) else None
            if view is not None and view.contact is not None and holds(view.contact):
                return view.contact
            await asyncio.sleep(0.02)


async def begun(office: Office, process: str) -> bool:
    lines = (await office.client.show(process.split("-")[1])).lines
    return any(line.id == process for line in lines)
