"""The relay dies, or the mail server is away: processes go on, and every mail arrives once."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from statistics import median
from time import monotonic

from sqlalchemy import update
from sqlmodel import col

from domain import wire
from domain.orders import OrderState
from starter.dev.program import Program
from starter.logs import WORKER_READY
from storage.tables import MailRow, MailStatus
from tests.e2e.site import MANAGERS, Site, until

TAKEN_OVER_WITHIN = 15
"""Seconds (SPEC D6, engineering.md 2.10)."""


# The relay dies


@asynccontextmanager
async def second_worker(site: Site) -> AsyncIterator[None]:
    """Another worker beside the stack's own, which may be killed meanwhile."""
    program = Program("the second worker", site.stack.folder / "second-worker.log")

    async def works() -> bool:
        return WORKER_READY in program.said

    environment = os.environ | site.stack.running.environment
    await program.start(
        sys.executable, "-P", "-m", "worker", environment=environment, is_ready=works, within=60
    )
    try:
        yield
    finally:
        await program.stop(30)
        await site.stack.restart_worker()


async def relaying(site: Site) -> int | None:
    """The process id of the worker that runs the relay; None between two."""
    described = await site.stack.client.get_workflow_handle(wire.RELAY_ID).describe()
    activities = described.raw_description.pending_activities
    return int(activities[0].last_worker_identity.partition("@")[0]) if activities else None


async def test_another_worker_takes_the_relay_over_in_time_and_repeats_no_mail(site: Site) -> None:
    before = await asyncio.gather(*(site.order_archive() for _ in range(3)))
    async with second_worker(site):
        victim = await relaying(site)
        assert victim is not None
        orders = [asyncio.ensure_future(site.archive()) for _ in range(5)]
        caught = len(site.stack.mail.messages)

        async def are_under_way() -> bool:
            return len(site.stack.mail.messages) >= caught + 10

        await until(are_under_way, "mails to be under way")
        os.kill(victim, signal.SIGKILL)
        died_at, handed_over = monotonic(), len(site.stack.mail.messages)
        waiting = await site.order_archive()

        async def goes_on() -> bool:
            return any(mail.status is MailStatus.ACCEPTED for mail in await site.mails(waiting))

        await until(goes_on, "the next mail", within=TAKEN_OVER_WITHIN)
        assert len(site.stack.mail.messages) > handed_over
        assert monotonic() - died_at < TAKEN_OVER_WITHIN
        assert await relaying(site) != victim

        await asyncio.gather(*(site.release_archive(order) for order in (*before, waiting)))
        for order in (*before, waiting):
            await site.ended(order)
        await site.nothing_is_lost_or_doubled(*before, waiting, *await asyncio.gather(*orders))


# The mail server is away


async def timed_votes(site: Site, orders: list[str]) -> list[float]:
    """Has archives released and returns the seconds each vote took."""
    seconds = []
    for order in orders:
        process = await site.asked(order)
        for manager in MANAGERS:
            began = monotonic()
            await site.approve(process, manager)
            seconds.append(monotonic() - began)
    return seconds


async def all_arrive(site: Site, orders: list[str]) -> None:
    """Waits for every mail, without the half minute that one rests after a refused connection.

    That it does rest is for tests/activities/test_outbox.py to prove.
    """
    resting = col(MailRow.status) == MailStatus.QUEUED, col(MailRow.attempt_open_since).is_(None)

    async def have_arrived() -> bool:
        async with site.database.session() as session:
            await session.execute(update(MailRow).where(*resting).values(next_attempt_at=None))
        return not any(mail.status is MailStatus.QUEUED for mail in await site.mails(*orders))

    await until(have_arrived, "every mail to arrive")


async def test_while_the_mail_server_is_away_processes_go_on_as_fast_as_ever_and_mails_wait(
    site: Site,
) -> None:
    taken: dict[str, list[float]] = {"up": [], "down": []}
    during: list[str] = []
    for _ in range(2):
        up = [await site.order_archive() for _ in range(3)]
        taken["up"] += await timed_votes(site, up)
        await site.all_mails_sent(*up)
        caught = len(site.stack.mail.messages)

        await site.stack.mail.stop()
        down = [await site.order_archive() for _ in range(3)]
        taken["down"] += await timed_votes(site, down)
        for order in down:
            await site.ended(order, OrderState.COMPLETED)
        mails = await site.mails(*down)
        assert mails
        assert {mail.status for mail in mails} == {MailStatus.QUEUED}
        assert len(site.stack.mail.messages) == caught

        await site.stack.mail.start()
        during += up + down
        await all_arrive(site, during)
    await site.nothing_is_lost_or_doubled(*during)
    assert not any(mail.maybe_duplicate for mail in await site.mails(*during))
    assert median(taken["down"]) <= 2 * median(taken["up"])
