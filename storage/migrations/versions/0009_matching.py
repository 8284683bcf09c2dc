"""Lets organisations be found by people's addresses, by domains and by words of their names (SPEC 5.5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from alembic import op

from domain.dns.names import registrable_domain
from domain.matching import address_key, domain_key, in_one, words_of

revision = "0009"
down_revision = "0008"

AT_ONCE = 1_000
"""Rows that are in memory together."""

ORGANISATION = sa.table(
    "organisation",
    sa.column("key", sa.String()),
    sa.column("kind", sa.String()),
    sa.column("name", sa.String()),
)
WORD = sa.table(
    "organisation_word",
    sa.column("organisation", sa.String()),
    sa.column("kind", sa.String()),
    sa.column("word", sa.String()),
    sa.column("size", sa.Integer()),
    sa.column("words", sa.String()),
)
PERSON = sa.table(
    "person",
    sa.column("key", sa.String()),
    sa.column("email", sa.String()),
    sa.column("address", sa.String()),
    sa.column("domain", sa.String()),
)
CLAIM = sa.table("domain_claim", sa.column("domain", sa.String()), sa.column("registrable", sa.String()))


def upgrade() -> None:
    bytewise = sa.String(collation="C" if op.get_context().dialect.name == "postgresql" else None)
    op.create_table(
        "organisation_word",
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("word", bytewise, nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("words", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation"], ["organisation.key"], name=op.f("fk_organisation_word_organisation")
        ),
        sa.PrimaryKeyConstraint("organisation", "word", name=op.f("pk_organisation_word")),
    )
    for table, column in (
        ("organisation", "industry"),
        ("organisation", "country"),
        ("person", "address"),
        ("person", "domain"),
        ("domain_claim", "registrable"),
    ):
        op.add_column(table, sa.Column(column, sa.String(), nullable=True))
    _for_all(ORGANISATION, ORGANISATION.c.key, _write_words)
    _for_all(PERSON, PERSON.c.key, _write_addresses)
    _for_all(CLAIM, CLAIM.c.domain, _write_registrable)
    op.create_index(
        "ix_organisation_word_kind_word_size_organisation_words",
        "organisation_word",
        ["kind", "word", "size", "organisation", "words"],
    )
    op.create_index("ix_person_address", "person", ["address"])
    op.create_index("ix_person_domain", "person", ["domain"])
    op.create_index("ix_domain_claim_registrable", "domain_claim", ["registrable"])
    op.create_index("ix_domain_claim_organisation", "domain_claim", ["organisation"])
    op.create_index("ix_transition_actor_at", "transition", ["actor", "at"])


def downgrade() -> None:
    op.drop_index("ix_transition_actor_at", "transition")
    for name in ("organisation", "registrable"):
        op.drop_index(f"ix_domain_claim_{name}", "domain_claim")
    for name in ("domain", "address"):
        op.drop_index(f"ix_person_{name}", "person")
    for table, columns in (
        ("domain_claim", ("registrable",)),
        ("person", ("domain", "address")),
        ("organisation", ("country", "industry")),
    ):
        with op.batch_alter_table(table) as altered:
            for column in columns:
                altered.drop_column(column)
    op.drop_table("organisation_word")


def _for_all(table: Any, key: Any, write: Callable[[sa.Connection, Any], None]) -> None:
    """Hands over all rows of a table, some at a time."""
    connection = op.get_bind()
    done = ""
    while found := connection.scalars(
        sa.select(key).distinct().where(key > done).order_by(key).limit(AT_ONCE)
    ).all():
        write(connection, connection.execute(sa.select(table).where(key.in_(found))).all())
        done = found[-1]


def _write_words(connection: sa.Connection, rows: Any) -> None:
    words = [
        {
            "organisation": row.key,
            "kind": row.kind,
            "word": word,
            "size": len(found),
            "words": in_one(found),
        }
        for row in rows
        for found in (words_of(row.name),)
        for word in found
    ]
    if words:
        connection.execute(sa.insert(WORD), words)


def _write_addresses(connection: sa.Connection, rows: Any) -> None:
    known = [
        {"of": row.key, "to_address": address_key(row.email), "to_domain": domain_key(row.email)}
        for row in rows
        if row.email is not None
    ]
    if known:
        connection.execute(
            sa.update(PERSON)
            .where(PERSON.c.key == sa.bindparam("of"))
            .values(address=sa.bindparam("to_address"), domain=sa.bindparam("to_domain")),
            known,
        )


def _write_registrable(connection: sa.Connection, rows: Any) -> None:
    connection.execute(
        sa.update(CLAIM)
        .where(CLAIM.c.domain == sa.bindparam("of"))
        .values(registrable=sa.bindparam("to")),
        [{"of": domain, "to": registrable_domain(domain)} for domain in {row.domain for row in rows}],
    )
