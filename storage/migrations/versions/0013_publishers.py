"""Keeps who published and retired a version, and why, also once it is removed as unused (SPEC 4.7)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

PUBLISHED = ("published_by", "published_reason")
RETIRED = ("retired_by", "retired_reason")
ADDED = {
    "offer_version": PUBLISHED,
    "definition_version": PUBLISHED + RETIRED,
    "removed_definition": PUBLISHED + RETIRED,
}
TIMES = ("published_at", "retired_at")


def upgrade() -> None:
    for table, columns in ADDED.items():
        for column in columns:
            op.add_column(table, sa.Column(column, sa.String(), nullable=True))
    for column in TIMES:
        op.add_column("removed_definition", sa.Column(column, sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    for column in TIMES:
        op.drop_column("removed_definition", column)
    for table, columns in ADDED.items():
        for column in columns:
            op.drop_column(table, column)
