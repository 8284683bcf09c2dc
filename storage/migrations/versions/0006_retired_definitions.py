"""Lets definitions be retired, and remembers the versions that were removed (SPEC 4.6)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("definition_version", sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "removed_definition",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", "version", name=op.f("pk_removed_definition")),
    )


def downgrade() -> None:
    op.drop_table("removed_definition")
    with op.batch_alter_table("definition_version") as table:
        table.drop_column("retired_at")
