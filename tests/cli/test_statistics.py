from __future__ import annotations

import re

from storage import projection
from storage.database import Database
from storage.stages import Stages
from tests.cli.conftest import Run
from tests.storage.samples import open_approval, seats, step, view


async def test_the_figures_are_shown_and_narrowed(run: Run, sqlite_database: Database) -> None:
    assert (await run("approvals", "stats")).out == "Nothing was asked to be decided.\n"
    waiting = step(1, view=view(approval=open_approval(roster=seats("ada"))))
    async with sqlite_database.session() as session:
        await projection.advance(session, [waiting])
        await (await Stages.of(session, waiting.process)).update(waiting.view, [waiting], None)

    shown = (await run("approvals", "stats")).out
    assert shown.count("two-steps@1") == 2, "once for whole approvals, once for their only stage"
    assert re.search(r" 1 (<1d|1-7d|7-30d|>30d)", shown), "the age depends on when this runs"
    found = (await run("approvals", "stats", "--definition", "two-steps", "--json")).json
    assert found["approvals"] == [
        {
            "definition": "two-steps@1",
            **dict.fromkeys(("approved", "rejected", "expired", "withdrawn"), 0),
            "open": found["stages"][0]["open"],
            **dict.fromkeys(("p50", "p90", "p95")),
        }
    ]
    (stage,) = found["stages"]
    assert (stage["stage"], stage["decided"], stage["p50"]) == ("technical", 0, None)
    assert sum(stage["open"].values()) == 1
    nothing = {"approvals": [], "stages": []}
    assert (await run("approvals", "stats", "--definition", "other", "--json")).json == nothing
    assert (await run("approvals", "stats", "--since", "2026-03-02", "--json")).json == found
    assert (await run("approvals", "stats", "--since", "2026-03-03", "--json")).json == nothing
    assert (await run("approvals", "stats", "--since", "soon", "--json")).code == 2
