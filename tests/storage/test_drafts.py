"""Drafts of set-up forms: kept as they were saved, and never silently overwritten (SPEC 5.5)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from domain.errors import Code, Refusal
from storage import drafts
from storage.database import Database
from storage.drafts import NEW, Draft
from tests.storage.samples import AT, HOUR, LINE

ANSWERS: dict[str, Any] = {
    "sites": [{"name": "bergsicht", "early_release": False, "licences": 5}],
    "note": "Grüezi 🙂",
}


async def save(
    database: Database, version: int, answers: dict[str, Any] = ANSWERS, actor: str = "ann"
) -> Draft:
    async with database.session() as session:
        return await drafts.save(session, LINE, answers, actor=actor, at=AT + version * HOUR, version=version)


async def read(database: Database, process: str = LINE) -> Draft:
    async with database.reading() as session:
        return await drafts.draft(session, process)


async def test_a_draft_is_kept_as_it_was_saved(database: Database) -> None:
    saved = await save(database, NEW)
    assert saved == Draft(LINE, ANSWERS, 1, "ann", AT)
    assert await read(database) == saved


async def test_what_was_never_saved_is_an_empty_draft(database: Database) -> None:
    assert await read(database) == Draft(LINE, {}, NEW)
    async with database.reading() as session:
        assert await drafts.drafts_of(session, [LINE]) == {}


async def test_a_save_replaces_all_answers_of_the_version_it_was_made_from(database: Database) -> None:
    await save(database, NEW)
    second = await save(database, 1, {"note": "shorter"}, "bob")
    assert second == await read(database) == Draft(LINE, {"note": "shorter"}, 2, "bob", AT + HOUR)


@pytest.mark.parametrize("version", [NEW, 1, 3, -1])
async def test_a_save_from_another_version_changes_nothing_and_says_who_came_first(
    database: Database, version: int
) -> None:
    await save(database, NEW)
    second = await save(database, 1, {"note": "second"}, "bob")
    with pytest.raises(
        Refusal, match=f"{version} was replaced by 2, which bob saved at 2026-03-02"
    ) as caught:
        await save(database, version, {"note": "third"}, "carl")
    assert caught.value.code is Code.DRAFT_CHANGED
    assert await read(database) == second


async def test_nothing_can_be_saved_on_top_of_a_draft_that_is_not_there(database: Database) -> None:
    with pytest.raises(Refusal, match="there is no draft yet; save the first as version 0"):
        await save(database, 4)


async def test_of_two_who_save_at_once_one_is_told(database: Database) -> None:
    for version in (NEW, 1):
        results = await asyncio.gather(
            *(save(database, version, {"note": who}, who) for who in ("ann", "bob", "carl")),
            return_exceptions=True,
        )
        saved = [each for each in results if isinstance(each, Draft)]
        refused = [each.code for each in results if isinstance(each, Refusal)]
        assert (len(saved), refused) == (1, [Code.DRAFT_CHANGED] * 2)
        assert await read(database) == saved[0]


async def test_drafts_are_found_by_their_lines(database: Database) -> None:
    saved = await save(database, NEW)
    async with database.reading() as session:
        assert await drafts.drafts_of(session, [LINE, "order-o1-line-2"]) == {LINE: saved}


async def test_a_hostile_address_does_not_keep_a_draft_from_being_saved(database: Database) -> None:
    assert (await save(database, NEW, actor="ann\0@contoso.example")).version == 1
    assert (await read(database)).saved_by == "ann\ufffd@contoso.example"
