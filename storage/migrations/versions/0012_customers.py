"""Lets a partner's customers be read off an index, as a search of theirs goes through these (SPEC 5.5)."""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_index("ix_organisation_partner", "organisation", ["partner"])


def downgrade() -> None:
    op.drop_index("ix_organisation_partner", "organisation")
