"""Chains the entries of the audit by their hashes (SPEC 4.7); those that are there get theirs now."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import sqlalchemy as sa
from alembic import op

from domain.audit import START, AuditEntry, chained

revision = "0002"
down_revision = "0001"

AT_ONCE = 200
"""Processes whose entries are in memory together."""

TRANSITION = sa.table(
    "transition",
    sa.column("process", sa.String()),
    sa.column("seq", sa.Integer()),
    sa.column("order_id", sa.String()),
    sa.column("at", sa.DateTime(timezone=True)),
    sa.column("action", sa.String()),
    sa.column("from_state", sa.String()),
    sa.column("to_state", sa.String()),
    sa.column("actor", sa.String()),
    sa.column("on_behalf_of", sa.String()),
    sa.column("reason", sa.String()),
    sa.column("accepted", sa.Boolean()),
    sa.column("code", sa.String()),
    sa.column("definition", sa.String()),
    sa.column("data", sa.JSON()),
    sa.column("hash", sa.String()),
)
THERE = TRANSITION.c


def upgrade() -> None:
    op.add_column("transition", sa.Column("hash", sa.String(), nullable=True))
    connection = op.get_bind()
    processes = sa.select(THERE.process).distinct().order_by(THERE.process).limit(AT_ONCE)
    done = ""
    while found := connection.scalars(processes.where(THERE.process > done)).all():
        _hash_entries(connection, found)
        done = found[-1]


def downgrade() -> None:
    with op.batch_alter_table("transition") as table:
        table.drop_column("hash")


def _hash_entries(connection: sa.Connection, processes: Any) -> None:
    entries: dict[str, list[AuditEntry]] = {}
    for row in connection.execute(
        sa.select(TRANSITION).where(THERE.process.in_(processes)).order_by(THERE.process, THERE.seq)
    ):
        values = dict(row._mapping)
        # SQLite knows no time zones; what it holds is UTC.
        at = values["at"] if values["at"].tzinfo else values["at"].replace(tzinfo=UTC)
        values |= {"at": at, "order": values["order_id"]}
        entries.setdefault(row.process, []).append(AuditEntry.model_validate(values))
    hashes = [
        {"of": process, "at_seq": seq, "to": hash_}
        for process, chain in entries.items()
        for seq, hash_ in chained(0, START, chain).items()
    ]
    connection.execute(
        sa.update(TRANSITION)
        .where(THERE.process == sa.bindparam("of"), THERE.seq == sa.bindparam("at_seq"))
        .values(hash=sa.bindparam("to")),
        hashes,
    )
