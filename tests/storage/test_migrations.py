"""The migrations build exactly the schema the tables describe, and take it away again."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, select, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import col

from domain.audit import Fault, verify
from domain.organisations import ApprovalMails, OrganisationKind
from storage import audit, definitions, directory
from storage.database import Database, alembic_config
from storage.matching import find_organisations
from storage.tables import ApprovalRow, ApprovalSeatRow, metadata
from tests.databases import KINDS
from tests.storage.samples import DEFINITION


@pytest.fixture(params=KINDS)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/countersign.db"
    url: str = request.getfixturevalue("empty_postgresql")
    return url


def differences(connection: Connection) -> list[object]:
    return compare_metadata(MigrationContext.configure(connection), metadata)


def names(connection: Connection) -> set[str]:
    """Every name of a constraint or index, as the database has it."""
    found: set[str | None] = set()
    inspector = inspect(connection)
    for table in metadata.tables:
        found |= {each["name"] for each in inspector.get_indexes(table)}
        found |= {each["name"] for each in inspector.get_foreign_keys(table)}
        found |= {each["name"] for each in inspector.get_unique_constraints(table)}
        found |= {inspector.get_pk_constraint(table)["name"]}
    return {name for name in found if name is not None}


async def test_migrating_an_empty_database_gives_the_schema_of_the_tables(empty_url: str) -> None:
    database = Database(empty_url)
    await database.migrate()
    await database.migrate()
    engine = create_async_engine(database.url)
    async with engine.begin() as connection:
        assert await connection.run_sync(differences) == []
        migrated = await connection.run_sync(names)
        await connection.run_sync(metadata.drop_all)
        await connection.run_sync(metadata.create_all)
        assert migrated == await connection.run_sync(names)
    await engine.dispose()
    await database.dispose()


async def test_downgrading_leaves_nothing(own_url: str) -> None:
    engine = create_async_engine(Database(own_url).url)
    async with engine.begin() as connection:
        await connection.run_sync(lambda sync: command.downgrade(alembic_config(sync), "base"))
        tables = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
    assert tables == ["alembic_version"]
    await engine.dispose()


async def test_several_processes_may_migrate_at_once(empty_url: str) -> None:
    databases = [Database(empty_url) for _ in range(4)]
    await asyncio.gather(*(database.migrate() for database in databases))
    await asyncio.gather(*(database.dispose() for database in databases))


OLD_ENTRY = """
    INSERT INTO transition
        (process, seq, order_id, at, action, from_state, to_state, actor, reason, accepted, data)
    VALUES (:process, :seq, 'o1', '2026-03-02 08:00:00.000123+00:00', 'line.checked', 'ordered', 'ordered',
            'sam', :reason, :accepted, '{"b": "2", "a": "\u00fc"}')
"""


async def test_entries_from_before_the_chain_get_their_hashes(empty_url: str) -> None:
    """The second process has a gap: what is behind it waits for what is still to be told."""
    database = Database(empty_url)
    engine = create_async_engine(database.url)
    async with engine.begin() as connection:
        await connection.run_sync(lambda sync: command.upgrade(alembic_config(sync), "0001"))
        for process, seq in (("p2", 3), ("p1", 2), ("p1", 1), ("p2", 1), ("p1", 3)):
            entry = {"process": process, "seq": seq, "reason": None, "accepted": seq != 2}
            await connection.execute(text(OLD_ENTRY), entry)
    await engine.dispose()
    await database.migrate()
    async with database.reading() as session:
        one, two = await audit.chains(session)
    assert [entry.at.microsecond for entry in one.entries] == [123] * 3
    assert verify("p1", one.entries, 3) == ()
    assert [(problem.seq, problem.fault) for problem in verify("p2", two.entries)] == [(2, Fault.GAP)]
    assert [entry.hash is None for entry in two.entries] == [False, True]
    await database.dispose()


async def test_any_number_of_old_entries_is_chained(empty_url: str) -> None:
    database = Database(empty_url)
    engine = create_async_engine(database.url)
    many = [
        {"process": f"p{n:03}", "seq": seq, "reason": f"{n}", "accepted": True}
        for n in range(450)
        for seq in (1, 2)
    ]
    async with engine.begin() as connection:
        await connection.run_sync(lambda sync: command.upgrade(alembic_config(sync), "0001"))
        await connection.execute(text(OLD_ENTRY), many)
    await engine.dispose()
    await database.migrate()
    async with database.reading() as session:
        chains = await audit.chains(session, limit=1_000)
    assert len(chains) == 450
    assert not any(verify(chain.process, chain.entries, 2) for chain in chains)
    await database.dispose()


OLD_STAGE = """
    INSERT INTO approval (process, stage, round, seq, status, is_open, stage_title, definition, opened_at)
    VALUES ('p1', :stage, 1, :seq, :status, false, 'Title', 'two-steps@1', :opened_at)
"""
OLD_STEP = """
    INSERT INTO transition (process, seq, order_id, at, action, from_state, to_state, actor, accepted, data)
    VALUES ('p1', :seq, 'o1', :at, 'line.moved', :before, :after, 'sam', true, '{}')
"""
MORNING, NOON, EVENING = (datetime(2026, 3, 2, hour, 30, tzinfo=UTC) for hour in (8, 12, 20))


async def test_stages_from_before_the_statistics_get_their_ends(empty_url: str) -> None:
    """The first ended when the second opened, that one when the line was confirmed."""
    stages = [("technical", 3, "APPROVED", MORNING), ("money", 6, "APPROVED", NOON)]
    steps = [
        (1, MORNING, "ordered", "awaiting_approval"),
        (4, EVENING, "awaiting_approval", "confirmed"),
        (6, EVENING + timedelta(days=1), "confirmed", "provisioning"),
    ]
    database = Database(empty_url)
    engine = create_async_engine(database.url)
    stored = {"sqlite": lambda at: f"{at:%Y-%m-%d %H:%M:%S.%f}"}.get(engine.dialect.name, lambda at: at)
    async with engine.begin() as connection:
        await connection.run_sync(lambda sync: command.upgrade(alembic_config(sync), "0002"))
        for stage, seq, status, opened_at in stages:
            known = {"stage": stage, "seq": seq, "status": status, "opened_at": stored(opened_at)}
            await connection.execute(text(OLD_STAGE), known)
        for seq, at, before, after in steps:
            known = {"seq": seq, "at": stored(at), "before": before, "after": after}
            await connection.execute(text(OLD_STEP), known)
    await engine.dispose()
    await database.migrate()
    async with database.reading() as session:
        rows = await session.execute(select(ApprovalRow.stage, ApprovalRow.ended_at))
        assert dict(tuple(row) for row in rows) == {"technical": NOON, "money": EVENING}
    await database.dispose()


async def test_organisations_from_before_calendars_have_none(empty_url: str) -> None:
    database = Database(empty_url)
    engine = create_async_engine(database.url)
    async with engine.begin() as connection:
        await connection.run_sync(lambda sync: command.upgrade(alembic_config(sync), "0003"))
        await connection.execute(
            text("INSERT INTO organisation (key, kind, name) VALUES ('acme', 'provider', 'Acme')")
        )
    await engine.dispose()
    await database.migrate()
    async with database.reading() as session:
        acme = await directory.organisation(session, "acme")
    assert (acme.name, acme.calendar) == ("Acme", None)
    await database.dispose()


async def test_people_from_before_digests_get_each_mail_at_once(empty_url: str) -> None:
    database = Database(empty_url)
    engine = create_async_engine(database.url)
    async with engine.begin() as connection:
        await connection.run_sync(lambda sync: command.upgrade(alembic_config(sync), "0004"))
        await connection.execute(
            text("INSERT INTO person (key, name, language, active) VALUES ('ada', 'Ada', 'de', true)")
        )
    await engine.dispose()
    await database.migrate()
    async with database.reading() as session:
        ada = await directory.person(session, "ada")
    assert (ada.name, ada.approval_mails) == ("Ada", ApprovalMails.AT_ONCE)
    await database.dispose()


HELD_STAGE = """
    INSERT INTO approval
        (process, stage, round, seq, status, is_open, stage_title, definition, opened_at, roster)
    VALUES (:process, 'technical', 1, 1, 'PENDING', true, 'Title', 'two-steps@1',
            '2026-03-02 08:00:00+00:00', '[{"key": "ada", "name": "Ada"}]')
"""
WAITING = """
    INSERT INTO process
        (id, seq, kind, state, ended, order_id, partner, customer, requested_by, started_at, updated_at, view)
    VALUES (:process, 1, 'order_line', 'awaiting_approval', false, 'o1', 'reseller', 'contoso', 'sam',
            '2026-03-02 08:00:00+00:00', '2026-03-02 08:00:00+00:00', :view)
"""


async def test_stages_that_were_held_before_are_found_as_such(empty_url: str) -> None:
    database = Database(empty_url)
    engine = create_async_engine(database.url)
    async with engine.begin() as connection:
        await connection.run_sync(lambda sync: command.upgrade(alembic_config(sync), "0006"))
        for process, quorum in (("p1", "2"), ("p2", "1"), ("p3", "null")):
            view = f'{{"approval": {{"quorum": {quorum}}}}}'
            await connection.execute(text(HELD_STAGE), {"process": process})
            await connection.execute(text(WAITING), {"process": process, "view": view})
    await engine.dispose()
    await database.migrate()
    async with database.reading() as session:
        rows = await session.execute(select(ApprovalRow.process, ApprovalRow.held).order_by("process"))
        assert [tuple(row) for row in rows] == [("p1", True), ("p2", False), ("p3", False)]
    await database.dispose()


OLD_DIRECTORY = [
    "INSERT INTO organisation (key, kind, name) VALUES (:key, 'customer', :name)",
    """INSERT INTO person (key, name, email, language, active, approval_mails)
       VALUES (:key, :name, :email, 'de', true, 'at_once')""",
    """INSERT INTO "grant" (person, organisation, role) VALUES (:key, :key, 'sales')""",
    """INSERT INTO domain_claim (domain, organisation, token, status)
       VALUES (:domain, :key, 't', 'verified')""",
]


async def test_organisations_and_people_from_before_the_matching_are_found(empty_url: str) -> None:
    database = Database(empty_url)
    engine = create_async_engine(database.url)
    many: list[dict[str, str | None]] = [
        {
            "key": f"c{n:04}",
            "name": f"Küferei {n}",
            "email": f"Anna@mail.c{n}.example" if n else None,
            "domain": f"www.c{n}.example",
        }
        for n in range(1_100)
    ]
    async with engine.begin() as connection:
        await connection.run_sync(lambda sync: command.upgrade(alembic_config(sync), "0008"))
        for statement in OLD_DIRECTORY:
            await connection.execute(text(statement), many)
    await engine.dispose()
    await database.migrate()
    known = ("anna@mail.c1099.example", None), ("new@c1099.example", None)
    searches = (None, "kuefer 1099"), (None, "c1099.example")
    async with database.reading() as session:
        for email, search in (*known, *searches):
            found = await find_organisations(session, email, search, (OrganisationKind.CUSTOMER,))
            assert [each.key for each in found] == ["c1099"]
        assert (await directory.organisation(session, "c0000")).industry is None
    await database.dispose()


DATED_STAGE = """
    INSERT INTO approval
        (process, stage, round, seq, status, is_open, stage_title, definition, opened_at, deadline)
    VALUES ('p1', :stage, 1, 1, 'PENDING', false, 'Title', 'two-steps@1', :opened_at, :deadline)
"""
OLD_SEAT = """
    INSERT INTO approval_seat (process, stage, round, person, pending)
    VALUES ('p1', :stage, 1, 'ada', true)
"""


async def test_seats_from_before_the_index_of_inboxes_get_the_deadlines_of_their_stages(
    empty_url: str,
) -> None:
    deadlines = {"technical": MORNING, "money": EVENING, "whenever": None}
    database = Database(empty_url)
    engine = create_async_engine(database.url)
    stored = {"sqlite": lambda at: f"{at:%Y-%m-%d %H:%M:%S.%f}"}.get(engine.dialect.name, lambda at: at)
    async with engine.begin() as connection:
        await connection.run_sync(lambda sync: command.upgrade(alembic_config(sync), "0010"))
        for stage, deadline in deadlines.items():
            known = {"opened_at": stored(MORNING), "deadline": stored(deadline) if deadline else None}
            await connection.execute(text(DATED_STAGE), known | {"stage": stage})
            await connection.execute(text(OLD_SEAT), {"stage": stage})
    await engine.dispose()
    await database.migrate()
    async with database.reading() as session:
        rows = await session.execute(select(col(ApprovalSeatRow.stage), col(ApprovalSeatRow.deadline)))
        assert dict(tuple(row) for row in rows) == deadlines
    await database.dispose()


OLD_VERSION = """
    INSERT INTO definition_version (name, version, hash, body, published_at)
    VALUES ('two-steps', :version, 'h', :body, '2026-03-02 08:30:00.000000+00:00')
"""
OLD_REMOVED = """
    INSERT INTO removed_definition (name, version, hash, removed_at)
    VALUES ('two-steps', 1, 'h', '2026-03-02 12:30:00.000000+00:00')
"""


async def test_of_versions_from_before_publishers_were_kept_nobody_is_named(empty_url: str) -> None:
    database = Database(empty_url)
    engine = create_async_engine(database.url)
    body = DEFINITION.model_copy(update={"version": 2}).model_dump_json()
    async with engine.begin() as connection:
        await connection.run_sync(lambda sync: command.upgrade(alembic_config(sync), "0012"))
        await connection.execute(text(OLD_VERSION), {"version": 2, "body": body})
        await connection.execute(text(OLD_REMOVED))
    await engine.dispose()
    await database.migrate()
    async with database.session() as session:
        second, first = await definitions.usage(session)
        assert (second.reference, second.published_at, second.published_by) == ("two-steps@2", MORNING, None)
        assert (first.reference, first.removed_at, first.published_at) == ("two-steps@1", NOON, None)
        await definitions.retire(session, "two-steps", 2, EVENING, by="ada", reason="done")
        second, first = await definitions.usage(session)
        assert (second.retired_by, second.retired_reason, first.retired_by) == ("ada", "done", None)
    await database.dispose()
