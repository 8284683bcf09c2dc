"""Lets people have their approval mails in one digest an hour, and keeps which mail is in which (SPEC 4.5)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

COLLECTING = sa.text("status = 'collecting'")


def upgrade() -> None:
    # What everybody had until now; the default itself is the directory's business.
    choice = sa.Column("approval_mails", sa.String(40), nullable=False, server_default="at_once")
    op.add_column("person", choice)
    with op.batch_alter_table("person") as person:
        person.alter_column("approval_mails", server_default=None)
    op.add_column("mail", sa.Column("stage", sa.String()))
    op.add_column("mail", sa.Column("round", sa.Integer()))
    op.add_column("mail", sa.Column("digest", sa.String()))
    op.create_index("ix_mail_digest", "mail", ["digest"])
    op.create_index(
        "ix_mail_collecting",
        "mail",
        ["person", "at"],
        sqlite_where=COLLECTING,
        postgresql_where=COLLECTING,
    )


def downgrade() -> None:
    op.drop_index("ix_mail_collecting", "mail")
    op.drop_index("ix_mail_digest", "mail")
    with op.batch_alter_table("mail") as mail:
        for name in ("digest", "round", "stage"):
            mail.drop_column(name)
    with op.batch_alter_table("person") as person:
        person.drop_column("approval_mails")
