"""The audit's chain is whole whatever was told when, and shows what somebody did to it in SQL (SPEC 4.7)."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, event, update
from sqlalchemy.ext.asyncio import AsyncSession

from domain.audit import START, ChainedEntry, Fault, chained, refused_by, verify
from domain.contact import Contact, ContactState
from domain.errors import Code
from domain.transitions import Transition
from storage import audit, projection
from storage.audit import Chain, RefusedCommand
from storage.database import Database
from storage.tables import metadata
from tests.storage.samples import AT, HOUR, LINE, open_approval, step, view, vote

TABLE = metadata.tables["transition"]
LENGTH = 6
STEPS = [step(seq, reason=f"reason {seq}") for seq in range(1, LENGTH + 1)]


async def tell(session: AsyncSession, *steps: Transition) -> tuple[Transition, ...]:
    await projection.advance(session, steps)
    return await audit.record(session, steps)


async def chain(session: AsyncSession, process: str = LINE) -> Chain:
    (found,) = await audit.chains(session, process=process)
    return found


async def wrong(session: AsyncSession) -> list[tuple[int, Fault]]:
    found = await chain(session)
    return [(problem.seq, problem.fault) for problem in verify(LINE, found.entries, found.last)]


def hashes(entries: tuple[ChainedEntry, ...]) -> dict[int, str | None]:
    return {entry.seq: entry.hash for entry in entries}


# Writing


async def test_entries_are_chained_in_the_order_of_their_numbers(session: AsyncSession) -> None:
    await tell(session, *STEPS[:2])
    await tell(session, STEPS[2])
    told = await chain(session)
    assert told.last == 3
    assert hashes(told.entries) == chained(0, START, told.entries)
    assert None not in hashes(told.entries).values()


async def test_what_is_hashed_is_what_is_read_back(session: AsyncSession) -> None:
    hostile = step(1, actor="eve\0", reason="\0\U0001f600", on_behalf_of="a\0b", data={"b": "\0", "ä": "\n"})
    await tell(session, hostile)
    assert await wrong(session) == []


async def test_a_vote_is_kept_with_what_it_was_given_under(session: AsyncSession) -> None:
    seen = view(approval=open_approval(), definition_hash="h1")
    await tell(session, step(1, "approval.approve", actor="bob", view=seen, vote=vote("bob")))
    (entry,) = (await chain(session)).entries
    assert (entry.definition, entry.data) == (
        "two-steps@1",
        {"definition": "two-steps@1", "definition_hash": "h1", "stage": "technical", "round": "1"},
    )


async def test_an_entry_behind_a_gap_is_hashed_with_the_one_that_closes_it(session: AsyncSession) -> None:
    await tell(session, STEPS[0])
    await tell(session, STEPS[3])
    await tell(session, STEPS[2])
    assert [entry.hash is None for entry in (await chain(session)).entries] == [False, True, True]
    assert await wrong(session) == [(2, Fault.GAP)]
    await tell(session, STEPS[1])
    assert await wrong(session) == []


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_any_order_and_repetition_makes_the_same_chain(
    inhabited: Database, data: st.DataObject
) -> None:
    starts = [0, *sorted(data.draw(st.sets(st.integers(1, LENGTH - 1)))), LENGTH]
    told = [STEPS[begin:end] for begin, end in pairwise(starts)]
    repeated = data.draw(st.lists(st.sampled_from(told), max_size=3))
    async with inhabited.session() as session:
        for steps in data.draw(st.permutations([*told, *repeated])):
            await tell(session, *steps)
        entries = (await chain(session)).entries
        assert hashes(entries) == chained(0, START, entries)
        assert await wrong(session) == []
        await session.rollback()


async def test_telling_it_again_changes_nothing_not_even_in_other_words(session: AsyncSession) -> None:
    await tell(session, *STEPS)
    before = await chain(session)
    assert await tell(session, STEPS[2].model_copy(update={"reason": "other"})) == ()
    assert await chain(session) == before


async def test_a_refusal_that_the_process_counted_is_replaced_and_all_behind_it_hashed_anew(
    session: AsyncSession,
) -> None:
    refused = STEPS[2].model_copy(update={"accepted": False, "code": "NOT_PERMITTED"})
    await tell(session, STEPS[0], STEPS[1], refused, STEPS[3], STEPS[4])
    before = await chain(session)
    assert await tell(session, STEPS[2]) == (STEPS[2],)
    after = await chain(session)
    changed = [seq for seq, hash_ in hashes(after.entries).items() if hash_ != hashes(before.entries)[seq]]
    assert changed == [3, 4, 5]
    assert await wrong(session) == []
    await tell(session, refused)
    assert await chain(session) == after


async def test_a_refusal_behind_a_gap_is_replaced_just_as_well(session: AsyncSession) -> None:
    refused = STEPS[3].model_copy(update={"accepted": False, "code": "NOT_PERMITTED"})
    for each in (STEPS[0], refused, STEPS[4], STEPS[3], STEPS[2], STEPS[1]):
        await tell(session, each)
    assert await wrong(session) == []


async def test_chaining_costs_one_statement_in_good_order_and_two_to_close_a_gap(
    inhabited: Database,
) -> None:
    said: list[str] = []

    def heard(*arguments: Any) -> None:
        said.append(arguments[2].split()[0])

    async with inhabited.session() as session:
        await tell(session, STEPS[0])
        engine = session.get_bind()
        event.listen(engine, "before_cursor_execute", heard)
        try:
            await audit.record(session, STEPS[1:3])
            assert said == ["SELECT", "INSERT"]
            await audit.record(session, STEPS[4:])
            said.clear()
            await audit.record(session, [STEPS[3]])
            assert said == ["SELECT", "INSERT", "UPDATE"]
        finally:
            event.remove(engine, "before_cursor_execute", heard)
            await session.rollback()


# What somebody did to it


async def test_a_changed_row_is_found(session: AsyncSession) -> None:
    await tell(session, *STEPS)
    for column, value in (("actor", "eve"), ("reason", None), ("at", AT + 99 * HOUR), ("data", {"a": "b"})):
        async with session.begin_nested() as attempt:
            await session.execute(update(TABLE).where(TABLE.c.seq == 3).values({column: value}))
            assert await wrong(session) == [(3, Fault.CHANGED)]
            await attempt.rollback()


async def test_removed_rows_are_found_also_at_the_end(session: AsyncSession) -> None:
    await tell(session, *STEPS)
    await session.execute(delete(TABLE).where(TABLE.c.seq.in_([2, LENGTH])))
    assert await wrong(session) == [(2, Fault.MISSING), (LENGTH, Fault.MISSING)]
    await session.execute(delete(TABLE))
    assert await wrong(session) == [(1, Fault.MISSING)]


async def test_rows_that_changed_places_are_found(session: AsyncSession) -> None:
    await tell(session, *STEPS)
    for seq, place in ((2, 99), (4, 2), (99, 4)):
        await session.execute(update(TABLE).where(TABLE.c.seq == seq).values(seq=place))
    assert await wrong(session) == [(2, Fault.REORDERED), (4, Fault.REORDERED)]


# Reading


@pytest.fixture
async def three(session: AsyncSession) -> AsyncSession:
    other = view(order="o2")
    for process, seen in (("order-o1", view()), (LINE, view()), ("order-o2", other)):
        await tell(session, step(1, process=process, view=seen), step(2, process=process, view=seen))
    return session


async def test_chains_come_in_pages_by_process_and_by_order(three: AsyncSession) -> None:
    async def found(**wanted: Any) -> list[str]:
        return [each.process for each in await audit.chains(three, **wanted)]

    assert await found() == ["order-o1", LINE, "order-o2"]
    assert await found(limit=2) == ["order-o1", LINE]
    assert await found(after=LINE) == ["order-o2"]
    assert await found(order="o1") == ["order-o1", LINE]
    assert await found(process=LINE) == [LINE]
    assert await found(process="order-nothing") == []


# What was refused


def refused(actor: str | None = "eve", **more: Any) -> RefusedCommand:
    given = {"action": "line.resend_mail", "at": AT, "code": Code.TOO_OFTEN, "message": "wait", **more}
    return RefusedCommand(process=LINE, actor=actor, **given)


async def test_refused_commands_have_a_chain_of_their_own_beside_their_processs(
    session: AsyncSession,
) -> None:
    await tell(session, *STEPS[:2])
    for reason in ("first", None, "\0third"):
        await audit.refuse(session, refused(reason=reason))
    own, beside = await audit.chains(session, process=LINE)
    assert (own.process, len(own.entries)) == (LINE, 2)
    assert beside.process == refused_by(LINE)
    assert [(entry.seq, entry.accepted, entry.reason) for entry in beside.entries] == [
        (1, False, "wait"),
        (2, False, "wait"),
        (3, False, "wait"),
    ]
    assert hashes(beside.entries) == chained(0, START, beside.entries)
    assert not verify(beside.process, beside.entries, beside.last)
    assert {chain.process for chain in await audit.chains(session, order=own.entries[0].order)} == {
        LINE,
        refused_by(LINE),
    }


async def test_a_refused_command_that_was_removed_or_changed_is_found(session: AsyncSession) -> None:
    await tell(session, STEPS[0])
    for _ in range(3):
        await audit.refuse(session, refused())
    await session.execute(
        update(TABLE).where(TABLE.c.process == refused_by(LINE), TABLE.c.seq == 2).values(actor="ann")
    )
    _, beside = await audit.chains(session, process=LINE)
    problems = verify(beside.process, beside.entries, beside.last)
    assert [(problem.seq, problem.fault) for problem in problems] == [(2, Fault.CHANGED)]


async def test_whoever_holds_a_link_is_the_contact_it_was_made_for(session: AsyncSession) -> None:
    contact = ContactState(contact=Contact(email="carla@contoso.example"), generation=2)
    await tell(session, step(1, view=view(contact=contact)))
    for generation in (2, 1):
        await audit.refuse(session, refused(actor=None, generation=generation))
    _, beside = await audit.chains(session, process=LINE)
    assert [entry.actor for entry in beside.entries] == ["carla@contoso.example", "a former contact"]


async def test_of_a_process_nobody_has_heard_of_nothing_is_refused(session: AsyncSession) -> None:
    await audit.refuse(session, refused())
    assert not await audit.chains(session, process=LINE)


async def test_refusals_at_the_same_time_are_numbered_one_after_the_other(database: Database) -> None:
    async with database.session() as session:
        await tell(session, STEPS[0])

    async def refuse() -> None:
        async with database.session() as session:
            await audit.refuse(session, refused())

    await asyncio.gather(*(refuse() for _ in range(5)))
    async with database.reading() as session:
        _, beside = await audit.chains(session, process=LINE)
    assert [entry.seq for entry in beside.entries] == [1, 2, 3, 4, 5]
    assert not verify(beside.process, beside.entries, beside.last)
