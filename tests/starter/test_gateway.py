from __future__ import annotations

import pytest
from temporalio.client import Client

from domain import wire
from starter.client import Countersign
from storage.database import Database
from tests.starter.office import Office, office, refusal, sampled  # noqa: F401 - fixtures


async def test_a_query_that_failed_says_what_failed_and_blames_no_worker(
    office: Office,  # noqa: F811
    client: Client,
    sqlite_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    accepted = await office.submit("certificate")
    await office.line_is(accepted.order, "confirmed")
    monkeypatch.setattr(wire, "VIEW", "look")
    database = Database(f"{sqlite_url}.other")
    await database.migrate()
    code, message = await refusal(Countersign(client, database).show(accepted.order))
    await database.dispose()
    assert code == "UNAVAILABLE"
    assert message.startswith(f"{accepted.process}: its view failed: ")
    assert "look" in message
    assert "worker" not in message
