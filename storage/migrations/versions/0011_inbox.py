"""Lets the inbox of somebody who is asked for everything be read off an index (SPEC 8)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

OPENING = ("process", "stage", "round")

SEAT = sa.table("approval_seat", sa.column("deadline"), *map(sa.column, OPENING))
APPROVAL = sa.table("approval", sa.column("deadline"), *map(sa.column, OPENING))


def upgrade() -> None:
    op.add_column("approval_seat", sa.Column("deadline", sa.DateTime(timezone=True), nullable=True))
    its_stage = sa.and_(*(APPROVAL.c[name] == SEAT.c[name] for name in OPENING))
    deadline = sa.select(APPROVAL.c.deadline).where(its_stage).scalar_subquery()
    op.execute(sa.update(SEAT).values(deadline=deadline))
    op.drop_index("ix_approval_seat_person_pending", "approval_seat")
    for by in ("deadline", "decided_at"):
        op.create_index(
            f"ix_approval_seat_person_pending_{by}_process",
            "approval_seat",
            ["person", "pending", by, "process"],
        )


def downgrade() -> None:
    for by in ("deadline", "decided_at"):
        op.drop_index(f"ix_approval_seat_person_pending_{by}_process", "approval_seat")
    with op.batch_alter_table("approval_seat") as table:
        table.drop_column("deadline")
    op.create_index("ix_approval_seat_person_pending", "approval_seat", ["person", "pending"])
