from __future__ import annotations

from datetime import timedelta

from temporalio.client import Client

from starter.client import Countersign
from starter.engine import ensure_engine
from storage.database import Database
from tests.starter.office import refusal


async def test_operators_see_set_trigger_pause_and_resume_the_automatic_deployment(
    client: Client, sqlite_database: Database, task_queue: str
) -> None:
    await ensure_engine(client, task_queue=task_queue)
    countersign = Countersign(client, sqlite_database, task_queue=task_queue)

    changed = await countersign.set_schedule(timedelta(hours=2))
    assert changed.every == timedelta(hours=2)
    assert changed.next_rounds[1] - changed.next_rounds[0] == timedelta(hours=2)

    paused = await countersign.pause_schedule("maintenance")
    assert (paused.paused, paused.note, paused.next_rounds) == (True, "maintenance", ())
    resumed = await countersign.resume_schedule("done")
    assert (resumed.paused, resumed.note) == (False, "done")

    before = resumed.rounds
    await countersign.trigger_schedule()
    assert (await countersign.schedule()).rounds >= before


async def test_a_round_every_few_seconds_is_refused(client: Client, sqlite_database: Database) -> None:
    code, message = await refusal(Countersign(client, sqlite_database).set_schedule(timedelta(seconds=5)))
    assert (code, message) == ("INVALID_INPUT", "every: 0:00:05 is shorter than a minute")
