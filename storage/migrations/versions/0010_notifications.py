"""Keeps what people chose to be told of, per organisation and group of mails (SPEC 6.4)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "notification",
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("organisation", sa.String(), nullable=False),
        sa.Column("group", sa.String(40), nullable=False),
        sa.Column("choice", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("person", "organisation", "group", name="pk_notification"),
        sa.ForeignKeyConstraint(["person"], ["person.key"], name="fk_notification_person"),
        sa.ForeignKeyConstraint(["organisation"], ["organisation.key"], name="fk_notification_organisation"),
    )


def downgrade() -> None:
    op.drop_table("notification")
